//! Writes that take effect together.

use std::{io, sync::Arc};

use async_trait::async_trait;
use doorward_domain::ports::{StoreError, UnitOfWork};
use sqlx::PgConnection;
use tokio::sync::Notify;

use crate::pool::{Lease, PostgresStore};

/// A transaction.
///
/// SQLx's own `begin` is not used: when its future is dropped after `BEGIN` was sent, SQLx 0.9.0 has
/// not counted the transaction yet, rolls nothing back and returns the connection to the pool with
/// the transaction open. The next borrower's writes would then be part of it, acknowledged and later
/// lost. What the [`Lease`] does instead covers every point at which this can be dropped.
pub(crate) struct PostgresUnitOfWork {
    lease: Lease,
    /// Whether every statement so far was carried through. After one that was not, PostgreSQL
    /// answers `COMMIT` with a rollback that SQLx reports as a success.
    sound: bool,
    /// Whether there is something for the feed of changes.
    changed: bool,
    committed: Arc<Notify>,
    /// Whether there is something for the workers.
    has_job: bool,
    jobs_committed: Arc<Notify>,
    job_hints: Arc<Notify>,
}

impl PostgresUnitOfWork {
    pub(crate) async fn begin(store: &PostgresStore) -> Result<Self, StoreError> {
        let mut lease = store.connections.lease().await?;
        // The statements count on seeing, once they have waited for a row, what the other one wrote.
        lease.open_transaction("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        Ok(Self {
            lease,
            sound: true,
            changed: false,
            committed: Arc::clone(&store.committed),
            has_job: false,
            jobs_committed: Arc::clone(&store.jobs_committed),
            job_hints: Arc::clone(&store.job_hints),
        })
    }

    /// Runs one statement of the transaction.
    pub(crate) async fn run<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // A statement whose future is dropped counts as failed.
        let sound = std::mem::replace(&mut self.sound, false);
        let result = self.lease.run(statement).await?;
        self.sound = sound;
        Ok(result)
    }

    /// Has the feeds of changes look for something new once this is committed.
    pub(crate) fn note_change(&mut self) {
        self.changed = true;
    }

    /// Has the workers look for a job once this is committed.
    pub(crate) fn note_job(&mut self) {
        self.has_job = true;
    }
}

#[async_trait]
impl UnitOfWork for PostgresUnitOfWork {
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        if !self.sound {
            let problem = "a statement of this unit of work failed, so it cannot be committed";
            return Err(StoreError::Backend(io::Error::other(problem).into()));
        }
        self.lease.commit().await?;
        if self.changed {
            self.committed.notify_one();
        }
        if self.has_job {
            // The worker of this instance need not wait for the announcement.
            self.job_hints.notify_one();
            self.jobs_committed.notify_one();
        }
        Ok(())
    }
}
