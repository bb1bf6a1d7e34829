//! Guessing passwords over HTTP: nobody gets anywhere with it, and nobody is locked out by it.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use doorward_domain::ports::Store;
use doorward_infra_crypto::{Argon2Hasher, HashParameters, HasherSettings, SystemEntropy};
use doorward_infra_postgres::testing::TestDatabase as PostgresDatabase;
use doorward_infra_sqlite::testing::TestDatabase as SqliteDatabase;
use doorward_testkit::{MemoryStore, World};
use serde_json::{Value, json};
use time::Duration;

use super::support::{Answer, Api, PASSWORD, settings, text};

const LOGIN: &str = "/api/v1/auth/login";
const ADA: &str = "ada@example.com";
/// Passwords that are really hashed at once.
const TURNS: usize = 2;

fn credentials(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

/// Signs in with one more header.
async fn login_with(api: &Api, name: &str, value: &str, password: &str) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(LOGIN)
        .header(header::CONTENT_TYPE, "application/json")
        .header(name, value)
        .body(Body::from(credentials(ADA, password).to_string()));
    api.send(request.unwrap()).await
}

async fn guess_wrong(api: &Api, email: &str, times: usize) {
    for _ in 0..times {
        let answer = api.post(LOGIN, credentials(email, "wrong")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
    }
}

#[track_caller]
fn assert_locked(answer: &Answer, seconds: &str) {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    assert_eq!(answer.problem(), "too_many_attempts");
    assert_eq!(answer.header("retry-after"), Some(seconds));
}

#[tokio::test]
async fn an_account_and_an_unknown_address_lock_alike() {
    let api = Api::new().await;
    api.sign_up(ADA).await;
    let mut seen = Vec::new();
    for email in [ADA, "nobody@example.com"] {
        guess_wrong(&api, email, 5).await;
        let answer = api.post(LOGIN, credentials(email, PASSWORD)).await;
        assert_locked(&answer, "1");
        let mut body = answer.json();
        body.as_object_mut().unwrap().remove("request_id");
        seen.push(body);
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn the_owner_signs_in_on_a_known_device_while_others_guess() {
    let api = Api::new().await;
    api.sign_up(ADA).await;
    let pair = api.sign_in(ADA).await;
    let token = text(&pair["device_token"]);
    guess_wrong(&api, ADA, 5).await;
    assert_locked(&api.post(LOGIN, credentials(ADA, PASSWORD)).await, "1");

    let by_header = login_with(&api, "x-device-token", &token, PASSWORD).await;
    assert_eq!(by_header.status, StatusCode::OK, "{by_header:?}");
    let cookie = format!("theme=dark; device_token={token}");
    let by_cookie = login_with(&api, "cookie", &cookie, PASSWORD).await;
    assert_eq!(by_cookie.status, StatusCode::OK, "{by_cookie:?}");
    // The clock stands still, so it is the very same token for the same device.
    assert_eq!(by_cookie.json()["device_token"], token);

    for bad in ["x", &token[1..], "device:a:b:c", "\u{fc}"] {
        assert_locked(&login_with(&api, "x-device-token", bad, PASSWORD).await, "1");
    }
    // Who is signed in goes on in any case, and is not given another device.
    let refresh = json!({"refresh_token": pair["refresh_token"]});
    let answer = api.post("/api/v1/auth/refresh", refresh).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json().get("device_token"), None);
}

#[tokio::test]
async fn whoever_is_signed_in_is_asked_for_the_password_whatever_strangers_do() {
    let api = Api::new().await;
    let (own, stolen) = (api.signed_in(ADA).await, text(&api.sign_in(ADA).await["access_token"]));
    guess_wrong(&api, ADA, 5).await;
    let change = |token: String, current: &'static str| {
        let body =
            json!({"current_password": current, "new_password": "four other words in a row"});
        let api = &api;
        async move {
            let path = "/api/v1/users/me/password";
            api.call(Method::PUT, path, Some(&token), Some(body)).await
        }
    };
    for _ in 0..5 {
        let answer = change(stolen.clone(), "wrong").await;
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::FORBIDDEN, "wrong_password"));
    }
    assert_locked(&change(stolen.clone(), PASSWORD).await, "1");
    let deletion = Some(json!({"password": PASSWORD}));
    assert_locked(
        &api.call(Method::DELETE, "/api/v1/users/me", Some(&stolen), deletion).await,
        "1",
    );
    assert_eq!(change(own, PASSWORD).await.status, StatusCode::NO_CONTENT);
}

/// An API that really hashes, a few passwords at once.
async fn hashing(store: Arc<dyn Store>) -> Arc<Api> {
    let mut world = World::over(store);
    let parameters = HashParameters::new(256, 1, 1, None).unwrap();
    let queue_timeout = std::time::Duration::from_mins(1);
    let hasher = HasherSettings { concurrency: TURNS, queue: 1000, queue_timeout, parameters };
    let entropy = Arc::new(SystemEntropy::default());
    world.ctx.hasher = Arc::new(Argon2Hasher::new(hasher, entropy).unwrap());
    let api = Api::with(world, settings()).await;
    assert_eq!(api.sign_up(ADA).await.status, StatusCode::CREATED);
    Arc::new(api)
}

/// Signs in so many times at once, and counts the answers of each status.
async fn at_once(api: &Arc<Api>, count: usize, password: &'static str) -> Vec<(u16, usize)> {
    let attempts: Vec<_> = (0..count)
        .map(|_| {
            let api = Arc::clone(api);
            tokio::spawn(async move { api.post(LOGIN, credentials(ADA, password)).await.status })
        })
        .collect();
    let mut counts = std::collections::BTreeMap::new();
    for attempt in attempts {
        *counts.entry(attempt.await.unwrap().as_u16()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

async fn many_at_once(store: Arc<dyn Store>) {
    let api = hashing(store).await;
    assert_eq!(at_once(&api, 20, PASSWORD).await, [(200, 20)]);
    guess_wrong(&api, ADA, 4).await;
    assert_eq!(at_once(&api, 20, PASSWORD).await, [(200, 20)]);

    let counts = at_once(&api, 200, "wrong").await;
    let [(401, looked_at), (429, refused)] = counts[..] else { panic!("{counts:?}") };
    assert!((5..5 + TURNS).contains(&looked_at), "{looked_at}");
    assert_eq!(looked_at + refused, 200);
    api.world.assert_consistent().await;
}

async fn a_day_of_guessing(store: Arc<dyn Store>) {
    let mut world = World::over(store);
    world.ctx.policy.lockout_max = Duration::seconds(1);
    let api = Arc::new(Api::with(world, settings()).await);
    api.sign_up(ADA).await;
    let device = text(&api.sign_in(ADA).await["device_token"]);
    let mut looked_at = 0;
    for _ in 0..110 {
        let counts = at_once(&api, 6, "wrong").await;
        looked_at +=
            counts.iter().find(|(status, _)| *status == 401).map_or(0, |(_, count)| *count);
        api.world.clock.advance(Duration::seconds(1));
    }
    assert_eq!(looked_at, 100);
    let wait = (Duration::DAY - Duration::seconds(110)).whole_seconds().to_string();
    assert_locked(&api.post(LOGIN, credentials(ADA, PASSWORD)).await, &wait);
    let answer = login_with(&api, "x-device-token", &device, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    api.world.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_in_memory() {
    many_at_once(Arc::new(MemoryStore::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_over_sqlite() {
    let database = SqliteDatabase::create().await;
    many_at_once(Arc::new(database.store().await)).await;
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_over_postgres() {
    let database = PostgresDatabase::create().await;
    many_at_once(Arc::new(database.store().await)).await;
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_day_of_guessing_over_sqlite() {
    let database = SqliteDatabase::create().await;
    a_day_of_guessing(Arc::new(database.store().await)).await;
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_day_of_guessing_over_postgres() {
    let database = PostgresDatabase::create().await;
    a_day_of_guessing(Arc::new(database.store().await)).await;
    database.drop().await;
}
