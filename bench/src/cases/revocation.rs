//! Whether a revocation holds everywhere at once, while everybody is busy: the caches that make reads
//! fast must not make them wrong.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::{CONNECTIONS, Case, ME};
use crate::bench::Bench;
use crate::doorward::{Doorward, SignedIn};
use crate::harness::http;
use crate::harness::report::{Finding, Goal, Outcome};
use crate::harness::rounds::Spread;
use crate::harness::wrk::{self, Load};

/// How many sessions are revoked, one after another.
const SESSIONS: u32 = 50;
/// How long after one the next is.
const PAUSE: Duration = Duration::from_millis(150);
/// How long after a revocation a token may be accepted elsewhere.
const TOLERATED: Duration = Duration::from_secs(1);
/// How long after a revocation its token is still tried.
const WATCHED: Duration = Duration::from_millis(2500);
/// How often it is tried.
const STEP: Duration = Duration::from_millis(2);

pub const CASE: Case = Case {
    name: "revocation",
    measures: "50 sessions revoked on one instance, used on another that 64 connections keep busy",
    goal: "0 requests accepted 1 s after a revocation; better: refused after 0.2 s",
    run,
};

/// A person with two sessions: the one revokes the other.
struct Pair {
    own: SignedIn,
    other: SignedIn,
}

fn run(bench: &Bench) -> Result<Outcome> {
    let url = bench.postgres.database()?;
    let first = Doorward::start(bench, &url, &bench.machine.server)?;
    let second = Doorward::start(bench, &url, &bench.machine.server)?;
    let people = first.signed_in_people(bench, CONNECTIONS)?;
    let calls = people.iter().map(|person| wrk::signed_in_get(ME, &person.access_token));
    let script = wrk::script(&bench.file("me.lua"), calls)?;
    let pairs = pairs(bench, &first)?;
    let load = Load::scripted(second.url.clone(), CONNECTIONS, script);
    let (seen, busy) = thread::scope(|scope| {
        let busy = scope.spawn(|| load.run(&bench.machine, duration()));
        let seen = revoke_all(&first, &second, &pairs);
        let busy = busy.join().map_err(|_| anyhow!("the load panicked"))?;
        let busy = busy?;
        ensure!(busy.requests > 0, "the other instance answered nothing");
        Ok::<_, anyhow::Error>((seen?, busy))
    })?;
    let late: u32 = seen.iter().map(|seen| seen.late).sum();
    let again: u32 = seen.iter().map(|seen| seen.again).sum();
    let milliseconds = seen.iter().map(|seen| seen.refused_after.as_secs_f64() * 1e3);
    let times = Spread::of(milliseconds);
    let single = |figure| Spread { median: figure, min: figure, max: figure };
    Ok(Outcome {
        findings: vec![
            Finding::with_goal(
                "requests accepted more than 1 s after",
                single(late.into()),
                Goal::AtMost(0.0),
            ),
            Finding::with_goal(
                "requests accepted after one was refused",
                single(again.into()),
                Goal::AtMost(0.0),
            ),
            Finding::of("ms until refused: p50 (min–max)", times),
            Finding::of("ms until refused: max", single(times.max)).stretch(Goal::AtMost(200.0)),
        ],
        notes: vec![format!(
            "{SESSIONS} sessions; meanwhile the other instance answered {:.0} requests a second.",
            busy.throughput
        )],
        ..Outcome::default()
    })
}

/// Whole seconds that all revocations take, with some to spare.
fn duration() -> u64 {
    ((PAUSE * SESSIONS + WATCHED).mul_f64(1.5)).as_secs() + 2
}

fn pairs(bench: &Bench, doorward: &Doorward) -> Result<Vec<Pair>> {
    let addresses: Vec<String> =
        (1..=SESSIONS).map(|nth| format!("revoked-{nth}@example.com")).collect();
    doorward.import(bench, &addresses)?;
    let pair = |address: &String| {
        Ok(Pair { own: doorward.sign_in(address)?, other: doorward.sign_in(address)? })
    };
    addresses.iter().map(pair).collect()
}

/// What became of one revoked session.
struct Seen {
    /// From the answer to the revocation to the first refusal on the other instance.
    refused_after: Duration,
    /// Requests that were sent later than is tolerated, and accepted.
    late: u32,
    /// Requests that were accepted although one before was refused.
    again: u32,
}

fn revoke_all(first: &Doorward, second: &Doorward, pairs: &[Pair]) -> Result<Vec<Seen>> {
    // Everything is warm when the first is revoked.
    thread::sleep(Duration::from_secs(1));
    thread::scope(|scope| {
        let mut watchers = Vec::new();
        for pair in pairs {
            let watcher = scope.spawn(move || {
                let revoked = OnceLock::new();
                thread::scope(|scope| {
                    let watch = scope.spawn(|| watch(second, &pair.other.access_token, &revoked));
                    let path = format!("/users/me/sessions/{}", pair.other.session_id);
                    let answer = http::delete(&first.api(&path), &pair.own.access_token);
                    // The watch must end even if there is no answer.
                    let _ = revoked.set(Instant::now());
                    let seen = watch.join().map_err(|_| anyhow!("a watch panicked"))?;
                    answer?;
                    seen
                })
            });
            watchers.push(watcher);
            thread::sleep(PAUSE);
        }
        let join = |watcher: thread::ScopedJoinHandle<'_, Result<Seen>>| {
            watcher.join().map_err(|_| anyhow!("a watch panicked"))?
        };
        watchers.into_iter().map(join).collect()
    })
}

/// Tries a token again and again, from before its session is revoked until it is out of date.
fn watch(doorward: &Doorward, token: &str, revoked: &OnceLock<Instant>) -> Result<Seen> {
    let client = http::Client::new();
    let (mut refused_at, mut late, mut again) = (None, 0, 0);
    loop {
        let sent = Instant::now();
        let status = client.status(&doorward.api("/users/me"), token)?;
        match status {
            200 => {
                late += u32::from(revoked.get().is_some_and(|at| sent > *at + TOLERATED));
                again += u32::from(refused_at.is_some());
            }
            401 => {
                refused_at.get_or_insert_with(Instant::now);
            }
            _ => bail!("a revoked session was answered with {status}"),
        }
        if let Some(at) = revoked.get()
            && at.elapsed() > WATCHED
        {
            let refused = refused_at.context("a revoked session was never refused")?;
            return Ok(Seen { refused_after: refused.saturating_duration_since(*at), late, again });
        }
        thread::sleep(STEP);
    }
}
