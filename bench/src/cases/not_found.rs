//! An address that does not exist: what scanners of the net cost.

use anyhow::Result;

use super::{CONNECTIONS, Case};
use crate::bench::Bench;
use crate::doorward::{API, Doorward};
use crate::harness::http;
use crate::harness::report::{Outcome, rows};
use crate::harness::rounds::{Subject, interleave};
use crate::harness::wrk::{Expected, Load};

pub const CASE: Case = Case {
    name: "not-found",
    measures: "GET of an address that does not exist, against minimal axum with as long a body",
    goal: "none; it must not cost more than an answer that somebody wants",
    run,
};

fn run(bench: &Bench) -> Result<Outcome> {
    let doorward = Doorward::start(bench, &bench.postgres.database()?, &bench.machine.server)?;
    let address = format!("{}{API}/nowhere", doorward.url);
    let (_, problem) = http::whatever(&address)?;
    let plain = bench.yardstick("axum-json", &[("--bytes", &problem.len().to_string())])?;
    let refused = Load { expected: Expected::Refusal, ..Load::get(address, CONNECTIONS) };
    let answered = Load::get(format!("{}{}", plain.url, super::ME), CONNECTIONS);
    let series = interleave(
        bench,
        vec![
            Subject::server(bench, "doorward", &doorward.process, false, refused),
            Subject::server(bench, "axum-json", &plain.process, false, answered),
        ],
    )?;
    Ok(Outcome {
        rows: rows(&series),
        notes: vec![format!("The problem has {} bytes.", problem.len())],
        ..Outcome::default()
    })
}
