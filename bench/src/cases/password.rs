//! What takes a password: sign-in and sign-up. A hash takes thousands of times as long as anything else
//! of a request, so the limit is how many hashes the same cores can make.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::Case;
use crate::bench::Bench;
use crate::doorward::{API, Doorward, PASSWORD, addresses};
use crate::harness::report::{Finding, Goal, Outcome, rows};
use crate::harness::rounds::{Subject, interleave};
use crate::harness::wrk::{self, Load};
use crate::yardstick::hash_rate;

/// Enough to keep the hashers busy, and so few that nobody waits for seconds on a slow machine.
const CONNECTIONS: usize = 4;
/// The people who sign in, one after another.
const PEOPLE: usize = 64;
const GOAL: &str = "≥ 0.95 × the hash rate of as many threads, generic build; better 1.6";

pub const LOGIN: Case = Case {
    name: "login",
    measures: "POST /auth/login of 64 people, 4 connections, PostgreSQL, against bare Argon2id",
    goal: GOAL,
    run: |bench| run(bench, login_script),
};

pub const SIGN_UP: Case = Case {
    name: "sign-up",
    measures: "POST /users, every address new, 4 connections, PostgreSQL, against bare Argon2id",
    goal: GOAL,
    run: |bench| run(bench, |bench, _| sign_up_script(bench)),
};

fn run(bench: &Bench, script: fn(&Bench, &Doorward) -> Result<PathBuf>) -> Result<Outcome> {
    let cores = &bench.machine.server;
    let doorward = Doorward::start(bench, &bench.postgres.database()?, cores)?;
    let load = Load::scripted(doorward.url.clone(), CONNECTIONS, script(bench, &doorward)?);
    let series = interleave(
        bench,
        vec![
            Subject::server(bench, "doorward", &doorward.process, true, load),
            hash_rate::subject(cores),
        ],
    )?;
    let speed = series[0].speed(&series[1]);
    Ok(Outcome {
        rows: rows(&series),
        findings: vec![
            Finding::with_goal("× the hash rate", speed, Goal::AtLeast(0.95))
                .stretch(Goal::AtLeast(1.6)),
        ],
        ..Outcome::default()
    })
}

/// Sign-ins of people that are made here.
pub fn login_script(bench: &Bench, doorward: &Doorward) -> Result<PathBuf> {
    let addresses = addresses(PEOPLE);
    doorward.import(bench, &addresses)?;
    login_script_of(bench, &addresses)
}

/// Sign-ins of people that there are.
pub fn login_script_of(bench: &Bench, addresses: &[String]) -> Result<PathBuf> {
    let path = format!("{API}/auth/login");
    let call = |address| wrk::json_post(&path, &json!({ "email": address, "password": PASSWORD }));
    wrk::script(&bench.file("login.lua"), addresses.iter().map(call))
}

/// Sign-ups with addresses that nobody has, also in a later run: the id of wrk's process and the time
/// are part of them.
fn sign_up_script(bench: &Bench) -> Result<PathBuf> {
    let file = bench.file("sign-up.lua");
    let script = format!(
        r#"
local headers = {{ ["Content-Type"] = "application/json" }}
local stat = io.open("/proc/self/stat")
local run = string.format("%d-%d", stat:read("*n"), os.time())
stat:close()
local count = 0
function request()
  count = count + 1
  local body = string.format(
    '{{"email":"%s-%d@example.com","password":"{PASSWORD}","name":"Ada Lovelace"}}', run, count)
  return wrk.format("POST", "{API}/users", headers, body)
end
"#
    );
    fs::write(&file, script)?;
    Ok(file)
}
