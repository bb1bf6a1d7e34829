//! Requests that are sent again: over each store, and over two instances on one.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use doorward_app::idempotency;
use doorward_domain::{IdempotencyKey, idempotency::Caller, ports::Store};
use doorward_infra_postgres::testing::TestDatabase as PostgresDatabase;
use doorward_infra_sqlite::testing::TestDatabase as SqliteDatabase;
use serde_json::{Value, json};
use time::Duration;

use super::support::{Answer, Api, PASSWORD, text};

const USERS: &str = "/api/v1/users";

fn ada() -> Value {
    json!({"email": "ada@example.com", "password": PASSWORD, "name": "Ada Lovelace"})
}

async fn send(api: &Api, path: &str, token: Option<&str>, key: &str, body: &Value) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", key);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    api.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn sign_up(api: &Api, key: &str, body: &Value) -> Answer {
    send(api, USERS, None, key, body).await
}

fn assert_repeats(again: &Answer, first: &Answer) {
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{again:?}");
    assert_eq!((again.status, &again.octets), (first.status, &first.octets));
    for name in ["location", "content-type"] {
        assert_eq!(again.header(name), first.header(name));
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused_before_anything_happens() {
    let api = Api::new().await;
    for bad in ["", "a b", &"k".repeat(256), "\"open"] {
        let answer = sign_up(&api, bad, &ada()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad:?}");
        assert_eq!(answer.problem(), "invalid_idempotency_key");
    }
    let twice = Request::post(USERS).header("idempotency-key", "a").header("idempotency-key", "a");
    let answer = api.send(twice.body(Body::from(ada().to_string())).unwrap()).await;
    assert_eq!(answer.problem(), "invalid_idempotency_key");
    assert_eq!(api.world.hasher.calls(), 0);
}

#[tokio::test]
async fn a_key_belongs_to_one_payload() {
    let api = Api::new().await;
    let first = sign_up(&api, "k", &ada()).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let mut other_password = ada();
    other_password["password"] = json!("four other words in a row");
    for other in [other_password, json!({"email": "x"})] {
        let answer = sign_up(&api, "k", &other).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let expected = if other.get("name").is_some() {
            "idempotency_key_reused"
        } else {
            "validation_failed"
        };
        assert_eq!(answer.problem(), expected);
    }
    assert_repeats(&sign_up(&api, "\"k\"", &ada()).await, &first);
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let api = Api::new().await;
    sign_up(&api, "first", &ada()).await;
    for _ in 0..2 {
        let taken = sign_up(&api, "k", &ada()).await;
        assert_eq!(taken.problem(), "email_taken");
        assert_eq!(taken.header("idempotency-replayed"), None);
    }
    let mut bob = ada();
    bob["email"] = json!("bob@example.com");
    assert_eq!(sign_up(&api, "k", &bob).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn keys_of_others_mean_nothing() {
    let api = Api::new().await;
    let admin = api.admin().await;
    let user = sign_up(&api, "k", &ada()).await.json();
    let ada = text(&api.sign_in("ada@example.com").await["access_token"]);
    let path = format!("{USERS}/{}/roles", text(&user["id"]));
    api.call(Method::PUT, &path, Some(&admin), Some(json!({"roles": ["admin"]}))).await;

    let rotate = "/api/v1/signing-keys/rotate";
    let first = send(&api, rotate, Some(&admin), "k", &Value::Null).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (StatusCode::ACCEPTED, None));
    let others = send(&api, rotate, Some(&ada), "k", &Value::Null).await;
    assert_eq!(
        (others.status, others.header("idempotency-replayed")),
        (StatusCode::ACCEPTED, None)
    );
    // By now another rotation would make another key; but the request is the one of before.
    api.world.clock.advance(Duration::minutes(14));
    assert_repeats(&send(&api, rotate, Some(&admin), "k", &Value::Null).await, &first);
    assert_repeats(&send(&api, rotate, Some(&ada), "k", &Value::Null).await, &others);
    assert_eq!(api.world.ctx.store.signing_keys().await.unwrap().len(), 2);
}

/// What a process leaves that is killed between the claim and the commit.
async fn killed_at_work(api: &Api) {
    api.begin_and_be_killed(idempotency::Request {
        caller: Caller::Anonymous,
        operation: format!("POST {USERS}"),
        key: IdempotencyKey::parse("k").unwrap(),
        payload: format!("{USERS}\n{}", ada()).into_bytes(),
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_a_request_waits_for_the_lease_and_is_carried_out() {
    let api = Api::new().await;
    killed_at_work(&api).await;
    let waits = sign_up(&api, "k", &ada()).await;
    assert_eq!(
        (waits.status, waits.problem()),
        (StatusCode::CONFLICT, "idempotency_key_in_use".to_owned())
    );
    assert_eq!(waits.header("retry-after"), Some("1"));
    tokio::time::advance(std::time::Duration::from_mins(1)).await;
    let first = sign_up(&api, "k", &ada()).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_repeats(&sign_up(&api, "k", &ada()).await, &first);
}

/// Fifty at once through two instances, then a restart of both.
async fn one_user_whoever_asks_how_often(store: Arc<dyn Store>) {
    let instances = [Api::over(Arc::clone(&store)).await, Api::over(Arc::clone(&store)).await];
    let (instances, body) = (Arc::new(instances), ada());
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let (instances, body) = (Arc::clone(&instances), body.clone());
            tokio::spawn(async move { sign_up(&instances[number % 2], "k", &body).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        let answer = task.await.unwrap();
        if answer.status == StatusCode::CONFLICT {
            assert_eq!(answer.problem(), "idempotency_key_in_use");
        } else {
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            answers.push(answer);
        }
    }
    let is_first = |answer: &&Answer| answer.header("idempotency-replayed").is_none();
    let first: Vec<_> = answers.iter().filter(is_first).collect();
    assert_eq!(first.len(), 1);
    assert!(answers.iter().all(|answer| answer.octets == first[0].octets));
    drop(instances);

    let restarted = Api::over(Arc::clone(&store)).await;
    assert_repeats(&sign_up(&restarted, "k", &body).await, first[0]);
    let users = store.users_after(None, 10).await.unwrap();
    assert_eq!(users.len(), 1);
    restarted.world.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_requests_with_one_key_one_is_carried_out_on_sqlite() {
    let database = SqliteDatabase::create().await;
    one_user_whoever_asks_how_often(Arc::new(database.store().await)).await;
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_requests_with_one_key_one_is_carried_out_on_postgres() {
    let database = PostgresDatabase::create().await;
    one_user_whoever_asks_how_often(Arc::new(database.store().await)).await;
    database.drop().await;
}
