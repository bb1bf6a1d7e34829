//! `GET /users/me` while sign-ins flood: whether who hashes leaves the others alone.

use std::sync::Mutex;
use std::thread;

use anyhow::{Result, anyhow, ensure};

use super::{CONNECTIONS, Case, ME, password};
use crate::bench::Bench;
use crate::doorward::{Doorward, addresses};
use crate::harness::machine::Cores;
use crate::harness::report::{Finding, Goal, Outcome, Row};
use crate::harness::rounds::{Metered, Pace, Sample, Series, Spread, Subject, interleave};
use crate::harness::wrk::{self, Expected, Load, Measured};

/// The connections that sign in.
const FLOOD: usize = 32;

pub const CASE: Case = Case {
    name: "flood",
    measures: "p99 of GET /users/me, 64 connections, while 32 connections do nothing but sign in",
    goal: "p99 ≤ 2 × without the flood",
    run,
};

fn run(bench: &Bench) -> Result<Outcome> {
    let one = Flooded::start(bench, "one core", &bench.machine.server)?;
    let mut instances = vec![one];
    if bench.machine.all != bench.machine.server {
        instances.push(Flooded::start(bench, "all cores", &bench.machine.all)?);
    }
    let subjects = instances.iter().flat_map(|instance| {
        [
            Subject::new(format!("{}, idle", instance.place), |pace| instance.idle(pace)),
            Subject::new(format!("{}, flooded", instance.place), |pace| instance.flooded(pace)),
        ]
    });
    let series = interleave(bench, subjects.collect())?;
    let findings = instances.iter().zip(series.chunks(2)).flat_map(|(instance, pair)| {
        let p99 = pair[1].ratio(&pair[0], |sample| sample.p99.as_secs_f64());
        [
            Finding::with_goal(
                format!("p99 flooded ÷ idle, {}", instance.place),
                p99,
                Goal::AtMost(2.0),
            ),
            Finding::of(format!("sign-ins/s meanwhile, {}", instance.place), instance.sign_ins()),
        ]
    });
    Ok(Outcome {
        rows: series.iter().map(|series: &Series| Row::of(series)).collect(),
        findings: findings.collect(),
        notes: vec![
            "Sign-ins that did not fit into the queue are answered with 503 and not counted."
                .into(),
        ],
    })
}

/// An instance, and what is asked of it.
struct Flooded<'a> {
    bench: &'a Bench,
    place: &'static str,
    doorward: Doorward,
    me: Load,
    sign_ins: Load,
    /// Sign-ins a second, of each flood.
    seen: Mutex<Vec<f64>>,
}

impl<'a> Flooded<'a> {
    fn start(bench: &'a Bench, place: &'static str, cores: &Cores) -> Result<Self> {
        let doorward = Doorward::start(bench, &bench.postgres.database()?, cores)?;
        let people = doorward.signed_in_people(bench, CONNECTIONS)?;
        let calls = people.iter().map(|person| wrk::signed_in_get(ME, &person.access_token));
        let me = wrk::script(&bench.file("me.lua"), calls)?;
        let login = password::login_script_of(bench, &addresses(CONNECTIONS))?;
        let url = &doorward.url;
        Ok(Self {
            bench,
            place,
            me: Load::scripted(url.clone(), CONNECTIONS, me),
            sign_ins: Load { expected: Expected::Any, ..Load::scripted(url.clone(), FLOOD, login) },
            doorward,
            seen: Mutex::default(),
        })
    }

    fn idle(&self, pace: &Pace) -> Result<Sample> {
        self.me.run(&self.bench.machine, pace.warm_up)?;
        let metered = Metered::begin(self.bench, &self.doorward.process, true)?;
        let measured = self.me.run(&self.bench.machine, pace.measured)?;
        ensure!(measured.requests > 0, "nothing was answered");
        metered.end(&measured)
    }

    fn flooded(&self, pace: &Pace) -> Result<Sample> {
        let machine = &self.bench.machine;
        thread::scope(|scope| {
            // It lasts a little longer than what it disturbs.
            let flood =
                scope.spawn(|| self.sign_ins.run(machine, pace.warm_up + pace.measured + 1));
            let sample = self.idle(pace);
            let flood = flood.join().map_err(|_| anyhow!("the flood panicked"))??;
            self.note(&flood);
            // Sign-ins that still wait would be a flood for the next subject.
            self.doorward.process.settle()?;
            sample
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 requests")]
    fn note(&self, flood: &Measured) {
        let accepted = flood.requests.saturating_sub(flood.refused) as f64;
        let rate = accepted / flood.requests.max(1) as f64 * flood.throughput;
        if let Ok(mut seen) = self.seen.lock() {
            seen.push(rate);
        }
    }

    fn sign_ins(&self) -> Spread {
        Spread::of(self.seen.lock().map(|seen| seen.clone()).unwrap_or_default())
    }
}
