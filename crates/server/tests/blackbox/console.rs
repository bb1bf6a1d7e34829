//! People, managed at the console beside running servers.

use std::{path::Path, time::Duration};

use doorward_infra_postgres::testing::TestDatabase;
use serde_json::Value;

use crate::{
    api::{Person, Tokens},
    operator::administrator,
    support::{Outcome, SECRET, Server, Setting, folder, run, until},
};

/// The time from a change to its effect on every instance.
const NOTICED: Duration = Duration::from_secs(1);

async fn users(folder: &Path, settings: &[Setting<'_>], arguments: &[&str]) -> Outcome {
    run(folder, settings, &[&["users"], arguments].concat(), "").await
}

/// What is printed by a command that must succeed.
async fn printed(folder: &Path, settings: &[Setting<'_>], arguments: &[&str]) -> String {
    let outcome = users(folder, settings, arguments).await;
    assert_eq!(outcome.code, 0, "{}", outcome.told);
    outcome.printed
}

async fn what_is_done_at_the_console_takes_effect(database: &str) {
    let folder = folder();
    let settings = [("APP_DATABASE_URL", database), ("APP_AUTH_SECRET", SECRET)];
    let server = Server::start(folder.path(), &settings).await;
    let api = server.api();
    let root = administrator(&server, folder.path(), &settings).await;
    let ada = Person::new("Ada Lovelace");
    api.sign_up(&ada).await.expect(201);
    let tokens = Tokens::of(&api.sign_in(&ada).await.expect(200));
    let at_console = async |arguments: &[&str]| printed(folder.path(), &settings, arguments).await;
    let becomes = async |what: &str, token: &str, path: &str, status: u16| {
        until(what, NOTICED, async || {
            (api.get_as(token, path).await.status == status).then_some(())
        })
        .await;
    };

    at_console(&["set-roles", &ada.email, "user", "admin"]).await;
    becomes("the new role", &tokens.access, "/api/v1/roles", 200).await;
    at_console(&["set-roles", &ada.email.to_uppercase(), "user"]).await;
    becomes("the end of the role", &tokens.access, "/api/v1/roles", 403).await;
    at_console(&["sign-out", &ada.email]).await;
    becomes("the end of the sessions", &tokens.access, "/api/v1/users/me", 401).await;

    let shown = at_console(&["show", &ada.email, "--json"]).await;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let id = shown["id"].as_str().expect("an id");
    let path = format!("/api/v1/users/{id}");
    assert_eq!(api.get_as(&root.access, &path).await.expect(200), shown);

    at_console(&["disable", id]).await;
    api.sign_in(&ada).await.expect_problem(403, "account_disabled");
    at_console(&["enable", id]).await;
    api.sign_in(&ada).await.expect(200);

    let listed = at_console(&["list", "--q", "ADA", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).expect("one line of JSON");
    assert_eq!(listed["id"], shown["id"]);
    let table = at_console(&["list"]).await;
    assert!(table.starts_with("id  "), "{table}");
    assert!(table.lines().any(|line| line.contains(id) && line.contains("Ada Lovelace")));
    let cut = users(folder.path(), &settings, &["list", "--limit", "1"]).await;
    assert!(cut.told.contains("--limit"), "{}", cut.told);
    assert_eq!(cut.printed.lines().count(), 2);

    at_console(&["delete", id]).await;
    api.get_as(&root.access, &path).await.expect_problem(404, "not_found");

    for (arguments, words) in [
        (&["show", id][..], "no such user"),
        (&["show", "nobody@example.org"], "nobody has this address"),
        (&["set-roles", "root.admin@example.org", "admin", "boss"], "does not exist"),
    ] {
        let outcome = users(folder.path(), &settings, arguments).await;
        assert_eq!(outcome.code, 1, "{arguments:?}");
        assert!(outcome.told.contains(words), "{arguments:?}: {}", outcome.told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_at_the_console_takes_effect_on_sqlite() {
    let home = folder();
    let url = format!("sqlite:{}", home.path().join("doorward.db").display());
    what_is_done_at_the_console_takes_effect(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_at_the_console_takes_effect_on_postgres() {
    let database = TestDatabase::create().await;
    what_is_done_at_the_console_takes_effect(&database.url()).await;
    database.drop().await;
}

#[tokio::test]
async fn a_word_that_names_nobody_is_refused_before_the_database_is_touched() {
    let folder = folder();
    for arguments in [
        &["show", "ada"][..],
        &["list", "--status", "gone"],
        &["list", "--q", " "],
        &["list", "--role", "No Role"],
        &["list", "--email", "ada"],
        &["set-roles", "ada@example.org", "No Role"],
    ] {
        let refused = users(folder.path(), &[], arguments).await;
        assert_eq!(refused.code, 2, "{arguments:?}: {}", refused.told);
        assert!(refused.told.contains(arguments[arguments.len() - 1]), "{}", refused.told);
    }
    assert!(!folder.path().join("data").exists());
}
