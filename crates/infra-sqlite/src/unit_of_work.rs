//! Writes that take effect together.

use std::sync::Arc;

use async_trait::async_trait;
use doorward_domain::ports::{StoreError, UnitOfWork};
use sqlx::{Sqlite, SqliteConnection, Transaction};
use tokio::sync::Notify;

use crate::{error::store_error, pool::SqliteStore};

/// A transaction that holds the write lock from the beginning.
///
/// It may be dropped at any point, also while it is begun or committed. SQLx runs all statements of
/// a connection in order on a thread of its own, and `BEGIN` and `COMMIT` wait for the caller to
/// take their answer: a `BEGIN` whose caller has gone is rolled back there and then, and after a
/// `COMMIT` whose caller has gone the `ROLLBACK` that the dropped transaction sends is skipped. The
/// connection is lent again only when that thread has answered a ping behind them all.
pub(crate) struct SqliteUnitOfWork {
    transaction: Transaction<'static, Sqlite>,
    /// Whether there is something for the feed of changes.
    changed: bool,
    changes: Arc<Notify>,
    /// Whether there is something for the workers.
    has_job: bool,
    jobs: Arc<Notify>,
}

/// Begins a transaction that holds the write lock from the beginning. A deferred one would take it at
/// its first write, and fail there without waiting if somebody else wrote after its first read.
#[expect(
    clippy::disallowed_methods,
    reason = "SQLite's worker thread rolls back a transaction whose caller has gone, see above"
)]
pub(crate) async fn begin_immediate(
    store: &SqliteStore,
) -> Result<Transaction<'static, Sqlite>, StoreError> {
    store.writer.begin_with("BEGIN IMMEDIATE").await.map_err(store_error)
}

impl SqliteUnitOfWork {
    pub(crate) async fn begin(store: &SqliteStore) -> Result<Self, StoreError> {
        let transaction = begin_immediate(store).await?;
        let (changes, jobs) = (Arc::clone(&store.changes), Arc::clone(&store.jobs));
        Ok(Self { transaction, changed: false, changes, has_job: false, jobs })
    }

    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Has the feed of changes look for something new once this is committed.
    pub(crate) fn note_change(&mut self) {
        self.changed = true;
    }

    /// Has the workers look for a job once this is committed.
    pub(crate) fn note_job(&mut self) {
        self.has_job = true;
    }
}

#[async_trait]
impl UnitOfWork for SqliteUnitOfWork {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let Self { transaction, changed, changes, has_job, jobs } = *self;
        transaction.commit().await.map_err(store_error)?;
        if changed {
            changes.notify_one();
        }
        if has_job {
            jobs.notify_one();
        }
        Ok(())
    }
}
