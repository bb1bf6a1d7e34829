//! With `signup.conceal_existing`, signing up tells nobody who has an account.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use doorward_app::account::CONCEALED_WRITE;
use doorward_domain::ports::StoreError;
use doorward_http::HttpSettings;
use doorward_testkit::{World, mock::MockStore};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::support::{Answer, Api, PASSWORD, limits, settings};

const KNOWN: &str = "known@example.com";
const NEW: &str = "new@example.com";

/// An API where one address is known.
async fn concealing(settings: HttpSettings) -> Api {
    let mut world = World::default();
    world.registered(KNOWN).await;
    world.ctx.policy.conceal_existing = true;
    Api::with(world, settings).await
}

/// All that a client sees of an answer, but for the name of the request.
fn seen(answer: &Answer) -> (StatusCode, Vec<(String, String)>, Value) {
    let headers = answer.headers.keys().filter(|name| *name != "x-request-id");
    let headers = headers.map(|name| {
        let value = answer.header(name.as_str()).unwrap();
        // The seconds until more may be sent: by a clock that no test can stop.
        let value = match name.as_str() {
            "ratelimit" => value.split(";t=").next().unwrap(),
            "retry-after" => "later",
            _ => value,
        };
        (name.to_string(), value.to_owned())
    });
    let mut body = answer.json();
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    (answer.status, headers.collect(), body)
}

#[tokio::test(start_paused = true)]
async fn a_database_that_cannot_be_reached_is_told_and_not_at_once() {
    for error in [|| StoreError::Unavailable("refused".into()), || StoreError::Busy("full".into())]
    {
        let mut api = concealing(settings()).await;
        let mut store = MockStore::new();
        store.expect_begin().returning(move || Err(error()));
        api.world.ctx.store = Arc::new(store);
        let api = api.reopened();
        let begun = Instant::now();
        let answer = api.sign_up(NEW).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.problem(), "unavailable");
        assert_eq!(begun.elapsed(), CONCEALED_WRITE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_has_an_account_all_the_same() {
    let api = concealing(settings()).await;
    let gone = timeout(CONCEALED_WRITE / 2, api.sign_up(NEW)).await;
    assert!(gone.is_err(), "nothing is told so early");
    api.sign_in(NEW).await;
}

#[tokio::test(start_paused = true)]
async fn known_and_new_addresses_are_answered_alike_at_the_same_time() {
    let api = concealing(settings()).await;
    let mut answers = Vec::new();
    for address in [KNOWN, NEW, NEW] {
        let begun = Instant::now();
        let answer = api.sign_up(address).await;
        assert_eq!(begun.elapsed(), CONCEALED_WRITE, "{address}");
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        assert_eq!((answer.octets.len(), answer.header("location")), (0, None));
        answers.push(seen(&answer));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    // The one has an account now, and the other the one that was there.
    for address in [KNOWN, NEW] {
        api.sign_in(address).await;
    }
    api.world.assert_consistent().await;
}

#[tokio::test(start_paused = true)]
async fn refusals_do_not_differ_either() {
    let body = |address: &str, password: &str, name: &str| json!({"email": address, "password": password, "name": name});
    let mut both = Vec::new();
    for address in [KNOWN, NEW] {
        let api = concealing(HttpSettings { rate_limits: Some(limits(4)), ..settings() }).await;
        let mut answers = Vec::new();
        for request in [
            body(address, "x", "Ada"),
            body(address, "passwordpassword", ""),
            body(address, PASSWORD, "Ada"),
            body(address, PASSWORD, "Ada"),
            body(address, PASSWORD, "Ada"),
        ] {
            let answer = api.post("/api/v1/users", request).await;
            answers.push(seen(&answer));
        }
        let statuses: Vec<_> = answers.iter().map(|(status, ..)| status.as_u16()).collect();
        assert_eq!(statuses, [422, 422, 202, 202, 429]);
        both.push(answers);
    }
    assert_eq!(both[0], both[1]);
}

#[tokio::test(start_paused = true)]
async fn otherwise_the_answers_are_those_that_help_most() {
    let api = Api::new().await;
    let begun = Instant::now();
    assert_eq!(api.sign_up(NEW).await.status, StatusCode::CREATED);
    assert_eq!(api.sign_up(NEW).await.problem(), "email_taken");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
