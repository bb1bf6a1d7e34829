//! How often secrets were guessed.

use async_trait::async_trait;
use doorward_domain::{
    GuessCounter, GuessKey, GuessRule, Timestamp,
    ports::{GuessQueries, GuessRepository, StoreError},
};

use crate::{error::store_error, pool::PostgresStore, unit_of_work::PostgresUnitOfWork};

/// A counter as read.
struct Row {
    since: Timestamp,
    failures: i64,
    guesses: i64,
    locked_until: Option<Timestamp>,
}

impl From<Row> for GuessCounter {
    fn from(row: Row) -> Self {
        Self {
            since: row.since,
            failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
            guesses: u32::try_from(row.guesses).unwrap_or(u32::MAX),
            locked_until: row.locked_until,
        }
    }
}

#[async_trait]
impl GuessQueries for PostgresStore {
    async fn guess_counters(
        &self,
        keys: &[GuessKey],
    ) -> Result<Vec<Option<GuessCounter>>, StoreError> {
        let octets: Vec<Vec<u8>> = keys.iter().map(|key| key.0.to_vec()).collect();
        let rows = self
            .read(async |connection| {
                sqlx::query!(
                    "SELECT key, since, failures, guesses, locked_until FROM guess_counters
                     WHERE key = ANY($1)",
                    &octets,
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        let counter = |key: &GuessKey| {
            let row = rows.iter().find(|row| row.key == key.0)?;
            let (since, locked_until) = (row.since, row.locked_until);
            let (failures, guesses) = (row.failures, row.guesses);
            Some(Row { since, failures, guesses, locked_until }.into())
        };
        Ok(keys.iter().map(counter).collect())
    }
}

#[async_trait]
impl GuessRepository for PostgresUnitOfWork {
    async fn guess_hold(
        &mut self,
        key: GuessKey,
        now: Timestamp,
    ) -> Result<GuessCounter, StoreError> {
        self.run(async |connection| {
            // The update of a row that is there changes nothing and takes its lock.
            sqlx::query_as!(
                Row,
                "INSERT INTO guess_counters (key, since, failures, guesses, over_at)
                 VALUES ($1, $2, 0, 0, $2)
                 ON CONFLICT (key) DO UPDATE SET since = guess_counters.since
                 RETURNING since, failures, guesses, locked_until",
                &key.0[..],
                now,
            )
            .fetch_one(connection)
            .await
            .map(GuessCounter::from)
            .map_err(store_error)
        })
        .await
    }

    async fn guess_put(
        &mut self,
        key: GuessKey,
        counter: GuessCounter,
        rule: GuessRule,
    ) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query!(
                "UPDATE guess_counters
                 SET since = $2, failures = $3, guesses = $4, locked_until = $5, over_at = $6
                 WHERE key = $1",
                &key.0[..],
                counter.since,
                i64::from(counter.failures),
                i64::from(counter.guesses),
                counter.locked_until,
                counter.over_at(rule),
            )
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(store_error)
        })
        .await
    }

    async fn guesses_prune(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let forgotten = self
            .run(async |connection| {
                sqlx::query!(
                    "DELETE FROM guess_counters WHERE key IN (
                         SELECT key FROM guess_counters WHERE over_at <= $1
                         LIMIT $2 FOR UPDATE SKIP LOCKED
                     )",
                    now,
                    i64::from(limit),
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(forgotten.rows_affected())
    }
}
