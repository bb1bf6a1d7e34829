//! Whoever guesses gets nowhere, at whichever instance, and keeps nobody from signing in.

use std::path::Path;

use doorward_infra_postgres::testing::TestDatabase;
use tokio::task::JoinSet;

use crate::{
    api::Person,
    support::{SECRET, Server, folder},
};

/// How many wrong guesses are free.
const FREE: usize = 5;

async fn instance(folder: &Path, database: &str) -> Server {
    let settings = [
        ("APP_DATABASE_URL", database),
        ("APP_AUTH_SECRET", SECRET),
        // Otherwise derived from the port, which differs.
        ("APP_AUTH_ISSUER", "https://accounts.example.org"),
        ("APP_AUTH_HASH_CONCURRENCY", "1"),
        ("APP_AUTH_HASH_QUEUE_TIMEOUT_SECONDS", "60"),
        ("APP_AUTH_HASH_QUEUE", "100"),
        ("APP_RATE_LIMIT_ENABLED", "false"),
    ];
    Server::start(folder, &settings).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_count_guesses_together_and_know_the_owners_device() {
    let database = TestDatabase::create().await;
    let (one, other) = (folder(), folder());
    let url = database.url();
    let servers = tokio::join!(instance(one.path(), &url), instance(other.path(), &url));
    let apis = [servers.0.api(), servers.1.api()];
    let person = Person::new("Ada Lovelace");
    apis[0].welcome(&person).await;
    let device = apis[0].sign_in(&person).await.expect(200)["device_token"].clone();

    let mut guesses = JoinSet::new();
    for number in 0..100 {
        let (api, person) = (apis[number % 2].clone(), person.clone());
        let guess = Person { password: format!("guess number {number}"), ..person };
        guesses.spawn(async move { api.sign_in(&guess).await });
    }
    let mut looked_at = 0;
    for answer in guesses.join_all().await {
        if answer.status == 401 {
            answer.expect_problem(401, "invalid_credentials");
            looked_at += 1;
        } else {
            answer.expect_problem(429, "too_many_attempts");
        }
    }
    // Each instance hashes one at a time.
    assert!((FREE..FREE + 2).contains(&looked_at), "{looked_at}");

    // Guessed on until the wait is long enough for what follows.
    for number in 0..9 {
        let api = &apis[number % 2];
        let guess = Person { password: format!("guess again {number}"), ..person.clone() };
        let answer = api.sign_in(&guess).await;
        if answer.status == 429 {
            let wait = answer.header("retry-after").expect("it says when").parse().unwrap();
            answer.expect_problem(429, "too_many_attempts");
            if wait > 7 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
        }
    }
    let device = device.as_str().expect("a sign-in gives a device token");
    for api in &apis {
        api.sign_in(&person).await.expect_problem(429, "too_many_attempts");
        api.sign_in_on(device, &person).await.expect(200);
    }
    drop(servers);
    database.drop().await;
}
