//! Durable jobs.
//!
//! Whether a job is running is asked of `leased_until` wherever it is looked up by its id, and never of
//! `state`: by that the planner takes the index of running jobs for the shorter way at a time when there are
//! none, and goes on to read it from end to end, for each job, when it is full of what a busy worker leaves
//! behind. The table sees to it that both say the same.

use std::collections::HashSet;

use async_trait::async_trait;
use doorward_domain::{
    ClaimedJob, Job, JobError, JobFilter, JobId, JobKind, JobLease, JobPayload, JobState, NewJob,
    Page, PageRequest, Timestamp,
    ports::{Claim, JobQueries, JobQueue, StoreError},
};
use sqlx::{PgConnection, postgres::PgQueryResult};
use time::Duration;
use uuid::Uuid;

use crate::{
    addition::{Addition, insert_job},
    error::store_error,
    pool::PostgresStore,
    unit_of_work::PostgresUnitOfWork,
};

const DAMAGED: StoreError = StoreError::Corrupt { what: "job" };

/// A job as read.
struct JobRow {
    id: Uuid,
    kind: String,
    state: String,
    attempts: i32,
    max_attempts: i32,
    run_at: Timestamp,
    created_at: Timestamp,
    last_error: Option<String>,
}

impl TryFrom<JobRow> for Job {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: JobId::from_uuid(row.id),
            kind: JobKind::parse(&row.kind).map_err(|_| DAMAGED)?,
            state: JobState::from_word(&row.state).ok_or(DAMAGED)?,
            attempts: row.attempts.unsigned_abs(),
            max_attempts: row.max_attempts.unsigned_abs(),
            run_at: row.run_at,
            created_at: row.created_at,
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
    attempts: i32,
    max_attempts: i32,
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
            attempts: row.attempts.unsigned_abs(),
            max_attempts: row.max_attempts.unsigned_abs(),
        });
    }
    Ok(claim)
}

/// Leases as two parameters.
fn columns(leases: &[JobLease]) -> (Vec<Uuid>, Vec<i64>) {
    leases.iter().map(|lease| (lease.id.as_uuid(), lease.token)).unzip()
}

/// The leases that are not among those that a statement found.
fn without(leases: &[JobLease], found: impl Iterator<Item = (Uuid, i64)>) -> Vec<JobLease> {
    let found: HashSet<(Uuid, i64)> = found.collect();
    let is_lost = |lease: &&JobLease| !found.contains(&(lease.id.as_uuid(), lease.token));
    leases.iter().filter(is_lost).copied().collect()
}

fn names(kinds: &[JobKind]) -> Vec<&str> {
    kinds.iter().map(JobKind::as_str).collect()
}

/// The columns of a [`JobRow`], with the rest of the statement and its parameters.
macro_rules! select_jobs {
    ($rest:literal $(, $parameter:expr)* $(,)?) => {
        sqlx::query_as!(
            JobRow,
            "SELECT id, kind, state, attempts, max_attempts, run_at, created_at, last_error FROM jobs "
            + $rest
            $(, $parameter)*
        )
    };
}

/// A page and one row more. Most jobs have succeeded, so those in another state are found by the partial
/// index of that state, which a statement must name literally.
async fn page_rows(
    connection: &mut PgConnection,
    filter: &JobFilter,
    page: PageRequest<JobId>,
) -> Result<Vec<JobRow>, StoreError> {
    let state = filter.state.map(JobState::as_str);
    let kind = filter.kind.as_ref().map(JobKind::as_str);
    let (after, limit) = (page.after.map(JobId::as_uuid), i64::from(page.limit.get()) + 1);
    let rows = match filter.state {
        None | Some(JobState::Succeeded) => {
            select_jobs!(
                "WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR kind = $2)
                   AND ($3::uuid IS NULL OR id < $3)
                 ORDER BY id DESC LIMIT $4",
                state,
                kind,
                after,
                limit,
            )
            .fetch_all(connection)
            .await
        }
        Some(JobState::Dead) => {
            select_jobs!(
                "WHERE state = 'dead' AND ($1::text IS NULL OR kind = $1)
                   AND ($2::uuid IS NULL OR id < $2)
                 ORDER BY id DESC LIMIT $3",
                kind,
                after,
                limit,
            )
            .fetch_all(connection)
            .await
        }
        Some(JobState::Running) => {
            select_jobs!(
                "WHERE state = 'running' AND ($1::text IS NULL OR kind = $1)
                   AND ($2::uuid IS NULL OR id < $2)
                 ORDER BY id DESC LIMIT $3",
                kind,
                after,
                limit,
            )
            .fetch_all(connection)
            .await
        }
        Some(JobState::Ready | JobState::Retrying) => {
            select_jobs!(
                "WHERE state IN ('ready', 'retrying') AND state = $1
                   AND ($2::text IS NULL OR kind = $2) AND ($3::uuid IS NULL OR id < $3)
                 ORDER BY id DESC LIMIT $4",
                state,
                kind,
                after,
                limit,
            )
            .fetch_all(connection)
            .await
        }
    };
    rows.map_err(store_error)
}

#[async_trait]
impl JobQueries for PostgresStore {
    async fn jobs_claim(
        &self,
        kinds: &[JobKind],
        limit: u32,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        // The ids go through an array, so that the rows are looked up by them whatever the statistics of
        // a table say that is never the same for long.
        let abandoned = JobError::abandoned();
        let rows = self
            .read(async |connection| {
                sqlx::query_as!(
                    ClaimedRow,
                    r#"
                    WITH expired AS (
                        SELECT id FROM jobs
                        WHERE state = 'running' AND leased_until <= now() AND kind = ANY($1)
                        ORDER BY leased_until LIMIT $2 FOR UPDATE SKIP LOCKED
                    ), waiting AS (
                        SELECT id FROM jobs
                        WHERE state IN ('ready', 'retrying') AND run_at <= $3 AND kind = ANY($1)
                        ORDER BY run_at, id LIMIT $2 - (SELECT count(*) FROM expired)
                        FOR UPDATE SKIP LOCKED
                    )
                    UPDATE jobs SET
                        token = token + 1,
                        state = CASE WHEN attempts < max_attempts THEN 'running' ELSE 'dead' END,
                        attempts = least(attempts + 1, max_attempts),
                        leased_until = CASE WHEN attempts < max_attempts
                                            THEN now() + make_interval(secs => $4) END,
                        finished_at = CASE WHEN attempts >= max_attempts THEN $3::timestamptz END,
                        unique_key = CASE WHEN attempts < max_attempts THEN unique_key END,
                        last_error = CASE WHEN attempts < max_attempts THEN last_error ELSE $5 END
                    WHERE id = ANY(ARRAY(SELECT id FROM expired UNION ALL SELECT id FROM waiting))
                    RETURNING id, kind, state, token, attempts, max_attempts, payload
                    "#,
                    &names(kinds) as _,
                    i64::from(limit),
                    now,
                    lease.as_seconds_f64(),
                    abandoned.as_str(),
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        sort(rows)
    }

    async fn jobs_heartbeat(
        &self,
        leases: &[JobLease],
        lease: Duration,
    ) -> Result<Vec<JobLease>, StoreError> {
        let (ids, tokens) = columns(leases);
        // A row that is locked is being completed: it needs no longer lease, and the others must not wait.
        let kept = self
            .read(async |connection| {
                sqlx::query!(
                    r#"
                    WITH mine AS (
                        SELECT jobs.id, jobs.token FROM jobs
                        JOIN unnest($1::uuid[], $2::bigint[]) AS held (id, token)
                          ON jobs.id = held.id AND jobs.token = held.token
                        WHERE leased_until IS NOT NULL
                    ), free AS (
                        SELECT id FROM jobs WHERE id = ANY(ARRAY(SELECT id FROM mine))
                        ORDER BY id FOR UPDATE SKIP LOCKED
                    ), extended AS (
                        UPDATE jobs SET leased_until = now() + make_interval(secs => $3)
                        FROM unnest($1::uuid[], $2::bigint[]) AS held (id, token)
                        WHERE jobs.id = held.id AND jobs.token = held.token AND leased_until IS NOT NULL
                          AND jobs.id = ANY(ARRAY(SELECT id FROM free))
                    )
                    SELECT id, token FROM mine
                    "#,
                    &ids,
                    &tokens,
                    lease.as_seconds_f64(),
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(without(leases, kept.into_iter().map(|row| (row.id, row.token))))
    }

    async fn jobs_complete(
        &self,
        leases: &[JobLease],
        now: Timestamp,
    ) -> Result<Vec<JobLease>, StoreError> {
        // In one order whoever completes them, so that nobody waits for a row of somebody who waits for theirs.
        let mut ordered = leases.to_vec();
        ordered.sort_unstable_by_key(|lease| lease.id);
        let (ids, tokens) = columns(&ordered);
        let completed = self
            .read(async |connection| {
                sqlx::query!(
                    "UPDATE jobs SET state = 'succeeded', finished_at = $3, leased_until = NULL,
                                     unique_key = NULL, payload = NULL
                     FROM unnest($1::uuid[], $2::bigint[]) AS held (id, token)
                     WHERE jobs.id = held.id AND jobs.token = held.token
                       AND leased_until IS NOT NULL
                     RETURNING jobs.id, jobs.token",
                    &ids,
                    &tokens,
                    now,
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(without(leases, completed.into_iter().map(|row| (row.id, row.token))))
    }

    async fn job_next_due(&self, kinds: &[JobKind]) -> Result<Option<Timestamp>, StoreError> {
        self.read(async |connection| {
            sqlx::query_scalar!(
                "SELECT run_at FROM jobs
                 WHERE state IN ('ready', 'retrying') AND kind = ANY($1)
                 ORDER BY run_at, id LIMIT 1",
                &names(kinds) as _,
            )
            .fetch_optional(connection)
            .await
            .map_err(store_error)
        })
        .await
    }

    async fn jobs(
        &self,
        filter: &JobFilter,
        page: PageRequest<JobId>,
    ) -> Result<Page<Job, JobId>, StoreError> {
        let rows = self.read(async |connection| page_rows(connection, filter, page).await).await?;
        let jobs = rows.into_iter().map(Job::try_from).collect::<Result<_, _>>()?;
        Ok(Page::from_surplus(jobs, page.limit, |job: &Job| job.id))
    }

    async fn job_by_id(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let row = self
            .read(async |connection| {
                sqlx::query_as!(
                    JobRow,
                    "SELECT id, kind, state, attempts, max_attempts, run_at, created_at, last_error
                     FROM jobs WHERE id = $1",
                    id.as_uuid(),
                )
                .fetch_optional(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        row.map(Job::try_from).transpose()
    }

    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>, StoreError> {
        let rows = self
            .read(async |connection| {
                sqlx::query!(r#"SELECT state, count(*) AS "count!" FROM jobs GROUP BY state"#)
                    .fetch_all(connection)
                    .await
                    .map_err(store_error)
            })
            .await?;
        let count = |state: &str, count: i64| {
            Ok((JobState::from_word(state).ok_or(DAMAGED)?, count.unsigned_abs()))
        };
        rows.into_iter().map(|row| count(&row.state, row.count)).collect()
    }

    async fn job_hint(&self) {
        self.ensure_listening();
        self.job_hints.notified().await;
    }
}

impl PostgresUnitOfWork {
    /// Runs a statement that changes one job or none; `true` if one.
    async fn change_job(
        &mut self,
        statement: impl AsyncFnOnce(&mut sqlx::PgConnection) -> Result<PgQueryResult, sqlx::Error>,
    ) -> Result<bool, StoreError> {
        let changed =
            self.run(async |connection| statement(connection).await.map_err(store_error)).await?;
        Ok(changed.rows_affected() == 1)
    }
}

#[async_trait]
impl JobQueue for PostgresUnitOfWork {
    async fn job_enqueue(&mut self, job: &NewJob) -> Result<bool, StoreError> {
        let added = if job.unique_key.is_some() {
            self.change_job(async |connection| insert_job(job, connection).await).await?
        } else {
            self.add(Addition::Job(job.clone())).await?;
            true
        };
        if added && job.run_at <= job.created_at {
            self.note_job();
        }
        Ok(added)
    }

    async fn job_complete(&mut self, lease: &JobLease, now: Timestamp) -> Result<bool, StoreError> {
        self.change_job(async |connection| {
            sqlx::query!(
                "UPDATE jobs SET state = 'succeeded', finished_at = $3, leased_until = NULL,
                                 unique_key = NULL, payload = NULL
                 WHERE id = $1 AND token = $2 AND leased_until IS NOT NULL",
                lease.id.as_uuid(),
                lease.token,
                now,
            )
            .execute(connection)
            .await
        })
        .await
    }

    async fn job_fail(
        &mut self,
        lease: &JobLease,
        error: &JobError,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.change_job(async |connection| {
            sqlx::query!(
                "UPDATE jobs SET
                     state = CASE WHEN $4::timestamptz IS NULL THEN 'dead' ELSE 'retrying' END,
                     finished_at = CASE WHEN $4::timestamptz IS NULL THEN $5::timestamptz END,
                     unique_key = CASE WHEN $4::timestamptz IS NULL THEN NULL ELSE unique_key END,
                     run_at = coalesce($4, run_at), leased_until = NULL, last_error = $3
                 WHERE id = $1 AND token = $2 AND leased_until IS NOT NULL",
                lease.id.as_uuid(),
                lease.token,
                error.as_str(),
                next,
                now,
            )
            .execute(connection)
            .await
        })
        .await
    }

    async fn job_postpone(
        &mut self,
        lease: &JobLease,
        reason: &JobError,
        next: Timestamp,
    ) -> Result<bool, StoreError> {
        self.change_job(async |connection| {
            sqlx::query!(
                "UPDATE jobs SET
                     state = 'retrying', attempts = attempts - 1, run_at = $4,
                     leased_until = NULL, last_error = $3
                 WHERE id = $1 AND token = $2 AND leased_until IS NOT NULL",
                lease.id.as_uuid(),
                lease.token,
                reason.as_str(),
                next,
            )
            .execute(connection)
            .await
        })
        .await
    }

    async fn job_hand_back(&mut self, lease: &JobLease) -> Result<bool, StoreError> {
        let given = self
            .change_job(async |connection| {
                sqlx::query!(
                    "UPDATE jobs SET
                         state = CASE WHEN attempts > 1 THEN 'retrying' ELSE 'ready' END,
                         attempts = attempts - 1, leased_until = NULL
                     WHERE id = $1 AND token = $2 AND leased_until IS NOT NULL",
                    lease.id.as_uuid(),
                    lease.token,
                )
                .execute(connection)
                .await
            })
            .await?;
        if given {
            self.note_job();
        }
        Ok(given)
    }

    async fn job_retry(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError> {
        let retried = self
            .change_job(async |connection| {
                sqlx::query!(
                    "UPDATE jobs SET state = 'ready', attempts = 0, run_at = $2, finished_at = NULL
                     WHERE id = $1 AND state IN ('dead', 'retrying')",
                    id.as_uuid(),
                    now,
                )
                .execute(connection)
                .await
            })
            .await?;
        if retried {
            self.note_job();
        }
        Ok(retried)
    }

    async fn job_delete(&mut self, id: JobId) -> Result<bool, StoreError> {
        self.change_job(async |connection| {
            sqlx::query!("DELETE FROM jobs WHERE id = $1", id.as_uuid()).execute(connection).await
        })
        .await
    }

    async fn job_tick(&mut self, kind: &JobKind, tick: Timestamp) -> Result<bool, StoreError> {
        self.change_job(async |connection| {
            sqlx::query!(
                "INSERT INTO job_ticks (kind, tick) VALUES ($1, $2)
                 ON CONFLICT (kind) DO UPDATE SET tick = excluded.tick
                 WHERE job_ticks.tick < excluded.tick",
                kind.as_str(),
                tick,
            )
            .execute(connection)
            .await
        })
        .await
    }

    async fn jobs_prune(
        &mut self,
        succeeded_before: Timestamp,
        died_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let pruned = self
            .run(async |connection| {
                sqlx::query!(
                    "DELETE FROM jobs WHERE id = ANY(ARRAY(
                         SELECT id FROM jobs
                         WHERE finished_at < greatest($1::timestamptz, $2::timestamptz)
                           AND finished_at < CASE state WHEN 'dead' THEN $2::timestamptz
                                                        ELSE $1::timestamptz END
                         LIMIT $3 FOR UPDATE SKIP LOCKED
                     ))",
                    succeeded_before,
                    died_before,
                    i64::from(limit),
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(pruned.rows_affected())
    }
}
