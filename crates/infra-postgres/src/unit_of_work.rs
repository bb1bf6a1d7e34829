//! Writes that take effect together.

use std::{io, sync::Arc};

use async_trait::async_trait;
use doorward_domain::ports::{StoreError, UnitOfWork};
use sqlx::PgConnection;
use tokio::sync::Notify;

use crate::{
    addition::Addition,
    pool::{Lease, PostgresStore},
};

/// A transaction, which begins with its first statement; one addition and nothing else is sent without.
///
/// SQLx's own `begin` is not used: when its future is dropped after `BEGIN` was sent, SQLx 0.9.0 has
/// not counted the transaction yet, rolls nothing back and returns the connection to the pool with
/// the transaction open. The next borrower's writes would then be part of it, acknowledged and later
/// lost. What the [`Lease`] does instead covers every point at which this can be dropped.
pub(crate) struct PostgresUnitOfWork {
    lease: Lease,
    /// What is still to be sent.
    kept: Option<Addition>,
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
        Ok(Self {
            lease: store.connections.lease().await?,
            kept: None,
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
        self.ensure_sound()?;
        // A statement whose future is dropped counts as failed.
        self.sound = false;
        if !self.lease.is_in_transaction() {
            // The statements count on seeing, once they have waited for a row, what the other one wrote.
            self.lease.open_transaction("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        }
        self.send_kept().await?;
        let result = self.lease.run(statement).await?;
        self.sound = true;
        Ok(result)
    }

    fn ensure_sound(&self) -> Result<(), StoreError> {
        if self.sound {
            return Ok(());
        }
        let problem = "a statement of this unit of work failed, so nothing more can be part of it";
        Err(StoreError::Backend(io::Error::other(problem).into()))
    }

    /// Adds something, at the latest with the commit.
    pub(crate) async fn add(&mut self, addition: Addition) -> Result<(), StoreError> {
        self.ensure_sound()?;
        if let Some(before) = self.kept.take() {
            self.run(async |connection| before.send(connection).await).await?;
        }
        self.kept = Some(addition);
        Ok(())
    }

    async fn send_kept(&mut self) -> Result<(), StoreError> {
        let Some(addition) = self.kept.take() else { return Ok(()) };
        self.lease.run(async |connection| addition.send(connection).await).await
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
        self.ensure_sound()?;
        self.send_kept().await?;
        if self.lease.is_in_transaction() {
            self.lease.commit().await?;
        }
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
