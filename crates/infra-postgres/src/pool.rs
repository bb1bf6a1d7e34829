//! The connections.

use std::{
    io,
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use doorward_domain::ports::{Store, StoreError, UnitOfWork};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{runtime::Handle, sync::Notify, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    announcement, error::store_error, gathered::Gathered, unit_of_work::PostgresUnitOfWork,
};

/// A connection that was idle for longer is asked for a sign of life before it is lent.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How long that sign may take.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// How much longer than the server's own limit an answer may take. After that the link is broken.
const LINK_ALLOWANCE: Duration = Duration::from_secs(2);
/// How long a statement waits for a lock that another one holds. Use cases hold them for milliseconds; a
/// longer wait is somebody at a console, and whoever waits is better told to come again.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// How often the number of connections is brought up to `min_connections`.
const WARMING_PERIOD: Duration = Duration::from_secs(30);

/// Where the database is and how it is used.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database?sslmode=…`
    pub url: SecretString,
    /// The most connections this instance has open, not counting one that listens and one that
    /// reads the feed of changes.
    pub max_connections: u32,
    /// How many connections are kept ready; not more than `max_connections`.
    pub min_connections: u32,
    /// How long a caller waits for a connection before it is told [`StoreError::Busy`].
    pub acquire_timeout: Duration,
    /// How long a statement may run, or wait for a lock, before it is told [`StoreError::Busy`].
    /// Two seconds after that the server counts as unreachable.
    pub statement_timeout: Duration,
}

/// The connections that statements run on.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pool: PgPool,
    /// How long an answer may take.
    patience: Duration,
}

impl Connections {
    pub(crate) async fn lease(&self) -> Result<Lease, StoreError> {
        Lease::take(&self.pool, self.patience).await
    }

    /// Runs one statement outside of any transaction.
    pub(crate) async fn run<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.lease().await?.run(statement).await
    }
}

/// A database in PostgreSQL.
#[derive(Debug)]
pub struct PostgresStore {
    pub(crate) connections: Connections,
    pub(crate) gathered: Gathered,
    /// One connection for the feed of changes alone: that a session is over must become known in time
    /// also while requests wait for connections.
    feed: Connections,
    pub(crate) options: PgConnectOptions,
    /// Told when changes were committed here, for the others to be told.
    pub(crate) committed: Arc<Notify>,
    /// Told when there may be new changes, from here or elsewhere.
    pub(crate) hints: Arc<Notify>,
    /// Told when jobs were committed here, for the others to be told.
    pub(crate) jobs_committed: Arc<Notify>,
    /// Told when there may be a job to claim, from here or elsewhere.
    pub(crate) job_hints: Arc<Notify>,
    /// The task that listens; it runs from the first call of `change_hint` or `job_hint` on.
    pub(crate) listener: OnceLock<AbortOnDropHandle<()>>,
    /// Work that ends with the store.
    _tasks: [AbortOnDropHandle<()>; 3],
}

impl PostgresStore {
    /// Prepares to use a database, which need not be reachable yet: connections are made when they
    /// are needed, and [`ping`](Store::ping) tells whether they can be.
    ///
    /// # Errors
    /// When the URL is not one of PostgreSQL.
    #[expect(clippy::unused_async, reason = "the pool needs the runtime that an async fn runs in")]
    pub async fn connect(settings: PostgresSettings) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(settings.url.expose_secret())
            .map_err(|error| StoreError::Backend(error.into()))?
            .application_name("doorward");
        let feed =
            pool(&PostgresSettings { max_connections: 1, ..settings.clone() }, options.clone());
        let pool = pool(&settings, options.clone());
        let (committed, jobs_committed) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let patience = settings.statement_timeout + LINK_ALLOWANCE;
        let least = settings.min_connections.min(settings.max_connections);
        let announcing =
            [(announcement::CHANGES, &committed), (announcement::JOBS, &jobs_committed)].map(
                |(topic, told)| {
                    tokio::spawn(announcement::announce(
                        pool.clone(),
                        patience,
                        topic,
                        Arc::clone(told),
                    ))
                },
            );
        let [changes, jobs] = announcing;
        let tasks = [changes, jobs, tokio::spawn(keep_warm(pool.clone(), least))];
        let connections = Connections { pool, patience };
        Ok(Self {
            gathered: Gathered::new(&connections),
            connections,
            feed: Connections { pool: feed, patience },
            options,
            committed,
            hints: Arc::default(),
            jobs_committed,
            job_hints: Arc::default(),
            listener: OnceLock::new(),
            _tasks: tasks.map(AbortOnDropHandle::new),
        })
    }

    /// Closes all connections, after those that are in use were given back.
    pub async fn close(&self) {
        self.connections.pool.close().await;
        self.feed.pool.close().await;
    }

    /// Has hints of other instances arrive from now on.
    pub(crate) fn ensure_listening(&self) {
        self.listener.get_or_init(|| {
            let (hints, job_hints) = (Arc::clone(&self.hints), Arc::clone(&self.job_hints));
            let listening = announcement::listen(self.options.clone(), hints, job_hints);
            AbortOnDropHandle::new(tokio::spawn(listening))
        });
    }

    /// Reads the feed of changes, or what a start has to know before it does, on the connection
    /// that is kept for that.
    pub(crate) async fn read_feed<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.feed.run(statement).await
    }

    /// Why nothing could be asked. The pool does not tell why it has no connection to lend: if none can be made
    /// either, the reason for that is what an operator wants to read.
    pub(crate) async fn explained(&self, failure: StoreError) -> StoreError {
        match timeout(PING_TIMEOUT, PgConnection::connect_with(&self.options)).await {
            Ok(Ok(_)) => failure,
            Ok(Err(error)) => store_error(error),
            Err(_) => no_answer("no connection could be made in time"),
        }
    }

    /// Runs one statement outside of any transaction.
    pub(crate) async fn read<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.connections.run(statement).await
    }
}

fn pool(settings: &PostgresSettings, options: PgConnectOptions) -> PgPool {
    let limit = settings.statement_timeout.as_millis();
    let lock_limit = settings.statement_timeout.min(LOCK_PATIENCE).as_millis();
    // A transaction is idle only between two statements of a use case, which does nothing slow
    // there; one that is idle for long belongs to an instance that is gone, and holds its locks.
    let session = format!(
        "SET statement_timeout = {limit}; SET lock_timeout = {lock_limit}; \
         SET idle_in_transaction_session_timeout = '10s'"
    );
    PgPoolOptions::new()
        .max_connections(settings.max_connections)
        // SQLx would keep up the number by itself, but while the server is down it waits up to a
        // minute between two attempts and withholds a place in the pool for as long, so that the
        // instance would stay without connections after the server is back. See `keep_warm`.
        .min_connections(0)
        .acquire_timeout(settings.acquire_timeout)
        .idle_timeout(Duration::from_mins(10))
        // Spreads the connections anew when servers were added behind a load balancer.
        .max_lifetime(Duration::from_mins(30))
        .after_connect(move |connection, _| {
            let session = AssertSqlSafe(session.clone());
            Box::pin(async move { connection.execute(session).await.map(|_| ()) })
        })
        // Who waits in vain is told by the request that failed for it.
        .acquire_slow_threshold(settings.acquire_timeout * 2)
        // A ping before each use would double the round trips of a read.
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for <= TRUSTED_IDLE {
                    return Ok(true);
                }
                Ok(matches!(timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .connect_lazy_with(options)
}

/// Opens connections ahead of need while there are fewer than `least`. A failure is left to those
/// who need a connection to report.
async fn keep_warm(pool: PgPool, least: u32) {
    let mut ticks = tokio::time::interval(WARMING_PERIOD);
    while least > 0 && !pool.is_closed() {
        ticks.tick().await;
        let mut held = Vec::new();
        while pool.size() < least {
            match pool.acquire().await {
                Ok(connection) => held.push(connection),
                Err(_) => break,
            }
        }
    }
}

/// A connection that is borrowed from the pool.
///
/// It may be dropped at any point, and so may the future of a statement that runs on it. SQLx counts
/// the answers that are still to come and reads them off before it sends the next statement, so the
/// connection stays usable; but a transaction that was, or may have been, begun would stay open.
/// Therefore the lease notes it *before* `BEGIN` is sent, and a lease that is dropped with the note
/// has a task of its own send `ROLLBACK`, after everything that was sent before it, and only then
/// return the connection. If that fails or takes too long, the connection is closed, which makes the
/// server roll back as well.
pub(crate) struct Lease {
    /// `None` after the connection was found broken and was closed.
    connection: Option<PoolConnection<Postgres>>,
    transaction: bool,
    patience: Duration,
}

impl Lease {
    pub(crate) async fn take(pool: &PgPool, patience: Duration) -> Result<Self, StoreError> {
        let connection = pool.acquire().await.map_err(store_error)?;
        Ok(Self { connection: Some(connection), transaction: false, patience })
    }

    /// Runs a statement. Without an answer in time, or when the error says that the connection
    /// cannot serve, the connection is closed.
    ///
    /// The limit is kept on this side too, because the server's own limit is of no help when the
    /// link is dead: nothing would arrive, for a quarter of an hour with the defaults of TCP.
    pub(crate) async fn run<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Some(connection) = self.connection.as_mut() else {
            return Err(no_answer("the connection was closed after an earlier failure"));
        };
        let result = timeout(self.patience, statement(connection))
            .await
            .unwrap_or_else(|_| Err(no_answer("the database did not answer in time")));
        if matches!(result, Err(StoreError::Unavailable(_)))
            && let Some(connection) = self.connection.take()
        {
            drop(connection.detach());
        }
        result
    }

    /// Sends a statement that opens a transaction. From here on the lease counts as within one.
    pub(crate) async fn open_transaction(&mut self, begin: &'static str) -> Result<(), StoreError> {
        self.transaction = true;
        self.run(async |connection| execute(connection, begin).await).await
    }

    /// Whether a transaction was opened, or may have been.
    pub(crate) fn is_in_transaction(&self) -> bool {
        self.transaction
    }

    /// Sends `COMMIT`. Whether it took effect is known only if this succeeds.
    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        self.run(async |connection| execute(connection, "COMMIT").await).await?;
        self.transaction = false;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(give_back(connection, self.transaction, self.patience));
            }
            // Nothing can be sent any more. The server sees the connection end.
            Err(_) => drop(connection.detach()),
        }
    }
}

async fn give_back(
    mut connection: PoolConnection<Postgres>,
    transaction: bool,
    patience: Duration,
) {
    if transaction {
        // A statement that was given up may have failed meanwhile; its error surfaces here, before
        // anything is sent. That is rare, and closing the connection is right then too.
        match timeout(patience, execute(&mut connection, "ROLLBACK")).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return drop(connection.detach()),
        }
    }
    // Waits for outstanding answers, which on a dead link do not come. A future that is dropped
    // closes the connection.
    let _ = timeout(patience, connection.return_to_pool()).await;
}

pub(crate) async fn execute(
    connection: &mut PgConnection,
    statement: &'static str,
) -> Result<(), StoreError> {
    connection.execute(statement).await.map(|_| ()).map_err(store_error)
}

pub(crate) fn no_answer(problem: &str) -> StoreError {
    StoreError::Unavailable(io::Error::new(io::ErrorKind::TimedOut, problem).into())
}

#[async_trait]
impl Store for PostgresStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(PostgresUnitOfWork::begin(self).await?))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let question = self.read(async |connection| execute(connection, "SELECT 1").await);
        let answer = timeout(PING_TIMEOUT, question)
            .await
            .unwrap_or_else(|_| Err(no_answer("the database did not answer in time")));
        match answer {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.explained(failure).await),
        }
    }

    async fn inconsistencies(&self) -> Result<Vec<String>, StoreError> {
        crate::consistency::inconsistencies(self).await
    }
}
