//! From nothing to serving, also when something is in the way.

use std::{
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use doorward_infra_postgres::testing::TestDatabase;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    api::{Api, Person, Tokens},
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
async fn who_has_an_account_is_concealed_from_clients_and_not_from_operators() {
    let folder = folder();
    let settings = [("APP_SIGNUP_CONCEAL_EXISTING", "true")];
    let server = Server::start(folder.path(), &settings).await;
    let password = shown_password(&server.program.printed()).expect("the first start shows it");
    let email = "admin@doorward.localhost".to_owned();
    let admin = Person { email, password, name: String::new() };
    server.api().sign_in(&admin).await.expect(200);

    let ada = Person::new("Ada Lovelace");
    for person in [&ada, &ada, &Person { name: "Root".to_owned(), ..admin.clone() }] {
        let answer = server.api().sign_up(person).await;
        assert_eq!((answer.header("location"), answer.header("content-length")), (None, Some("0")));
        assert_eq!(answer.expect(202), serde_json::Value::Null);
    }
    for person in [&ada, &admin] {
        server.api().sign_in(person).await.expect(200);
    }
    let arguments =
        ["admin", "create", "--email", &ada.email, "--name", &ada.name, "--password-stdin"];
    let again = run(folder.path(), &settings, &arguments, &ada.password).await;
    assert_eq!(again.code, 1);
    assert!(again.told.contains("there is an account with this address"), "{}", again.told);
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

/// Where the database seems to be. It can go away and come back: it passes connections on to the
/// real one while it is there.
struct Gateway {
    real: (String, u16),
    port: u16,
    open: Option<JoinHandle<()>>,
    frozen: CancellationToken,
}

impl Gateway {
    /// A gateway that is closed, and the URL that leads through it.
    fn to(database: &TestDatabase) -> (Self, Url) {
        let mut url = Url::parse(&database.url()).expect("a URL");
        let real = (url.host_str().expect("a host").to_owned(), url.port().unwrap_or(5432));
        let port = free_port();
        url.set_host(Some("127.0.0.1")).expect("a host that fits");
        url.set_port(Some(port)).expect("a URL with a port");
        (Self { real, port, open: None, frozen: CancellationToken::new() }, url)
    }

    async fn open(&mut self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
        let listener = listener.expect("the port is free");
        let (real, frozen) = (self.real.clone(), self.frozen.clone());
        self.open = Some(tokio::spawn(async move {
            // They end with the task that owns them.
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let (real, frozen) = (real.clone(), frozen.clone());
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(real).await {
                        let passing = copy_bidirectional(&mut client, &mut server);
                        // Either side may go at any time.
                        let _ = frozen.run_until_cancelled(passing).await;
                        if frozen.is_cancelled() {
                            std::future::pending::<()>().await;
                        }
                    }
                });
            }
        }));
    }

    /// Passes nothing on any more, in connections that stay open, as when a link breaks.
    fn freeze(&self) {
        self.frozen.cancel();
    }

    /// Breaks every connection and refuses new ones.
    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            // It was told to end, so that it did is no news.
            let _ = open.await;
        }
    }
}

async fn ready(api: &Api) {
    until("the server is ready", PATIENCE, async || {
        (api.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_down_is_waited_for() {
    let database = TestDatabase::create_empty().await;
    let (mut gateway, url) = Gateway::to(&database);
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

    gateway.open().await;
    ready(&api).await;
    let tokens = api.welcome(&ada).await;

    gateway.close().await;
    api.me(&tokens.access).await.expect_problem(503, "unavailable");
    assert_eq!(api.get("/health/live").await.status, 200);
    let problem = until("readiness notices", PATIENCE, async || {
        let answer = api.get("/health/ready").await;
        (answer.status != 200).then(|| answer.expect_problem(503, "unavailable"))
    })
    .await;
    assert_eq!(problem["checks"]["server"], "ok");
    assert_ne!(problem["checks"]["database"], "ok");

    gateway.open().await;
    ready(&api).await;
    api.me(&tokens.access).await.expect(200);
    api.refresh(&tokens.refresh).await.expect(200);
    gateway.close().await;
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

#[tokio::test]
async fn a_server_whose_database_keeps_silent_from_the_start_can_be_stopped() {
    // It takes connections in, as the kernel does for a process that hangs.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let port = silent.local_addr().expect("a listener has an address").port();
    let url = format!("postgres://nobody@127.0.0.1:{port}/nothing");
    let folder = folder();
    let settings = [("APP_DATABASE_URL", url.as_str()), ("APP_SERVER_SHUTDOWN_GRACE_SECONDS", "2")];
    let mut server = Server::launch(folder.path(), &settings).await;
    let _connection = silent.accept().await.expect("the server tries");
    server.api().get("/health/ready").await.expect_problem(503, "unavailable");
    let since = Instant::now();
    server.program.signal(Signal::TERM);
    assert_eq!(server.program.exit_code(PATIENCE).await, 0);
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_database_that_does_not_answer_cannot_delay_the_end_beyond_the_grace() {
    let database = TestDatabase::create().await;
    let (mut gateway, url) = Gateway::to(&database);
    gateway.open().await;
    let folder = folder();
    let settings = [("APP_DATABASE_URL", url.as_str()), ("APP_SERVER_SHUTDOWN_GRACE_SECONDS", "2")];
    let mut server = Server::start(folder.path(), &settings).await;
    gateway.freeze();
    until("the server notices", PATIENCE, async || {
        (server.api().get("/health/ready").await.status == 503).then_some(())
    })
    .await;
    let since = Instant::now();
    server.program.signal(Signal::TERM);
    assert_eq!(server.program.exit_code(PATIENCE).await, 0);
    let took = since.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}, with a grace of 2 s");
    database.drop().await;
}
