//! The document, its page, the public keys and health.

use axum::http::StatusCode;
use doorward_domain::{User, UserId};
use doorward_http::Lifecycle;
use doorward_testkit::World;

use super::{
    documented,
    support::{Api, PUBLIC_URL, settings, text},
};

#[tokio::test]
async fn the_pages_load_nothing_from_elsewhere() {
    let api = Api::new().await;
    let pages = ["/docs", "/docs/problems", "/docs/try"];
    for path in pages.into_iter().chain(["/docs/assets/start.js", "/docs/assets/page.css"]) {
        let answer = api.get(path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        // The examples are about this very installation.
        let text = String::from_utf8(answer.octets).unwrap().replace(PUBLIC_URL, "");
        for elsewhere in ["http://", "https://", "src=\"//", "@import"] {
            assert!(!text.contains(elsewhere), "{path} names {elsewhere}");
        }
        for asset in text.split(['"', '\'']).filter(|part| part.starts_with("/docs/assets/")) {
            assert_eq!(api.get(asset, None).await.status, StatusCode::OK, "{asset}");
        }
    }
    for (path, may_run) in [("/docs", false), ("/docs/problems", false), ("/docs/try", true)] {
        let page = api.get(path, None).await;
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}");
        assert_eq!(policy.contains("script-src 'self';"), may_run, "{path}");
    }
}

#[tokio::test]
async fn the_reference_shows_each_operation_with_an_example_and_its_problems() {
    let api = Api::new().await;
    let page = String::from_utf8(api.get("/docs", None).await.octets).unwrap();
    let promised = documented::problems();
    for (path, _, operation) in documented::each_operation() {
        let id = text(&operation["operationId"]);
        let beginning = format!("<article class=\"operation\" id=\"{id}\">");
        let (_, rest) = page.split_once(&beginning).unwrap_or_else(|| panic!("{id}: no article"));
        let (article, _) = rest.split_once("</article>").unwrap();
        let (template, _) = path.split_once('{').unwrap_or((path, ""));
        let permission = operation["x-permission"].as_str().unwrap_or_default();
        for shown in [path, permission, "curl ", &format!("{PUBLIC_URL}{template}")] {
            assert!(article.contains(shown), "{id}: {shown}");
        }
        for (_, code) in promised.iter().filter(|(it, _)| *it == id) {
            let link = format!("/docs/problems#{code}\"");
            assert!(article.contains(&link), "{id}: {code}");
        }
    }
}

#[tokio::test]
async fn every_problem_type_leads_to_its_explanation() {
    let api = Api::new().await;
    let page = String::from_utf8(api.get("/docs/problems", None).await.octets).unwrap();
    let problem = api.get("/nowhere", None).await.json();
    let (_, anchor) = problem["type"].as_str().unwrap().split_once('#').unwrap();
    assert!(page.contains(&format!("id=\"{anchor}\"")));
}

#[tokio::test]
async fn the_public_keys_may_be_cached() {
    let api = Api::new().await;
    let answer = api.get("/.well-known/jwks.json", None).await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=600"));
    assert_eq!(answer.json()["keys"][0]["kid"], "key-1");
    assert_eq!(answer.json()["keys"][0].get("d"), None);
}

#[tokio::test]
async fn a_starting_server_turns_requests_away_and_says_so() {
    let world = World::default();
    let ctx = std::sync::Arc::new(world.ctx.clone());
    let state = doorward_http::HttpState::new(ctx, settings(), Lifecycle::default());
    let router = doorward_http::router(state);
    let get = async |path: &str| {
        use tower::ServiceExt;
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(get("/health/live").await, StatusCode::OK);
    for path in ["/health", "/health/ready", "/api/v1/users/me", "/.well-known/jwks.json"] {
        assert_eq!(get(path).await, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let api = Api::new().await;
    let ready = api.get("/health/ready", None).await.json();
    assert_eq!(ready["status"], "ok");
    assert_eq!(ready["checks"]["database"], "ok");
    // The feed of revocations has not been heard of for too long.
    api.world.clock.advance(time::Duration::seconds(6));
    let stale = api.get("/health/ready", None).await;
    assert_eq!(stale.problem(), "unavailable");
    assert_eq!(stale.json()["checks"]["revocations"], "stale");
    api.lifecycle.drain();
    let draining = api.get("/health/ready", None).await;
    assert_eq!(draining.json()["checks"]["server"], "shutting down");
    // Who is there already is still served.
    assert_eq!(api.sign_up("ada@example.com").await.status, StatusCode::CREATED);
    assert_eq!(api.get("/health/live", None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_disabled_account_is_told_so_only_after_the_right_password() {
    use doorward_domain::{DisplayName, Email, PasswordHash, RoleName, UserStatus, ports::Clock};
    use serde_json::json;

    use super::support::PASSWORD;

    let api = Api::new().await;
    let ctx = &api.world.ctx;
    let now = api.world.clock.now();
    let id = UserId::new(now, ctx.entropy.as_ref());
    let email = Email::parse("ada@example.com").unwrap();
    let name = DisplayName::parse("Ada").unwrap();
    let user = User::new(id, email, name, vec![RoleName::user()], now);
    let mut work = ctx.store.begin().await.unwrap();
    work.user_insert(&User { status: UserStatus::Disabled, ..user }).await.unwrap();
    let hash = PasswordHash::from_text(format!("plain:{PASSWORD}"));
    work.credential_insert(id, &hash, now).await.unwrap();
    work.commit().await.unwrap();

    let login = |password: &str| {
        api.post("/api/v1/auth/login", json!({"email": "ada@example.com", "password": password}))
    };
    assert_eq!(login("not the password").await.problem(), "invalid_credentials");
    let answer = login(PASSWORD).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::FORBIDDEN, "account_disabled")
    );
}
