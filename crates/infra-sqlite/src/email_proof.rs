//! Proofs that somebody reads the mail of an address.

use async_trait::async_trait;
use doorward_domain::{
    Email, EmailProof, ProofId, ProofPurpose, Timestamp, TokenDigest, UserId,
    email_proof::{CODE_TRIES_MAX, MAILS_MAX, MAILS_WINDOW},
    ports::{ProofInserted, ProofQueries, ProofRepository, StoreError},
};
use uuid::Uuid;

use crate::{
    error::store_error,
    pool::SqliteStore,
    timestamp::{from_micros, to_micros},
    unit_of_work::SqliteUnitOfWork,
};

/// A proof as read.
struct ProofRow {
    id: Uuid,
    user_id: Uuid,
    purpose: String,
    address: String,
    token_digest: Vec<u8>,
    created_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
}

impl TryFrom<ProofRow> for EmailProof {
    type Error = StoreError;

    fn try_from(row: ProofRow) -> Result<Self, StoreError> {
        const WHAT: &str = "proof";
        let (Some(purpose), Ok(address), Ok(token_digest)) = (
            ProofPurpose::from_word(&row.purpose),
            Email::parse(&row.address),
            row.token_digest.try_into(),
        ) else {
            return Err(StoreError::Corrupt { what: WHAT });
        };
        Ok(Self {
            id: ProofId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            purpose,
            address,
            token_digest: TokenDigest(token_digest),
            created_at: from_micros(row.created_at, WHAT)?,
            expires_at: from_micros(row.expires_at, WHAT)?,
            used_at: row.used_at.map(|at| from_micros(at, WHAT)).transpose()?,
        })
    }
}

#[async_trait]
impl ProofQueries for SqliteStore {
    async fn proof_by_id(&self, id: ProofId) -> Result<Option<EmailProof>, StoreError> {
        let id = id.as_uuid();
        sqlx::query_as!(
            ProofRow,
            r#"
            SELECT id AS "id: Uuid", user_id AS "user_id!: Uuid", purpose, address, token_digest,
                   created_at, expires_at, used_at
            FROM email_proofs WHERE id = ?1 AND user_id IS NOT NULL
            "#,
            id,
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(store_error)?
        .map(EmailProof::try_from)
        .transpose()
    }

    async fn proofs_with_code(
        &self,
        purpose: ProofPurpose,
        address: &Email,
        now: Timestamp,
    ) -> Result<Vec<ProofId>, StoreError> {
        let (purpose, canonical, now) = (purpose.as_str(), address.canonical(), to_micros(now));
        let ids = sqlx::query_scalar!(
            r#"
            SELECT id AS "id: Uuid" FROM email_proofs
            WHERE purpose = ?1 AND address_canonical = ?2 AND code_expires_at > ?3
            "#,
            purpose,
            canonical,
            now,
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        Ok(ids.into_iter().map(ProofId::from_uuid).collect())
    }
}

#[async_trait]
impl ProofRepository for SqliteUnitOfWork {
    async fn proof_insert(&mut self, proof: &EmailProof) -> Result<ProofInserted, StoreError> {
        // This unit of work holds the write lock of the whole database.
        let (id, user_id) = (proof.id.as_uuid(), proof.user_id.as_uuid());
        let purpose = proof.purpose.as_str();
        let (address, canonical) = (proof.address.as_given(), proof.address.canonical());
        let since = to_micros(proof.created_at - MAILS_WINDOW);
        let found = sqlx::query!(
            r#"
            SELECT EXISTS (SELECT 1 FROM email_proofs WHERE id = ?1) AS "known!: bool",
                   (SELECT count(*) FROM email_proofs
                    WHERE purpose = ?2 AND address_canonical = ?3 AND created_at > ?4) AS "made!: i64"
            "#,
            id,
            purpose,
            canonical,
            since,
        )
        .fetch_one(self.connection())
        .await
        .map_err(store_error)?;
        if found.known {
            return Ok(ProofInserted::Known);
        }
        if found.made >= i64::from(MAILS_MAX) {
            return Ok(ProofInserted::TooMany);
        }
        let digest = &proof.token_digest.0[..];
        let (created_at, expires_at) = (to_micros(proof.created_at), to_micros(proof.expires_at));
        sqlx::query!(
            "INSERT INTO email_proofs (id, user_id, purpose, address, address_canonical, token_digest,
                                       created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            id,
            user_id,
            purpose,
            address,
            canonical,
            digest,
            created_at,
            expires_at,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(ProofInserted::Added)
    }

    async fn proof_mailed(
        &mut self,
        id: ProofId,
        digest: &TokenDigest,
        code_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, digest) = (id.as_uuid(), &digest.0[..]);
        let (code_expires_at, now) = (to_micros(code_expires_at), to_micros(now));
        let noted = sqlx::query!(
            "UPDATE email_proofs SET token_digest = ?2, code_expires_at = ?3
             WHERE id = ?1 AND used_at IS NULL AND expires_at > ?4 AND user_id IS NOT NULL",
            id,
            digest,
            code_expires_at,
            now,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(noted.rows_affected() == 1)
    }

    async fn proof_use(&mut self, id: ProofId, now: Timestamp) -> Result<bool, StoreError> {
        let (id, now) = (id.as_uuid(), to_micros(now));
        let used = sqlx::query!(
            "UPDATE email_proofs SET used_at = ?2
             WHERE id = ?1 AND used_at IS NULL AND expires_at > ?2 AND user_id IS NOT NULL",
            id,
            now,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(used.rows_affected() == 1)
    }

    async fn proofs_try_code(
        &mut self,
        purpose: ProofPurpose,
        address: &Email,
        now: Timestamp,
    ) -> Result<Vec<EmailProof>, StoreError> {
        let (purpose, canonical, now) = (purpose.as_str(), address.canonical(), to_micros(now));
        let rows = sqlx::query_as!(
            ProofRow,
            r#"
            UPDATE email_proofs SET code_tries = code_tries + 1
            WHERE purpose = ?1 AND address_canonical = ?2 AND used_at IS NULL
              AND expires_at > ?3 AND code_expires_at > ?3 AND code_tries < ?4
              AND user_id IS NOT NULL
            RETURNING id AS "id: Uuid", user_id AS "user_id!: Uuid", purpose, address, token_digest,
                      created_at, expires_at, used_at
            "#,
            purpose,
            canonical,
            now,
            CODE_TRIES_MAX,
        )
        .fetch_all(self.connection())
        .await
        .map_err(store_error)?;
        rows.into_iter().map(EmailProof::try_from).collect()
    }

    async fn proofs_reserve(
        &mut self,
        address: &Email,
        except: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (canonical, except, now) = (address.canonical(), except.as_uuid(), to_micros(now));
        sqlx::query_scalar!(
            r#"
            SELECT EXISTS (
                SELECT 1 FROM email_proofs p JOIN users u ON u.id = p.user_id
                WHERE p.purpose = 'cancel_email_change' AND p.address_canonical = ?1
                  AND p.used_at IS NULL AND p.expires_at > ?3
                  AND u.id <> ?2 AND u.email_canonical <> ?1
            ) AS "reserved!: bool"
            "#,
            canonical,
            except,
            now,
        )
        .fetch_one(self.connection())
        .await
        .map_err(store_error)
    }

    async fn proofs_void(
        &mut self,
        user_id: UserId,
        purpose: ProofPurpose,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (user_id, purpose) = (user_id.as_uuid(), purpose.as_str());
        let (since, now) = (to_micros(since), to_micros(now));
        let voided = sqlx::query!(
            "UPDATE email_proofs SET used_at = ?4
             WHERE user_id = ?1 AND purpose = ?2 AND created_at >= ?3 AND used_at IS NULL",
            user_id,
            purpose,
            since,
            now,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(voided.rows_affected())
    }

    async fn proofs_prune(
        &mut self,
        expired_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let expired_before = to_micros(expired_before);
        let forgotten = sqlx::query!(
            "DELETE FROM email_proofs
             WHERE id IN (SELECT id FROM email_proofs WHERE expires_at < ?1 LIMIT ?2)",
            expired_before,
            limit,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(forgotten.rows_affected())
    }
}
