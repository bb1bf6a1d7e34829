//! Requests that may be sent again, with their answers.

use async_trait::async_trait;
use doorward_domain::{
    Timestamp,
    idempotency::{ANSWER_KEPT_FOR, Claimed, Fingerprint, RequestClaim},
    ports::{AnswerRepository, Constraint, RequestClaims, StoreError},
};
use time::Duration;

use crate::{error::store_error, pool::PostgresStore, unit_of_work::PostgresUnitOfWork};

#[async_trait]
impl RequestClaims for PostgresStore {
    async fn request_claim(
        &self,
        claim: &RequestClaim,
        fingerprint: &Fingerprint,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let before = self
            .read(async |connection| {
                let granted = sqlx::query!(
                    "INSERT INTO idempotent_requests
                         (name, fingerprint, claim_id, leased_until, claimed_at)
                     VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5)
                     ON CONFLICT (name) DO UPDATE SET
                         fingerprint = excluded.fingerprint, claim_id = excluded.claim_id,
                         leased_until = excluded.leased_until, answer = NULL,
                         claimed_at = excluded.claimed_at
                     WHERE idempotent_requests.answer IS NULL
                           AND idempotent_requests.leased_until <= now()
                        OR idempotent_requests.claimed_at <= $6",
                    claim.request.as_str(),
                    &fingerprint.0[..],
                    claim.id.as_uuid(),
                    lease.as_seconds_f64(),
                    now,
                    now - ANSWER_KEPT_FOR,
                )
                .execute(&mut *connection)
                .await
                .map_err(store_error)?;
                if granted.rows_affected() == 1 {
                    return Ok(None);
                }
                // A second statement, because the first one does not see what was written after it began.
                let row = sqlx::query!(
                    "SELECT fingerprint, CASE WHEN leased_until <= now() THEN answer END AS answer
                     FROM idempotent_requests WHERE name = $1",
                    claim.request.as_str(),
                )
                .fetch_optional(connection)
                .await
                .map_err(store_error)?;
                // A row that is gone was released just now: it is as if its request still went on.
                Ok(Some(
                    row.map_or((fingerprint.0.to_vec(), None), |row| (row.fingerprint, row.answer)),
                ))
            })
            .await?;
        let Some((fingerprint, answer)) = before else { return Ok(Claimed::Granted) };
        let fingerprint = fingerprint
            .try_into()
            .map_err(|_| StoreError::Corrupt { what: "idempotent request" })?;
        Ok(Claimed::Before { fingerprint: Fingerprint(fingerprint), answer })
    }

    async fn request_release(&self, claim: &RequestClaim) -> Result<(), StoreError> {
        self.read(async |connection| {
            sqlx::query!(
                "DELETE FROM idempotent_requests
                 WHERE name = $1 AND claim_id = $2 AND answer IS NULL",
                claim.request.as_str(),
                claim.id.as_uuid(),
            )
            .execute(connection)
            .await
            .map_err(store_error)
        })
        .await?;
        Ok(())
    }
}

#[async_trait]
impl AnswerRepository for PostgresUnitOfWork {
    async fn answer_keep(
        &mut self,
        claim: &RequestClaim,
        answer: &[u8],
        withheld: Duration,
    ) -> Result<(), StoreError> {
        let kept = self
            .run(async |connection| {
                sqlx::query!(
                    "UPDATE idempotent_requests
                     SET answer = $3, leased_until = now() + make_interval(secs => $4)
                     WHERE name = $1 AND claim_id = $2 AND answer IS NULL",
                    claim.request.as_str(),
                    claim.id.as_uuid(),
                    answer,
                    withheld.as_seconds_f64(),
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        if kept.rows_affected() == 0 {
            return Err(StoreError::Conflict(Constraint::RequestClaim));
        }
        Ok(())
    }

    async fn answers_prune(&mut self, until: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let forgotten = self
            .run(async |connection| {
                sqlx::query!(
                    "DELETE FROM idempotent_requests WHERE name = ANY(ARRAY(
                         SELECT name FROM idempotent_requests WHERE claimed_at <= $1
                         LIMIT $2 FOR UPDATE SKIP LOCKED
                     ))",
                    until,
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
