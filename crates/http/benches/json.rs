//! What reading and writing JSON costs.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    response::Response,
};
use divan::{Bencher, black_box};
use doorward_domain::User;
use doorward_http::{HttpSettings, HttpState, Lifecycle, RequestId, UserView, refusal, router};
use doorward_testkit::{CountingEntropy, FixedClock, World, fixture};
use tower::ServiceExt;

const PUBLIC_URL: &str = "http://accounts.test";

fn main() {
    divan::main();
}

/// From what the store gives to what is sent.
#[divan::bench]
fn a_page_of_100_users(bencher: Bencher) {
    let users: Vec<User> = (1..=100).map(fixture::user).collect();
    bencher.with_inputs(|| users.clone()).bench_values(|users| {
        let views: Vec<UserView> = users.into_iter().map(UserView::from).collect();
        serde_json::to_vec(&views)
    });
}

#[divan::bench]
fn a_problem(bencher: Bencher) {
    let id = RequestId::new(&FixedClock::default(), &CountingEntropy::default());
    bencher.bench(|| {
        let detail = black_box("The head of the request could not be read.");
        refusal(StatusCode::BAD_REQUEST, detail, PUBLIC_URL, &id)
    });
}

/// The body is read to its end and its address refused, so that all around the reading is little: the
/// router and a problem.
#[divan::bench]
fn a_login_body(bencher: Bencher) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (runtime, router) = (runtime.expect("a runtime can be made"), served());
    bencher.with_inputs(login).bench_local_values(|request| {
        let answer: Response = runtime.block_on(router.clone().oneshot(request)).unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        answer
    });
}

fn login() -> Request<Body> {
    let body = r#"{"email": "ada at example.com", "password": "correct horse battery staple"}"#;
    Request::post("/api/v1/auth/login")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .expect("a valid request")
}

fn served() -> Router {
    let lifecycle = Lifecycle::default();
    lifecycle.serve();
    let settings = HttpSettings {
        public_url: PUBLIC_URL.to_owned(),
        trusted_proxies: Vec::new(),
        request_timeout: Duration::from_secs(30),
        allowed_origins: Vec::new(),
        rate_limits: None,
        mailbox: false,
        mail_pages: None,
    };
    router(HttpState::new(Arc::new(World::default().ctx), settings, lifecycle))
}
