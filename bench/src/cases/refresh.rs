//! `POST /auth/refresh`: what every application does every quarter of an hour, for each session.

use std::fs;

use anyhow::Result;

use super::{CONNECTIONS, Case};
use crate::bench::Bench;
use crate::doorward::{API, Doorward};
use crate::harness::report::{Finding, Goal, Outcome, rows};
use crate::harness::rounds::{Subject, interleave};
use crate::refresh_load;
use crate::yardstick::pgbench;

pub const CASE: Case = Case {
    name: "refresh",
    measures: "POST /auth/refresh, 64 sessions that are refreshed again and again, on PostgreSQL",
    goal: "≥ 0.5 × pgbench with the rotation as one statement; better 0.8",
    run,
};

fn run(bench: &Bench) -> Result<Outcome> {
    let url = bench.postgres.database()?;
    let doorward = Doorward::start(bench, &url, &bench.machine.server)?;
    let people = doorward.signed_in_people(bench, CONNECTIONS)?;
    let tokens = bench.file("refresh-tokens");
    let first: Vec<&str> = people.iter().map(|person| person.refresh_token.as_str()).collect();
    fs::write(&tokens, first.join("\n"))?;
    let path = format!("{API}/auth/refresh");
    let load = |seconds| refresh_load::measure(bench, &doorward.url, &path, &tokens, seconds);
    let series = interleave(
        bench,
        vec![
            Subject::loaded(bench, "doorward", &doorward.process, true, load),
            pgbench::rotation(bench, &url, CONNECTIONS as u64)?,
        ],
    )?;
    let speed = series[0].speed(&series[1]);
    Ok(Outcome {
        rows: rows(&series),
        findings: vec![
            Finding::with_goal("× pgbench", speed, Goal::AtLeast(0.5)).stretch(Goal::AtLeast(0.8)),
        ],
        ..Outcome::default()
    })
}
