//! From nothing to serving, also when something is in the way.

use std::{net::Ipv4Addr, os::unix::fs::PermissionsExt};

use doorward_infra_postgres::testing::TestDatabase;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::{
    api::{Person, Tokens},
    support::{PATIENCE, Server, Signal, folder, free_port, run, until},
};

/// The password in the banner.
fn shown_password(printed: &str) -> Option<String> {
    let mut passwords = printed.lines().filter_map(|line| line.trim().strip_prefix("Password"));
    let password = passwords.next().map(|text| text.trim().to_owned());
    assert_eq!(passwords.next(), None, "it is shown once");
    password
}

#[tokio::test]
async fn the_first_start_shows_the_administrators_password_and_no_other_does() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    let printed = server.program.printed();
    let password = shown_password(&printed).expect("the first start shows it");
    assert!(!server.program.log().contains(&password), "the log is kept, the terminal is not");
    let email = "admin@doorward.localhost";
    assert!(printed.contains(email));
    let admin = Person { email: email.to_owned(), password, name: String::new() };
    let tokens = Tokens::of(&server.api().sign_in(&admin).await.expect(200));
    let me = server.api().me(&tokens.access).await.expect(200);
    assert_eq!(me["roles"], serde_json::json!(["admin", "user"]));
    let secret = std::fs::metadata(folder.path().join("data/doorward.secret")).expect("kept");
    assert_eq!(secret.permissions().mode() & 0o777, 0o600);
    drop(server);

    let server = Server::start(folder.path(), &[]).await;
    assert_eq!(shown_password(&server.program.printed()), None);
    server.api().sign_in(&admin).await.expect(200);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    let (port, elsewhere) = (server.port(), crate::support::folder());
    let refused = run(elsewhere.path(), &[("APP_SERVER_PORT", &port)], &[], "").await;
    assert_eq!(refused.code, 1);
    let told = refused.told.lines().last().expect("it says why");
    assert!(told.contains(&format!("127.0.0.1:{port}")), "{told}");
    assert!(told.contains("server.port") && told.contains("in use"), "{told}");
}

/// Gives a database that cannot be reached the time to appear: passes connections on to the real one.
async fn appear(port: u16, real: (String, u16)) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("it was free");
    while let Ok((mut client, _)) = listener.accept().await {
        let real = real.clone();
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(real).await {
                // Either side may go at any time.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

#[tokio::test]
async fn a_database_that_is_down_is_waited_for() {
    let database = TestDatabase::create_empty().await;
    let mut url = Url::parse(&database.url()).expect("a URL");
    let real = (url.host_str().expect("a host").to_owned(), url.port().unwrap_or(5432));
    let port = free_port();
    url.set_host(Some("127.0.0.1")).expect("a host that fits");
    url.set_port(Some(port)).expect("a URL with a port");

    let folder = folder();
    let mut server = Server::launch(folder.path(), &[("APP_DATABASE_URL", url.as_str())]).await;
    let api = server.api();
    assert_eq!(api.get("/health/live").await.status, 200);
    let problem = api.get("/health/ready").await.expect_problem(503, "unavailable");
    assert_eq!(problem["checks"]["server"], "starting");
    assert_ne!(problem["checks"]["database"], "ok");
    let ada = Person::new("Ada Lovelace");
    api.sign_up(&ada).await.expect_problem(503, "unavailable");
    api.me("whatever").await.expect_problem(503, "unavailable");

    let proxy = tokio::spawn(appear(port, real));
    until("the server is ready", PATIENCE, async || {
        (api.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    api.welcome(&ada).await;
    proxy.abort();
    server.program.signal(Signal::TERM);
    assert_eq!(server.program.exit_code(PATIENCE).await, 0);
    database.drop().await;
}

#[tokio::test]
async fn a_server_that_waits_for_its_database_can_be_stopped() {
    let folder = folder();
    let nowhere = format!("postgres://nobody@127.0.0.1:{}/nothing", free_port());
    let mut server = Server::launch(folder.path(), &[("APP_DATABASE_URL", &nowhere)]).await;
    until("it says what it waits for", PATIENCE, async || {
        server.program.log().contains("waiting for the database").then_some(())
    })
    .await;
    server.program.signal(Signal::TERM);
    assert_eq!(server.program.exit_code(PATIENCE).await, 0);
}
