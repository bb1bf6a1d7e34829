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

/// Tries operations one after the other, and remembers which.
struct Tour<'a> {
    api: &'a Api,
    tried: BTreeSet<&'static str>,
}

impl Tour<'_> {
    /// Sends a request, such as `POST /users`, and looks at the actions of the events that it left.
    async fn step(
        &mut self,
        operation: &'static str,
        request: &str,
        token: Option<&str>,
        body: Option<Value>,
        expected: &[&str],
    ) {
        let (method, path) = request.split_once(' ').unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = self.api.call(method, &format!("/api/v1{path}"), token, body).await;
        assert_eq!(left(self.api, &answer).await, expected, "{operation}: {answer:?}");
        self.tried.insert(operation);
    }
}

#[tokio::test]
async fn each_operation_that_changes_something_leaves_an_event_or_says_why_not() {
    let api = Api::new().await;
    let mut tour = Tour { api: &api, tried: UNAUDITED.iter().map(|(id, _)| *id).collect() };
    sign_up_and_in(&mut tour).await;
    let admin = api.admin().await;
    own_account(&mut tour).await;
    roles(&mut tour, &admin).await;
    other_accounts(&mut tour, &admin).await;
    jobs(&mut tour, &admin).await;
    let eve = api.signed_in("eve@example.com").await;
    let refused = Some(eve.as_str());
    tour.step("export_users", "GET /users/export", refused, None, &["access.denied"]).await;
    tour.step("delete_role", "DELETE /roles/support", refused, None, &["access.denied"]).await;
    tour.step("logout", "POST /auth/logout", Some(&admin), None, &["session.ended"]).await;
    let writes = operations().into_iter().filter(|it| it.method != Method::GET);
    let missing: Vec<_> = writes.map(|it| it.id).filter(|id| !tour.tried.contains(&**id)).collect();
    assert!(missing.is_empty(), "tried by no step, nor in UNAUDITED: {missing:?}");
}

async fn sign_up_and_in(tour: &mut Tour<'_>) {
    let sign_up = json!({"email": "cy@example.com", "password": PASSWORD, "name": "Cy"});
    for expected in ["user.registered", "sign_up.refused"] {
        tour.step("register", "POST /users", None, Some(sign_up.clone()), &[expected]).await;
    }
    for (email, password, expected) in [
        ("cy@example.com", PASSWORD, "session.created"),
        ("cy@example.com", "x", "login.failed"),
        ("no@example.com", "x", "login.failed"),
    ] {
        let body = json!({"email": email, "password": password});
        tour.step("login", "POST /auth/login", None, Some(body), &[expected]).await;
    }
}

async fn own_account(tour: &mut Tour<'_>) {
    let ada = tour.api.signed_in("ada@example.com").await;
    let ada = Some(ada.as_str());
    let login = json!({"email": "ada@example.com", "password": PASSWORD});
    let second = tour.api.call(Method::POST, "/api/v1/auth/login", None, Some(login)).await;
    let second = format!("DELETE /users/me/sessions/{}", text(&second.json()["session_id"]));
    tour.api.sign_in("ada@example.com").await;
    let name = Some(json!({"name": "Ada King"}));
    let new = "four other words in a row";
    let password = Some(json!({"current_password": PASSWORD, "new_password": new}));
    let wrong =
        Some(json!({"current_password": "x", "new_password": "and five more words in a row"}));
    tour.step("update_my_account", "PATCH /users/me", ada, name, &["user.renamed"]).await;
    tour.step("revoke_my_session", &second, ada, None, &["session.revoked"]).await;
    let path = "DELETE /users/me/sessions";
    tour.step("revoke_my_other_sessions", path, ada, None, &["session.revoked"]).await;
    let path = "PUT /users/me/password";
    tour.step("change_my_password", path, ada, password, &["password.changed"]).await;
    tour.step("change_my_password", path, ada, wrong, &["password.refused"]).await;
    for (password, expected) in [("x", "password.refused"), (new, "user.deleted")] {
        let body = Some(json!({"password": password}));
        tour.step("delete_my_account", "DELETE /users/me", ada, body, &[expected]).await;
    }
}

async fn roles(tour: &mut Tour<'_>, admin: &str) {
    let admin = Some(admin);
    let ben = tour.api.signed_in("ben@example.com").await;
    let ben = format!("PUT /users/{}/roles", me(tour.api, &ben).await);
    let role = json!({"description": "", "permissions": ["users:read"]});
    for expected in ["role.created", "role.changed"] {
        tour.step("put_role", "PUT /roles/support", admin, Some(role.clone()), &[expected]).await;
    }
    let support = Some(json!({"roles": ["support"]}));
    tour.step("set_user_roles", &ben, admin, support, &["role.revoked", "role.granted"]).await;
    tour.step("delete_role", "DELETE /roles/support", admin, None, &["role.deleted"]).await;
}

async fn other_accounts(tour: &mut Tour<'_>, admin: &str) {
    let admin = Some(admin);
    let dan = tour.api.signed_in("dan@example.com").await;
    let dan = format!("/users/{}", me(tour.api, &dan).await);
    let sessions = format!("DELETE {dan}/sessions");
    tour.step("export_users", "GET /users/export", admin, None, &["users.exported"]).await;
    let path = "POST /signing-keys/rotate";
    tour.step("rotate_signing_key", path, admin, None, &["signing_key.rotated"]).await;
    tour.step("revoke_user_sessions", &sessions, admin, None, &["session.revoked"]).await;
    for (body, expected) in [
        (
            json!({"name": "Dan", "status": "disabled"}),
            &["user.disabled", "user.renamed"] as &[&str],
        ),
        (json!({"status": "active"}), &["user.enabled"]),
    ] {
        tour.step("update_user", &format!("PATCH {dan}"), admin, Some(body), expected).await;
    }
    tour.step("delete_user", &format!("DELETE {dan}"), admin, None, &["user.deleted"]).await;
}

async fn jobs(tour: &mut Tour<'_>, admin: &str) {
    let admin = Some(admin);
    let job = tour.api.enqueue("mail", 1).await;
    let retry = format!("POST /jobs/{job}/retry");
    tour.step("retry_job", &retry, admin, None, &[]).await;
    tour.api.kill("mail").await;
    tour.step("retry_job", &retry, admin, None, &["job.retried"]).await;
    let path = format!("DELETE /jobs/{job}");
    tour.step("delete_job", &path, admin, None, &["job.deleted"]).await;
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
