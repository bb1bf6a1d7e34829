//! Fields, cursors and ids that do not fit.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Api, PASSWORD, text};

async fn register_faults(api: &Api, body: Value) -> Vec<(String, String)> {
    api.post("/api/v1/users", body).await.faults()
}

fn fault(pointer: &str, code: &str) -> (String, String) {
    (pointer.to_owned(), code.to_owned())
}

#[tokio::test]
async fn everything_wrong_with_a_sign_up_is_told_at_once() {
    let api = Api::new().await;
    let found = register_faults(&api, json!({})).await;
    let expected = ["/email", "/password", "/name"].map(|pointer| fault(pointer, "required"));
    assert_eq!(found, expected);

    let body = json!({
        "email": "nobody", "password": "aaaaaaaaaaaaaaaaaaaa", "name": "Ada\u{202e}",
        "roles": ["admin"], "email_verified": true, "id": "x",
    });
    let mut found = register_faults(&api, body).await;
    found.sort();
    let expected = [
        fault("/email", "invalid_format"),
        fault("/email_verified", "unknown_field"),
        fault("/id", "unknown_field"),
        fault("/name", "invalid_character"),
        fault("/password", "too_guessable"),
        fault("/roles", "unknown_field"),
    ];
    assert_eq!(found, expected);
    assert_eq!(api.world.hasher.calls(), 0);
}

#[tokio::test]
async fn each_field_is_checked() {
    let api = Api::new().await;
    let good = json!({"email": "ada@example.com", "password": PASSWORD, "name": "Ada"});
    let cases = [
        ("email", json!(7), "invalid_type"),
        ("email", json!(null), "invalid_type"),
        ("email", json!(["a@example.com"]), "invalid_type"),
        ("email", json!(""), "empty"),
        ("email", json!("a\u{0}@example.com"), "invalid_format"),
        ("email", json!("a@example.com\r\nBcc: b@example.com"), "invalid_format"),
        ("email", json!(format!("{}@example.com", "a".repeat(300))), "too_long"),
        ("password", json!("short"), "too_short"),
        ("password", json!("x".repeat(257)), "too_long"),
        ("password", json!("correct horse\u{0}battery"), "invalid_character"),
        ("password", json!("ada@example.com"), "too_guessable"),
        ("name", json!(""), "empty"),
        ("name", json!("  "), "empty"),
        ("name", json!("a\u{0}b"), "invalid_character"),
        ("name", json!("x".repeat(101)), "too_long"),
    ];
    for (name, value, code) in cases {
        let mut body = good.clone();
        body[name] = value.clone();
        let found = register_faults(&api, body).await;
        assert_eq!(found, [fault(&format!("/{name}"), code)], "{name} = {value}");
    }
    assert_eq!(api.world.hasher.calls(), 0, "nothing was hashed");
    assert!(!api.world.ctx.store.user_exists().await.unwrap(), "nobody was signed up");
}

#[tokio::test]
async fn both_unicode_forms_of_a_password_sign_in() {
    let api = Api::new().await;
    let composed = "caf\u{e9} au lait pour demain";
    let body = json!({"email": "ada@example.com", "password": composed, "name": "Ada"});
    assert_eq!(api.post("/api/v1/users", body).await.status, StatusCode::CREATED);
    let decomposed = "cafe\u{301} au lait pour demain";
    let body = json!({"email": "ada@example.com", "password": decomposed});
    assert_eq!(api.post("/api/v1/auth/login", body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_overlong_password_is_refused_at_sign_in_before_any_hashing() {
    let api = Api::new().await;
    let body = json!({"email": "ada@example.com", "password": "x".repeat(4097)});
    let found = api.post("/api/v1/auth/login", body).await.faults();
    assert_eq!(found, [fault("/password", "too_long")]);
    assert_eq!(api.world.hasher.calls(), 0);
}

#[tokio::test]
async fn refresh_tokens_that_are_none_are_refused() {
    let api = Api::new().await;
    for token in ["", "x", "dwr_", "refresh:nonsense:0", &"a".repeat(10_000)] {
        let answer = api.post("/api/v1/auth/refresh", json!({"refresh_token": token})).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.problem(), "invalid_refresh_token");
    }
}

#[tokio::test]
async fn pages_out_of_range_are_refused_not_cut() {
    let api = Api::new().await;
    let token = api.signed_in("ada@example.com").await;
    for (query, pointer, code) in [
        ("limit=0", "/limit", "out_of_range"),
        ("limit=201", "/limit", "out_of_range"),
        ("limit=-1", "/limit", "out_of_range"),
        ("limit=1e2", "/limit", "out_of_range"),
        ("limit=99999999999999999999", "/limit", "out_of_range"),
        ("limit=", "/limit", "out_of_range"),
        ("limit=1&limit=2", "/limit", "repeated"),
        ("after=", "/after", "invalid_format"),
        ("after=%00", "/after", "invalid_format"),
        ("after=..%2f..%2fetc", "/after", "invalid_format"),
        ("after='%20OR%201=1", "/after", "invalid_format"),
        ("limit=200&other=1", "/other", "unknown_field"),
    ] {
        let path = format!("/api/v1/users/me/sessions?{query}");
        let answer = api.get(&path, Some(&token)).await;
        assert_eq!(answer.faults(), [fault(pointer, code)], "{query}");
    }
    let answer = api.get("/api/v1/users/me/sessions?limit=200", Some(&token)).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn filters_that_fit_nobody_by_mistake_are_refused() {
    let api = Api::new().await;
    let token = api.admin().await;
    api.sign_up("ada@example.com").await;
    let long = format!("q={}", "a".repeat(255));
    let newest = text(&api.get("/api/v1/users?limit=1", Some(&token)).await.json()["next_cursor"]);
    let other_list = format!("q=a&after={newest}");
    for (query, pointer, code) in [
        ("email=", "/email", "empty"),
        ("email=ada", "/email", "invalid_format"),
        ("email=ada%40example.com%00", "/email", "invalid_format"),
        ("q=", "/q", "empty"),
        ("q=%20%09", "/q", "empty"),
        ("q=a%00", "/q", "invalid_character"),
        ("q=%F4%8F%BF%BF", "/q", "invalid_character"),
        (long.as_str(), "/q", "too_long"),
        ("q=a&q=b", "/q", "repeated"),
        ("status=", "/status", "unknown_value"),
        ("status=Active", "/status", "unknown_value"),
        ("role=", "/role", "invalid_format"),
        ("role=No%20Role", "/role", "invalid_format"),
        ("statsu=disabled", "/statsu", "unknown_field"),
        (other_list.as_str(), "/after", "invalid_format"),
    ] {
        let answer = api.get(&format!("/api/v1/users?{query}"), Some(&token)).await;
        assert_eq!(answer.faults(), [fault(pointer, code)], "{query}");
    }
    let answer = api.get("/api/v1/users?limit=0&role=%2f&email=x", Some(&token)).await;
    let all =
        [("/limit", "out_of_range"), ("/email", "invalid_format"), ("/role", "invalid_format")];
    assert_eq!(answer.faults(), all.map(|(pointer, code)| fault(pointer, code)));
}

#[tokio::test]
async fn somebody_elses_session_is_as_good_as_none() {
    let api = Api::new().await;
    let ada = api.signed_in("ada@example.com").await;
    api.sign_up("bob@example.com").await;
    let bob = api.sign_in("bob@example.com").await;
    let bobs = text(&bob["session_id"]);
    for id in [bobs.as_str(), "019b76da-a87b-774b-8000-00000000ffff", "nonsense", "%00", "..%2f"] {
        let path = format!("/api/v1/users/me/sessions/{id}");
        let answer = api.call(Method::DELETE, &path, Some(&ada), None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
        assert_eq!(answer.problem(), "not_found");
    }
    let answer = api.get("/api/v1/users/me", bob["access_token"].as_str()).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_patch_without_members_changes_nothing() {
    let api = Api::new().await;
    let token = api.signed_in("ada@example.com").await;
    let before = api.get("/api/v1/users/me", Some(&token)).await.json();
    let path = "/api/v1/users/me";
    let answer = api.call(Method::PATCH, path, Some(&token), Some(json!({}))).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, before));
    for body in [json!({"name": null}), json!({"email": "x@example.com"}), json!({"roles": []})] {
        let answer = api.call(Method::PATCH, path, Some(&token), Some(body)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}

#[tokio::test]
async fn addresses_that_name_nothing_are_not_found() {
    let api = Api::new().await;
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/users/",
        "/api/v1/nope",
        "/%00",
        "/..%2f..",
        "//",
    ] {
        let answer = api.get(path, None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.problem(), "not_found");
    }
}
