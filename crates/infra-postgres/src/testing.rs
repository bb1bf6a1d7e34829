//! Databases for tests.

use std::{str::FromStr, time::Duration};

use secrecy::SecretString;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions,
};

use crate::{PostgresSettings, PostgresStore, migrate::fingerprint};

/// The URL of a server where databases may be made.
const URL_VARIABLE: &str = "TEST_DATABASE_URL";
/// The key of the advisory lock that whoever makes the template holds: "template" in ASCII.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;

/// A migrated database of its own, cloned from a template that is made once for each state of the
/// migrations. One that is not dropped, because its test failed, stays for a look at it.
#[derive(Debug)]
pub struct TestDatabase {
    server: PgConnectOptions,
    name: String,
}

impl TestDatabase {
    /// Makes the database.
    ///
    /// # Panics
    /// When that fails, as everything here does: a test cannot go on without its database.
    pub async fn create() -> Self {
        let server = server();
        let mut connection = connect(&server).await;
        let template = format!("doorward_template_{}", fingerprint());
        ensure_template(&mut connection, &server, &template).await;
        Self::clone_from(connection, server, &template).await
    }

    /// Makes a database without any tables.
    ///
    /// # Panics
    /// When that fails.
    pub async fn create_empty() -> Self {
        let server = server();
        let connection = connect(&server).await;
        Self::clone_from(connection, server, "template0").await
    }

    async fn clone_from(
        mut connection: PgConnection,
        server: PgConnectOptions,
        template: &str,
    ) -> Self {
        let id: String = sqlx::query_scalar("SELECT replace(gen_random_uuid()::text, '-', '')")
            .fetch_one(&mut connection)
            .await
            .expect("the server makes random ids");
        let name = format!("doorward_test_{id}");
        run(&mut connection, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        connection.close().await.expect("the connection can be closed");
        Self { server, name }
    }

    /// Opens the database with a small pool, like one more instance.
    ///
    /// # Panics
    /// When the URL is not one of PostgreSQL.
    pub async fn store(&self) -> PostgresStore {
        PostgresStore::connect(self.settings()).await.expect("the URL is one of PostgreSQL")
    }

    /// What [`store`](Self::store) connects with: at most 4 connections, limits of 5 seconds.
    #[must_use]
    pub fn settings(&self) -> PostgresSettings {
        PostgresSettings {
            url: SecretString::from(self.url()),
            max_connections: 4,
            min_connections: 0,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
        }
    }

    /// The URL, as the setting `database.url` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.clone().database(&self.name).to_url_lossy().to_string()
    }

    /// Drops the database, with the connections that are still open.
    ///
    /// # Panics
    /// When that fails.
    pub async fn drop(self) {
        let mut connection = connect(&self.server).await;
        run(&mut connection, format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

fn server() -> PgConnectOptions {
    let Ok(url) = std::env::var(URL_VARIABLE) else {
        panic!(
            "these tests need PostgreSQL: run them with `cargo xtask test`, or set {URL_VARIABLE}"
        )
    };
    PgConnectOptions::from_str(&url).expect("the URL is one of PostgreSQL")
}

async fn connect(options: &PgConnectOptions) -> PgConnection {
    options.connect().await.expect("the test server can be reached")
}

async fn run(connection: &mut PgConnection, statement: String) {
    connection.execute(AssertSqlSafe(statement)).await.expect("the test server does as told");
}

/// Makes the template unless it is there. Tests run in many processes; one makes it while the others
/// wait. It gets its name last, so what a process left behind that was killed is never used.
async fn ensure_template(connection: &mut PgConnection, server: &PgConnectOptions, template: &str) {
    if template_exists(connection, template).await {
        return;
    }
    run(connection, format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await;
    if !template_exists(connection, template).await {
        let draft = format!("{template}_draft");
        run(connection, format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)")).await;
        run(connection, format!("CREATE DATABASE {draft} TEMPLATE template0")).await;
        let database = TestDatabase { server: server.clone(), name: draft.clone() };
        let store = database.store().await;
        store.migrate().await.expect("the migrations can be applied");
        store.close().await;
        run(connection, format!("ALTER DATABASE {draft} RENAME TO {template}")).await;
    }
    run(connection, format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")).await;
}

async fn template_exists(connection: &mut PgConnection, template: &str) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(template)
        .fetch_one(connection)
        .await
        .expect("the test server lists its databases")
}
