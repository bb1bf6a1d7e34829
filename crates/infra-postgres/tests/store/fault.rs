//! What a caller is told when the database fails, and that the store recovers.

use std::{net::SocketAddr, time::Duration};

use doorward_domain::ports::{Store, StoreError, UserQueries};
use doorward_infra_postgres::{
    MigrateError, PostgresSettings, PostgresStore, testing::TestDatabase,
};
use doorward_testkit::fixture::{register, user};
use secrecy::SecretString;
use sqlx::{Connection, PgConnection};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep},
};

#[tokio::test]
async fn waiting_too_long_for_a_lock_is_busy() {
    let database = TestDatabase::create().await;
    let limit = Duration::from_millis(200);
    let settings = PostgresSettings { statement_timeout: limit, ..database.settings() };
    let store = PostgresStore::connect(settings).await.unwrap();
    register(&store, &user(1)).await.unwrap();

    let mut first = store.begin().await.unwrap();
    first.user_lock(user(1).id).await.unwrap();
    let mut second = store.begin().await.unwrap();
    let waited = second.user_lock(user(1).id).await;
    assert!(matches!(waited, Err(StoreError::Busy(_))), "{waited:?}");
    drop(second);
    assert!(first.user_delete(user(1).id).await.unwrap());
    first.commit().await.unwrap();
    database.drop().await;
}

#[tokio::test]
async fn an_exhausted_pool_is_busy() {
    let database = TestDatabase::create().await;
    let settings = PostgresSettings {
        max_connections: 1,
        acquire_timeout: Duration::from_millis(100),
        ..database.settings()
    };
    let store = PostgresStore::connect(settings).await.unwrap();
    let held = store.begin().await.unwrap();
    let refused = store.begin().await.map(|_| ());
    assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    assert!(matches!(store.ping().await, Err(StoreError::Busy(_))));
    drop(held);
    database.drop().await;
}

#[tokio::test]
async fn ended_connections_are_replaced() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    let mut work = store.begin().await.unwrap();
    work.user_insert(&user(1)).await.unwrap();
    let mut operator = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut operator)
    .await
    .unwrap();

    let committed = work.commit().await;
    assert!(matches!(committed, Err(StoreError::Unavailable(_))), "{committed:?}");
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Err(error) = register(&store, &user(1)).await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(20)).await;
    }
    database.drop().await;
}

#[tokio::test]
async fn a_store_starts_without_its_database() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let store = PostgresStore::connect(PostgresSettings {
        url: SecretString::from(format!("postgres://doorward@127.0.0.1:{port}/doorward")),
        max_connections: 4,
        min_connections: 4,
        acquire_timeout: Duration::from_millis(300),
        statement_timeout: Duration::from_secs(5),
    })
    .await
    .unwrap();
    let Err(StoreError::Unavailable(reason)) = store.ping().await else { panic!() };
    assert!(reason.to_string().contains("refused"), "{reason}");
    let Err(MigrateError::Store(StoreError::Unavailable(reason))) = store.pending().await else {
        panic!()
    };
    assert!(reason.to_string().contains("refused"), "{reason}");
    assert!(store.begin().await.is_err());
}

#[tokio::test]
async fn a_url_of_something_else_is_refused_without_showing_it() {
    let refused = PostgresStore::connect(PostgresSettings {
        url: SecretString::from("postgres://doorward:hunter2@[".to_owned()),
        max_connections: 1,
        min_connections: 0,
        acquire_timeout: Duration::from_secs(1),
        statement_timeout: Duration::from_secs(1),
    })
    .await;
    let error = refused.map(|_| ()).unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

/// Stands between the store and the server, and can let links die as a firewall does: nothing
/// arrives any more, nothing is closed.
struct Link {
    address: SocketAddr,
    cut: watch::Sender<()>,
}

impl Link {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, cuts) = watch::channel(());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        // The sockets stay open.
                        _ = cuts.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, cut }
    }
}

#[tokio::test]
async fn a_dead_link_fails_its_statement_and_frees_its_place() {
    let database = TestDatabase::create().await;
    let url = url::Url::parse(&database.url()).unwrap();
    let server = (url.host_str().unwrap(), url.port().unwrap());
    let server = tokio::net::lookup_host(server).await.unwrap().next().unwrap();
    let link = Link::to(server).await;
    let mut through = url;
    through.set_host(Some("127.0.0.1")).unwrap();
    through.set_port(Some(link.address.port())).unwrap();
    let store = PostgresStore::connect(PostgresSettings {
        url: SecretString::from(through.to_string()),
        max_connections: 1,
        acquire_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_millis(100),
        ..database.settings()
    })
    .await
    .unwrap();

    let mut work = store.begin().await.unwrap();
    // The transaction begins with its first statement.
    assert!(work.user_lock(user(9).id).await.unwrap().is_none());
    link.cut.send(()).unwrap();
    let refused = work.user_insert(&user(1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    drop(work);
    assert!(!store.user_exists().await.unwrap());

    // The same when nobody waits for an answer.
    let mut work = store.begin().await.unwrap();
    assert!(work.user_lock(user(9).id).await.unwrap().is_none());
    link.cut.send(()).unwrap();
    drop(work);
    register(&store, &user(2)).await.unwrap();

    // An idle connection is asked for a sign of life before it is lent.
    sleep(Duration::from_millis(1_100)).await;
    link.cut.send(()).unwrap();
    assert!(store.user_exists().await.unwrap());
    database.drop().await;
}
