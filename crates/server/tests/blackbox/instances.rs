//! Several processes on one database agree within a second.

use std::{
    collections::HashSet,
    path::Path,
    time::{Duration, Instant},
};

use doorward_infra_postgres::testing::TestDatabase;
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};

use crate::{
    api::{Api, Person, Tokens},
    support::{SECRET, Server, folder, percentile, until},
};

/// What is promised for the time from a revocation to its effect everywhere.
const EVERYWHERE: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(2);

async fn instance(folder: &Path, database: &str) -> Server {
    let settings = [
        ("APP_DATABASE_URL", database),
        ("APP_AUTH_SECRET", SECRET),
        // Otherwise derived from the port, which differs.
        ("APP_AUTH_ISSUER", "https://accounts.example.org"),
        ("APP_AUTH_REFRESH_GRACE_SECONDS", "2"),
        ("APP_RATE_LIMIT_ENABLED", "false"),
    ];
    Server::start(folder, &settings).await
}

/// Waits until an access token is refused, and says how long that took.
async fn refused(api: &Api, token: &str) -> Duration {
    let since = Instant::now();
    let refused = async || (api.me(token).await.status == 401).then_some(());
    until("the token is refused", EVERYWHERE, refused).await;
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_refreshes_on_two_instances_have_one_successor_and_a_late_one_ends_the_session() {
    let database = TestDatabase::create().await;
    let (one, other) = (folder(), folder());
    let (url, url_again) = (database.url(), database.url());
    let (one, other) = tokio::join!(instance(one.path(), &url), instance(other.path(), &url_again));
    let apis = [one.api(), other.api()];
    let tokens = apis[0].welcome(&Person::new("Ada Lovelace")).await;
    for api in &apis {
        api.me(&tokens.access).await.expect(200);
    }

    let mut refreshes = JoinSet::new();
    for number in 0..50 {
        let (api, token) = (apis[number % 2].clone(), tokens.refresh.clone());
        refreshes.spawn(async move { Tokens::of(&api.refresh(&token).await.expect(200)) });
    }
    let answers = refreshes.join_all().await;
    let all_rotated = tokio::time::Instant::now();
    let successors: HashSet<_> = answers.iter().map(|tokens| &tokens.refresh).collect();
    assert_eq!((answers.len(), successors.len()), (50, 1));
    for answer in &answers {
        apis[0].me(&answer.access).await.expect(200);
    }

    sleep_until(all_rotated + GRACE + Duration::from_millis(50)).await;
    let newest = &answers[49];
    apis[1].me(&newest.access).await.expect(200);
    apis[1].refresh(&tokens.refresh).await.expect_problem(401, "refresh_token_reused");
    let (here, there) =
        tokio::join!(refused(&apis[1], &newest.access), refused(&apis[0], &newest.access));
    eprintln!("a replay was effective after {here:?} where it was noticed and {there:?} elsewhere");
    for api in &apis {
        for answer in answers.iter().chain([&tokens]) {
            api.me(&answer.access).await.expect_problem(401, "invalid_token");
        }
        api.refresh(&newest.refresh).await.expect_problem(401, "invalid_refresh_token");
        api.refresh(&tokens.refresh).await.expect_problem(401, "refresh_token_reused");
    }
    drop((one, other));
    database.drop().await;
}

/// Signs out on one instance, again and again, and measures when the other one knows.
async fn measure_sign_outs(one: &Api, other: &Api, times: usize) {
    let person = Person::new("Grace Hopper");
    one.sign_up(&person).await.expect(201);
    let mut delays = Vec::new();
    for _ in 0..times {
        let tokens = Tokens::of(&one.sign_in(&person).await.expect(200));
        other.me(&tokens.access).await.expect(200);
        one.sign_out(&tokens.access).await.expect(204);
        let (here, there) = tokio::join!(
            one.me(&tokens.access),
            timeout(EVERYWHERE, refused(other, &tokens.access))
        );
        here.expect_problem(401, "invalid_token");
        delays.push(there.expect("the other instance answers in time"));
    }
    let (median, worst) = (percentile(&mut delays, 50), percentile(&mut delays, 100));
    eprintln!("a sign-out was known to the other process after {median:?}, at most {worst:?}");
}

#[tokio::test]
async fn on_postgres_a_sign_out_is_known_to_the_other_instance_within_a_second() {
    let database = TestDatabase::create().await;
    let (one, other) = (folder(), folder());
    let url = database.url();
    let (one, other) = (instance(one.path(), &url).await, instance(other.path(), &url).await);
    measure_sign_outs(&one.api(), &other.api(), 20).await;
    drop((one, other));
    database.drop().await;
}

#[tokio::test]
async fn on_sqlite_what_another_process_revokes_is_refused_within_a_second() {
    let (one, other) = (folder(), folder());
    let file = format!("sqlite://{}", one.path().join("data/doorward.db").display());
    let (one, other) = (instance(one.path(), &file).await, instance(other.path(), &file).await);
    measure_sign_outs(&other.api(), &one.api(), 8).await;
}
