//! Doing what was written down to be done: handlers, and what a worker does with the jobs it claims.
//!
//! A handler is given an [`Attempt`] and ends with [`Attempt::complete`], which takes the unit of work with
//! the job's effect and commits both or neither; or, if it has no effect in the store, with
//! [`Attempt::complete_alone`], which leaves the completion to the worker, for many jobs at once. What a
//! handler does outside of the store, such as sending a mail, may happen again when the worker dies before
//! the completion.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use doorward_domain::{
    AuditAction, AuditEvent, AuditParty, ClaimedJob, Job, JobError, JobFilter, JobId, JobKind,
    JobLease, JobPayload, NewJob, Page, PageRequest, RetryPolicy, Timestamp,
    job::latest_tick,
    ports::{Claim, StoreError, UnitOfWork},
};
use time::Duration;

use crate::{
    Ctx, Failure, audit,
    failure::failed_from_ports,
    grant::{JobsRead, JobsWrite, Permitted},
};

/// How long a job that succeeded is kept for operators to see.
pub const SUCCEEDED_KEPT_FOR: Duration = Duration::DAY;
/// How long a dead one is.
pub const DEAD_KEPT_FOR: Duration = Duration::days(30);
/// How many are forgotten at once, so that others get their turn in between.
const PRUNE_BATCH: u32 = 1000;
/// How often finished jobs are looked for that are kept no longer.
pub(crate) const PRUNE_PERIOD: Duration = Duration::HOUR;

/// Why an attempt came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The job is somebody else's by now, or gone. Nothing was changed, and nothing is to be noted.
    #[error("the job was taken by another worker, or deleted")]
    Lost,
    /// It may go better next time.
    #[error("{0}")]
    Failed(JobError),
    /// Something that it needs is not there now. It is tried again then, and this attempt does not count.
    #[error("{reason}")]
    Postponed { reason: JobError, until: Timestamp },
    /// It will never go better; for instance, the payload cannot be read.
    #[error("{0}")]
    Hopeless(JobError),
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Proves that a job went well; only [`Attempt::complete`] and [`Attempt::complete_alone`] make one, so a
/// handler that forgets them does not compile.
#[derive(Debug)]
pub struct Completed(Ended);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a job that is not completed is done again"]
pub enum Ended {
    /// As the store knows.
    Noted,
    /// Well, which the store is to be told by [`complete`], of this job and others.
    Well,
}

/// One try at a job, in the hands of its handler.
#[derive(Debug)]
pub struct Attempt(Arc<ClaimedJob>);

impl Attempt {
    #[must_use]
    pub fn id(&self) -> JobId {
        self.0.lease.id
    }

    #[must_use]
    pub fn payload(&self) -> &JobPayload {
        &self.0.payload
    }

    /// Which attempt this is, from 1 on.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.0.attempts
    }

    /// Commits the effect of the job, which is in `work`, together with its completion.
    ///
    /// # Errors
    /// [`AttemptError::Lost`] if the job is no longer this worker's: then nothing is committed.
    pub async fn complete(
        self,
        mut work: Box<dyn UnitOfWork>,
        now: Timestamp,
    ) -> Result<Completed, AttemptError> {
        if !work.job_complete(&self.0.lease, now).await? {
            return Err(AttemptError::Lost);
        }
        work.commit().await?;
        Ok(Completed(Ended::Noted))
    }

    /// Has a job completed that has no effect in the store. That costs less than a unit of work by far, and
    /// is fenced as well: a job that is no longer this worker's is not completed.
    #[must_use]
    pub fn complete_alone(self) -> Completed {
        Completed(Ended::Well)
    }
}

type Pending = Pin<Box<dyn Future<Output = Result<Completed, AttemptError>> + Send>>;
type Handler = Box<dyn Fn(Arc<Ctx>, Attempt) -> Pending + Send + Sync>;

/// What a worker can do: a handler for each kind of job, and what happens again and again.
#[derive(Default)]
pub struct JobRegistry {
    handlers: BTreeMap<JobKind, Handler>,
    periods: BTreeMap<JobKind, Duration>,
}

impl JobRegistry {
    /// Has jobs of a kind done by this function.
    pub fn handle<F>(
        &mut self,
        kind: JobKind,
        handler: impl Fn(Arc<Ctx>, Attempt) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<Completed, AttemptError>> + Send + 'static,
    {
        self.handlers.insert(kind, Box::new(move |ctx, attempt| Box::pin(handler(ctx, attempt))));
    }

    /// Has a job of a kind made, with an empty payload, each time a period of whole seconds has passed,
    /// counted from the beginning of 1970. Ticks that pass while nobody is there are made up for by one.
    pub fn repeat(&mut self, kind: JobKind, period: Duration) {
        self.periods.insert(kind, period);
    }

    /// The kinds that there is a handler for.
    #[must_use]
    pub fn kinds(&self) -> Vec<JobKind> {
        self.handlers.keys().cloned().collect()
    }
}

/// Makes the jobs whose tick has come. Of any number of instances one makes each.
///
/// # Errors
/// When the store fails; the tick is made up for by the next call.
pub async fn make_due(
    ctx: &Ctx,
    registry: &JobRegistry,
    made: &mut BTreeMap<JobKind, Timestamp>,
) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    for (kind, period) in &registry.periods {
        let tick = latest_tick(now, *period);
        if made.get(kind).is_some_and(|last| tick <= *last) {
            continue;
        }
        let mut work = ctx.store.begin().await?;
        if work.job_tick(kind, tick).await? {
            let job = NewJob::new(kind.clone(), JobPayload::empty(), now, ctx.entropy.as_ref());
            work.job_enqueue(&job).await?;
            work.commit().await?;
        }
        made.insert(kind.clone(), tick);
    }
    Ok(())
}

/// Claims at most `limit` jobs for the time of `lease`. How many there were includes those that were given
/// up; if they are as many as asked for, there may be more.
///
/// # Errors
/// When the store fails.
pub async fn claim(
    ctx: &Ctx,
    kinds: &[JobKind],
    limit: u32,
    lease: Duration,
) -> Result<Claim, StoreError> {
    let claim = ctx.store.jobs_claim(kinds, limit, lease, ctx.clock.now()).await?;
    for (id, kind) in &claim.given_up {
        tracing::error!(job = %id, %kind, error = %JobError::abandoned(), "a job is dead");
    }
    Ok(claim)
}

/// Completes jobs whose attempts ended [well](Ended::Well). What was taken from this worker meanwhile is left alone.
///
/// # Errors
/// When the store fails; it may be called again with the same jobs.
pub async fn complete(ctx: &Ctx, leases: &[JobLease]) -> Result<(), StoreError> {
    for lost in ctx.store.jobs_complete(leases, ctx.clock.now()).await? {
        tracing::warn!(
            job = %lost.id,
            "a job was taken from this worker; its late completion was refused"
        );
    }
    Ok(())
}

/// Has the handler try a claimed job, and notes it if that fails. A store that fails then leaves the job
/// to the end of its lease.
///
/// # Errors
/// When the failure cannot be noted.
pub async fn attempt(
    ctx: &Arc<Ctx>,
    registry: &JobRegistry,
    job: &Arc<ClaimedJob>,
) -> Result<Ended, StoreError> {
    let Some(handler) = registry.handlers.get(&job.kind) else {
        hand_back(ctx, &job.lease).await?;
        return Ok(Ended::Noted);
    };
    match handler(Arc::clone(ctx), Attempt(Arc::clone(job))).await {
        Ok(Completed(ended)) => {
            tracing::debug!(job = %job.lease.id, kind = %job.kind, "a job is done");
            return Ok(ended);
        }
        Err(AttemptError::Lost) => tracing::warn!(
            job = %job.lease.id,
            kind = %job.kind,
            "a job was taken from this worker; its late completion was refused"
        ),
        Err(AttemptError::Failed(error)) => fail(ctx, job, &error).await?,
        Err(AttemptError::Postponed { reason, until }) => {
            postpone(ctx, job, &reason, until).await?;
        }
        Err(AttemptError::Hopeless(error)) => settle(ctx, job, &error, None).await?,
        Err(AttemptError::Store(error)) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                job = %job.lease.id,
                kind = %job.kind,
                "a job failed because the store did"
            );
            fail(ctx, job, &JobError::new("the store failed")).await?;
        }
    }
    Ok(Ended::Noted)
}

/// Notes that an attempt failed. The job is tried again later, or is dead if it has no attempt left.
///
/// # Errors
/// When the store fails.
pub async fn fail(ctx: &Ctx, job: &ClaimedJob, error: &JobError) -> Result<(), StoreError> {
    let (now, entropy) = (ctx.clock.now(), ctx.entropy.as_ref());
    let next = RetryPolicy::default().next(job.attempts, job.max_attempts, now, entropy);
    settle(ctx, job, error, next).await
}

async fn postpone(
    ctx: &Ctx,
    job: &ClaimedJob,
    reason: &JobError,
    until: Timestamp,
) -> Result<(), StoreError> {
    let mut work = ctx.store.begin().await?;
    // If somebody else has it by now, it is theirs to say when.
    work.job_postpone(&job.lease, reason, until).await?;
    work.commit().await?;
    tracing::warn!(job = %job.lease.id, kind = %job.kind, %reason, "a job was postponed");
    Ok(())
}

async fn settle(
    ctx: &Ctx,
    job: &ClaimedJob,
    error: &JobError,
    next: Option<Timestamp>,
) -> Result<(), StoreError> {
    let mut work = ctx.store.begin().await?;
    let noted = work.job_fail(&job.lease, error, next, ctx.clock.now()).await?;
    work.commit().await?;
    let (id, kind, attempts) = (job.lease.id, &job.kind, job.attempts);
    if !noted {
        tracing::warn!(job = %id, %kind, "a job was taken from this worker, whose attempt failed");
    } else if next.is_some() {
        tracing::warn!(job = %id, %kind, attempts, %error, "a job failed; it is tried again");
    } else {
        tracing::error!(job = %id, %kind, attempts, %error, "a job is dead");
    }
    Ok(())
}

/// Gives a job back that was claimed and is not going to be done here. The attempt does not count.
///
/// # Errors
/// When the store fails; another worker takes the job when its lease has expired.
pub async fn hand_back(ctx: &Ctx, lease: &JobLease) -> Result<(), StoreError> {
    let mut work = ctx.store.begin().await?;
    work.job_hand_back(lease).await?;
    work.commit().await
}

/// Forgets finished jobs that are kept no longer.
pub(crate) async fn prune(ctx: Arc<Ctx>, attempt: Attempt) -> Result<Completed, AttemptError> {
    let now = ctx.clock.now();
    loop {
        let mut work = ctx.store.begin().await?;
        let (succeeded, died) = (now - SUCCEEDED_KEPT_FOR, now - DEAD_KEPT_FOR);
        if work.jobs_prune(succeeded, died, PRUNE_BATCH).await? < u64::from(PRUNE_BATCH) {
            return attempt.complete(work, now).await;
        }
        work.commit().await?;
    }
}

/// Why an operator's wish was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum JobQueueError {
    #[error("there is no such job")]
    NotFound,
    #[error("the job neither is dead nor waits to be tried again")]
    NotRetryable,
    #[error(transparent)]
    Failed(Failure),
}

/// The jobs that fit the filter, newest first.
///
/// # Errors
/// Only when the store fails.
pub async fn list(
    ctx: &Ctx,
    _by: &Permitted<JobsRead>,
    filter: &JobFilter,
    page: PageRequest<JobId>,
) -> Result<Page<Job, JobId>, JobQueueError> {
    Ok(ctx.store.jobs(filter, page).await?)
}

/// One job.
///
/// # Errors
/// [`JobQueueError::NotFound`].
pub async fn get(ctx: &Ctx, _by: &Permitted<JobsRead>, id: JobId) -> Result<Job, JobQueueError> {
    ctx.store.job_by_id(id).await?.ok_or(JobQueueError::NotFound)
}

/// Has a job that is dead, or waits to be tried again, begin now with all its attempts.
///
/// # Errors
/// [`JobQueueError::NotFound`], [`JobQueueError::NotRetryable`].
pub async fn retry(ctx: &Ctx, by: &Permitted<JobsWrite>, id: JobId) -> Result<Job, JobQueueError> {
    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    let retried = work.job_retry(id, now).await?;
    if retried {
        work.audit_append(&done_to(ctx, AuditAction::JobRetried, by, id, now)).await?;
    }
    work.commit().await?;
    let job = ctx.store.job_by_id(id).await?.ok_or(JobQueueError::NotFound)?;
    if !retried {
        return Err(JobQueueError::NotRetryable);
    }
    tracing::info!(job = %id, by = %by.principal(), "a job is tried again");
    Ok(job)
}

/// Removes a job in whatever state. A worker that is at it finds it gone when it wants to complete it.
///
/// # Errors
/// [`JobQueueError::NotFound`].
pub async fn delete(ctx: &Ctx, by: &Permitted<JobsWrite>, id: JobId) -> Result<(), JobQueueError> {
    let mut work = ctx.store.begin().await?;
    if !work.job_delete(id).await? {
        return Err(JobQueueError::NotFound);
    }
    work.audit_append(&done_to(ctx, AuditAction::JobDeleted, by, id, ctx.clock.now())).await?;
    work.commit().await?;
    tracing::info!(job = %id, by = %by.principal(), "a job was deleted");
    Ok(())
}

fn done_to(
    ctx: &Ctx,
    action: AuditAction,
    by: &Permitted<JobsWrite>,
    id: JobId,
    now: Timestamp,
) -> AuditEvent {
    audit::event(ctx, action, now).by(by.principal().party()).on(AuditParty::job(id))
}

failed_from_ports!(JobQueueError);
