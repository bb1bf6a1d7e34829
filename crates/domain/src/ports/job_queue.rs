use async_trait::async_trait;
use time::Duration;

use super::StoreError;
use crate::{
    ClaimedJob, Job, JobError, JobFilter, JobId, JobKind, JobLease, JobState, NewJob, Page,
    PageRequest, Timestamp,
};

/// What a claim found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// They are the caller's until their leases expire.
    pub taken: Vec<ClaimedJob>,
    /// Their last attempt ended without a result, so they are [`Dead`](JobState::Dead) now.
    pub given_up: Vec<(JobId, JobKind)>,
}

/// Claims and reads jobs.
///
/// Leases begin and end by the clock of the database alone, so that instances whose clocks differ cannot
/// take jobs from each other. When a job may begin is compared with the `now` of the caller.
#[async_trait]
pub trait JobQueries: Send + Sync {
    /// Takes at most `limit` jobs of these kinds for the time of `lease`: those whose lease has expired
    /// first, then those that are due at `now`, the longest due first. Each is given to one caller only
    /// and counts as an attempt from now on, so that one that kills its process is counted too. One whose
    /// lease expired in its last attempt is given up instead.
    async fn jobs_claim(
        &self,
        kinds: &[JobKind],
        limit: u32,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claim, StoreError>;

    /// Has these leases last for the time of `lease` from now on, and says which of them are lost: the job
    /// was claimed by somebody else, finished or deleted. A lease that has expired but was not taken by
    /// anybody lives on.
    async fn jobs_heartbeat(
        &self,
        leases: &[JobLease],
        lease: Duration,
    ) -> Result<Vec<JobLease>, StoreError>;

    /// Finishes jobs with success, each as [`job_complete`](JobQueue::job_complete) does, and says which of
    /// the leases are lost: those jobs are not changed, and the others are finished all the same. For jobs
    /// without an effect in the store, any number of which cost one commit like this.
    async fn jobs_complete(
        &self,
        leases: &[JobLease],
        now: Timestamp,
    ) -> Result<Vec<JobLease>, StoreError>;

    /// When the next job of these kinds may begin that waits; it may be long past.
    async fn job_next_due(&self, kinds: &[JobKind]) -> Result<Option<Timestamp>, StoreError>;

    /// The jobs that fit the filter, newest first.
    async fn jobs(
        &self,
        filter: &JobFilter,
        page: PageRequest<JobId>,
    ) -> Result<Page<Job, JobId>, StoreError>;

    async fn job_by_id(&self, id: JobId) -> Result<Option<Job>, StoreError>;

    /// How many jobs are in each state; states without any are left out.
    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>, StoreError>;

    /// Returns when there may be a job to claim. It is a hint and may get lost: workers poll as well.
    async fn job_hint(&self);
}

/// Writes jobs.
///
/// What needs a [lease](JobLease) changes nothing, and answers `false`, unless the lease is that of the
/// last claim and the job is still running. The caller then gives up its unit of work.
#[async_trait]
pub trait JobQueue: Send {
    /// Adds a job. `false`, and no change, if it has a unique key that an unfinished one has; the
    /// transaction stays usable. A job gives up its key when it is finished, also when it is
    /// [`Dead`](JobState::Dead). A store may keep one without a key until the next statement or the commit,
    /// which then tells if it could not be added.
    async fn job_enqueue(&mut self, job: &NewJob) -> Result<bool, StoreError>;

    /// Finishes a job with success and forgets its payload.
    async fn job_complete(&mut self, lease: &JobLease, now: Timestamp) -> Result<bool, StoreError>;

    /// Notes why an attempt failed, and has the job tried again at `next`; without one it is dead.
    async fn job_fail(
        &mut self,
        lease: &JobLease,
        error: &JobError,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Has a job tried again at `next` because something that it needs is not there now. The reason is
    /// noted; the attempt does not count, so there may be any number of them.
    async fn job_postpone(
        &mut self,
        lease: &JobLease,
        reason: &JobError,
        next: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Gives a job back that was not done, as if it had not been claimed: the attempt does not count.
    async fn job_hand_back(&mut self, lease: &JobLease) -> Result<bool, StoreError>;

    /// Has a job that is dead, or waits to be tried again, begin at `now` with all its attempts. `false`,
    /// and no change, if there is no such job or it is in another state.
    async fn job_retry(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError>;

    /// Removes a job in whatever state; the worker that is at it finds its lease lost. `false` if there is
    /// none.
    async fn job_delete(&mut self, id: JobId) -> Result<bool, StoreError>;

    /// Takes a tick of what happens again and again, named by a kind: `true` for one caller of each tick,
    /// and never for a tick that is not later than all that were taken.
    async fn job_tick(&mut self, kind: &JobKind, tick: Timestamp) -> Result<bool, StoreError>;

    /// Forgets jobs that succeeded before, or died before, the given moments, at most `limit`, and says how
    /// many. Rows that another unit of work holds are left for the next time.
    async fn jobs_prune(
        &mut self,
        succeeded_before: Timestamp,
        died_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
