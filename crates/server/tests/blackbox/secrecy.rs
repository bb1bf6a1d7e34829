//! However much is logged, no secret is.

use doorward_infra_postgres::testing::TestDatabase;
use reqwest::Method;
use serde_json::json;

use crate::{
    api::{Api, Tokens},
    journey::{Secrets, travel},
    support::{SECRET, Server, folder},
    wire::Wire,
};

/// Sends secrets where they don't belong and in ways that fail, because errors like to quote.
async fn blunder(server: &Server, api: &Api) -> Vec<String> {
    let marks: Vec<_> = (0..9).map(|number| format!("canary-{number}-9f8e7d6c5b4a")).collect();
    let json = |path: &'static str, body| async move {
        api.call(Method::POST, path, None, Some(&body)).await.status
    };
    assert_eq!(json("/api/v1/auth/refresh", json!({ "refresh_token": marks[0] })).await, 401);
    assert_eq!(json("/api/v1/users", json!({ "email": 7, "password": [&marks[1]] })).await, 422);
    assert_eq!(json("/api/v1/users", json!({ "email": &marks[2], "password": "x" })).await, 422);
    let login = json!({ "email": "a@example.org", "password": &marks[3] });
    assert_eq!(json("/api/v1/auth/login", login).await, 401);
    assert_eq!(api.me(&marks[4]).await.status, 401);
    let query = format!("/api/v1/users/me?access_token={}", marks[5]);
    assert_eq!(api.get(&query).await.status, 401);
    let broken = format!("{{\"password\": \"{}\" broken", marks[6]);
    let mut wire = Wire::connect(server.address).await;
    wire.send(format!(
        "POST /api/v1/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Cookie: session={}\r\nContent-Length: {}\r\n\r\n{broken}",
        marks[7],
        broken.len()
    ))
    .await;
    wire.reply().await.expect_problem(400, "malformed_json");
    wire.send(format!("garbage {}\r\n\r\n", marks[8])).await;
    wire.reply().await.expect_problem(400, "bad_request");
    marks
}

async fn nothing_leaks(database: Option<&str>) {
    let folder = folder();
    let mut settings = vec![("APP_AUTH_SECRET", SECRET), ("APP_LOG_FILTER", "trace")];
    settings.extend(database.map(|url| ("APP_DATABASE_URL", url)));
    let mut server = Server::start(folder.path(), &settings).await;
    let api = server.api();
    let Secrets { person, new_password, tokens } = travel(&api, "Secretive Sally").await;
    let mut secrets = blunder(&server, &api).await;
    secrets.extend([SECRET.to_owned(), person.email, person.password, new_password]);
    for Tokens { access, refresh, .. } in tokens {
        secrets.extend([access, refresh]);
    }
    let printed = server.program.printed();
    let shown = printed.lines().find_map(|line| line.trim().strip_prefix("Password"));
    secrets.push(shown.expect("the first start shows a password").trim().to_owned());
    secrets.extend(["$argon2id$".to_owned(), "eyJ".to_owned(), "dwr_".to_owned()]);

    server.program.kill();
    let log = server.program.log();
    assert!(log.contains("sqlx::query") && log.contains("user deleted"), "all is logged");
    let mut leaks = Vec::new();
    for secret in &secrets {
        for line in log.lines().filter(|line| line.contains(secret.as_str())) {
            let line: String = line.chars().take(400).collect();
            leaks.push(format!("{secret:.40} in {line}"));
        }
    }
    let (count, searched) = (leaks.len(), log.len());
    eprintln!("{} secrets searched for in {searched} octets of log", secrets.len());
    leaks.truncate(10);
    assert!(leaks.is_empty(), "{count} leaks, among them:\n{}", leaks.join("\n"));
}

#[tokio::test]
async fn no_secret_is_logged_on_sqlite() {
    nothing_leaks(None).await;
}

#[tokio::test]
async fn no_secret_is_logged_on_postgres() {
    let database = TestDatabase::create().await;
    nothing_leaks(Some(&database.url())).await;
    database.drop().await;
}
