//! What is done leaves an event, and whoever may reads it.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode, header};
use doorward_domain::{AuditFilter, PageLimit, PageRequest};
use serde_json::{Value, json};

use super::{
    operation::operations,
    support::{Answer, Api, PASSWORD, text},
};

/// The operations that change something and leave no event, and why.
const UNAUDITED: &[(&str, &str)] = &[
    ("refresh", "routine; a token that is used again leaves one (app/tests/audit.rs)"),
    ("verify_email", "it leaves one: mail_flows.rs"),
    ("resend_verification", "it leaves one: mail_flows.rs"),
    ("request_password_reset", "it leaves one: mail_flows.rs"),
    ("reset_password", "it leaves one: mail_flows.rs"),
    ("request_email_change", "it leaves one: mail_flows.rs"),
    ("confirm_email_change", "it leaves one: mail_flows.rs"),
    ("cancel_email_change", "it leaves one: mail_flows.rs"),
];

/// The actions of the events that a request left, found by its id.
async fn left(api: &Api, answer: &Answer) -> Vec<String> {
    let id = answer.header("x-request-id").unwrap();
    let page = PageRequest { limit: PageLimit::new(200).unwrap(), after: None };
    let events = api.world.ctx.store.audit_events(&AuditFilter::default(), page).await.unwrap();
    assert_eq!(events.next, None);
    let own = events.items.iter().filter(|event| event.origin.request_id.as_deref() == Some(id));
    own.map(|event| event.action.clone()).collect()
}

async fn me(api: &Api, token: &str) -> String {
    text(&api.get("/api/v1/users/me", Some(token)).await.json()["id"])
}

#[tokio::test]
async fn each_operation_that_changes_something_leaves_an_event_or_says_why_not() {
    let api = Api::new().await;
    let admin = api.admin().await;
    let ada = api.signed_in("ada@example.com").await;
    let ben = api.signed_in("ben@example.com").await;
    let (ada_id, ben_id) = (me(&api, &ada).await, me(&api, &ben).await);
    let login = json!({"email": "ada@example.com", "password": PASSWORD});
    let second = api.call(Method::POST, "/api/v1/auth/login", None, Some(login.clone())).await;
    let session = text(&second.json()["session_id"]);
    let new = "four other words in a row";
    let sign_up = json!({"email": "cy@example.com", "password": PASSWORD, "name": "Cy"});
    let role = json!({"description": "", "permissions": ["users:read"]});
    let password = json!({"current_password": PASSWORD, "new_password": new});
    let wrong =
        json!({"current_password": "wrong", "new_password": "and five more words in a row"});
    let (get, post, put, patch, delete) =
        (Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    let steps: Vec<(&str, Method, String, &str, Option<Value>, &[&str])> = vec![
        (
            "register",
            post.clone(),
            "/users".into(),
            "",
            Some(sign_up.clone()),
            &["user.registered"],
        ),
        ("register", post.clone(), "/users".into(), "", Some(sign_up), &["sign_up.refused"]),
        (
            "login",
            post.clone(),
            "/auth/login".into(),
            "",
            Some(login.clone()),
            &["session.created"],
        ),
        (
            "login",
            post.clone(),
            "/auth/login".into(),
            "",
            Some(json!({"email": "ada@example.com", "password": "x"})),
            &["login.failed"],
        ),
        (
            "login",
            post.clone(),
            "/auth/login".into(),
            "",
            Some(json!({"email": "no@example.com", "password": "x"})),
            &["login.failed"],
        ),
        (
            "update_my_account",
            patch.clone(),
            "/users/me".into(),
            &ada,
            Some(json!({"name": "Ada King"})),
            &["user.renamed"],
        ),
        (
            "revoke_my_session",
            delete.clone(),
            format!("/users/me/sessions/{session}"),
            &ada,
            None,
            &["session.revoked"],
        ),
        (
            "revoke_my_other_sessions",
            delete.clone(),
            "/users/me/sessions".into(),
            &ada,
            None,
            &["session.revoked"],
        ),
        (
            "change_my_password",
            put.clone(),
            "/users/me/password".into(),
            &ada,
            Some(password),
            &["password.changed"],
        ),
        (
            "change_my_password",
            put.clone(),
            "/users/me/password".into(),
            &ada,
            Some(wrong),
            &["password.refused"],
        ),
        (
            "put_role",
            put.clone(),
            "/roles/support".into(),
            &admin,
            Some(role.clone()),
            &["role.created"],
        ),
        ("put_role", put.clone(), "/roles/support".into(), &admin, Some(role), &["role.changed"]),
        (
            "set_user_roles",
            put,
            format!("/users/{ada_id}/roles"),
            &admin,
            Some(json!({"roles": ["support"]})),
            &["role.revoked", "role.granted"],
        ),
        ("delete_role", delete.clone(), "/roles/support".into(), &admin, None, &["role.deleted"]),
        ("export_users", get, "/users/export".into(), &admin, None, &["users.exported"]),
        (
            "rotate_signing_key",
            post.clone(),
            "/signing-keys/rotate".into(),
            &admin,
            None,
            &["signing_key.rotated"],
        ),
        (
            "revoke_user_sessions",
            delete.clone(),
            format!("/users/{ben_id}/sessions"),
            &admin,
            None,
            &["session.revoked"],
        ),
        (
            "update_user",
            patch.clone(),
            format!("/users/{ben_id}"),
            &admin,
            Some(json!({"name": "Ben", "status": "disabled"})),
            &["user.disabled", "user.renamed"],
        ),
        (
            "update_user",
            patch,
            format!("/users/{ben_id}"),
            &admin,
            Some(json!({"status": "active"})),
            &["user.enabled"],
        ),
        (
            "delete_user",
            delete.clone(),
            format!("/users/{ben_id}"),
            &admin,
            None,
            &["user.deleted"],
        ),
        (
            "delete_my_account",
            delete.clone(),
            "/users/me".into(),
            &ada,
            Some(json!({"password": "x"})),
            &["password.refused"],
        ),
        ("logout", post, "/auth/logout".into(), &admin, None, &["session.ended"]),
        (
            "delete_my_account",
            delete,
            "/users/me".into(),
            &ada,
            Some(json!({"password": new})),
            &["user.deleted"],
        ),
    ];
    let mut covered: BTreeSet<&str> = UNAUDITED.iter().map(|(id, _)| *id).collect();
    for (id, method, path, token, body, expected) in steps {
        let token = Some(token).filter(|token| !token.is_empty());
        let answer = api.call(method, &format!("/api/v1{path}"), token, body).await;
        assert_eq!(left(&api, &answer).await, expected, "{id}: {answer:?}");
        covered.insert(id);
    }
    let writes = operations().into_iter().filter(|it| it.method != Method::GET);
    let missing: Vec<_> = writes.map(|it| it.id).filter(|id| !covered.contains(&**id)).collect();
    assert!(missing.is_empty(), "tried by no step, nor in UNAUDITED: {missing:?}");
    assert_eq!(
        covered.len() - UNAUDITED.len(),
        16,
        "every step is of an operation of its own name"
    );
}

#[tokio::test]
async fn events_are_found_by_their_filters_and_say_where_they_came_from() {
    let api = Api::new().await;
    let admin = api.admin().await;
    let ada = api.signed_in("ada@example.com").await;
    let id = me(&api, &ada).await;
    let failed = axum::http::Request::post("/api/v1/auth/login")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "curl/8.12.1")
        .header("x-request-id", "report-7")
        .body(json!({"email": "ADA@example.com", "password": "x"}).to_string().into())
        .unwrap();
    api.send(failed).await;
    let path = format!(
        "/api/v1/audit-events?subject={id}&action=login.failed&since=2025-12-31T23:00:00-01:00"
    );
    let found = api.get(&path, Some(&admin)).await;
    assert_eq!(found.status, StatusCode::OK, "{found:?}");
    let event = &found.json()["items"][0];
    assert_eq!(event["subject"], json!({"type": "user", "id": id}));
    assert_eq!((&event["actor"], &event["action"]), (&Value::Null, &json!("login.failed")));
    assert_eq!(event["user_agent"], "curl/8.12.1");
    assert_eq!(
        (&event["request_id"], &event["at"]),
        (&json!("report-7"), &json!("2026-01-01T00:00:00Z"))
    );
    assert_eq!(event["data"], json!({"reason": "wrong password"}));
    for query in ["until=2026-01-01T00:00:00Z", "actor=nobody", "action=user.deleted"] {
        let none = api.get(&format!("/api/v1/audit-events?{query}"), Some(&admin)).await;
        assert_eq!(none.json()["items"], json!([]), "{query}");
    }
    let bad =
        "/api/v1/audit-events?subject=&actor=%00&action=login&since=yesterday&until=2026-01-01";
    let faults = api.get(bad, Some(&admin)).await.faults();
    assert_eq!(faults.len(), 5, "{faults:?}");

    // One's own: two events a page, followed by the link.
    let first = api.get("/api/v1/users/me/audit-events?limit=2", Some(&ada)).await;
    let actions = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|event| text(&event["action"])).collect()
    };
    assert_eq!(actions(&first.json()), ["login.failed", "session.created"]);
    let after = text(&first.json()["next_cursor"]);
    let path = format!("/api/v1/users/me/audit-events?limit=2&after={after}");
    assert_eq!(actions(&api.get(&path, Some(&ada)).await.json()), ["user.registered"]);
}

#[tokio::test]
async fn where_somebody_else_did_it_from_is_their_business() {
    let api = Api::new().await;
    let admin = api.admin().await;
    let ada = api.signed_in("ada@example.com").await;
    let path = format!("/api/v1/users/{}", me(&api, &ada).await);
    api.call(Method::PATCH, &path, Some(&admin), Some(json!({"name": "Ada King"}))).await;
    let own = api.get("/api/v1/users/me/audit-events", Some(&ada)).await.json();
    let renamed = &own["items"][0];
    assert_eq!(renamed["action"], "user.renamed");
    assert_eq!(renamed["actor"]["id"], me(&api, &admin).await);
    for member in ["ip", "user_agent", "request_id"] {
        assert_eq!(renamed[member], Value::Null, "{member}");
        assert!(own["items"][1].get(member).is_some());
    }
    assert!(own["items"][1]["request_id"].is_string(), "one's own sign-in");
}
