//! Who may do what: each operation that names a permission, asked by people with and without it. The
//! table is generated from the OpenAPI document, so that a new operation is covered by itself.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    operation::{Operation, operations},
    support::{Answer, Api, text},
};

/// Doorward's own permissions.
const ALL: &[&str] = &[
    "users:read",
    "users:write",
    "sessions:write",
    "roles:read",
    "roles:write",
    "audit:read",
    "jobs:read",
    "jobs:write",
    "keys:rotate",
];

async fn ask(api: &Api, operation: &Operation, token: &str) -> Answer {
    let body = operation.has_body.then(|| json!({}));
    api.call(operation.method.clone(), &operation.path, Some(token), body).await
}

/// Makes somebody with a role of exactly these permissions and returns their access token.
async fn somebody(api: &Api, name: &str, permissions: &[&str]) -> String {
    let token = api.signed_in(&format!("{name}@example.com")).await;
    let id = text(&api.get("/api/v1/users/me", Some(&token)).await.json()["id"]);
    let admin = api.admin().await;
    let body = Some(json!({"description": "", "permissions": permissions}));
    let path = format!("/api/v1/roles/{name}");
    let made = api.call(Method::PUT, &path, Some(&admin), body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let path = format!("/api/v1/users/{id}/roles");
    let body = Some(json!({"roles": ["user", name]}));
    let given = api.call(Method::PUT, &path, Some(&admin), body).await;
    assert_eq!(given.status, StatusCode::OK, "{given:?}");
    token
}

#[tokio::test]
async fn a_permission_opens_its_operations_and_no_others() {
    let api = Api::new().await;
    let plain = api.signed_in("plain@example.com").await;
    let operations = operations();
    let named: BTreeSet<&str> =
        operations.iter().filter_map(|operation| operation.permission.as_deref()).collect();
    assert!(named.is_subset(&ALL.iter().copied().collect()), "{named:?}");
    for permission in named {
        let word = permission.replace(':', "-");
        let right = somebody(&api, &format!("right-{word}"), &[permission]).await;
        let others: Vec<&str> = ALL.iter().copied().filter(|it| *it != permission).collect();
        let wrong = somebody(&api, &format!("wrong-{word}"), &others).await;
        let it_opens = |operation: &&Operation| operation.permission.as_deref() == Some(permission);
        for operation in operations.iter().filter(it_opens) {
            for token in [&plain, &wrong] {
                let answer = ask(&api, operation, token).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}: {answer:?}", operation.id);
                assert_eq!(answer.problem(), "forbidden");
            }
            let answer = ask(&api, operation, &right).await;
            let status = answer.status;
            assert!(
                status != 401 && status != 403 && status.as_u16() < 500,
                "{}: {answer:?}",
                operation.id
            );
        }
    }
}

/// The operations without a permission are about oneself; with ids in their path they find only one's own.
#[test]
fn what_needs_no_permission_is_about_oneself() {
    let needs_none = |operation: &&Operation| operation.secured && operation.permission.is_none();
    for operation in operations().iter().filter(needs_none) {
        let about_oneself =
            operation.path.starts_with("/api/v1/users/me") || operation.id == "logout";
        assert!(about_oneself, "{}: name its permission with x-permission", operation.id);
    }
}

#[tokio::test]
async fn a_role_that_is_taken_away_opens_nothing_at_the_next_request() {
    let api = Api::new().await;
    let token = somebody(&api, "support", &["users:read"]).await;
    let me = text(&api.get("/api/v1/users/me", Some(&token)).await.json()["id"]);
    let path = format!("/api/v1/users/{me}");
    assert_eq!(api.get(&path, Some(&token)).await.status, StatusCode::OK);
    let admin = api.admin().await;
    let narrowed = Some(json!({"description": "", "permissions": ["orders:refund"]}));
    api.call(Method::PUT, "/api/v1/roles/support", Some(&admin), narrowed).await;
    assert_eq!(api.get(&path, Some(&token)).await.problem(), "forbidden");
    let widened = Some(json!({"description": "", "permissions": ["users:read"]}));
    let put = api.call(Method::PUT, "/api/v1/roles/support", Some(&admin), widened).await;
    assert_eq!(put.status, StatusCode::OK);
    assert_eq!(api.get(&path, Some(&token)).await.status, StatusCode::OK);
    let gone = api.call(Method::DELETE, "/api/v1/roles/support", Some(&admin), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(api.get(&path, Some(&token)).await.problem(), "forbidden");
    let roles = api.get("/api/v1/users/me", Some(&token)).await.json()["roles"].clone();
    assert_eq!(roles, json!(["user"]));
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once_and_comes_back_when_enabled() {
    let api = Api::new().await;
    let token = api.signed_in("ada@example.com").await;
    let pair = api.sign_in("ada@example.com").await;
    let id = text(&api.get("/api/v1/users/me", Some(&token)).await.json()["id"]);
    let admin = api.admin().await;
    let path = format!("/api/v1/users/{id}");
    let set = |status: &str| {
        api.call(Method::PATCH, &path, Some(&admin), Some(json!({"status": status})))
    };
    let disabled = set("disabled").await;
    assert_eq!(disabled.json()["status"], "disabled");
    assert_eq!(api.get("/api/v1/users/me", Some(&token)).await.problem(), "invalid_token");
    let refresh = json!({"refresh_token": pair["refresh_token"]});
    let refused = api.post("/api/v1/auth/refresh", refresh).await;
    assert_eq!(refused.problem(), "invalid_refresh_token");
    let login = json!({"email": "ada@example.com", "password": super::support::PASSWORD});
    assert_eq!(api.post("/api/v1/auth/login", login).await.problem(), "account_disabled");
    assert_eq!(set("active").await.json()["status"], "active");
    api.sign_in("ada@example.com").await;
    api.world.assert_consistent().await;
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let api = Api::new().await;
    let admin = api.admin().await;
    let me = text(&api.get("/api/v1/users/me", Some(&admin)).await.json()["id"]);
    let path = format!("/api/v1/users/{me}");
    let roles = format!("{path}/roles");
    let tries = [
        (Method::PUT, roles.as_str(), Some(json!({"roles": ["user"]}))),
        (Method::PATCH, path.as_str(), Some(json!({"status": "disabled"}))),
        (Method::DELETE, path.as_str(), None),
        (Method::DELETE, "/api/v1/users/me", Some(json!({"password": super::support::PASSWORD}))),
    ];
    for (method, path, body) in tries {
        let answer = api.call(method, path, Some(&admin), body).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
        assert_eq!(answer.problem(), "last_admin");
    }
    // With a second one, each of it goes.
    let token = api.signed_in("second@example.com").await;
    let id = text(&api.get("/api/v1/users/me", Some(&token)).await.json()["id"]);
    let path = format!("/api/v1/users/{id}/roles");
    api.call(Method::PUT, &path, Some(&admin), Some(json!({"roles": ["admin", "user"]}))).await;
    let demoted =
        api.call(Method::PUT, &roles, Some(&admin), Some(json!({"roles": ["user"]}))).await;
    assert_eq!(demoted.status, StatusCode::OK);
    assert_eq!(api.get("/api/v1/roles", Some(&admin)).await.problem(), "forbidden");
}

#[tokio::test]
async fn bad_input_is_told_precisely() {
    let api = Api::new().await;
    let admin = api.admin().await;
    let me = text(&api.get("/api/v1/users/me", Some(&admin)).await.json()["id"]);
    let put = |path: String, body: Value| {
        let admin = admin.clone();
        let api = &api;
        async move { api.call(Method::PUT, &path, Some(&admin), Some(body)).await }
    };
    let roles = format!("/api/v1/users/{me}/roles");
    let fault = |pointer: &str, code: &str| (pointer.to_owned(), code.to_owned());
    for (body, expected) in [
        (json!({}), fault("/roles", "required")),
        (json!({"roles": "admin"}), fault("/roles", "invalid_type")),
        (json!({"roles": [7]}), fault("/roles/0", "invalid_type")),
        (json!({"roles": ["admin", "No Role"]}), fault("/roles/1", "invalid_format")),
        (json!({"roles": ["admin", "unheard-of"]}), fault("/roles", "unknown_role")),
        (json!({"roles": vec!["user"; 51]}), fault("/roles", "too_long")),
    ] {
        assert_eq!(put(roles.clone(), body).await.faults(), [expected]);
    }
    let role = |name: &str| format!("/api/v1/roles/{name}");
    let good = json!({"description": "x", "permissions": ["orders:refund"]});
    for name in ["admin", "user"] {
        assert_eq!(put(role(name), good.clone()).await.problem(), "role_built_in");
        let deleted = api.call(Method::DELETE, &role(name), Some(&admin), None).await;
        assert_eq!(deleted.problem(), "role_built_in");
    }
    let answer = put(role("No%20Role"), good.clone()).await;
    assert_eq!(answer.faults(), [fault("/name", "invalid_format")]);
    let body = json!({"description": "a\u{0}", "permissions": ["orders"]});
    let mut found = put(role("support"), body).await.faults();
    found.sort();
    assert_eq!(
        found,
        [fault("/description", "invalid_character"), fault("/permissions/0", "invalid_format")]
    );
    let missing = api.call(Method::DELETE, &role("unheard-of"), Some(&admin), None).await;
    assert_eq!(missing.problem(), "not_found");
    for id in ["nonsense", "019b76da-a87b-774b-8000-00000000ffff"] {
        let answer = api.get(&format!("/api/v1/users/{id}"), Some(&admin)).await;
        assert_eq!(answer.problem(), "not_found");
    }
    let path = format!("/api/v1/users/{me}");
    let answer =
        api.call(Method::PATCH, &path, Some(&admin), Some(json!({"status": "gone"}))).await;
    assert_eq!(answer.faults(), [fault("/status", "unknown_value")]);
}

#[tokio::test]
async fn a_rotated_key_is_published_before_it_signs_and_rotating_twice_makes_one() {
    let api = Api::new().await;
    let admin = api.admin().await;
    let path = "/api/v1/signing-keys/rotate";
    let first = api.call(Method::POST, path, Some(&admin), None).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{first:?}");
    assert_eq!(first.json()["state"], "published");
    assert_eq!(first.json()["generation"], 2);
    let again = api.call(Method::POST, path, Some(&admin), None).await;
    assert_eq!((again.status, again.json()), (StatusCode::ACCEPTED, first.json()));
    let list = api.get("/api/v1/signing-keys?limit=1", Some(&admin)).await.json();
    assert_eq!(list["items"][0]["state"], "active");
    assert_eq!(list["items"][0]["signs_until"], first.json()["activates_at"]);
    let after = text(&list["next_cursor"]);
    let list = api.get(&format!("/api/v1/signing-keys?after={after}"), Some(&admin)).await.json();
    assert_eq!(list["items"][0]["kid"], first.json()["kid"]);
    assert_eq!(list["next_cursor"], Value::Null);
    let published = api.get("/.well-known/jwks.json", None).await.json();
    assert_eq!(published["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn roles_are_listed_a_page_at_a_time() {
    let api = Api::new().await;
    let admin = api.admin().await;
    for name in ["support", "billing"] {
        let body = Some(json!({"description": name, "permissions": ["users:read", "a:b", "a:b"]}));
        api.call(Method::PUT, &format!("/api/v1/roles/{name}"), Some(&admin), body).await;
    }
    let first = api.get("/api/v1/roles?limit=3", Some(&admin)).await;
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|role| text(&role["name"])).collect()
    };
    assert_eq!(names(&first.json()), ["admin", "billing", "support"]);
    assert_eq!(first.json()["items"][1]["permissions"], json!(["a:b", "users:read"]));
    assert!(first.header("link").is_some_and(|link| link.ends_with("rel=\"next\"")));
    let after = text(&first.json()["next_cursor"]);
    let second = api.get(&format!("/api/v1/roles?limit=3&after={after}"), Some(&admin)).await;
    assert_eq!(names(&second.json()), ["user"]);
    assert_eq!(second.json()["next_cursor"], Value::Null);
}
