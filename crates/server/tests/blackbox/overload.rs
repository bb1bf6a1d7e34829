//! A flood of sign-ins costs neither memory nor the patience of those who are signed in.

use std::time::{Duration, Instant};

use tokio::{task::JoinSet, time::sleep};

use crate::{
    api::{Api, Person},
    support::{Server, folder, percentile},
};

const FLOOD: Duration = Duration::from_secs(2);
/// `auth.hash_queue_timeout_seconds` of this test.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(1);
/// What a busy machine and a hash in debug may add to it.
const SLACK: Duration = Duration::from_secs(2);
/// The longest that a signed-in person waits during the flood, on any machine.
const QUICK: Duration = Duration::from_millis(500);
const MEBIBYTE: u64 = 1024 * 1024;

/// The answers of one client that signs in again and again.
#[derive(Default)]
struct Tally {
    accepted: u32,
    refused: u32,
    slowest: Duration,
}

/// Signs in until the end of the flood. Who is refused comes back sooner than told to.
async fn insist(api: Api, person: Person, end: Instant) -> Tally {
    let mut tally = Tally::default();
    while Instant::now() < end {
        let since = Instant::now();
        let answer = api.sign_in(&person).await;
        tally.slowest = tally.slowest.max(since.elapsed());
        if answer.status == 200 {
            tally.accepted += 1;
        } else {
            answer.expect_problem(503, "overloaded");
            tally.refused += 1;
            sleep(Duration::from_millis(50)).await;
        }
    }
    tally
}

async fn time_of_reading(api: &Api, token: &str) -> Duration {
    let since = Instant::now();
    api.me(token).await.expect(200);
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_sign_ins_is_refused_in_time_and_nobody_else_notices() {
    let folder = folder();
    let settings = [
        ("APP_AUTH_HASH_CONCURRENCY", "1"),
        ("APP_AUTH_HASH_QUEUE", "8"),
        ("APP_AUTH_HASH_QUEUE_TIMEOUT_SECONDS", "1"),
        ("APP_RATE_LIMIT_ENABLED", "false"),
    ];
    let server = Server::start(folder.path(), &settings).await;
    let api = server.api();
    let person = Person::new("Ada Lovelace");
    let tokens = api.welcome(&person).await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(time_of_reading(&api, &tokens.access).await);
    }
    let memory_idle = server.resident();

    let end = Instant::now() + FLOOD;
    let mut flood = JoinSet::new();
    for _ in 0..64 {
        flood.spawn(insist(Api::new(server.address), person.clone(), end));
    }
    let (mut loaded, mut memory_most) = (Vec::new(), memory_idle);
    while Instant::now() < end {
        loaded.push(time_of_reading(&api, &tokens.access).await);
        memory_most = memory_most.max(server.resident());
        sleep(Duration::from_millis(2)).await;
    }
    let tallies = flood.join_all().await;

    let accepted: u32 = tallies.iter().map(|tally| tally.accepted).sum();
    let refused: u32 = tallies.iter().map(|tally| tally.refused).sum();
    let slowest = tallies.iter().map(|tally| tally.slowest).max().expect("there are clients");
    eprintln!("sign-ins: {accepted} accepted, {refused} refused, the slowest answer {slowest:?}");
    let (idle_50, idle_99) = (percentile(&mut idle, 50), percentile(&mut idle, 99));
    let (loaded_50, loaded_99) = (percentile(&mut loaded, 50), percentile(&mut loaded, 99));
    eprintln!(
        "reading: p50 {idle_50:?}, p99 {idle_99:?} idle; p50 {loaded_50:?}, p99 {loaded_99:?} loaded"
    );
    assert!(accepted > 0 && refused > 0);
    assert!(slowest < QUEUE_TIMEOUT + SLACK, "{slowest:?}");
    assert!(loaded_99 < QUICK, "{loaded_99:?}");
    if let (Some(idle), Some(most)) = (memory_idle, memory_most) {
        eprintln!("memory: {} MiB idle, {} MiB at most", idle / MEBIBYTE, most / MEBIBYTE);
        assert!(most < idle + 19 * MEBIBYTE + 64 * MEBIBYTE, "{most}");
    }
}
