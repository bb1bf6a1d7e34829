//! `GET /users` of a million people: the last page costs what the first one costs.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Case;
use crate::bench::Bench;
use crate::doorward::{API, Doorward};
use crate::harness::http;
use crate::harness::report::{Finding, Goal, Outcome, rows};
use crate::harness::rounds::{Sample, Subject, interleave};
use crate::harness::wrk::{self, Load};
use crate::seed::{ADMINISTRATOR, Store};

pub const POSTGRES: Case = Case {
    name: "list",
    measures: "GET /users page 1 and page 10,000 of 100 people each, of 10^6, on PostgreSQL",
    goal: "page 10,000 costs ≤ 1.2 × page 1",
    run: |bench| run(bench, Store::Postgres),
};

pub const SQLITE: Case = Case {
    name: "list-sqlite",
    measures: "the same on SQLite",
    goal: "page 10,000 costs ≤ 1.2 × page 1",
    run: |bench| run(bench, Store::Sqlite),
};

const PEOPLE: u32 = 1_000_000;
const FIRST: &str = "/users?limit=100";
const LAST_PAGE: u32 = 10_000;
/// A page is much work for one core; more connections would only wait.
const CONNECTIONS: usize = 16;

fn run(bench: &Bench, store: Store) -> Result<Outcome> {
    let url = store.seeded(bench, PEOPLE)?;
    let server = Doorward::start(bench, &url, &bench.machine.server)?;
    let token = server.sign_in(ADMINISTRATOR)?.access_token;
    let last = page(&server, &token, LAST_PAGE)?;
    let mut subjects = Vec::new();
    for (name, path) in [("page 10,000", last.as_str()), ("page 1", FIRST)] {
        let call = wrk::signed_in_get(&format!("{API}{path}"), &token);
        let script = wrk::script(&bench.file("list.lua"), [call])?;
        let load = Load::scripted(server.url.clone(), CONNECTIONS, script);
        let uses_database = store == Store::Postgres;
        subjects.push(Subject::server(bench, name, &server.process, uses_database, load));
    }
    let series = interleave(bench, subjects)?;
    let cpu = |sample: &Sample| 1000.0 / sample.per_cpu_second();
    let (deep, first) = (&series[0], &series[1]);
    let findings = [
        ("processor time", deep.ratio(first, cpu)),
        ("p50", deep.ratio(first, |sample| sample.p50.as_secs_f64())),
    ]
    .map(|(what, ratio)| {
        Finding::with_goal(format!("page 10,000 ÷ page 1, {what}"), ratio, Goal::AtMost(1.2))
    });
    Ok(Outcome {
        rows: rows(&series),
        findings: findings.into(),
        notes: vec!["Page 10,000 was reached by following the cursors of the 9,999 before.".into()],
    })
}

/// The path of a page, as the page before it tells it.
fn page(server: &Doorward, token: &str, number: u32) -> Result<String> {
    eprintln!("  following the cursors to page {number}");
    let mut path = FIRST.to_owned();
    for before in 1..number {
        let body = http::get(&server.api(&path), Some(token))?;
        let body: Value = serde_json::from_str(&body)?;
        let cursor = body.get("next_cursor").and_then(Value::as_str);
        let cursor = cursor.with_context(|| format!("page {before} is the last one"))?;
        path = format!("{FIRST}&after={cursor}");
    }
    Ok(path)
}
