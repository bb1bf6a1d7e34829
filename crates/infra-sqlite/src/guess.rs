//! How often secrets were guessed.

use async_trait::async_trait;
use doorward_domain::{
    GuessCounter, GuessKey, GuessRule, Timestamp,
    ports::{GuessQueries, GuessRepository, StoreError},
};

use crate::{
    error::store_error,
    pool::SqliteStore,
    timestamp::{from_micros, to_micros},
    unit_of_work::SqliteUnitOfWork,
};

/// A counter as read.
struct Row {
    since: i64,
    failures: i64,
    guesses: i64,
    locked_until: Option<i64>,
}

impl TryFrom<Row> for GuessCounter {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let time = |micros| from_micros(micros, "guess counter");
        Ok(Self {
            since: time(row.since)?,
            failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
            guesses: u32::try_from(row.guesses).unwrap_or(u32::MAX),
            locked_until: row.locked_until.map(time).transpose()?,
        })
    }
}

#[async_trait]
impl GuessQueries for SqliteStore {
    async fn guess_counters(
        &self,
        keys: &[GuessKey],
    ) -> Result<Vec<Option<GuessCounter>>, StoreError> {
        let mut counters = Vec::with_capacity(keys.len());
        for key in keys {
            let key = &key.0[..];
            let row = sqlx::query_as!(
                Row,
                "SELECT since, failures, guesses, locked_until FROM guess_counters WHERE key = ?1",
                key,
            )
            .fetch_optional(&self.readers)
            .await
            .map_err(store_error)?;
            counters.push(row.map(GuessCounter::try_from).transpose()?);
        }
        Ok(counters)
    }
}

#[async_trait]
impl GuessRepository for SqliteUnitOfWork {
    async fn guess_hold(
        &mut self,
        key: GuessKey,
        now: Timestamp,
    ) -> Result<GuessCounter, StoreError> {
        // This unit of work holds the database's write lock, so the row stays what it is.
        let (key, now) = (&key.0[..], to_micros(now));
        sqlx::query_as!(
            Row,
            r#"
            INSERT INTO guess_counters (key, since, failures, guesses, over_at)
            VALUES (?1, ?2, 0, 0, ?2)
            ON CONFLICT (key) DO UPDATE SET since = guess_counters.since
            RETURNING since, failures, guesses, locked_until
            "#,
            key,
            now,
        )
        .fetch_one(self.connection())
        .await
        .map_err(store_error)?
        .try_into()
    }

    async fn guess_put(
        &mut self,
        key: GuessKey,
        counter: GuessCounter,
        rule: GuessRule,
    ) -> Result<(), StoreError> {
        let (key, since) = (&key.0[..], to_micros(counter.since));
        let locked_until = counter.locked_until.map(to_micros);
        let over_at = to_micros(counter.over_at(rule));
        sqlx::query!(
            "UPDATE guess_counters
             SET since = ?2, failures = ?3, guesses = ?4, locked_until = ?5, over_at = ?6
             WHERE key = ?1",
            key,
            since,
            counter.failures,
            counter.guesses,
            locked_until,
            over_at,
        )
        .execute(self.connection())
        .await
        .map(|_| ())
        .map_err(store_error)
    }

    async fn guesses_prune(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let now = to_micros(now);
        let forgotten = sqlx::query!(
            "DELETE FROM guess_counters
             WHERE key IN (SELECT key FROM guess_counters WHERE over_at <= ?1 LIMIT ?2)",
            now,
            limit,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(forgotten.rows_affected())
    }
}
