//! Signing keys.

use async_trait::async_trait;
use doorward_domain::{
    SealedSigningKey, SigningAlgorithm,
    ports::{Constraint, SigningKeyQueries, SigningKeyRepository, StoreError},
};
use time::Duration;

use crate::{
    error::store_error,
    pool::SqliteStore,
    timestamp::{from_micros, to_micros},
    unit_of_work::SqliteUnitOfWork,
};

/// A signing key as read.
struct SigningKeyRow {
    kid: String,
    generation: i64,
    algorithm: String,
    sealed_private_key: Vec<u8>,
    created_at: i64,
    activates_at: i64,
    token_life_seconds: i64,
}

impl TryFrom<SigningKeyRow> for SealedSigningKey {
    type Error = StoreError;

    fn try_from(row: SigningKeyRow) -> Result<Self, StoreError> {
        const WHAT: &str = "signing key";
        let Some(algorithm) = SigningAlgorithm::from_name(&row.algorithm) else {
            return Err(StoreError::Corrupt { what: WHAT });
        };
        Ok(Self {
            kid: row.kid,
            generation: row.generation,
            algorithm,
            sealed_private_key: row.sealed_private_key,
            created_at: from_micros(row.created_at, WHAT)?,
            activates_at: from_micros(row.activates_at, WHAT)?,
            token_life: Duration::seconds(row.token_life_seconds),
        })
    }
}

#[async_trait]
impl SigningKeyQueries for SqliteStore {
    async fn signing_keys(&self) -> Result<Vec<SealedSigningKey>, StoreError> {
        sqlx::query_as!(
            SigningKeyRow,
            "SELECT kid, generation, algorithm, sealed_private_key, created_at, activates_at,
                    token_life_seconds
             FROM signing_keys
             ORDER BY generation",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?
        .into_iter()
        .map(SealedSigningKey::try_from)
        .collect()
    }
}

#[async_trait]
impl SigningKeyRepository for SqliteUnitOfWork {
    async fn signing_key_insert(&mut self, key: &SealedSigningKey) -> Result<(), StoreError> {
        let algorithm = key.algorithm.as_str();
        let (created_at, activates_at) = (to_micros(key.created_at), to_micros(key.activates_at));
        let token_life = key.token_life.whole_seconds();
        let added = sqlx::query!(
            "INSERT INTO signing_keys (kid, generation, algorithm, sealed_private_key, created_at,
                                       activates_at, token_life_seconds)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (generation) DO NOTHING",
            key.kid,
            key.generation,
            algorithm,
            key.sealed_private_key,
            created_at,
            activates_at,
            token_life,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
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
        let token_life = token_life.whole_seconds();
        sqlx::query!(
            "UPDATE signing_keys SET token_life_seconds = ?2
             WHERE generation >= ?1 AND token_life_seconds < ?2",
            generation,
            token_life,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn signing_key_reseal(
        &mut self,
        kid: &str,
        sealed_private_key: &[u8],
    ) -> Result<bool, StoreError> {
        let changed = sqlx::query!(
            "UPDATE signing_keys SET sealed_private_key = ?2 WHERE kid = ?1",
            kid,
            sealed_private_key,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(changed.rows_affected() > 0)
    }

    async fn signing_keys_delete_before(&mut self, generation: i64) -> Result<u64, StoreError> {
        let removed = sqlx::query!("DELETE FROM signing_keys WHERE generation < ?1", generation)
            .execute(self.connection())
            .await
            .map_err(store_error)?;
        Ok(removed.rows_affected())
    }
}
