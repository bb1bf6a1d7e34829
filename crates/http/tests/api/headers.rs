//! What every answer bears.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use doorward_http::HttpSettings;
use doorward_testkit::World;

use super::support::{Api, PASSWORD, settings};

#[tokio::test]
async fn every_answer_is_named_and_locked_down() {
    let api = Api::new().await;
    let token = api.signed_in("ada@example.com").await;
    for (path, token, status) in [
        ("/api/v1/users/me", Some(token.as_str()), StatusCode::OK),
        ("/api/v1/users/me", None, StatusCode::UNAUTHORIZED),
        ("/health/ready", None, StatusCode::OK),
        ("/nowhere", None, StatusCode::NOT_FOUND),
    ] {
        let answer = api.get(path, token).await;
        assert_eq!(answer.status, status);
        assert!(answer.header("x-request-id").is_some_and(|id| id.len() == 36), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        let policy = "default-src 'none'; frame-ancestors 'none'";
        assert_eq!(answer.header("content-security-policy"), Some(policy));
        if path.starts_with("/api") {
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
}

#[tokio::test]
async fn a_well_formed_request_id_is_kept() {
    let api = Api::new().await;
    let send = |id: &'static str| {
        let request = Request::get("/nowhere").header("x-request-id", id);
        api.send(request.body(Body::empty()).unwrap())
    };
    let kept = send("my-request.1").await;
    assert_eq!(kept.header("x-request-id"), Some("my-request.1"));
    assert_eq!(kept.json()["request_id"], "my-request.1");
    let replaced = send("{\"injected\":true}").await;
    assert_ne!(replaced.header("x-request-id"), Some("{\"injected\":true}"));
}

#[tokio::test]
async fn answers_with_tokens_are_not_compressed() {
    let api = Api::new().await;
    api.sign_up("ada@example.com").await;
    let body = serde_json::json!({"email": "ada@example.com", "password": PASSWORD});
    let login = Request::post("/api/v1/auth/login")
        .header("content-type", "application/json")
        .header("accept-encoding", "gzip");
    let answer = api.send(login.body(Body::from(body.to_string())).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-encoding"), None);
    let document = Request::get("/openapi.json").header("accept-encoding", "gzip");
    let answer = api.send(document.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
}

#[tokio::test]
async fn only_listed_origins_may_call() {
    let origin = "https://app.example.com".to_owned();
    let settings = HttpSettings { allowed_origins: vec![origin], ..settings() };
    let api = Api::with(World::default(), settings).await;
    let send = |method: Method, origin: &'static str| {
        let request = Request::builder()
            .method(method)
            .uri("/api/v1/users/me")
            .header("origin", origin)
            .header("access-control-request-method", "PATCH");
        api.send(request.body(Body::empty()).unwrap())
    };
    let preflight = send(Method::OPTIONS, "https://app.example.com").await;
    assert_eq!(preflight.status, StatusCode::OK);
    let allowed = Some("https://app.example.com");
    assert_eq!(preflight.header("access-control-allow-origin"), allowed);
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("PATCH"));
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
    // A page must be able to read errors too.
    let refused = send(Method::GET, "https://app.example.com").await;
    assert_eq!(refused.problem(), "authentication_required");
    assert_eq!(refused.header("access-control-allow-origin"), allowed);
    assert!(refused.header("vary").is_some_and(|vary| vary.to_lowercase().contains("origin")));
    for evil in [
        "https://app.example.com.evil",
        "http://app.example.com",
        "https://evil.app.example.com",
        "https://app.example.co",
        "null",
    ] {
        for method in [Method::OPTIONS, Method::GET] {
            let answer = send(method, evil).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{evil}");
        }
    }
}
