//! Whatever was acknowledged is there after `kill -9`.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use doorward_domain::ports::Store;
use doorward_infra_sqlite::{SqlitePath, SqliteSettings, SqliteStore, Workload};
use reqwest::Method;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    api::{Api, Person, Tokens},
    support::{PATIENCE, Random, Server, folder, until},
};

/// What the server has said yes to so far.
#[derive(Default)]
struct Acknowledged {
    /// Each with the body of the answer.
    people: Vec<(Person, String)>,
    /// Those whose answer the kill swallowed.
    unanswered: Vec<Person>,
    tokens: Option<Tokens>,
    name: u32,
    signed_out: Vec<Tokens>,
}

type Ledger = Arc<Mutex<Acknowledged>>;

async fn sign_up_for_ever(api: Api, ledger: Ledger, clerk: String) {
    for number in 0_u32.. {
        let person = Person::new(&format!("{clerk} {number}"));
        let Ok(answer) = api.sign_up_once(&person).await else {
            ledger.lock().unwrap().unanswered.push(person);
            return;
        };
        let body = answer.text.clone();
        answer.expect(201);
        ledger.lock().unwrap().people.push((person, body));
    }
}

async fn refresh_for_ever(api: Api, ledger: Ledger, mut tokens: Tokens) {
    loop {
        let body = json!({ "refresh_token": tokens.refresh });
        let sent = api.attempt(Method::POST, "/api/v1/auth/refresh", None, Some(&body)).await;
        let Ok(answer) = sent else { return };
        tokens = Tokens::of(&answer.expect(200));
        ledger.lock().unwrap().tokens = Some(tokens.clone());
    }
}

async fn rename_for_ever(api: Api, ledger: Ledger, token: String) {
    for number in 1.. {
        let body = json!({ "name": format!("name {number}") });
        let path = "/api/v1/users/me";
        let Ok(answer) = api.attempt(Method::PATCH, path, Some(&token), Some(&body)).await else {
            return;
        };
        answer.expect(200);
        ledger.lock().unwrap().name = number;
    }
}

async fn sign_out_all(api: Api, ledger: Ledger, sessions: Vec<Tokens>) {
    for tokens in sessions {
        let path = "/api/v1/auth/logout";
        let Ok(answer) = api.attempt(Method::POST, path, Some(&tokens.access), None).await else {
            return;
        };
        answer.expect(204);
        ledger.lock().unwrap().signed_out.push(tokens);
        sleep(Duration::from_millis(20)).await;
    }
}

/// Keeps the server busy with writes and kills it at a random moment.
async fn die_at_work(
    server: &mut Server,
    ada: &Person,
    round: u32,
    random: &mut Random,
) -> Acknowledged {
    let api = server.api();
    let tokens = Tokens::of(&api.sign_in(ada).await.expect(200));
    let mut leaving = Vec::new();
    for _ in 0..6 {
        leaving.push(Tokens::of(&api.sign_in(ada).await.expect(200)));
    }
    let ledger = Ledger::default();
    let mut work = JoinSet::new();
    for clerk in 0..3 {
        let clerk = format!("clerk {round} {clerk}");
        work.spawn(sign_up_for_ever(api.clone(), Arc::clone(&ledger), clerk));
    }
    work.spawn(rename_for_ever(api.clone(), Arc::clone(&ledger), tokens.access.clone()));
    work.spawn(refresh_for_ever(api.clone(), Arc::clone(&ledger), tokens));
    work.spawn(sign_out_all(api, Arc::clone(&ledger), leaving));
    until("some sign-ups", PATIENCE, async || {
        (ledger.lock().unwrap().people.len() >= 3).then_some(())
    })
    .await;
    sleep(Duration::from_micros(random.below(200_000))).await;
    server.program.kill();
    work.join_all().await;
    std::mem::take(&mut ledger.lock().unwrap())
}

async fn check(api: &Api, known: Acknowledged) {
    let Acknowledged { people, unanswered, tokens, name, signed_out } = known;
    let mut sign_ins = JoinSet::new();
    for (person, body) in people {
        let api = api.clone();
        sign_ins.spawn(async move {
            let again = api.sign_up_once(&person).await.expect("the server is there");
            assert_eq!(again.header("idempotency-replayed"), Some("true"), "{again:?}");
            assert_eq!((again.status, again.text), (201, body));
            let tokens = Tokens::of(&api.sign_in(&person).await.expect(200));
            assert_eq!(api.me(&tokens.access).await.expect(200)["name"], person.name.as_str());
        });
    }
    sign_ins.join_all().await;
    for person in unanswered {
        // It was carried out, or it is now, or its lease is not over yet; the address is never taken.
        let again = api.sign_up_once(&person).await.expect("the server is there");
        match again.status {
            201 => drop(api.sign_in(&person).await.expect(200)),
            _ => drop(again.expect_problem(409, "idempotency_key_in_use")),
        }
    }
    let tokens = tokens.expect("something was refreshed");
    let me = api.me(&tokens.access).await.expect(200);
    // The write whose acknowledgement the kill swallowed may or may not have happened.
    let possible = [name, name + 1].map(|number| format!("name {number}"));
    assert!(possible.iter().any(|name| me["name"] == name.as_str()), "{me}, {possible:?}");
    api.refresh(&tokens.refresh).await.expect(200);
    for tokens in signed_out {
        api.me(&tokens.access).await.expect_problem(401, "invalid_token");
        api.refresh(&tokens.refresh).await.expect_problem(401, "invalid_refresh_token");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_kill_nine() {
    let folder = folder();
    let busy = [("APP_RATE_LIMIT_ENABLED", "false"), ("APP_AUTH_HASH_CONCURRENCY", "2")];
    let mut server = Server::start(folder.path(), &busy).await;
    let port = server.port();
    let ada = Person::new("Ada Lovelace");
    let first = server.api().welcome(&ada).await;
    let keys = server.api().get("/.well-known/jwks.json").await.expect(200);
    let mut random = Random::new();

    for round in 0..3 {
        let known = die_at_work(&mut server, &ada, round, &mut random).await;
        eprintln!("{} sign-ups, {} renames acknowledged", known.people.len(), known.name);
        // The issuer of access tokens is derived from the port, so the port has to stay.
        let settings = [busy.as_slice(), &[("APP_SERVER_PORT", &port)]].concat();
        server = Server::start(folder.path(), &settings).await;
        let api = server.api();
        assert!(!server.program.printed().contains("Password"), "there are people already");
        assert_eq!(api.get("/.well-known/jwks.json").await.expect(200), keys);
        api.me(&first.access).await.expect(200);
        check(&api, known).await;
    }
    server.api().refresh(&first.refresh).await.expect(200);

    let store = SqliteStore::open(SqliteSettings {
        path: SqlitePath::File(folder.path().join("data/doorward.db")),
        max_connections: 1,
        acquire_timeout: PATIENCE,
        busy_timeout: Duration::from_secs(5),
        workload: Workload::Serving,
    });
    let store = store.await.expect("the file can be opened beside the server");
    assert_eq!(store.inconsistencies().await.expect("readable"), Vec::<String>::new());
    store.close().await;
}
