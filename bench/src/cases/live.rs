//! `GET /health/live`: what the envelope around every request costs.

use anyhow::Result;

use super::{CONNECTIONS, Case, LIVE};
use crate::bench::Bench;
use crate::doorward::Doorward;
use crate::harness::report::{Finding, Goal, Outcome, rows};
use crate::harness::rounds::{Subject, interleave};
use crate::harness::wrk::Load;

pub const CASE: Case = Case {
    name: "live",
    measures: "GET /health/live, against a minimal axum route with and without ready-made layers",
    goal: "≥ 0.8 × minimal axum with the layers that Doorward can't do without; better 0.9",
    run,
};

fn run(bench: &Bench) -> Result<Outcome> {
    let doorward = Doorward::start(bench, &bench.postgres.database()?, &bench.machine.server)?;
    let layers = bench.yardstick("axum-layers", &[])?;
    let plain = bench.yardstick("axum-live", &[])?;
    let subject = |name, process, url: &str| {
        let load = Load::get(format!("{url}{LIVE}"), CONNECTIONS);
        Subject::server(bench, name, process, false, load)
    };
    let series = interleave(
        bench,
        vec![
            subject("doorward", &doorward.process, &doorward.url),
            subject("axum-layers", &layers.process, &layers.url),
            subject("axum-live", &plain.process, &plain.url),
        ],
    )?;
    let speed = series[0].speed(&series[1]);
    Ok(Outcome {
        rows: rows(&series),
        findings: vec![
            Finding::with_goal("× axum-layers", speed, Goal::AtLeast(0.8))
                .stretch(Goal::AtLeast(0.9)),
        ],
        ..Outcome::default()
    })
}
