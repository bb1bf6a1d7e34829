//! Clients that hang up in the middle of requests leave nothing half done.

use std::{net::SocketAddr, time::Duration};

use doorward_domain::ports::Store;
use doorward_infra_postgres::testing::TestDatabase;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    api::{Api, Person, Tokens, sign_in_body, sign_up_body},
    support::{Random, Server, folder, until},
    wire::{Wire, request},
};

const NEW_PASSWORD: &str = "quartz-meadow lantern 83 ribbon";
const VICTIMS: usize = 30;
/// Clients that are at it at once.
const CLIENTS: usize = 16;

/// Sends part or all of a request, waits for a moment that may be any, and is gone.
async fn hang_up(server: SocketAddr, octets: Vec<u8>, sent: usize, wait: Duration, rude: bool) {
    let mut wire = Wire::connect(server).await;
    wire.blurt(&octets[..sent]).await;
    sleep(wait).await;
    if rude {
        wire.slam();
    }
}

/// Requests of every kind, in any order; each victim bears most of them.
fn requests(
    newcomers: &[Person],
    victims: &[(Person, Tokens)],
    random: &mut Random,
) -> Vec<Vec<u8>> {
    let mut requests: Vec<_> = newcomers
        .iter()
        .map(|person| request("POST", "/api/v1/users", None, &sign_up_body(person)))
        .collect();
    for (number, (person, tokens)) in victims.iter().enumerate() {
        let access = Some(tokens.access.as_str());
        let refresh = json!({ "refresh_token": tokens.refresh });
        let change = json!({ "current_password": person.password, "new_password": NEW_PASSWORD });
        let name = json!({ "name": "Somebody Else" });
        requests.push(request("POST", "/api/v1/auth/login", None, &sign_in_body(person)));
        requests.push(request("POST", "/api/v1/auth/refresh", None, &refresh));
        requests.push(request("POST", "/api/v1/auth/refresh", None, &refresh));
        // The quickest writes are the likeliest to be met within their transaction.
        for _ in 0..20 {
            requests.push(request("PATCH", "/api/v1/users/me", access, &name));
        }
        requests.push(request("PUT", "/api/v1/users/me/password", access, &change));
        requests.push(request("DELETE", "/api/v1/users/me/sessions", access, &Value::Null));
        // What is read is not carried on with when nobody waits for it.
        requests.push(request("GET", "/api/v1/users/me", access, &Value::Null));
        requests.push(request("GET", "/api/v1/users/me/sessions", access, &Value::Null));
        let last = if number % 2 == 0 {
            request("POST", "/api/v1/auth/logout", access, &Value::Null)
        } else {
            request("DELETE", "/api/v1/users/me", access, &json!({ "password": person.password }))
        };
        requests.push(last);
    }
    random.shuffle(&mut requests);
    requests
}

async fn suffer(server: SocketAddr, requests: Vec<Vec<u8>>, random: &mut Random) {
    let mut clients = JoinSet::new();
    for octets in requests {
        if clients.len() == CLIENTS {
            clients.join_next().await;
        }
        // Most are sent in full: those are the ones that write.
        let partial = random.below(8) == 0;
        let length = octets.len();
        let sent =
            if partial { usize::try_from(random.below(length as u64)).unwrap() } else { length };
        // Any time, from a statement's to a hash's, is as likely.
        let magnitude = random.below(17);
        let wait = Duration::from_micros(random.below(1 << magnitude));
        let rude = random.below(2) == 0;
        clients.spawn(hang_up(server, octets, sent, wait, rude));
    }
    clients.join_all().await;
}

/// What the connections to this database are doing, but for the one that asks.
async fn states(connection: &mut PgConnection) -> Vec<String> {
    let found = sqlx::query_scalar(
        "SELECT coalesce(state, '') FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    found.fetch_all(connection).await.expect("the activity can be read")
}

/// Somebody is there as a whole or not at all.
async fn check_newcomer(api: Api, person: Person) {
    let answer = api.sign_up(&person).await;
    match answer.status {
        201 => {}
        _ => drop(answer.expect_problem(409, "email_taken")),
    }
    api.sign_in(&person).await.expect(200);
}

/// One of the two passwords works, or the account is gone and its address free.
async fn check_victim(api: Api, person: Person) {
    let changed = Person { password: NEW_PASSWORD.to_owned(), ..person.clone() };
    let (old, new) = (api.sign_in(&person).await.status, api.sign_in(&changed).await.status);
    match (old, new) {
        (200, 401) | (401, 200) => {}
        (401, 401) => drop(api.sign_up(&person).await.expect(201)),
        other => panic!("{person:?} can sign in with both passwords: {other:?}"),
    }
}

async fn for_all(api: &Api, people: &[Person], check: impl AsyncFn(Api, Person)) {
    for person in people {
        check(api.clone(), person.clone()).await;
    }
}

fn crowd(kind: &str, count: usize) -> Vec<Person> {
    (0..count).map(|number| Person::new(&format!("{kind} {number}"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_up_leave_no_transaction_and_no_half_done_work() {
    let database = TestDatabase::create().await;
    let folder = folder();
    let settings = [
        ("APP_DATABASE_URL", database.url()),
        ("APP_DATABASE_MAX_CONNECTIONS", "4".to_owned()),
        ("APP_RATE_LIMIT_ENABLED", "false".to_owned()),
        ("APP_AUTH_HASH_CONCURRENCY", "2".to_owned()),
        ("APP_AUTH_HASH_QUEUE", "1000".to_owned()),
        ("APP_AUTH_HASH_QUEUE_TIMEOUT_SECONDS", "60".to_owned()),
    ];
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Server::start(folder.path(), &settings).await;
    let api = server.api();
    let mut victims = JoinSet::new();
    for person in crowd("victim", VICTIMS) {
        let api = api.clone();
        victims.spawn(async move {
            let tokens = api.welcome(&person).await;
            (person, tokens)
        });
    }
    let victims = victims.join_all().await;
    let newcomers = crowd("newcomer", 100);
    let mut random = Random::new();
    let requests = requests(&newcomers, &victims, &mut random);
    assert!(requests.len() >= 300);
    suffer(server.address, requests, &mut random).await;

    // Whoever queues for hashing is served in order, so this one comes after all that were cut off.
    api.sign_up(&Person::new("last in the queue")).await.expect(201);
    let mut connection = PgConnection::connect(&database.url()).await.expect("a second connection");
    // The server itself ends what is idle in a transaction, but only after ten seconds.
    until("all connections rest", Duration::from_secs(5), async || {
        let states = states(&mut connection).await;
        states.iter().all(|state| state == "idle").then_some(())
    })
    .await;
    connection.close().await.expect("a connection can be closed");

    let after = crowd("after", 50);
    for_all(&api, &after, async |api, person| drop(api.welcome(&person).await)).await;
    for_all(&api, &newcomers[..25], check_newcomer).await;
    let victims: Vec<_> = victims.into_iter().map(|(person, _)| person).collect();
    for_all(&api, &victims[..20], check_victim).await;
    let store = database.store().await;
    assert_eq!(store.inconsistencies().await.expect("readable"), Vec::<String>::new());
    store.close().await;
    server.program.kill();
    let log = server.program.log();
    let troubles: Vec<_> = log
        .lines()
        .filter(|line| line.contains("25P02") || line.contains(" ERROR ") || line.contains("panic"))
        .collect();
    assert_eq!(troubles, Vec::<&str>::new());
    database.drop().await;
}
