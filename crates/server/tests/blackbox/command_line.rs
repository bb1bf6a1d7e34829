//! The commands, and what they say when something is wrong.

use doorward_infra_postgres::testing::TestDatabase;
use serde_json::{Value, json};

use crate::{
    api::{Person, Tokens},
    support::{PATIENCE, SECRET, Server, folder, free_port, run, until},
};

#[tokio::test]
async fn config_check_shows_every_setting_and_its_origin_and_no_secret() {
    let folder = folder();
    std::fs::write(folder.path().join(".env"), "APP_AUTH_AUDIENCE=from-dot-env\n").unwrap();
    let settings = [
        ("APP_AUTH_SECRET", SECRET),
        ("APP_DATABASE_URL", "postgres://door:hunter2hunter2@db.example.org/doorward"),
        ("APP_SERVER_PORT", "4321"),
    ];
    let arguments = ["config", "check", "--set", "log.filter=debug"];
    let table = run(folder.path(), &settings, &arguments, "").await;
    assert_eq!(table.code, 0, "{}", table.told);
    for secret in [SECRET, "hunter2"] {
        assert!(!table.printed.contains(secret) && !table.told.contains(secret));
    }
    let row = |key: &str| {
        let found = table.printed.lines().find(|line| line.starts_with(&format!("{key} ")));
        found.unwrap_or_else(|| panic!("no {key} in {}", table.printed)).to_owned()
    };
    for (key, words) in [
        ("auth.secret", ["********", "APP_AUTH_SECRET"]),
        ("database.url", ["door:********@db.example.org", "APP_DATABASE_URL"]),
        ("server.port", ["4321", "APP_SERVER_PORT"]),
        ("server.public_url", ["http://127.0.0.1:4321", "derived"]),
        ("auth.audience", ["from-dot-env", ".env"]),
        ("log.filter", ["debug", "--set"]),
        ("log.format", ["pretty", "development.toml"]),
        ("server.host", ["127.0.0.1", "default.toml"]),
    ] {
        let row = row(key);
        assert!(words.iter().all(|word| row.contains(word)), "{row}");
    }

    let rows = run(folder.path(), &settings, &["config", "check", "--json"], "").await;
    let rows: Vec<Value> = serde_json::from_str(&rows.printed).expect("JSON");
    assert!(rows.len() > 30);
    assert!(rows.iter().all(|row| row["value"].is_string() && row["origin"].is_string()));
    assert!(!folder.path().join("data").exists(), "looking makes nothing");
}

#[tokio::test]
async fn everything_that_is_wrong_with_the_settings_is_told_at_once() {
    let folder = folder();
    let settings = [
        ("APP_SERVER_PORT", "http"),
        ("APP_SERVER_HOTS", "0.0.0.0"),
        ("APP_DATABASE_MIN_CONNECTIONS", "99"),
        ("APP_AUTH_SECRET", "hunter2"),
    ];
    for arguments in [&["config", "check"][..], &["serve"], &["migrate"], &[]] {
        let refused = run(folder.path(), &settings, arguments, "").await;
        assert_eq!(refused.code, 1);
        for words in [
            "4 faults",
            "server.port (environment APP_SERVER_PORT)",
            "did you mean `APP_SERVER_HOST`?",
            "database.min_connections",
            "auth.secret",
        ] {
            assert!(refused.told.contains(words), "no {words} in {}", refused.told);
        }
        assert!(!refused.told.contains("hunter2"), "{}", refused.told);
    }
    let unknown = run(folder.path(), &[], &["srve"], "").await;
    assert_eq!(unknown.code, 2);
}

#[tokio::test]
async fn migrate_brings_an_empty_database_up_to_date_once() {
    let postgres = TestDatabase::create_empty().await;
    let (folder, url) = (folder(), postgres.url());
    for url in ["sqlite://accounts/doorward.db", &url] {
        let settings = [("APP_DATABASE_URL", url), ("APP_LOG_FILTER", "off")];
        let first = run(folder.path(), &settings, &["migrate"], "").await;
        assert_eq!(first.code, 0, "{}", first.told);
        assert!(first.told.contains("Applied 0001"), "{}", first.told);
        let second = run(folder.path(), &settings, &["migrate"], "").await;
        assert_eq!((second.code, second.told.as_str()), (0, "The database is up to date.\n"));
    }
    postgres.drop().await;
}

#[tokio::test]
async fn production_starts_only_with_a_secret_and_a_migrated_database() {
    let postgres = TestDatabase::create_empty().await;
    let (folder, url) = (folder(), postgres.url());
    for url in ["sqlite://data/doorward.db", &url] {
        let bare = [("APP_ENV", "production"), ("APP_DATABASE_URL", url)];
        let refused = run(folder.path(), &bare, &[], "").await;
        assert_eq!(refused.code, 1);
        assert!(refused.told.contains("auth.secret"), "{}", refused.told);
        assert!(refused.told.contains("APP_AUTH_SECRET"), "{}", refused.told);

        let settings = [&bare[..], &[("APP_AUTH_SECRET", SECRET)]].concat();
        let on_any_port = [&settings[..], &[("APP_SERVER_PORT", "0")]].concat();
        let refused = run(folder.path(), &on_any_port, &[], "").await;
        assert_eq!(refused.code, 1, "{}", refused.told);
        assert!(refused.told.contains("run `doorward migrate` first"), "{}", refused.told);

        assert_eq!(run(folder.path(), &settings, &["migrate"], "").await.code, 0);
        let server = Server::launch(folder.path(), &settings).await;
        until("the server is ready", PATIENCE, async || {
            (server.api().get("/health/ready").await.status == 200).then_some(())
        })
        .await;
        assert_eq!(server.program.printed(), "", "the log is all that anybody reads");
        for line in server.program.log().lines() {
            let event: Value = serde_json::from_str(line).expect("each line is JSON");
            assert!(event["timestamp"].is_string() && event["message"].is_string(), "{line}");
        }
        drop(server);
    }
    postgres.drop().await;
}

#[tokio::test]
async fn another_secret_is_refused_before_it_harms_the_database() {
    let postgres = TestDatabase::create().await;
    let (folder, url) = (folder(), postgres.url());
    for url in ["sqlite://data/doorward.db", &url] {
        let right = [("APP_DATABASE_URL", url), ("APP_AUTH_SECRET", SECRET)];
        let server = Server::start(folder.path(), &right).await;
        let ada = Person::new("Ada Lovelace");
        let tokens = server.api().welcome(&ada).await;
        drop(server);
        let other = "another-secret-of-at-least-32-octets-5Yk2";
        let wrong =
            [("APP_DATABASE_URL", url), ("APP_AUTH_SECRET", other), ("APP_SERVER_PORT", "0")];
        let refused = run(folder.path(), &wrong, &[], "").await;
        assert_eq!(refused.code, 1, "{}", refused.told);
        let last = refused.told.lines().last().expect("it says why");
        assert!(last.starts_with("doorward: ") && last.contains("auth.secret"), "{last}");
        assert!(!refused.told.contains(other) && !refused.told.contains(SECRET));
        let server = Server::start(folder.path(), &right).await;
        server.api().refresh(&tokens.refresh).await.expect(200);
    }
    postgres.drop().await;
}

#[tokio::test]
async fn an_administrator_is_made_beside_a_running_server() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    let root = Person::new("Root Admin");
    let arguments =
        ["admin", "create", "--email", &root.email, "--name", &root.name, "--password-stdin"];
    let line = format!("{}\n", root.password);
    let made = run(folder.path(), &[], &arguments, &line).await;
    assert_eq!(made.code, 0, "{}", made.told);
    assert!(made.told.contains(&root.email) && !made.told.contains(&root.password));
    let tokens = Tokens::of(&server.api().sign_in(&root).await.expect(200));
    let me = server.api().me(&tokens.access).await.expect(200);
    assert_eq!(me["roles"], json!(["admin", "user"]));

    let again = run(folder.path(), &[], &arguments, &line).await;
    assert_eq!(again.code, 1);
    assert!(again.told.contains("there is an account with this address"), "{}", again.told);
    let short = run(folder.path(), &[], &arguments, "short\n").await;
    assert_eq!(short.code, 1);
    assert!(short.told.contains("password"), "{}", short.told);
    let on_command_line = run(folder.path(), &[], &arguments[..6], "").await;
    assert_eq!(on_command_line.code, 2);
    assert!(on_command_line.told.contains("--password-stdin"), "{}", on_command_line.told);
}

#[tokio::test]
async fn the_health_check_tells_ready_from_not_by_its_exit_status() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    let port = server.port();
    let ready = run(folder.path(), &[("APP_SERVER_PORT", &port)], &["health-check"], "").await;
    assert_eq!((ready.code, ready.told.as_str()), (0, ""));
    drop(server);
    let gone = run(folder.path(), &[("APP_SERVER_PORT", &port)], &["health-check"], "").await;
    assert_eq!(gone.code, 1);
    assert!(gone.told.contains("nobody answers on 127.0.0.1"), "{}", gone.told);

    let nowhere = format!("postgres://nobody@127.0.0.1:{}/nothing", free_port());
    let waiting = Server::launch(folder.path(), &[("APP_DATABASE_URL", &nowhere)]).await;
    let port = waiting.port();
    let waits = run(folder.path(), &[("APP_SERVER_PORT", &port)], &["health-check"], "").await;
    assert_eq!(waits.code, 1);
    assert!(waits.told.contains("is not ready") && waits.told.contains("503"), "{}", waits.told);
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_printed_is_an_error() {
    use std::{fs::File, process::Command};

    let full = File::options().write(true).open("/dev/full").expect("a disk that is always full");
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    let outcome = command.args(["config", "table"]).stdout(full).output().expect("it starts");
    assert_eq!(outcome.status.code(), Some(1));
    let told = String::from_utf8_lossy(&outcome.stderr);
    assert!(told.contains("cannot write to standard output"), "{told}");
}

#[tokio::test]
async fn openapi_prints_the_document() {
    let folder = folder();
    let document = run(folder.path(), &[], &["openapi"], "").await;
    assert_eq!((document.code, document.told.as_str()), (0, ""));
    let document: Value = serde_json::from_str(&document.printed).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    assert!(document["paths"]["/api/v1/auth/login"]["post"].is_object());
    // What is printed is for the address that is the default.
    let settings = [("APP_SERVER_PUBLIC_URL", "http://127.0.0.1:3000")];
    let server = Server::launch(folder.path(), &settings).await;
    let live = server.api().get("/openapi.json").await.expect(200);
    assert!(live == document, "the server's document is another one");
}
