//! Who may ask how much, and for how long.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::StatusCode;
use doorward_domain::{
    ForeignHashError, Password, PasswordHash,
    ports::{HashError, HashingTurn, PasswordHasher},
};
use doorward_http::HttpSettings;
use doorward_testkit::World;
use serde_json::json;

use super::support::{Api, PASSWORD, limits, settings, text};

#[tokio::test]
async fn a_client_over_its_limit_is_told_when_to_come_back() {
    let settings = HttpSettings { rate_limits: Some(limits(2)), ..settings() };
    let api = Api::with(World::default(), settings).await;
    let login =
        || api.post("/api/v1/auth/login", json!({"email": "a@example.com", "password": "x"}));
    for left in [1, 0] {
        let answer = login().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"login\";q=2;w=60"));
        let standing = answer.header("ratelimit").unwrap();
        assert!(standing.starts_with(&format!("\"login\";r={left};t=")), "{standing}");
    }
    let answer = login().await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.problem(), "rate_limited");
    assert!(answer.header("ratelimit").unwrap().starts_with("\"login\";r=0;t="));
    // Other classes and probes go on.
    assert_eq!(api.sign_up("ada@example.com").await.status, StatusCode::CREATED);
    for _ in 0..5 {
        assert_eq!(api.get("/health/live", None).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn an_overloaded_hasher_turns_people_away_for_a_while() {
    let api = Api::new().await;
    let token = api.signed_in("ada@example.com").await;
    api.world.hasher.set_overloaded(true);
    let answer = api.sign_up("bob@example.com").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.problem(), "overloaded");
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert_eq!(api.get("/api/v1/users/me", Some(&token)).await.status, StatusCode::OK);
}

/// Hashes for ever.
struct StuckHasher;

#[async_trait]
impl PasswordHasher for StuckHasher {
    async fn hash(&self, _: &Password) -> Result<PasswordHash, HashError> {
        std::future::pending().await
    }

    async fn turn(&self) -> Result<Box<dyn HashingTurn + '_>, HashError> {
        std::future::pending().await
    }

    fn adopt(&self, _: &str) -> Result<PasswordHash, ForeignHashError> {
        Err(ForeignHashError::Unknown)
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_given_up() {
    let mut world = World::default();
    world.ctx.hasher = Arc::new(StuckHasher);
    let settings = HttpSettings { request_timeout: Duration::from_secs(30), ..settings() };
    let api = Api::with(world, settings).await;
    let answer = api.sign_up("ada@example.com").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.problem(), "unavailable");
}

/// Panics, as a defect would.
struct PanickingHasher;

#[async_trait]
impl PasswordHasher for PanickingHasher {
    async fn hash(&self, _: &Password) -> Result<PasswordHash, HashError> {
        panic!("a defect")
    }

    async fn turn(&self) -> Result<Box<dyn HashingTurn + '_>, HashError> {
        panic!("a defect")
    }

    fn adopt(&self, _: &str) -> Result<PasswordHash, ForeignHashError> {
        Err(ForeignHashError::Unknown)
    }
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_server_goes_on() {
    let mut world = World::default();
    world.ctx.hasher = Arc::new(PanickingHasher);
    let api = Api::with(world, settings()).await;
    for _ in 0..3 {
        let answer = api.sign_up("ada@example.com").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.problem(), "internal_error");
        assert!(!String::from_utf8_lossy(&answer.octets).contains("a defect"));
    }
    assert_eq!(api.get("/health/live", None).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let api = Api::new().await;
    let body = axum::body::Body::new(NeverBody);
    let request = axum::http::Request::post("/api/v1/auth/login")
        .header("content-type", "application/json")
        .body(body)
        .unwrap();
    let answer = api.send(request).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(answer.problem(), "request_timeout");
}

/// A body of which nothing ever arrives.
pub struct NeverBody;

impl http_body::Body for NeverBody {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let settings = HttpSettings {
        rate_limits: Some(limits(1)),
        trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()],
        ..settings()
    };
    let api = Api::with(World::default(), settings).await;
    let probe = |client: &'static str| {
        let request =
            axum::http::Request::get("/api/v1/users/me").header("x-forwarded-for", client);
        api.send(request.body(axum::body::Body::empty()).unwrap())
    };
    assert_eq!(probe("198.51.100.1").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(probe("198.51.100.1").await.status, StatusCode::TOO_MANY_REQUESTS);
    // What the client wrote itself stands further left and counts for nothing.
    assert_eq!(probe("203.0.113.1, 198.51.100.1").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(probe("198.51.100.2").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_address_of_a_session_is_the_clients() {
    let settings =
        HttpSettings { trusted_proxies: vec!["192.0.2.1/32".parse().unwrap()], ..settings() };
    let api = Api::with(World::default(), settings).await;
    api.sign_up("ada@example.com").await;
    let request = axum::http::Request::post("/api/v1/auth/login")
        .header("content-type", "application/json")
        .header("x-forwarded-for", "2001:db8::7")
        .header("user-agent", format!("tester/1.0 {}", "x".repeat(1000)));
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    let pair = api.send(request.body(body.into()).unwrap()).await.json();
    let token = text(&pair["access_token"]);
    let list = api.get("/api/v1/users/me/sessions", Some(&token)).await.json();
    assert_eq!(list["items"][0]["ip"], "2001:db8::7");
    assert_eq!(list["items"][0]["user_agent"].as_str().unwrap().len(), 512);
}
