//! Durable jobs.

use std::collections::HashSet;

use async_trait::async_trait;
use doorward_domain::{
    ClaimedJob, Job, JobError, JobFilter, JobId, JobKey, JobKind, JobLease, JobPayload, JobState,
    NewJob, Page, PageRequest, Timestamp,
    ports::{Claim, JobQueries, JobQueue, StoreError},
};
use serde_json::{Value, json};
use sqlx::{SqliteExecutor, sqlite::SqliteQueryResult};
use time::Duration;
use uuid::Uuid;

use crate::{
    error::store_error,
    pool::SqliteStore,
    timestamp::{from_micros, to_micros},
    unit_of_work::SqliteUnitOfWork,
};

const WHAT: &str = "job";
const DAMAGED: StoreError = StoreError::Corrupt { what: WHAT };

/// A job as read.
struct JobRow {
    id: Uuid,
    kind: String,
    state: String,
    attempts: i64,
    max_attempts: i64,
    run_at: i64,
    created_at: i64,
    last_error: Option<String>,
}

fn count(number: i64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|_| DAMAGED)
}

impl TryFrom<JobRow> for Job {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: JobId::from_uuid(row.id),
            kind: JobKind::parse(&row.kind).map_err(|_| DAMAGED)?,
            state: JobState::from_word(&row.state).ok_or(DAMAGED)?,
            attempts: count(row.attempts)?,
            max_attempts: count(row.max_attempts)?,
            run_at: from_micros(row.run_at, WHAT)?,
            created_at: from_micros(row.created_at, WHAT)?,
            last_error: row.last_error.as_deref().map(JobError::new),
        })
    }
}

/// A job as a claim returns it.
struct ClaimedRow {
    id: Uuid,
    kind: String,
    state: String,
    token: i64,
    attempts: i64,
    max_attempts: i64,
    payload: Option<String>,
}

fn sort(rows: Vec<ClaimedRow>) -> Result<Claim, StoreError> {
    let mut claim = Claim::default();
    for row in rows {
        let id = JobId::from_uuid(row.id);
        let kind = JobKind::parse(&row.kind).map_err(|_| DAMAGED)?;
        if row.state != JobState::Running.as_str() {
            claim.given_up.push((id, kind));
            continue;
        }
        let payload = row.payload.and_then(|json| JobPayload::new(json).ok()).ok_or(DAMAGED)?;
        claim.taken.push(ClaimedJob {
            lease: JobLease { id, token: row.token },
            kind,
            payload,
            attempts: count(row.attempts)?,
            max_attempts: count(row.max_attempts)?,
        });
    }
    Ok(claim)
}

/// Kinds as one parameter: a JSON array.
fn names(kinds: &[JobKind]) -> String {
    kinds.iter().map(JobKind::as_str).collect::<Value>().to_string()
}

/// Leases as one parameter: a JSON array of pairs.
fn pairs(leases: &[JobLease]) -> String {
    let pair = |lease: &JobLease| json!([lease.id.as_uuid().simple().to_string(), lease.token]);
    leases.iter().map(pair).collect::<Value>().to_string()
}

/// The leases that are not among those that a statement found.
fn without(leases: &[JobLease], found: impl Iterator<Item = (Uuid, i64)>) -> Vec<JobLease> {
    let found: HashSet<(Uuid, i64)> = found.collect();
    let is_lost = |lease: &&JobLease| !found.contains(&(lease.id.as_uuid(), lease.token));
    leases.iter().filter(is_lost).copied().collect()
}

fn micros(lease: Duration) -> i64 {
    i64::try_from(lease.whole_microseconds()).unwrap_or(i64::MAX)
}

impl SqliteStore {
    /// Whether a claim would find anything. It asks a connection that reads, so that workers that have
    /// nothing to do do not stand in the way of those who write.
    async fn has_claimable(&self, kinds: &str, now: i64) -> Result<bool, StoreError> {
        sqlx::query_scalar!(
            r#"
            SELECT EXISTS (
                SELECT 1 FROM jobs
                WHERE state = 'running' AND kind IN (SELECT value FROM json_each(?1))
                  AND leased_until <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)
            ) OR EXISTS (
                SELECT 1 FROM jobs
                WHERE state IN ('ready', 'retrying') AND run_at <= ?2
                  AND kind IN (SELECT value FROM json_each(?1))
            ) AS "claimable!: bool"
            "#,
            kinds,
            now,
        )
        .fetch_one(&self.readers)
        .await
        .map_err(store_error)
    }
}

/// The columns of a [`JobRow`], with the rest of the statement and its parameters.
macro_rules! select_jobs {
    ($rest:literal $(, $parameter:expr)* $(,)?) => {
        sqlx::query_as!(
            JobRow,
            r#"SELECT id AS "id: Uuid", kind, state, attempts, max_attempts, run_at, created_at, last_error FROM jobs "#
            + $rest
            $(, $parameter)*
        )
    };
}

/// A page and one row more. Most jobs have succeeded, so those in another state are found by the partial
/// index of that state, which a statement must name literally.
async fn page_rows(
    executor: impl SqliteExecutor<'_>,
    filter: &JobFilter,
    page: PageRequest<JobId>,
) -> Result<Vec<JobRow>, StoreError> {
    let state = filter.state.map(JobState::as_str);
    let kind = filter.kind.as_ref().map(JobKind::as_str);
    let (after, limit) = (page.after.map(JobId::as_uuid), i64::from(page.limit.get()) + 1);
    let rows = match filter.state {
        None | Some(JobState::Succeeded) => {
            select_jobs!(
                "WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR kind = ?2)
                   AND (?3 IS NULL OR id < ?3)
                 ORDER BY id DESC LIMIT ?4",
                state,
                kind,
                after,
                limit,
            )
            .fetch_all(executor)
            .await
        }
        Some(JobState::Dead) => {
            select_jobs!(
                "WHERE state = 'dead' AND (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR id < ?2)
                 ORDER BY id DESC LIMIT ?3",
                kind,
                after,
                limit,
            )
            .fetch_all(executor)
            .await
        }
        Some(JobState::Running) => {
            select_jobs!(
                "WHERE state = 'running' AND (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR id < ?2)
                 ORDER BY id DESC LIMIT ?3",
                kind,
                after,
                limit,
            )
            .fetch_all(executor)
            .await
        }
        Some(JobState::Ready | JobState::Retrying) => {
            select_jobs!(
                "WHERE state IN ('ready', 'retrying') AND state = ?1 AND (?2 IS NULL OR kind = ?2)
                   AND (?3 IS NULL OR id < ?3)
                 ORDER BY id DESC LIMIT ?4",
                state,
                kind,
                after,
                limit,
            )
            .fetch_all(executor)
            .await
        }
    };
    rows.map_err(store_error)
}

#[async_trait]
impl JobQueries for SqliteStore {
    async fn jobs_claim(
        &self,
        kinds: &[JobKind],
        limit: u32,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let (kinds, now, lease) = (names(kinds), to_micros(now), micros(lease));
        if !self.has_claimable(&kinds, now).await? {
            return Ok(Claim::default());
        }
        let abandoned = JobError::abandoned();
        let abandoned = abandoned.as_str();
        // A statement that changes something is a transaction that has the write lock from its beginning.
        let rows = sqlx::query_as!(
            ClaimedRow,
            r#"
            UPDATE jobs SET
                token = token + 1,
                state = CASE WHEN attempts < max_attempts THEN 'running' ELSE 'dead' END,
                attempts = min(attempts + 1, max_attempts),
                leased_until = CASE WHEN attempts < max_attempts
                                    THEN CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?4 END,
                finished_at = CASE WHEN attempts >= max_attempts THEN ?3 END,
                unique_key = CASE WHEN attempts < max_attempts THEN unique_key END,
                last_error = CASE WHEN attempts < max_attempts THEN last_error ELSE ?5 END
            WHERE id IN (
                SELECT id FROM (
                    SELECT * FROM (
                        SELECT id, 0 AS turn, leased_until AS since FROM jobs
                        WHERE state = 'running' AND kind IN (SELECT value FROM json_each(?1))
                          AND leased_until <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)
                        ORDER BY leased_until LIMIT ?2
                    )
                    UNION ALL
                    SELECT * FROM (
                        SELECT id, 1 AS turn, run_at AS since FROM jobs
                        WHERE state IN ('ready', 'retrying') AND run_at <= ?3
                          AND kind IN (SELECT value FROM json_each(?1))
                        ORDER BY run_at, id LIMIT ?2
                    )
                )
                ORDER BY turn, since LIMIT ?2
            )
            RETURNING id AS "id!: Uuid", kind AS "kind!", state AS "state!", token AS "token!",
                      attempts AS "attempts!", max_attempts AS "max_attempts!", payload
            "#,
            kinds,
            limit,
            now,
            lease,
            abandoned,
        )
        .fetch_all(&self.writer)
        .await
        .map_err(store_error)?;
        sort(rows)
    }

    async fn jobs_heartbeat(
        &self,
        leases: &[JobLease],
        lease: Duration,
    ) -> Result<Vec<JobLease>, StoreError> {
        let (held, lease) = (pairs(leases), micros(lease));
        let kept = sqlx::query!(
            r#"
            UPDATE jobs
            SET leased_until = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?2
            WHERE state = 'running' AND (id, token) IN (
                SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?1)
            )
            RETURNING id AS "id!: Uuid", token AS "token!"
            "#,
            held,
            lease,
        )
        .fetch_all(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(without(leases, kept.into_iter().map(|row| (row.id, row.token))))
    }

    async fn jobs_complete(
        &self,
        leases: &[JobLease],
        now: Timestamp,
    ) -> Result<Vec<JobLease>, StoreError> {
        let (held, now) = (pairs(leases), to_micros(now));
        let completed = sqlx::query!(
            r#"
            UPDATE jobs SET state = 'succeeded', finished_at = ?2, leased_until = NULL,
                            unique_key = NULL, payload = NULL
            WHERE state = 'running' AND (id, token) IN (
                SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?1)
            )
            RETURNING id AS "id!: Uuid", token AS "token!"
            "#,
            held,
            now,
        )
        .fetch_all(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(without(leases, completed.into_iter().map(|row| (row.id, row.token))))
    }

    async fn job_next_due(&self, kinds: &[JobKind]) -> Result<Option<Timestamp>, StoreError> {
        let kinds = names(kinds);
        let due = sqlx::query_scalar!(
            "SELECT run_at FROM jobs
             WHERE state IN ('ready', 'retrying') AND kind IN (SELECT value FROM json_each(?1))
             ORDER BY run_at, id LIMIT 1",
            kinds,
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(store_error)?;
        due.map(|micros| from_micros(micros, WHAT)).transpose()
    }

    async fn jobs(
        &self,
        filter: &JobFilter,
        page: PageRequest<JobId>,
    ) -> Result<Page<Job, JobId>, StoreError> {
        let rows = page_rows(&self.readers, filter, page).await?;
        let jobs = rows.into_iter().map(Job::try_from).collect::<Result<_, _>>()?;
        Ok(Page::from_surplus(jobs, page.limit, |job: &Job| job.id))
    }

    async fn job_by_id(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let id = id.as_uuid();
        let row = sqlx::query_as!(
            JobRow,
            r#"
            SELECT id AS "id: Uuid", kind, state, attempts, max_attempts, run_at, created_at, last_error
            FROM jobs WHERE id = ?1
            "#,
            id,
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(store_error)?;
        row.map(Job::try_from).transpose()
    }

    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>, StoreError> {
        let rows =
            sqlx::query!(r#"SELECT state, count(*) AS "count!: i64" FROM jobs GROUP BY state"#)
                .fetch_all(&self.readers)
                .await
                .map_err(store_error)?;
        let count = |state: &str, count: i64| {
            Ok((JobState::from_word(state).ok_or(DAMAGED)?, count.unsigned_abs()))
        };
        rows.into_iter().map(|row| count(&row.state, row.count)).collect()
    }

    async fn job_hint(&self) {
        self.ensure_watching();
        self.jobs.notified().await;
    }
}

/// Whether a statement changed one job.
fn changed(result: Result<SqliteQueryResult, sqlx::Error>) -> Result<bool, StoreError> {
    result.map(|done| done.rows_affected() == 1).map_err(store_error)
}

#[async_trait]
impl JobQueue for SqliteUnitOfWork {
    async fn job_enqueue(&mut self, job: &NewJob) -> Result<bool, StoreError> {
        let (id, kind, payload) = (job.id.as_uuid(), job.kind.as_str(), job.payload.expose());
        let (run_at, created_at) = (to_micros(job.run_at), to_micros(job.created_at));
        let max_attempts = job.max_attempts.max(1);
        let unique_key = job.unique_key.as_ref().map(JobKey::as_str);
        let added = sqlx::query!(
            "INSERT INTO jobs (id, kind, state, max_attempts, run_at, created_at, unique_key, payload)
             VALUES (?1, ?2, 'ready', ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING",
            id,
            kind,
            max_attempts,
            run_at,
            created_at,
            unique_key,
            payload,
        )
        .execute(self.connection())
        .await;
        let added = changed(added)?;
        if added && job.run_at <= job.created_at {
            self.note_job();
        }
        Ok(added)
    }

    async fn job_complete(&mut self, lease: &JobLease, now: Timestamp) -> Result<bool, StoreError> {
        let (id, now) = (lease.id.as_uuid(), to_micros(now));
        let completed = sqlx::query!(
            "UPDATE jobs SET state = 'succeeded', finished_at = ?3, leased_until = NULL,
                             unique_key = NULL, payload = NULL
             WHERE id = ?1 AND token = ?2 AND state = 'running'",
            id,
            lease.token,
            now,
        )
        .execute(self.connection())
        .await;
        changed(completed)
    }

    async fn job_fail(
        &mut self,
        lease: &JobLease,
        error: &JobError,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, error) = (lease.id.as_uuid(), error.as_str());
        let (next, now) = (next.map(to_micros), to_micros(now));
        let failed = sqlx::query!(
            "UPDATE jobs SET
                 state = CASE WHEN ?4 IS NULL THEN 'dead' ELSE 'retrying' END,
                 finished_at = CASE WHEN ?4 IS NULL THEN ?5 END,
                 unique_key = CASE WHEN ?4 IS NULL THEN NULL ELSE unique_key END,
                 run_at = coalesce(?4, run_at), leased_until = NULL, last_error = ?3
             WHERE id = ?1 AND token = ?2 AND state = 'running'",
            id,
            lease.token,
            error,
            next,
            now,
        )
        .execute(self.connection())
        .await;
        changed(failed)
    }

    async fn job_postpone(
        &mut self,
        lease: &JobLease,
        reason: &JobError,
        next: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, reason, next) = (lease.id.as_uuid(), reason.as_str(), to_micros(next));
        let postponed = sqlx::query!(
            "UPDATE jobs SET
                 state = 'retrying', attempts = attempts - 1, run_at = ?4, leased_until = NULL,
                 last_error = ?3
             WHERE id = ?1 AND token = ?2 AND state = 'running'",
            id,
            lease.token,
            reason,
            next,
        )
        .execute(self.connection())
        .await;
        changed(postponed)
    }

    async fn job_hand_back(&mut self, lease: &JobLease) -> Result<bool, StoreError> {
        let id = lease.id.as_uuid();
        let given = sqlx::query!(
            "UPDATE jobs SET
                 state = CASE WHEN attempts > 1 THEN 'retrying' ELSE 'ready' END,
                 attempts = attempts - 1, leased_until = NULL
             WHERE id = ?1 AND token = ?2 AND state = 'running'",
            id,
            lease.token,
        )
        .execute(self.connection())
        .await;
        let given = changed(given)?;
        if given {
            self.note_job();
        }
        Ok(given)
    }

    async fn job_retry(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError> {
        let (id, now) = (id.as_uuid(), to_micros(now));
        let retried = sqlx::query!(
            "UPDATE jobs SET state = 'ready', attempts = 0, run_at = ?2, finished_at = NULL
             WHERE id = ?1 AND state IN ('dead', 'retrying')",
            id,
            now,
        )
        .execute(self.connection())
        .await;
        let retried = changed(retried)?;
        if retried {
            self.note_job();
        }
        Ok(retried)
    }

    async fn job_delete(&mut self, id: JobId) -> Result<bool, StoreError> {
        let id = id.as_uuid();
        changed(sqlx::query!("DELETE FROM jobs WHERE id = ?1", id).execute(self.connection()).await)
    }

    async fn job_tick(&mut self, kind: &JobKind, tick: Timestamp) -> Result<bool, StoreError> {
        let (kind, tick) = (kind.as_str(), to_micros(tick));
        let taken = sqlx::query!(
            "INSERT INTO job_ticks (kind, tick) VALUES (?1, ?2)
             ON CONFLICT (kind) DO UPDATE SET tick = excluded.tick
             WHERE job_ticks.tick < excluded.tick",
            kind,
            tick,
        )
        .execute(self.connection())
        .await;
        changed(taken)
    }

    async fn jobs_prune(
        &mut self,
        succeeded_before: Timestamp,
        died_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let (succeeded, died) = (to_micros(succeeded_before), to_micros(died_before));
        let pruned = sqlx::query!(
            "DELETE FROM jobs WHERE id IN (
                 SELECT id FROM jobs
                 WHERE finished_at < max(?1, ?2)
                   AND finished_at < CASE state WHEN 'dead' THEN ?2 ELSE ?1 END
                 LIMIT ?3
             )",
            succeeded,
            died,
            limit,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(pruned.rows_affected())
    }
}
