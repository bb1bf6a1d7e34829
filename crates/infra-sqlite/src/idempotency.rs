//! Requests that may be sent again, with their answers.

use async_trait::async_trait;
use doorward_domain::{
    Timestamp,
    idempotency::{ANSWER_KEPT_FOR, Claimed, Fingerprint, RequestClaim},
    ports::{AnswerRepository, Constraint, RequestClaims, StoreError},
};
use time::Duration;

use crate::{
    error::store_error, pool::SqliteStore, timestamp::to_micros, unit_of_work::SqliteUnitOfWork,
};

fn micros(lease: Duration) -> i64 {
    i64::try_from(lease.whole_microseconds()).unwrap_or(i64::MAX)
}

#[async_trait]
impl RequestClaims for SqliteStore {
    async fn request_claim(
        &self,
        claim: &RequestClaim,
        fingerprint: &Fingerprint,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let (name, id, lease) = (claim.request.as_str(), claim.id.as_uuid(), micros(lease));
        let (octets, over) = (&fingerprint.0[..], to_micros(now - ANSWER_KEPT_FOR));
        let now = to_micros(now);
        let granted = sqlx::query!(
            "INSERT INTO idempotent_requests (name, fingerprint, claim_id, leased_until, claimed_at)
             VALUES (?1, ?2, ?3, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?4, ?5)
             ON CONFLICT (name) DO UPDATE SET
                 fingerprint = excluded.fingerprint, claim_id = excluded.claim_id,
                 leased_until = excluded.leased_until, answer = NULL,
                 claimed_at = excluded.claimed_at
             WHERE answer IS NULL AND leased_until <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)
                OR claimed_at <= ?6",
            name,
            octets,
            id,
            lease,
            now,
            over,
        )
        .execute(&self.writer)
        .await
        .map_err(store_error)?;
        if granted.rows_affected() == 1 {
            return Ok(Claimed::Granted);
        }
        let row = sqlx::query!(
            r#"
            SELECT fingerprint,
                   CASE WHEN leased_until <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)
                        THEN answer END AS "answer: Vec<u8>"
            FROM idempotent_requests WHERE name = ?1
            "#,
            name,
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(store_error)?;
        // A row that is gone was released just now: it is as if its request still went on.
        let Some(row) = row else {
            return Ok(Claimed::Before { fingerprint: *fingerprint, answer: None });
        };
        let fingerprint = row
            .fingerprint
            .try_into()
            .map_err(|_| StoreError::Corrupt { what: "idempotent request" })?;
        Ok(Claimed::Before { fingerprint: Fingerprint(fingerprint), answer: row.answer })
    }

    async fn request_release(&self, claim: &RequestClaim) -> Result<(), StoreError> {
        let (name, id) = (claim.request.as_str(), claim.id.as_uuid());
        sqlx::query!(
            "DELETE FROM idempotent_requests
             WHERE name = ?1 AND claim_id = ?2 AND answer IS NULL",
            name,
            id,
        )
        .execute(&self.writer)
        .await
        .map(|_| ())
        .map_err(store_error)
    }
}

#[async_trait]
impl AnswerRepository for SqliteUnitOfWork {
    async fn answer_keep(
        &mut self,
        claim: &RequestClaim,
        answer: &[u8],
        withheld: Duration,
    ) -> Result<(), StoreError> {
        let (name, id) = (claim.request.as_str(), claim.id.as_uuid());
        let withheld = micros(withheld);
        let kept = sqlx::query!(
            "UPDATE idempotent_requests
             SET answer = ?3,
                 leased_until = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?4
             WHERE name = ?1 AND claim_id = ?2 AND answer IS NULL",
            name,
            id,
            answer,
            withheld,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        if kept.rows_affected() == 0 {
            return Err(StoreError::Conflict(Constraint::RequestClaim));
        }
        Ok(())
    }

    async fn answers_prune(&mut self, until: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let until = to_micros(until);
        let forgotten = sqlx::query!(
            "DELETE FROM idempotent_requests WHERE name IN (
                 SELECT name FROM idempotent_requests WHERE claimed_at <= ?1 LIMIT ?2
             )",
            until,
            limit,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(forgotten.rows_affected())
    }
}
