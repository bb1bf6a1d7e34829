//! The pages to which the links in mails lead.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use doorward_domain::{Email, ProofPurpose};
use doorward_http::{HttpSettings, HttpState, Lifecycle, MailPages, router};
use doorward_testkit::{World, mock::MockStore, token_of};
use serde_json::json;
use tower::ServiceExt;

use super::support::{Answer, Api, PASSWORD, settings};

const PAGES: [(ProofPurpose, &str); 4] = [
    (ProofPurpose::VerifyEmail, "/verify-email"),
    (ProofPurpose::ResetPassword, "/app/reset"),
    (ProofPurpose::ConfirmEmailChange, "/confirm-email-change"),
    (ProofPurpose::CancelEmailChange, "/cancel-email-change"),
];

fn with_pages(product: &str) -> HttpSettings {
    let mut pages = MailPages::of(product);
    for (purpose, path) in PAGES {
        pages.add(purpose, path).unwrap();
    }
    HttpSettings { mail_pages: Some(pages), ..settings() }
}

async fn serving() -> Api {
    Api::with(World::default(), with_pages("Example")).await
}

fn page(answer: Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    String::from_utf8(answer.octets).unwrap()
}

/// What stands in the page between the two.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split_once(after).unwrap().0
}

#[tokio::test]
async fn there_are_no_pages_unless_they_are_wanted() {
    let api = Api::new().await;
    for (_, path) in PAGES {
        let answer = api.get(path, None).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_FOUND, "not_found".into()));
    }
}

#[tokio::test]
async fn a_page_runs_its_own_script_and_is_kept_nowhere() {
    let api = serving().await;
    for (_, path) in PAGES {
        let answer = api.get(&format!("{path}?token=dwp_x"), None).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").unwrap().to_owned();
        let page = page(answer);
        let script = between(&page, "<script>", "</script>");
        let digest = doorward_infra_crypto::content_digest(script.as_bytes()).unwrap();
        let hash = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, digest);
        for part in [
            "default-src 'none'; ",
            &format!("script-src 'sha256-{hash}'; "),
            "connect-src 'self'; ",
            "form-action 'none'; ",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!page.contains("dwp_x") && !page.contains("http"), "{page}");
        assert!(!page.contains("onclick") && !page.contains("style="), "{page}");
        let style = between(&page, "rel=\"stylesheet\" href=\"", "\"");
        assert_eq!(api.get(style, None).await.status, StatusCode::OK, "{style}");
    }
}

#[tokio::test]
async fn a_page_asks_for_what_its_operation_takes() {
    let api = serving().await;
    for (purpose, path) in PAGES {
        let page = page(api.get(path, None).await);
        let operation = between(&page, "data-operation=\"", "\"");
        let has_code = purpose != ProofPurpose::CancelEmailChange;
        let has_password = purpose == ProofPurpose::ResetPassword;
        let mut body = json!({"token": "x"});
        if has_password {
            body["new_password"] = json!("four other words in a row");
        }
        assert_eq!(api.post(operation, body.clone()).await.problem(), "invalid_token", "{path}");
        assert_eq!(page.contains("name=\"code\""), has_code, "{path}");
        assert_eq!(page.contains("name=\"new_password\""), has_password, "{path}");
        assert_eq!(page.contains("At least 15 characters"), has_password, "{path}");
        if has_code {
            body.as_object_mut().unwrap().remove("token");
            body["email"] = json!("nobody@example.com");
            body["code"] = json!("12345678");
            assert_eq!(api.post(operation, body).await.problem(), "invalid_token", "{path}");
        }
    }
}

#[tokio::test]
async fn a_look_at_a_page_asks_the_database_nothing() {
    let mut world = World::default();
    // Nothing may be asked of this one.
    world.ctx.store = Arc::new(MockStore::new());
    let settings = with_pages("Example");
    let state = HttpState::new(Arc::new(world.ctx), settings, Lifecycle::default());
    for (_, path) in PAGES {
        let request = Request::get(format!("{path}?token=x")).body(Body::empty()).unwrap();
        let answer = router(state.clone()).oneshot(request).await.unwrap();
        // Not even a server that is starting keeps anybody waiting.
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_look_at_a_page_uses_nothing_up() {
    let api = serving().await;
    api.sign_up("ada@example.com").await;
    let token = token_of(&api.world.mails().await[0]);
    for method in [Method::GET, Method::HEAD] {
        let path = format!("/verify-email?token={token}");
        assert_eq!(api.call(method, &path, None, None).await.status, StatusCode::OK);
    }
    let posted = api.post("/verify-email", json!({"token": token})).await;
    assert_eq!(posted.problem(), "method_not_allowed");
    let email = Email::parse("ada@example.com").unwrap();
    let user = api.world.ctx.store.user_by_email(&email).await.unwrap().unwrap();
    assert!(!user.email_verified);
    let answer = api.post("/api/v1/auth/verify-email", json!({"token": token})).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    assert_eq!(api.post("/api/v1/auth/login", body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_product_is_called_as_it_is_written_and_a_proxy_s_path_is_kept() {
    let mut settings = with_pages("Tom & <b>Jerry</b>");
    settings.public_url = "https://example.org/accounts".to_owned();
    let api = Api::with(World::default(), settings).await;
    let page = page(api.get("/verify-email", None).await);
    assert!(page.contains("Tom &amp; &lt;b&gt;Jerry&lt;/b&gt;") && !page.contains("<b>"), "{page}");
    assert!(page.contains("href=\"/accounts/docs/assets/page.css\""), "{page}");
    assert!(page.contains("data-operation=\"/accounts/api/v1/auth/verify-email\""), "{page}");
}
