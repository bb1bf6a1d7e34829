//! Doorward beside what people would pick instead: the same three requests, in the same rounds.

use std::cell::Cell;

use anyhow::{Context as _, Result, ensure};

use super::{CONNECTIONS, Case};
use crate::bench::Bench;
use crate::doorward::{self, API, Doorward, PASSWORD};
use crate::harness::process::Process;
use crate::harness::report::{Finding, Goal, Outcome, Row};
use crate::harness::rounds::{Metered, Pace, Sample, Series, Spread, Subject, interleave};
use crate::harness::wrk::{self, Load};
use crate::peer::{Peer, Person, Protocol, Request, SignedIn};
use crate::seed::Store;

pub const ME: Case = Case {
    name: "peers",
    measures: "who-am-I of 64 people over 64 connections, against what people would pick instead",
    goal: "≥ 40 × better-auth, 20 × with its cookie cache, 25 × fastapi-users, 5 × PocketBase, 3 × loco",
    run: who_am_i,
};

pub const LOGIN: Case = Case {
    name: "peers-login",
    measures: "logins of 64 people over 8 connections, as the share of the core that hashes passwords",
    goal: "none; logins compare as login × hash time, because hashes cost what their owners chose",
    run: login,
};

pub const SIGN_UP: Case = Case {
    name: "peers-sign-up",
    measures: "sign-ups over 8 connections, as the share of the core that hashes passwords",
    goal: "none; sign-ups compare as sign-up × hash time",
    run: sign_up,
};

/// Who-am-I: how many times as fast Doorward must be.
const GOALS: [(&str, f64); 5] = [
    ("better-auth", 40.0),
    ("better-auth-cookie-cache", 20.0),
    ("fastapi-users", 25.0),
    ("pocketbase", 5.0),
    ("loco", 3.0),
];
/// A hash takes a core; more connections only wait for it.
const HASHING: usize = 8;
/// Seconds of a load of hashes at least: the slowest does a few in a second.
const HASHING_SECONDS: u64 = 6;
/// More sign-ups than anybody does in one measurement.
const SIGN_UPS: usize = 4_000;

/// Something that people can sign up and sign in with, and that runs.
struct Contender {
    name: String,
    process: Process,
    url: String,
    protocol: Protocol,
    uses_postgres: bool,
    people: Vec<Person>,
    /// Seconds of the processor for one hash, where that is known.
    hash_seconds: Option<f64>,
}

/// Doorward on both databases, and every peer that is there.
fn contenders(bench: &Bench) -> Result<Vec<Contender>> {
    let mut contenders = vec![doorward(bench, Store::Postgres)?, doorward(bench, Store::Sqlite)?];
    for peer in Peer::all()? {
        if !peer.is_installed() {
            if !bench.peers {
                eprintln!("  {} is not installed; `--peers` installs it", peer.name());
                continue;
            }
            if let Err(error) = peer.install() {
                eprintln!("  {error:#}");
                continue;
            }
        }
        let hash_seconds = peer.hash_seconds(bench)?;
        for mode in peer.modes() {
            eprintln!("  starting {}", mode.name);
            let (process, url) = peer.start(bench, mode)?;
            let protocol = peer.protocol();
            let people = addresses(&mode.name, CONNECTIONS)
                .map(|email| {
                    let person = Person::new(email, PASSWORD);
                    protocol.sign_up(&url, &person)?;
                    protocol.sign_in(&url, person)
                })
                .collect::<Result<_>>()
                .with_context(|| {
                    format!("{} does not sign people up and in as its peer.toml says", mode.name)
                })?;
            contenders.push(Contender {
                name: mode.name.clone(),
                process,
                url,
                protocol,
                uses_postgres: peer.uses_postgres(),
                people,
                hash_seconds,
            });
        }
    }
    ensure!(contenders.len() > 2, "no peer is installed; `--peers` installs them");
    Ok(contenders)
}

/// Doorward, whose people are imported: in production a sign-up waits for the mail to be answered.
fn doorward(bench: &Bench, store: Store) -> Result<Contender> {
    let server = Doorward::start(bench, &store.empty(bench)?, &bench.machine.server)?;
    let emails: Vec<String> = addresses("doorward", CONNECTIONS).collect();
    server.import(bench, &emails)?;
    let protocol = protocol();
    let people = emails
        .into_iter()
        .map(|email| protocol.sign_in(&server.url, Person::new(email, PASSWORD)))
        .collect::<Result<_>>()?;
    Ok(Contender {
        name: match store {
            Store::Postgres => "doorward".to_owned(),
            Store::Sqlite => "doorward-sqlite".to_owned(),
        },
        url: server.url.clone(),
        process: server.process,
        protocol,
        uses_postgres: store == Store::Postgres,
        people,
        hash_seconds: Some(doorward::hash_seconds()?),
    })
}

/// How Doorward is asked.
fn protocol() -> Protocol {
    let post = |path: &str, body: &str| Request {
        method: "POST".to_owned(),
        path: format!("{API}{path}"),
        content_type: Some("application/json".to_owned()),
        body: Some(body.to_owned()),
        proves: None,
    };
    Protocol {
        sign_up: post("/users", r#"{"email":"{email}","password":"{password}","name":"{name}"}"#),
        login: post("/auth/login", r#"{"email":"{email}","password":"{password}"}"#),
        me: Request {
            method: "GET".to_owned(),
            path: format!("{API}/users/me"),
            proves: Some("{email}".to_owned()),
            ..Request::default()
        },
        signed_in: SignedIn {
            token_header: Some("Authorization".to_owned()),
            token_prefix: "Bearer ".to_owned(),
            token_json_pointer: Some("/access_token".to_owned()),
            ..SignedIn::default()
        },
    }
}

fn addresses(of: &str, count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(move |nth| format!("{of}-{nth}@example.com"))
}

fn who_am_i(bench: &Bench) -> Result<Outcome> {
    let contenders = contenders(bench)?;
    let mut subjects = Vec::new();
    for contender in &contenders {
        let call = |person: &Person| contender.protocol.me.wrk_call(person);
        let script = wrk::script(&bench.file("me.lua"), contender.people.iter().map(call))?;
        let load = Load::scripted(contender.url.clone(), CONNECTIONS, script);
        let (name, database) = (contender.name.clone(), contender.uses_postgres);
        subjects.push(Subject::server(bench, name, &contender.process, database, load));
    }
    let series = interleave(bench, subjects)?;
    let finding = |(contender, own): (&Contender, &Series), rival: &Series| {
        let what = format!("× {} ({})", rival.subject, contender.name);
        let speed = own.speed(rival);
        match GOALS.iter().find(|(name, _)| *name == rival.subject) {
            Some((_, goal)) => Finding::with_goal(what, speed, Goal::AtLeast(*goal)),
            None => Finding::of(what, speed),
        }
    };
    Ok(compared(&contenders, &series, |sample| sample.throughput, finding))
}

fn login(bench: &Bench) -> Result<Outcome> {
    let contenders = contenders(bench)?;
    hashing(bench, &contenders, |contender| {
        let calls = contender.people.iter().map(|person| {
            // Somebody who is not signed in yet.
            let person = Person::new(person.email.clone(), &person.password);
            contender.protocol.login.wrk_call(&person)
        });
        calls.collect()
    })
}

fn sign_up(bench: &Bench) -> Result<Outcome> {
    let contenders = contenders(bench)?;
    let loads = Cell::new(0);
    hashing(bench, &contenders, |contender| {
        // Nobody has an address twice: neither in the warm-up nor in another round.
        loads.set(loads.get() + 1);
        addresses(&format!("new-{}", loads.get()), SIGN_UPS)
            .map(|email| contender.protocol.sign_up.wrk_call(&Person::new(email, PASSWORD)))
            .collect()
    })
}

/// Measures loads of which a hash is the most part.
fn hashing(
    bench: &Bench,
    contenders: &[Contender],
    calls: impl Fn(&Contender) -> Vec<String>,
) -> Result<Outcome> {
    let mut subjects = Vec::new();
    for contender in contenders {
        let calls = &calls;
        let load = move || -> Result<Load> {
            let script = wrk::script(&bench.file("hashing.lua"), calls(contender))?;
            Ok(Load::scripted(contender.url.clone(), HASHING, script))
        };
        let measure = move |pace: &Pace| -> Result<Sample> {
            load()?.run(&bench.machine, pace.warm_up)?;
            let load = load()?;
            let metered = Metered::begin(bench, &contender.process, contender.uses_postgres)?;
            metered.end(&load.run(&bench.machine, pace.measured.max(HASHING_SECONDS))?)
        };
        subjects.push(Subject::new(contender.name.clone(), measure));
    }
    let series = interleave(bench, subjects)?;
    let share = |contender: &Contender, sample: &Sample| {
        sample.throughput
            * contender.hash_seconds.unwrap_or(sample.cpu_per_1000().unwrap_or_default() / 1e3)
    };
    let mut outcome = compared(
        contenders,
        &series,
        |sample| sample.throughput,
        |(own, ours), rival| {
            let theirs = contenders.iter().find(|contender| contender.name == rival.subject);
            let theirs = theirs.unwrap_or(own);
            let rounds = ours.samples.iter().zip(&rival.samples);
            let ratio = rounds.map(|(one, other)| share(own, one) / share(theirs, other));
            let what = format!("× {} ({}), rate × hash time", rival.subject, own.name);
            Finding::of(what, Spread::of(ratio))
        },
    );
    for contender in contenders {
        outcome.notes.push(match contender.hash_seconds {
            Some(seconds) => format!("{}: a hash takes {:.1} ms.", contender.name, seconds * 1e3),
            None => format!("{}: the whole request counts as its hash.", contender.name),
        });
    }
    Ok(outcome)
}

/// Rows and findings: each peer against Doorward on the database that is most like its own.
fn compared(
    contenders: &[Contender],
    series: &[Series],
    of: impl Fn(&Sample) -> f64 + Copy,
    finding: impl Fn((&Contender, &Series), &Series) -> Finding,
) -> Outcome {
    let mut outcome = Outcome::default();
    let [postgres, sqlite, ..] = series else { return outcome };
    for (nth, (contender, rival)) in contenders.iter().zip(series).enumerate() {
        let ours = if contender.uses_postgres { (0, postgres) } else { (1, sqlite) };
        let is_rival = nth > 1;
        outcome
            .rows
            .push(Row { ratio: is_rival.then(|| ours.1.ratio(rival, of)), ..Row::of(rival) });
        if is_rival {
            outcome.findings.push(finding((&contenders[ours.0], ours.1), rival));
        }
    }
    if let Ok(peers) = Peer::all() {
        outcome.notes.extend(peers.iter().map(Peer::about));
    }
    outcome
}
