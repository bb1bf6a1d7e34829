//! How the cost of reading grows with the number of people: not at all, or something scans.

use anyhow::{Context as _, Result};

use super::{CONNECTIONS, Case};
use crate::bench::Bench;
use crate::doorward::{self, API, Doorward, PASSWORD, SignedIn};
use crate::harness::report::{Finding, Goal, Outcome, Row};
use crate::harness::rounds::{Metered, Pace, Sample, Series, Subject, interleave};
use crate::harness::wrk::{self, Load};
use crate::seed::{self, ADMINISTRATOR, Store};

pub const POSTGRES: Case = Case {
    name: "growth",
    measures: "reads at 10^3, 10^4, 10^5 and 10^6 people on PostgreSQL: processor time and p50",
    goal: "any read ≤ 1.5 × from 10^3 to 10^6 people",
    run: |bench| run(bench, Store::Postgres),
};

pub const SQLITE: Case = Case {
    name: "growth-sqlite",
    measures: "the same on SQLite",
    goal: "any read ≤ 1.5 × from 10^3 to 10^6 people",
    run: |bench| run(bench, Store::Sqlite),
};

/// How many people there are.
const SIZES: [(u32, &str); 4] =
    [(1_000, "10^3"), (10_000, "10^4"), (100_000, "10^5"), (1_000_000, "10^6")];
/// How many different people are asked for in turn.
const ASKED_FOR: u32 = 1_000;
/// Sign-ins take a hash each, for which more than this only wait.
const SIGN_INS: usize = 8;

/// A server and who is signed in there.
struct Sized {
    people: u32,
    server: Doorward,
    administrator: SignedIn,
    signed_in: Vec<SignedIn>,
}

/// A read, and the calls that make it.
struct Read {
    name: &'static str,
    connections: usize,
    /// Seconds of a measurement: long enough for some hundred answers.
    seconds: u64,
    calls: fn(&Sized) -> Vec<String>,
}

const READS: [Read; 7] = [
    Read { name: "me", connections: CONNECTIONS, seconds: 1, calls: |at| own(at, "/users/me") },
    Read {
        name: "sessions",
        connections: CONNECTIONS,
        seconds: 1,
        calls: |at| own(at, "/users/me/sessions"),
    },
    Read { name: "users/{id}", connections: CONNECTIONS, seconds: 1, calls: by_id },
    Read {
        name: "users page 1",
        connections: CONNECTIONS,
        seconds: 1,
        calls: |at| vec![administrators(at, "/users")],
    },
    Read { name: "users?q=one", connections: CONNECTIONS, seconds: 1, calls: by_address },
    Read {
        name: "users?q=all",
        connections: CONNECTIONS,
        seconds: 1,
        calls: |at| vec![administrators(at, "/users?q=person-")],
    },
    Read { name: "login", connections: SIGN_INS, seconds: 3, calls: logins },
];

fn run(bench: &Bench, store: Store) -> Result<Outcome> {
    let mut sized = Vec::new();
    for (people, _) in SIZES {
        let url = store.seeded(bench, people)?;
        let server = Doorward::start(bench, &url, &bench.machine.server)?;
        let signed_in = seed::scattered(people, u32::try_from(CONNECTIONS)?)
            .map(|person| server.sign_in(&doorward::address(person)))
            .collect::<Result<_>>()?;
        let administrator = server.sign_in(ADMINISTRATOR)?;
        sized.push(Sized { people, server, administrator, signed_in });
    }
    let mut outcome = Outcome::default();
    for read in READS {
        let series = measure(bench, store, &sized, &read)
            .with_context(|| format!("{} could not be measured", read.name))?;
        add(&mut outcome, &read, &series);
    }
    outcome.notes.push(
        "Ratios are of the same round; the column compares the throughput at 10^3 people.".into(),
    );
    Ok(outcome)
}

fn measure(bench: &Bench, store: Store, sized: &[Sized], read: &Read) -> Result<Vec<Series>> {
    let mut subjects = Vec::new();
    for (at, (_, power)) in sized.iter().zip(SIZES) {
        let script = wrk::script(&bench.file("growth.lua"), (read.calls)(at))?;
        let load = Load::scripted(at.server.url.clone(), read.connections, script);
        let mut warm = false;
        let measure = move |_: &Pace| -> Result<Sample> {
            // Once is enough for caches and plans; they stay as they are between the rounds.
            if !std::mem::replace(&mut warm, true) {
                load.run(&bench.machine, 1)?;
            }
            let metered = Metered::begin(bench, &at.server.process, store == Store::Postgres)?;
            metered.end(&load.run(&bench.machine, read.seconds)?)
        };
        subjects.push(Subject::new(format!("{power} {}", read.name), measure));
    }
    interleave(bench, subjects)
}

fn add(outcome: &mut Outcome, read: &Read, series: &[Series]) {
    let cpu = |sample: &Sample| 1000.0 / sample.per_cpu_second();
    if let [first, .., last] = series {
        for (what, growth) in [
            ("processor time", last.ratio(first, cpu)),
            ("p50", last.ratio(first, |sample| sample.p50.as_secs_f64())),
        ] {
            let what = format!("{} at 10^6 ÷ 10^3 people, {what}", read.name);
            outcome.findings.push(Finding::with_goal(what, growth, Goal::AtMost(1.5)));
        }
        for (nth, series) in series.iter().enumerate() {
            let ratio = (nth > 0).then(|| first.speed(series));
            outcome.rows.push(Row { ratio, ..Row::of(series) });
        }
    }
}

/// What everybody asks about themselves.
fn own(at: &Sized, path: &str) -> Vec<String> {
    let call =
        |person: &SignedIn| wrk::signed_in_get(&format!("{API}{path}"), &person.access_token);
    at.signed_in.iter().map(call).collect()
}

fn administrators(at: &Sized, path: &str) -> String {
    wrk::signed_in_get(&format!("{API}{path}"), &at.administrator.access_token)
}

fn by_id(at: &Sized) -> Vec<String> {
    let call = |person| administrators(at, &format!("/users/{}", seed::id(person)));
    seed::scattered(at.people, ASKED_FOR).map(call).collect()
}

/// By all of an address but its last letter: one person fits, however many there are.
fn by_address(at: &Sized) -> Vec<String> {
    let call = |person| {
        let address = doorward::address(person);
        administrators(at, &format!("/users?q={}", &address[..address.len() - 1]))
    };
    seed::scattered(at.people, ASKED_FOR).map(call).collect()
}

fn logins(at: &Sized) -> Vec<String> {
    let call = |person| {
        let body = serde_json::json!({
            "email": doorward::address(person),
            "password": PASSWORD,
        });
        wrk::json_post(&format!("{API}/auth/login"), &body)
    };
    seed::scattered(at.people, ASKED_FOR).map(call).collect()
}
