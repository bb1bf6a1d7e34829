//! How soon an instance serves, and what memory it takes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{CONNECTIONS, Case};
use crate::bench::Bench;
use crate::doorward::{API, Doorward, PASSWORD};
use crate::harness::procfs;
use crate::harness::report::{Finding, Goal, Outcome};
use crate::harness::rounds::Spread;
use crate::harness::wrk::{self, Load};
use crate::seed::Store;

pub const CASE: Case = Case {
    name: "cold",
    measures: "from the start of the process to the first 200 of /health/ready, and memory",
    goal: "≤ 50 ms; ≤ 15 MB idle; under load ≤ 30 MB + 19 MiB × hashers",
    run,
};

/// How often an instance is started.
const STARTS: usize = 20;
/// How long an instance is left alone before its memory counts as idle.
const IDLE: Duration = Duration::from_secs(5);
/// How often a starting instance is asked.
const POLL: Duration = Duration::from_micros(500);
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Sign-ins take a hash each, for which more than this only wait.
const SIGN_INS: usize = 8;
/// What one password takes while it is hashed: 19 MiB, in MB.
const HASH_MB: f64 = 19.0 * 1.048_576;

fn run(bench: &Bench) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for store in [Store::Sqlite, Store::Postgres] {
        let server = Doorward::start(bench, &store.empty(bench)?, &bench.machine.server)?;
        let people = server.signed_in_people(bench, CONNECTIONS)?;
        let server = restarted(bench, server, store, &mut outcome)?;
        let about = |what: &str| format!("{what}, {}", store.name());
        thread::sleep(IDLE);
        let (resident, proportional) =
            (resident(&server)?, procfs::proportional(server.process.id())?);
        outcome.findings.push(Finding::with_goal(
            about("idle MB (RSS)"),
            megabytes(resident),
            Goal::AtMost(15.0),
        ));
        outcome.findings.push(Finding::of(about("idle MB (PSS)"), megabytes(proportional)));
        let me = people
            .iter()
            .map(|person| wrk::signed_in_get(&format!("{API}/users/me"), &person.access_token));
        let me = wrk::script(&bench.file("me.lua"), me)?;
        let login = crate::doorward::addresses(CONNECTIONS).into_iter().map(|address| {
            let body = serde_json::json!({ "email": address, "password": PASSWORD });
            wrk::json_post(&format!("{API}/auth/login"), &body)
        });
        let login = wrk::script(&bench.file("login.lua"), login)?;
        for (what, connections, script) in
            [("MB after users/me", CONNECTIONS, me), ("MB after logins too", SIGN_INS, login)]
        {
            Load::scripted(server.url.clone(), connections, script)
                .run(&bench.machine, bench.pace.measured)?;
            // The server has one core, so it hashes one password at once.
            let goal = Goal::AtMost(30.0 + HASH_MB);
            let figure = megabytes(self::resident(&server)?);
            outcome.findings.push(Finding::with_goal(about(what), figure, goal));
        }
    }
    outcome.notes.push(format!(
        "{STARTS} starts on a database that is there; the start of `taskset` is part of them."
    ));
    Ok(outcome)
}

/// Starts an instance again and again, and gives the last one.
fn restarted(
    bench: &Bench,
    mut server: Doorward,
    store: Store,
    outcome: &mut Outcome,
) -> Result<Doorward> {
    let mut starts = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let begun;
        (server, begun) = server.restart(bench, &bench.machine.server)?;
        starts.push(first_answer(&server, begun)?.as_secs_f64() * 1e3);
    }
    let what = format!("cold start ms, {}", store.name());
    outcome.findings.push(Finding::with_goal(what, Spread::of(starts), Goal::AtMost(50.0)));
    Ok(server)
}

/// How long it took from a moment to the first answer that says ready.
fn first_answer(server: &Doorward, begun: Instant) -> Result<Duration> {
    let address = server.url.strip_prefix("http://").context("the server speaks plain HTTP")?;
    loop {
        if says_ready(address).is_some_and(|ready| ready) {
            return Ok(begun.elapsed());
        }
        ensure!(begun.elapsed() < PATIENCE, "{} does not get ready", server.url);
        thread::sleep(POLL);
    }
}

/// Asks once; nothing when nobody answers.
fn says_ready(address: &str) -> Option<bool> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = "GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(is_success(&answer))
}

fn is_success(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200 ")
}

fn resident(server: &Doorward) -> Result<u64> {
    Ok(server.process.usage()?.memory)
}

#[expect(clippy::cast_precision_loss, reason = "no machine has 2^52 bytes")]
fn megabytes(bytes: u64) -> Spread {
    Spread::of([bytes as f64 / 1e6])
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_an_answer_of_200_is_ready() {
        assert!(is_success("HTTP/1.1 200 OK\r\n\r\n"));
        assert!(!is_success("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
        assert!(!is_success(""));
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_not_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        drop(listener);
        assert_eq!(says_ready(&address), None);
    }
}
