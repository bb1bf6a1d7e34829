//! The connections.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use doorward_domain::ports::{Store, StoreError, UnitOfWork};
use sqlx::{
    Connection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::{error::store_error, gathered::Gathered, unit_of_work::SqliteUnitOfWork};

/// Where the database is and how it is used.
#[derive(Debug, Clone)]
pub struct SqliteSettings {
    pub path: SqlitePath,
    /// How many connections may read at the same time, at least 1. One more writes.
    pub max_connections: u32,
    /// How long a caller waits for a connection before it is told [`StoreError::Busy`].
    pub acquire_timeout: Duration,
    /// How long a statement waits for another *process* that is writing before it is told
    /// [`StoreError::Busy`]. Writers of this process wait in the pool instead.
    pub busy_timeout: Duration,
    pub workload: Workload,
}

/// What the database is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Workload {
    /// Many who each read and write a little, in little memory: as SQLite is by default.
    #[default]
    Serving,
    /// One who writes very many rows. New rows lie all over the indexes; the more of those is in memory,
    /// and the more rows share a page before it is written back, the less is read and written. It takes up
    /// to 128 MiB of memory and of a `-wal` file.
    Bulk,
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlitePath {
    /// In this file, which is made, with its folder, when it is missing.
    File(PathBuf),
    /// In memory, gone with the store. There is a single connection, so a read waits while a unit of
    /// work is open.
    Memory,
}

/// A database in SQLite.
#[derive(Debug)]
pub struct SqliteStore {
    /// Exactly one connection, the only one that writes.
    pub(crate) writer: SqlitePool,
    /// Connections that cannot write. In memory it is the writer itself.
    pub(crate) readers: SqlitePool,
    pub(crate) gathered: Gathered,
    /// Told when there may be new changes.
    pub(crate) changes: Arc<Notify>,
    /// Told when there may be a job to claim.
    pub(crate) jobs: Arc<Notify>,
    /// How to open the connection that watches for the writes of other processes, if there can be
    /// any.
    pub(crate) watch: Option<SqliteConnectOptions>,
    /// The task that watches; it runs from the first call of `change_hint` or `job_hint` on.
    pub(crate) watcher: OnceLock<AbortOnDropHandle<()>>,
}

impl SqliteStore {
    /// Opens the database. Tables are made by [`migrate`](Self::migrate).
    ///
    /// # Errors
    /// When the file or its folder cannot be made or opened, or is no SQLite database.
    pub async fn open(settings: SqliteSettings) -> Result<Self, StoreError> {
        match &settings.path {
            SqlitePath::File(path) => Self::open_file(path, &settings).await,
            SqlitePath::Memory => Self::open_memory(&settings).await,
        }
    }

    async fn open_file(path: &Path, settings: &SqliteSettings) -> Result<Self, StoreError> {
        make_file(path).map_err(|error| {
            let problem = format!("the database file {} cannot be made: {error}", path.display());
            StoreError::Unavailable(io::Error::new(error.kind(), problem).into())
        })?;
        let options = options(settings).filename(path);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(settings.acquire_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            // The other end is a thread of this process: it does not go away unnoticed.
            .test_before_acquire(false)
            .after_release(|connection, _| {
                Box::pin(async move {
                    // When the disk is full or fails, SQLite itself rolls the transaction back. The
                    // ROLLBACK that SQLx sends is then refused, and SQLx goes on believing in a
                    // transaction that is not there. The answer to the ping says that the ROLLBACK
                    // was dealt with; a connection that still counts one is replaced.
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(
                // Written by whoever comes first; the readers find it so.
                options.clone().journal_mode(SqliteJournalMode::Wal),
            )
            .await
            .map_err(store_error)?;
        let reader_options = options.pragma("query_only", "ON");
        let readers = SqlitePoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            .test_before_acquire(false)
            .connect_lazy_with(reader_options.clone());
        Ok(Self {
            gathered: Gathered::new(&readers, &writer),
            writer,
            readers,
            changes: Arc::default(),
            jobs: Arc::default(),
            watch: Some(reader_options),
            watcher: OnceLock::new(),
        })
    }

    async fn open_memory(settings: &SqliteSettings) -> Result<Self, StoreError> {
        // The database lives and dies with this connection, so nothing may ever close it: neither
        // age, nor a caller that gives up while the pool tests the connection for it.
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(settings.acquire_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options(settings).in_memory(true))
            .await
            .map_err(store_error)?;
        Ok(Self {
            gathered: Gathered::new(&writer, &writer),
            readers: writer.clone(),
            writer,
            changes: Arc::default(),
            jobs: Arc::default(),
            watch: None,
            watcher: OnceLock::new(),
        })
    }

    /// Closes all connections, after those that are in use were given back. What stood in the `-wal`
    /// file is written back first, so that the one file holds everything.
    pub async fn close(&self) {
        self.readers.close().await;
        let written_back =
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await;
        if let Err(error) = written_back {
            tracing::warn!(%error, "the -wal file could not be written back; keep it with the other");
        }
        self.writer.close().await;
    }
}

fn options(settings: &SqliteSettings) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        // What was acknowledged survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(settings.busy_timeout);
    match settings.workload {
        Workload::Serving => options,
        Workload::Bulk => {
            options.pragma("cache_size", "-131072").pragma("wal_autocheckpoint", "32768")
        }
    }
}

/// Makes the file and its folder, which hold password hashes, for their owner alone. SQLite gives
/// the files that it puts beside it the same mode.
fn make_file(path: &Path) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    let mut file = fs::OpenOptions::new();
    file.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        folder.mode(0o700);
        file.mode(0o600);
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        folder.create(parent)?;
    }
    file.open(path)?;
    Ok(())
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(SqliteUnitOfWork::begin(self).await?))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query!(r#"SELECT 1 AS "one!: i64""#)
            .fetch_one(&self.readers)
            .await
            .map(|_| ())
            .map_err(store_error)
    }

    async fn inconsistencies(&self) -> Result<Vec<String>, StoreError> {
        crate::consistency::inconsistencies(&self.readers).await
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Executor;

    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_survived() {
        let home = tempfile::tempdir().unwrap();
        let settings = SqliteSettings {
            path: SqlitePath::File(home.path().join("doorward.db")),
            max_connections: 1,
            acquire_timeout: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(5),
            workload: Workload::Serving,
        };
        let store = SqliteStore::open(settings).await.unwrap();
        store.writer.execute("CREATE TABLE filler (zeros BLOB)").await.unwrap();
        // A setting of the connection, which the one that replaces it does not have.
        store.writer.execute("PRAGMA max_page_count = 8").await.unwrap();
        let filling = "INSERT INTO filler VALUES (zeroblob(1000000))";

        let mut work = SqliteUnitOfWork::begin(&store).await.unwrap();
        let refused = work.connection().execute(filling).await.map_err(store_error);
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        drop(work);

        let mut work = Box::new(SqliteUnitOfWork::begin(&store).await.unwrap());
        work.connection().execute(filling).await.unwrap();
        work.commit().await.unwrap();
    }
}
