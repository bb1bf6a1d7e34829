//! `GET /users/me`: the request that every application makes all day.

use anyhow::Result;

use super::{CONNECTIONS, Case, ME};
use crate::bench::Bench;
use crate::doorward::Doorward;
use crate::harness::http;
use crate::harness::report::{Finding, Goal, Outcome, rows};
use crate::harness::rounds::{Subject, interleave};
use crate::harness::wrk::{self, Load};
use crate::yardstick::pgbench;

pub const POSTGRES: Case = Case {
    name: "me",
    measures: "GET /users/me of 64 people on PostgreSQL, against its parts and the plain way",
    goal: "≥ 3 × the plain way (EdDSA + sqlx), p99 ≤ 5 ms; better ≥ 0.5 × minimal axum",
    run: |bench| run(bench, &bench.postgres.database()?, Database::Postgres),
};

pub const SQLITE: Case = Case {
    name: "me-sqlite",
    measures: "GET /users/me of 64 people on SQLite, against its parts and the plain way",
    goal: "p99 ≤ 5 ms",
    run: |bench| run(bench, &sqlite_file(bench), Database::Sqlite),
};

#[derive(Clone, Copy, PartialEq)]
enum Database {
    Postgres,
    Sqlite,
}

fn sqlite_file(bench: &Bench) -> String {
    format!("sqlite://{}", bench.file("doorward.db").display())
}

fn run(bench: &Bench, url: &str, database: Database) -> Result<Outcome> {
    let doorward = Doorward::start(bench, url, &bench.machine.server)?;
    let people = doorward.signed_in_people(bench, CONNECTIONS)?;
    let profile = http::get(&doorward.api("/users/me"), Some(&people[0].access_token))?;
    let bytes = profile.len().to_string();
    let calls = people.iter().map(|person| wrk::signed_in_get(ME, &person.access_token));
    // All of them get the same requests, though the simplest yardstick does not look at the token.
    let script = wrk::script(&bench.file("me.lua"), calls)?;
    let keys = format!("{}/.well-known/jwks.json", doorward.url);
    let plain = bench.yardstick("axum-json", &[("--bytes", &bytes)])?;
    let verifying = bench.yardstick("axum-verify", &[("--bytes", &bytes), ("--keys", &keys)])?;
    let on_database = database == Database::Postgres;
    let name = if on_database { "axum-verify-select" } else { "axum-verify-select-sqlite" };
    let selecting = bench.yardstick(name, &[("--keys", &keys), ("--database-url", url)])?;
    let subject = |name, process, url: &str, uses_database| {
        let load = Load::scripted(url.to_owned(), CONNECTIONS, script.clone());
        Subject::server(bench, name, process, uses_database, load)
    };
    let mut subjects = vec![
        subject("doorward", &doorward.process, &doorward.url, on_database),
        subject(name, &selecting.process, &selecting.url, on_database),
        subject("axum-verify", &verifying.process, &verifying.url, false),
        subject("axum-json", &plain.process, &plain.url, false),
    ];
    if on_database {
        let id = user_id(&profile)?;
        subjects.push(pgbench::select(bench, url, &id)?);
    }
    let series = interleave(bench, subjects)?;
    let p99 = series[0].spread(|sample| sample.p99.as_secs_f64() * 1e3);
    let plain_way = format!("× {name}, the plain way");
    let speed = series[0].speed(&series[1]);
    let mut findings = vec![Finding::with_goal("p99 ms", p99, Goal::AtMost(5.0))];
    if on_database {
        findings.push(Finding::with_goal(plain_way, speed, Goal::AtLeast(3.0)));
        let limit = Finding::of("× axum-json", series[0].speed(&series[3]));
        findings.push(limit.stretch(Goal::AtLeast(0.5)));
    } else {
        findings.push(Finding::of(plain_way, speed));
    }
    Ok(Outcome {
        rows: rows(&series),
        findings,
        notes: vec![format!("A profile has {bytes} bytes.")],
    })
}

fn user_id(profile: &str) -> Result<String> {
    let profile: serde_json::Value = serde_json::from_str(profile)?;
    match profile["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => anyhow::bail!("a profile without an id: {profile}"),
    }
}
