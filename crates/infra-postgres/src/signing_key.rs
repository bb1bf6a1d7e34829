//! Signing keys.

use async_trait::async_trait;
use doorward_domain::{
    SealedSigningKey, SigningAlgorithm, Timestamp,
    ports::{Constraint, SigningKeyQueries, SigningKeyRepository, StoreError},
};
use time::Duration;

use crate::{error::store_error, pool::PostgresStore, unit_of_work::PostgresUnitOfWork};

/// A signing key as read.
struct SigningKeyRow {
    kid: String,
    generation: i64,
    algorithm: String,
    sealed_private_key: Vec<u8>,
    created_at: Timestamp,
    activates_at: Timestamp,
    token_life_seconds: i64,
}

impl TryFrom<SigningKeyRow> for SealedSigningKey {
    type Error = StoreError;

    fn try_from(row: SigningKeyRow) -> Result<Self, StoreError> {
        let Some(algorithm) = SigningAlgorithm::from_name(&row.algorithm) else {
            return Err(StoreError::Corrupt { what: "signing key" });
        };
        Ok(Self {
            kid: row.kid,
            generation: row.generation,
            algorithm,
            sealed_private_key: row.sealed_private_key,
            created_at: row.created_at,
            activates_at: row.activates_at,
            token_life: Duration::seconds(row.token_life_seconds),
        })
    }
}

#[async_trait]
impl SigningKeyQueries for PostgresStore {
    async fn signing_keys(&self) -> Result<Vec<SealedSigningKey>, StoreError> {
        let rows = self
            .read(async |connection| {
                sqlx::query_as!(
                    SigningKeyRow,
                    "SELECT kid, generation, algorithm, sealed_private_key, created_at, activates_at,
                            token_life_seconds
                     FROM signing_keys
                     ORDER BY generation",
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        rows.into_iter().map(SealedSigningKey::try_from).collect()
    }
}

#[async_trait]
impl SigningKeyRepository for PostgresUnitOfWork {
    async fn signing_key_insert(&mut self, key: &SealedSigningKey) -> Result<(), StoreError> {
        let added = self
            .run(async |connection| {
                sqlx::query!(
                    "INSERT INTO signing_keys (kid, generation, algorithm, sealed_private_key,
                                               created_at, activates_at,
                                               token_life_seconds)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)
                     ON CONFLICT (generation) DO NOTHING",
                    key.kid,
                    key.generation,
                    key.algorithm.as_str(),
                    key.sealed_private_key,
                    key.created_at,
                    key.activates_at,
                    key.token_life.whole_seconds(),
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        if added.rows_affected() == 0 {
            return Err(StoreError::Conflict(Constraint::SigningKeyGeneration));
        }
        Ok(())
    }

    async fn signing_keys_raise_token_life(
        &mut self,
        generation: i64,
        token_life: Duration,
    ) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query!(
                "UPDATE signing_keys SET token_life_seconds = $2
                 WHERE generation >= $1 AND token_life_seconds < $2",
                generation,
                token_life.whole_seconds(),
            )
            .execute(connection)
            .await
            .map_err(store_error)
        })
        .await?;
        Ok(())
    }

    async fn signing_key_reseal(
        &mut self,
        kid: &str,
        sealed_private_key: &[u8],
    ) -> Result<bool, StoreError> {
        let changed = self
            .run(async |connection| {
                sqlx::query!(
                    "UPDATE signing_keys SET sealed_private_key = $2 WHERE kid = $1",
                    kid,
                    sealed_private_key,
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(changed.rows_affected() > 0)
    }

    async fn signing_keys_delete_before(&mut self, generation: i64) -> Result<u64, StoreError> {
        let removed = self
            .run(async |connection| {
                sqlx::query!("DELETE FROM signing_keys WHERE generation < $1", generation)
                    .execute(connection)
                    .await
                    .map_err(store_error)
            })
            .await?;
        Ok(removed.rows_affected())
    }
}
