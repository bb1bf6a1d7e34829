use std::collections::BTreeMap;

use async_trait::async_trait;
use doorward_domain::{
    ClaimedJob, Job, JobError, JobFilter, JobId, JobKey, JobKind, JobLease, JobPayload, JobState,
    NewJob, Page, PageRequest, Timestamp,
    ports::{Claim, JobQueries, JobQueue, StoreError},
};
use time::Duration;
use tokio::time::Instant;

use super::{MemoryStore, state::State, unit_of_work::MemoryUnitOfWork};

/// A job as it is kept.
#[derive(Debug, Clone)]
pub(super) struct KeptJob {
    job: Job,
    payload: Option<JobPayload>,
    unique_key: Option<JobKey>,
    token: i64,
    /// By the clock of the runtime, which a test may pause and move.
    leased_until: Option<Instant>,
    finished_at: Option<Timestamp>,
}

impl KeptJob {
    fn finish(&mut self, state: JobState, now: Timestamp) {
        self.job.state = state;
        self.leased_until = None;
        self.unique_key = None;
        self.finished_at = Some(now);
    }

    fn wait(&mut self, state: JobState) {
        self.job.state = state;
        self.leased_until = None;
        self.finished_at = None;
    }

    fn succeed(&mut self, now: Timestamp) {
        self.finish(JobState::Succeeded, now);
        self.payload = None;
    }

    fn is_waiting(&self) -> bool {
        matches!(self.job.state, JobState::Ready | JobState::Retrying)
    }

    /// Counts an attempt, or gives the job up; the claimed job, if it is one.
    fn claim(&mut self, until: Instant, now: Timestamp) -> Option<ClaimedJob> {
        self.token += 1;
        if self.job.attempts >= self.job.max_attempts {
            self.job.last_error = Some(JobError::abandoned());
            self.finish(JobState::Dead, now);
            return None;
        }
        self.job.attempts += 1;
        self.job.state = JobState::Running;
        self.leased_until = Some(until);
        Some(ClaimedJob {
            lease: JobLease { id: self.job.id, token: self.token },
            kind: self.job.kind.clone(),
            payload: self.payload.clone()?,
            attempts: self.job.attempts,
            max_attempts: self.job.max_attempts,
        })
    }
}

fn instant_after(lease: Duration) -> Instant {
    Instant::now() + lease.try_into().unwrap_or_default()
}

impl State {
    fn held(&mut self, lease: &JobLease) -> Option<&mut KeptJob> {
        self.jobs
            .get_mut(&lease.id)
            .filter(|kept| kept.token == lease.token && kept.job.state == JobState::Running)
    }

    fn claim(&mut self, kinds: &[JobKind], limit: usize, lease: Duration, now: Timestamp) -> Claim {
        let (clock, until) = (Instant::now(), instant_after(lease));
        let known = |kept: &&KeptJob| kinds.contains(&kept.job.kind);
        let mut expired: Vec<(Instant, JobId)> = (self.jobs.values().filter(known))
            .filter_map(|kept| Some((kept.leased_until.filter(|end| *end <= clock)?, kept.job.id)))
            .collect();
        expired.sort();
        let mut waiting: Vec<(Timestamp, JobId)> = (self.jobs.values().filter(known))
            .filter(|kept| kept.is_waiting() && kept.job.run_at <= now)
            .map(|kept| (kept.job.run_at, kept.job.id))
            .collect();
        waiting.sort();
        let expired = expired.into_iter().map(|(_, id)| id);
        let due = expired.chain(waiting.into_iter().map(|(_, id)| id)).take(limit);
        let mut claim = Claim::default();
        for id in due {
            let Some(kept) = self.jobs.get_mut(&id) else { continue };
            match kept.claim(until, now) {
                Some(claimed) => claim.taken.push(claimed),
                None => claim.given_up.push((id, kept.job.kind.clone())),
            }
        }
        claim
    }
}

#[async_trait]
impl JobQueries for MemoryStore {
    async fn jobs_claim(
        &self,
        kinds: &[JobKind],
        limit: u32,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let _turn = self.shared.writer.lock().await;
        let mut state = State::clone(&self.shared.read());
        let claim = state.claim(kinds, limit as usize, lease, now);
        self.shared.replace(state);
        Ok(claim)
    }

    async fn jobs_heartbeat(
        &self,
        leases: &[JobLease],
        lease: Duration,
    ) -> Result<Vec<JobLease>, StoreError> {
        let _turn = self.shared.writer.lock().await;
        let mut state = State::clone(&self.shared.read());
        let until = instant_after(lease);
        let mut lost = Vec::new();
        for lease in leases {
            match state.held(lease) {
                Some(kept) => kept.leased_until = Some(until),
                None => lost.push(*lease),
            }
        }
        self.shared.replace(state);
        Ok(lost)
    }

    async fn jobs_complete(
        &self,
        leases: &[JobLease],
        now: Timestamp,
    ) -> Result<Vec<JobLease>, StoreError> {
        let _turn = self.shared.writer.lock().await;
        let mut state = State::clone(&self.shared.read());
        let mut lost = Vec::new();
        for lease in leases {
            match state.held(lease) {
                Some(kept) => kept.succeed(now),
                None => lost.push(*lease),
            }
        }
        self.shared.replace(state);
        Ok(lost)
    }

    async fn job_next_due(&self, kinds: &[JobKind]) -> Result<Option<Timestamp>, StoreError> {
        let state = self.shared.read();
        let waiting = state.jobs.values().filter(|kept| kept.is_waiting());
        Ok(waiting.filter(|kept| kinds.contains(&kept.job.kind)).map(|kept| kept.job.run_at).min())
    }

    async fn jobs(
        &self,
        filter: &JobFilter,
        page: PageRequest<JobId>,
    ) -> Result<Page<Job, JobId>, StoreError> {
        let state = self.shared.read();
        let rows = (state.jobs.values().rev().map(|kept| &kept.job))
            .filter(|job| filter.state.is_none_or(|state| job.state == state))
            .filter(|job| filter.kind.as_ref().is_none_or(|kind| job.kind == *kind))
            .filter(|job| page.after.is_none_or(|after| job.id < after))
            .take(usize::from(page.limit.get()) + 1)
            .cloned()
            .collect();
        Ok(Page::from_surplus(rows, page.limit, |job: &Job| job.id))
    }

    async fn job_by_id(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.shared.read().jobs.get(&id).map(|kept| kept.job.clone()))
    }

    async fn job_counts(&self) -> Result<Vec<(JobState, u64)>, StoreError> {
        let mut counts = BTreeMap::new();
        for kept in self.shared.read().jobs.values() {
            *counts.entry(kept.job.state).or_default() += 1;
        }
        Ok(counts.into_iter().collect())
    }

    async fn job_hint(&self) {
        self.shared.job_added.notified().await;
    }
}

#[async_trait]
impl JobQueue for MemoryUnitOfWork {
    async fn job_enqueue(&mut self, job: &NewJob) -> Result<bool, StoreError> {
        let taken = |kept: &KeptJob| kept.unique_key.is_some() && kept.unique_key == job.unique_key;
        if self.state.jobs.values().any(taken) {
            return Ok(false);
        }
        let kept = KeptJob {
            job: Job {
                id: job.id,
                kind: job.kind.clone(),
                state: JobState::Ready,
                attempts: 0,
                max_attempts: job.max_attempts.max(1),
                run_at: job.run_at,
                created_at: job.created_at,
                last_error: None,
            },
            payload: Some(job.payload.clone()),
            unique_key: job.unique_key.clone(),
            token: 0,
            leased_until: None,
            finished_at: None,
        };
        self.state.jobs.insert(job.id, kept);
        self.has_job = true;
        Ok(true)
    }

    async fn job_complete(&mut self, lease: &JobLease, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.state.held(lease).is_some_and(|kept| {
            kept.succeed(now);
            true
        }))
    }

    async fn job_fail(
        &mut self,
        lease: &JobLease,
        error: &JobError,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.state.held(lease).is_some_and(|kept| {
            kept.job.last_error = Some(error.clone());
            match next {
                Some(next) => {
                    kept.job.run_at = next;
                    kept.wait(JobState::Retrying);
                }
                None => kept.finish(JobState::Dead, now),
            }
            true
        }))
    }

    async fn job_postpone(
        &mut self,
        lease: &JobLease,
        reason: &JobError,
        next: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.state.held(lease).is_some_and(|kept| {
            kept.job.last_error = Some(reason.clone());
            kept.job.attempts -= 1;
            kept.job.run_at = next;
            kept.wait(JobState::Retrying);
            true
        }))
    }

    async fn job_hand_back(&mut self, lease: &JobLease) -> Result<bool, StoreError> {
        let given = self.state.held(lease).is_some_and(|kept| {
            kept.job.attempts -= 1;
            kept.wait(if kept.job.attempts > 0 { JobState::Retrying } else { JobState::Ready });
            true
        });
        self.has_job |= given;
        Ok(given)
    }

    async fn job_retry(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError> {
        let kept = self.state.jobs.get_mut(&id);
        let kept = kept.filter(|k| matches!(k.job.state, JobState::Dead | JobState::Retrying));
        let retried = kept.is_some_and(|kept| {
            kept.job.attempts = 0;
            kept.job.run_at = now;
            kept.wait(JobState::Ready);
            true
        });
        self.has_job |= retried;
        Ok(retried)
    }

    async fn job_delete(&mut self, id: JobId) -> Result<bool, StoreError> {
        Ok(self.state.jobs.remove(&id).is_some())
    }

    async fn job_tick(&mut self, kind: &JobKind, tick: Timestamp) -> Result<bool, StoreError> {
        let last = self.state.job_ticks.get(kind);
        let is_new = last.is_none_or(|last| *last < tick);
        if is_new {
            self.state.job_ticks.insert(kind.clone(), tick);
        }
        Ok(is_new)
    }

    async fn jobs_prune(
        &mut self,
        succeeded_before: Timestamp,
        died_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let is_over = |kept: &&KeptJob| {
            let dead = kept.job.state == JobState::Dead;
            let before = if dead { died_before } else { succeeded_before };
            kept.finished_at.is_some_and(|finished| finished < before)
        };
        let over = self.state.jobs.values().filter(is_over).take(limit as usize);
        let over: Vec<JobId> = over.map(|kept| kept.job.id).collect();
        for id in &over {
            self.state.jobs.remove(id);
        }
        Ok(over.len() as u64)
    }
}
