//! Proofs that somebody reads the mail of an address.

use async_trait::async_trait;
use doorward_domain::{
    Email, EmailProof, ProofId, ProofPurpose, Timestamp, TokenDigest, UserId,
    email_proof::{CODE_TRIES_MAX, MAILS_MAX, MAILS_WINDOW},
    ports::{ProofInserted, ProofQueries, ProofRepository, StoreError},
};
use uuid::Uuid;

use crate::{error::store_error, pool::PostgresStore, unit_of_work::PostgresUnitOfWork};

/// A proof as read.
struct ProofRow {
    id: Uuid,
    user_id: Uuid,
    purpose: String,
    address: String,
    token_digest: Vec<u8>,
    created_at: Timestamp,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
}

impl TryFrom<ProofRow> for EmailProof {
    type Error = StoreError;

    fn try_from(row: ProofRow) -> Result<Self, StoreError> {
        let (Some(purpose), Ok(address), Ok(token_digest)) = (
            ProofPurpose::from_word(&row.purpose),
            Email::parse(&row.address),
            row.token_digest.try_into(),
        ) else {
            return Err(StoreError::Corrupt { what: "proof" });
        };
        Ok(Self {
            id: ProofId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            purpose,
            address,
            token_digest: TokenDigest(token_digest),
            created_at: row.created_at,
            expires_at: row.expires_at,
            used_at: row.used_at,
        })
    }
}

#[async_trait]
impl ProofQueries for PostgresStore {
    async fn proof_by_id(&self, id: ProofId) -> Result<Option<EmailProof>, StoreError> {
        let row = self
            .read(async |connection| {
                sqlx::query_as!(
                    ProofRow,
                    r#"
                    SELECT id, user_id AS "user_id!", purpose, address, token_digest, created_at,
                           expires_at, used_at
                    FROM email_proofs WHERE id = $1 AND user_id IS NOT NULL
                    "#,
                    id.as_uuid(),
                )
                .fetch_optional(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        row.map(EmailProof::try_from).transpose()
    }

    async fn proofs_with_code(
        &self,
        purpose: ProofPurpose,
        address: &Email,
        now: Timestamp,
    ) -> Result<Vec<ProofId>, StoreError> {
        let ids = self
            .read(async |connection| {
                sqlx::query_scalar!(
                    "SELECT id FROM email_proofs
                     WHERE purpose = $1 AND address_canonical = $2 AND code_expires_at > $3",
                    purpose.as_str(),
                    address.canonical(),
                    now,
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(ids.into_iter().map(ProofId::from_uuid).collect())
    }
}

impl PostgresUnitOfWork {
    /// Whether a proof would be one too many. Until the unit of work ends, no other one that asks the
    /// same gets its answer.
    async fn is_one_too_many(&mut self, proof: &EmailProof) -> Result<bool, StoreError> {
        let made = self
            .run(async |connection| {
                sqlx::query!(
                    "SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))",
                    proof.purpose.as_str(),
                    proof.address.canonical(),
                )
                .fetch_one(&mut *connection)
                .await
                .map_err(store_error)?;
                // Counted only now: a statement that waits for the lock goes on with the rows as they
                // were before it waited.
                sqlx::query_scalar!(
                    r#"
                    SELECT count(*) AS "made!" FROM email_proofs
                    WHERE purpose = $1 AND address_canonical = $2 AND created_at > $3
                    "#,
                    proof.purpose.as_str(),
                    proof.address.canonical(),
                    proof.created_at - MAILS_WINDOW,
                )
                .fetch_one(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(made >= i64::from(MAILS_MAX))
    }
}

#[async_trait]
impl ProofRepository for PostgresUnitOfWork {
    async fn proof_insert(&mut self, proof: &EmailProof) -> Result<ProofInserted, StoreError> {
        let too_many = self.is_one_too_many(proof).await?;
        let known = self
            .run(async |connection| {
                sqlx::query_scalar!(
                    r#"SELECT EXISTS (SELECT FROM email_proofs WHERE id = $1) AS "known!""#,
                    proof.id.as_uuid(),
                )
                .fetch_one(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        if known {
            return Ok(ProofInserted::Known);
        }
        if too_many {
            return Ok(ProofInserted::TooMany);
        }
        let added = self
            .run(async |connection| {
                sqlx::query!(
                    "INSERT INTO email_proofs (id, user_id, purpose, address, address_canonical,
                                               token_digest, created_at, expires_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                     ON CONFLICT (id) DO NOTHING",
                    proof.id.as_uuid(),
                    proof.user_id.as_uuid(),
                    proof.purpose.as_str(),
                    proof.address.as_given(),
                    proof.address.canonical(),
                    &proof.token_digest.0[..],
                    proof.created_at,
                    proof.expires_at,
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(if added.rows_affected() == 1 { ProofInserted::Added } else { ProofInserted::Known })
    }

    async fn proof_mailed(
        &mut self,
        id: ProofId,
        digest: &TokenDigest,
        code_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let noted = self
            .run(async |connection| {
                sqlx::query!(
                    "UPDATE email_proofs SET token_digest = $2, code_expires_at = $3
                     WHERE id = $1 AND used_at IS NULL AND expires_at > $4
                       AND user_id IS NOT NULL",
                    id.as_uuid(),
                    &digest.0[..],
                    code_expires_at,
                    now,
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(noted.rows_affected() == 1)
    }

    async fn proof_use(&mut self, id: ProofId, now: Timestamp) -> Result<bool, StoreError> {
        let used = self
            .run(async |connection| {
                // All proofs of the user in the order of their ids, as a try of a code takes them: the
                // others are often made void next, and so two that meet wait and do not deadlock.
                sqlx::query!(
                    "SELECT FROM email_proofs
                     WHERE user_id = (SELECT user_id FROM email_proofs WHERE id = $1)
                     ORDER BY id FOR NO KEY UPDATE",
                    id.as_uuid(),
                )
                .execute(&mut *connection)
                .await
                .map_err(store_error)?;
                sqlx::query!(
                    "UPDATE email_proofs SET used_at = $2
                     WHERE id = $1 AND used_at IS NULL AND expires_at > $2
                       AND user_id IS NOT NULL",
                    id.as_uuid(),
                    now,
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(used.rows_affected() == 1)
    }

    async fn proofs_try_code(
        &mut self,
        purpose: ProofPurpose,
        address: &Email,
        now: Timestamp,
    ) -> Result<Vec<EmailProof>, StoreError> {
        let rows = self
            .run(async |connection| {
                sqlx::query_as!(
                    ProofRow,
                    r#"
                    WITH tried AS (
                        SELECT id FROM email_proofs
                        WHERE purpose = $1 AND address_canonical = $2 AND used_at IS NULL
                          AND expires_at > $3 AND code_expires_at > $3 AND code_tries < $4
                          AND user_id IS NOT NULL
                        ORDER BY id
                        FOR NO KEY UPDATE
                    )
                    UPDATE email_proofs p SET code_tries = code_tries + 1
                    FROM tried WHERE p.id = tried.id
                    RETURNING p.id, p.user_id AS "user_id!", p.purpose, p.address, p.token_digest,
                              p.created_at, p.expires_at, p.used_at
                    "#,
                    purpose.as_str(),
                    address.canonical(),
                    now,
                    i32::try_from(CODE_TRIES_MAX).unwrap_or(i32::MAX),
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        rows.into_iter().map(EmailProof::try_from).collect()
    }

    async fn proofs_reserve(
        &mut self,
        address: &Email,
        except: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run(async |connection| {
            sqlx::query_scalar!(
                r#"
                SELECT EXISTS (
                    SELECT FROM email_proofs p JOIN users u ON u.id = p.user_id
                    WHERE p.purpose = 'cancel_email_change' AND p.address_canonical = $1
                      AND p.used_at IS NULL AND p.expires_at > $3
                      AND u.id <> $2 AND u.email_canonical <> $1
                ) AS "reserved!"
                "#,
                address.canonical(),
                except.as_uuid(),
                now,
            )
            .fetch_one(connection)
            .await
            .map_err(store_error)
        })
        .await
    }

    async fn proofs_void(
        &mut self,
        user_id: UserId,
        purpose: ProofPurpose,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let voided = self
            .run(async |connection| {
                sqlx::query!(
                    "WITH held AS (
                         SELECT id FROM email_proofs
                         WHERE user_id = $1 AND purpose = $2 AND created_at >= $3
                           AND used_at IS NULL
                         ORDER BY id
                         FOR NO KEY UPDATE
                     )
                     UPDATE email_proofs p SET used_at = $4 FROM held WHERE p.id = held.id",
                    user_id.as_uuid(),
                    purpose.as_str(),
                    since,
                    now,
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(voided.rows_affected())
    }

    async fn proofs_prune(
        &mut self,
        expired_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let forgotten = self
            .run(async |connection| {
                sqlx::query!(
                    "DELETE FROM email_proofs WHERE id IN (
                         SELECT id FROM email_proofs WHERE expires_at < $1
                         LIMIT $2 FOR UPDATE SKIP LOCKED
                     )",
                    expired_before,
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
