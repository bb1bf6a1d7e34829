//! Jobs: how many a worker does, how many are added, how soon one begins. The worker has a core to itself, and
//! so has the database.

use anyhow::Result;

use super::Case;
use crate::bench::Bench;
use crate::harness::report::{Finding, Goal, Outcome, rows};
use crate::harness::rounds::{Spread, Subject, interleave};
use crate::queue_work::{Name, Task, measure};
use crate::yardstick::pgbench;

pub const DRAIN: Case = Case {
    name: "jobs",
    measures: "50,000 jobs that do nothing, added beforehand, until the last is acknowledged",
    goal: "≥ 1 × apalis-postgres with batches; the last fifth as fast as the first",
    run: drain,
};

pub const ENQUEUE: Case = Case {
    name: "jobs-enqueue",
    measures: "jobs that are added one by one, each committed, by 16 at the same time",
    goal: "≥ 0.4 × a bare INSERT by pgbench",
    run: enqueue,
};

pub const START: Case = Case {
    name: "jobs-start",
    measures: "from before a job is added until it begins, one after another, 100 a second at most",
    goal: "p50 ≤ 1.5 ms, p99 ≤ 6 ms",
    run: start,
};

/// The jobs of a round.
const JOBS: &str = "50000";

/// Fills a queue, and then measures how it is drained.
fn drained<'a>(bench: &'a Bench, url: &'a str, name: &'static str, queue: Name) -> Subject<'a> {
    Subject::new(name, move |_| {
        measure(bench, url, (queue, Task::Fill), ["--jobs", JOBS])?;
        bench.postgres.checkpoint()?;
        Ok(measure(bench, url, (queue, Task::Drain), ["--jobs", JOBS])?.0)
    })
}

fn drain(bench: &Bench) -> Result<Outcome> {
    let url = bench.postgres.database()?;
    let series = interleave(
        bench,
        vec![
            drained(bench, &url, "doorward", Name::Doorward),
            drained(bench, &url, "apalis-postgres", Name::Apalis),
            drained(bench, &url, "bare: 50 at once, deleted", Name::Bare),
            drained(bench, &url, "doorward, each its commit", Name::DoorwardEffects),
        ],
    )?;
    let speed = series[0].speed(&series[1]);
    // A longer run, for what a queue leaves behind in its indexes.
    let long = ["--jobs", "200000"];
    measure(bench, &url, (Name::Doorward, Task::Fill), long)?;
    let (_, seen) = measure(bench, &url, (Name::Doorward, Task::Drain), long)?;
    Ok(Outcome {
        rows: rows(&series),
        findings: vec![
            Finding::with_goal("× apalis-postgres", speed, Goal::AtLeast(1.0)),
            Finding::with_goal(
                "time of the last 40,000 of 200,000 jobs × the first",
                Spread::of([seen.slowed]),
                Goal::AtMost(1.2),
            ),
        ],
        ..Outcome::default()
    })
}

fn enqueue(bench: &Bench) -> Result<Outcome> {
    let url = bench.postgres.database()?;
    measure(bench, &url, (Name::Doorward, Task::Fill), ["--jobs", "0"])?;
    let series = interleave(
        bench,
        vec![
            timed(bench, &url, "doorward", (Name::Doorward, Task::Enqueue)),
            pgbench::insert(bench, &url)?,
            timed(bench, &url, "apalis-postgres", (Name::Apalis, Task::Enqueue)),
        ],
    )?;
    let speed = series[0].speed(&series[1]);
    Ok(Outcome {
        rows: rows(&series),
        findings: vec![Finding::with_goal("× a bare INSERT", speed, Goal::AtLeast(0.4))],
        ..Outcome::default()
    })
}

fn start(bench: &Bench) -> Result<Outcome> {
    let url = bench.postgres.database()?;
    // apalis is left out: one job at a time, it now and then does not hear of the next one for seconds.
    let series =
        interleave(bench, vec![timed(bench, &url, "doorward", (Name::Doorward, Task::Start))])?;
    let own = &series[0];
    let p50 = own.spread(|sample| sample.p50.as_secs_f64() * 1e3);
    let p99 = own.spread(|sample| sample.p99.as_secs_f64() * 1e3);
    Ok(Outcome {
        rows: rows(&series),
        findings: vec![
            Finding::with_goal("p50 ms", p50, Goal::AtMost(1.5)),
            Finding::with_goal("p99 ms", p99, Goal::AtMost(6.0)),
        ],
        ..Outcome::default()
    })
}

/// A queue that does something for as long as the run's pace says.
fn timed<'a>(
    bench: &'a Bench,
    url: &'a str,
    name: &'static str,
    what: (Name, Task),
) -> Subject<'a> {
    Subject::new(name, move |pace| {
        let measured = pace.measured.to_string();
        Ok(measure(bench, url, what, ["--seconds", &measured])?.0)
    })
}
