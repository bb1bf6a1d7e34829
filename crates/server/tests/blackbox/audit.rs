//! The audit trail, proved beside a running server, and after somebody wrote to its database.

use std::{path::Path, time::Duration};

use doorward_infra_postgres::testing::TestDatabase;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::{
    api::Person,
    support::{Outcome, SECRET, Server, Setting, folder, run, until},
};

/// Sealing happens every second; the machine may be busy.
const SEALED: Duration = Duration::from_secs(10);

/// Not that of the servers.
const OTHER_SECRET: &str = "another-Secret-9Qx3Lm7Rt5Vb8Nc2Kd6Wf";

async fn verify(folder: &Path, settings: &[Setting<'_>]) -> Outcome {
    run(folder, settings, &["audit", "verify", "--json"], "").await
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.printed).unwrap_or_else(|_| panic!("{}", outcome.told))
}

/// Has something happen, and waits until all of it is proved.
async fn a_sound_trail(folder: &Path, settings: &[Setting<'_>], name: &str) -> Server {
    let server = Server::start(folder, settings).await;
    let stranger = Person::new("Somebody Else");
    server.api().welcome(&Person::new(name)).await;
    server.api().sign_in(&stranger).await.expect_problem(401, "invalid_credentials");
    until("everything is sealed", SEALED, async || {
        let outcome = verify(folder, settings).await;
        assert_eq!(outcome.code, 0, "{}", outcome.told);
        let proved = json(&outcome);
        assert_eq!(proved["sound"], true);
        (proved["unsealed"] == 0 && proved["events"].as_u64() >= Some(3)).then_some(())
    })
    .await;
    server
}

#[tokio::test]
async fn the_trail_is_proved_beside_a_server_on_sqlite() {
    let folder = folder();
    let settings = [("APP_AUTH_SECRET", SECRET)];
    let mut server = a_sound_trail(folder.path(), &settings, "Ada Lovelace").await;
    server.api().sign_up(&Person::new("Grace Hopper")).await.expect(201);
    // What was not sealed yet when the server died is sealed by the next one.
    server.program.kill();
    drop(a_sound_trail(folder.path(), &settings, "Alan Turing").await);
    let people = run(folder.path(), &settings, &["audit", "verify"], "").await;
    assert!(people.printed.contains("all as they were written"), "{}", people.printed);
}

#[tokio::test]
async fn whoever_writes_to_the_database_is_found_out() {
    let database = TestDatabase::create().await;
    let (folder, url) = (folder(), database.url());
    let settings = [("APP_DATABASE_URL", url.as_str()), ("APP_AUTH_SECRET", SECRET)];
    let server = a_sound_trail(folder.path(), &settings, "Ada Lovelace").await;
    // Whoever puts on seals of their own has another secret.
    let other = [("APP_DATABASE_URL", url.as_str()), ("APP_AUTH_SECRET", OTHER_SECRET)];
    let found = verify(folder.path(), &other).await;
    assert_eq!(found.code, 1, "{}", found.told);
    assert_eq!(json(&found)["problem"]["code"], "seal_forged", "{}", found.told);

    let mut intruder = PgConnection::connect(&url).await.expect("the database is there");
    let tampered: uuid::Uuid = sqlx::query_scalar(
        "UPDATE audit_events SET ip = '192.0.2.66' WHERE action = 'login.failed' RETURNING id",
    )
    .fetch_one(&mut intruder)
    .await
    .expect("an event is changed");

    let found = verify(folder.path(), &settings).await;
    assert_eq!(found.code, 1, "{}", found.told);
    assert_eq!(json(&found)["sound"], false);
    assert_eq!(json(&found)["problem"]["code"], "event_changed");
    assert!(found.told.contains(&tampered.to_string()), "{}", found.told);

    intruder.close().await.expect("the connection closes");
    drop(server);
    database.drop().await;
}
