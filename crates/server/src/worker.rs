//! The worker: claims jobs, does them beside each other, and gives back what it has not done when it is
//! stopped. It runs beside the server, or alone as `doorward worker`.
//!
//! It asks the store for as many jobs at once as there is room for, and tells it at once of all that went
//! well without an effect in the store. While it waits for an answer others end, so the busier it is, the
//! more jobs share a commit. It claims no more than it begins: what lay here unbegun would be kept from
//! other workers, and would lose an attempt with each crash that it has no part in.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use doorward_app::{
    Ctx,
    job::{self, Ended, JobRegistry},
};
use doorward_domain::{
    ClaimedJob, JobError, JobKind, JobLease, Timestamp,
    ports::{Claim, StoreError},
};
use tokio::{
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::upkeep::chain;

/// At the latest after this long a worker with nothing to do looks for jobs: those whose hint was lost, and
/// those of workers that died.
const POLL_PERIOD: Duration = Duration::from_secs(2);
/// An attempt that takes longer has failed. Without a limit one that hangs would be extended for ever.
const ATTEMPT_PATIENCE: Duration = Duration::from_mins(5);

/// How a worker works.
#[derive(Debug, Clone, Copy)]
pub struct WorkerSettings {
    /// Jobs done at once, at least 1.
    pub concurrency: u32,
    /// After this long without a sign of life another worker takes over.
    pub lease: Duration,
    /// How long jobs may go on, after the worker was told to stop, before they are handed back.
    pub patience: Duration,
}

/// Does jobs until `stop`.
pub async fn run(
    ctx: Arc<Ctx>,
    registry: Arc<JobRegistry>,
    settings: WorkerSettings,
    stop: CancellationToken,
) {
    let kinds = registry.kinds();
    let worker = Worker {
        ctx,
        registry,
        settings,
        kinds,
        running: JoinSet::new(),
        held: HashMap::new(),
        done: Vec::new(),
        complete_at: Instant::now(),
        look_at: Instant::now(),
        made: BTreeMap::new(),
        failing: false,
    };
    worker.run(stop).await;
}

struct Worker {
    ctx: Arc<Ctx>,
    registry: Arc<JobRegistry>,
    settings: WorkerSettings,
    kinds: Vec<JobKind>,
    running: JoinSet<Result<Ended, StoreError>>,
    /// What each running task is at.
    held: HashMap<Id, (Arc<ClaimedJob>, AbortHandle)>,
    /// What went well and is to be completed. Until then it is held, and takes up room.
    done: Vec<JobLease>,
    /// When that is tried: at once, unless the store has just failed at it.
    complete_at: Instant,
    /// When jobs are looked for, if there is room.
    look_at: Instant,
    /// The last tick of each repeated job that was seen to.
    made: BTreeMap<JobKind, Timestamp>,
    failing: bool,
}

impl Worker {
    async fn run(mut self, stop: CancellationToken) {
        let mut heartbeat = interval(self.settings.lease / 3);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ctx = Arc::clone(&self.ctx);
        loop {
            let has_room = self.free() > 0;
            tokio::select! {
                () = stop.cancelled() => break,
                _ = heartbeat.tick() => self.extend().await,
                Some(ended) = self.running.join_next_with_id() => self.ended(ended).await,
                () = reached(self.complete_at), if !self.done.is_empty() => self.complete().await,
                () = ctx.store.job_hint(), if has_room => self.look_at = Instant::now(),
                () = reached(self.look_at), if has_room => self.look().await,
            }
        }
        self.finish(heartbeat).await;
    }

    fn free(&self) -> u32 {
        let busy = u32::try_from(self.held.len() + self.done.len()).unwrap_or(u32::MAX);
        self.settings.concurrency.saturating_sub(busy)
    }

    /// Begins what there is to do, and finds out when to look for more.
    async fn look(&mut self) {
        let wait = match self.claim().await {
            Ok(wait) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("jobs can be claimed again");
                }
                wait
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(error = chain(&error), "cannot claim jobs; trying again");
                }
                POLL_PERIOD
            }
        };
        self.look_at = Instant::now() + wait.min(POLL_PERIOD);
    }

    async fn claim(&mut self) -> Result<Duration, StoreError> {
        job::make_due(&self.ctx, &self.registry, &mut self.made).await?;
        let (limit, lease) = (self.free(), signed(self.settings.lease));
        let Claim { taken, given_up } = job::claim(&self.ctx, &self.kinds, limit, lease).await?;
        let found = taken.len() + given_up.len();
        for job in taken {
            self.begin(job);
        }
        if u32::try_from(found).is_ok_and(|found| found >= limit) {
            // Where there were so many there may be more, as soon as there is room.
            return Ok(Duration::ZERO);
        }
        let due = self.ctx.store.job_next_due(&self.kinds).await?;
        let wait = due.map(|due| due - self.ctx.clock.now());
        // One that is due already was added this moment, or is held by somebody who is about to finish it.
        let wait = wait.map(|wait| Duration::try_from(wait).unwrap_or_default());
        Ok(wait.map_or(POLL_PERIOD, |wait| wait.max(Duration::from_millis(10))))
    }

    fn begin(&mut self, job: ClaimedJob) {
        let (ctx, registry) = (Arc::clone(&self.ctx), Arc::clone(&self.registry));
        let job = Arc::new(job);
        let tried = Arc::clone(&job);
        let task = self.running.spawn(async move {
            let in_time = timeout(ATTEMPT_PATIENCE, job::attempt(&ctx, &registry, &tried)).await;
            if let Ok(outcome) = in_time {
                return outcome;
            }
            job::fail(&ctx, &tried, &JobError::new("it took too long")).await?;
            Ok(Ended::Noted)
        });
        self.held.insert(task.id(), (job, task));
    }

    /// Sees to what a task left behind, and to what others have by now.
    async fn ended(&mut self, first: TaskEnd) {
        let mut next = Some(first);
        while let Some(ended) = next {
            self.settle(ended).await;
            next = self.running.try_join_next_with_id();
        }
    }

    async fn settle(&mut self, ended: TaskEnd) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (error.id(), self.broken_off(&error).await.map(|()| Ended::Noted)),
        };
        let Some((job, _)) = self.held.remove(&id) else { return };
        match outcome {
            // It may have to be tried again, at a time that is not known here.
            Ok(Ended::Noted) => self.look_at = Instant::now(),
            Ok(Ended::Well) => self.done.push(job.lease),
            Err(error) => tracing::warn!(
                error = chain(&error),
                job = %job.lease.id,
                kind = %job.kind,
                "cannot note how a job went; it is tried again when its lease is over"
            ),
        }
    }

    /// Completes what is done. If the store fails, the jobs stay in hand, so that they need not be done again.
    async fn complete(&mut self) {
        match job::complete(&self.ctx, &self.done).await {
            Ok(()) => self.done.clear(),
            Err(error) => {
                self.complete_at = Instant::now() + POLL_PERIOD;
                let jobs = self.done.len();
                tracing::warn!(error = chain(&error), jobs, "cannot complete jobs that are done");
            }
        }
    }

    async fn broken_off(&self, error: &JoinError) -> Result<(), StoreError> {
        let Some((job, _)) = self.held.get(&error.id()) else { return Ok(()) };
        if error.is_panic() {
            return job::fail(&self.ctx, job, &JobError::new("the handler panicked")).await;
        }
        // It was stopped here. If it was stopped because it was lost, nothing is given back.
        job::hand_back(&self.ctx, &job.lease).await
    }

    /// Says that all jobs are still being done, and stops those that somebody else does by now.
    async fn extend(&mut self) {
        let running = self.held.values().map(|(job, _)| job.lease);
        let leases: Vec<_> = running.chain(self.done.iter().copied()).collect();
        if leases.is_empty() {
            return;
        }
        match self.ctx.store.jobs_heartbeat(&leases, signed(self.settings.lease)).await {
            Ok(lost) => {
                let lost: HashSet<_> = lost.into_iter().collect();
                for (job, task) in self.held.values() {
                    // A task that has just completed its job has lost it too, and is through.
                    if lost.contains(&job.lease) && !task.is_finished() {
                        tracing::debug!(job = %job.lease.id, "a job is no longer this worker's");
                        task.abort();
                    }
                }
            }
            Err(error) => tracing::warn!(
                error = chain(&error),
                "cannot extend the leases of running jobs; others may take them over"
            ),
        }
    }

    /// Lets running jobs finish in time, and hands back the others.
    async fn finish(mut self, mut heartbeat: Interval) {
        let patience = sleep(self.settings.patience);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                () = &mut patience => break,
                _ = heartbeat.tick() => self.extend().await,
                () = reached(self.complete_at), if !self.done.is_empty() => self.complete().await,
                ended = self.running.join_next_with_id() => match ended {
                    Some(ended) => self.ended(ended).await,
                    None => break,
                },
            }
        }
        self.running.abort_all();
        while let Some(ended) = self.running.join_next_with_id().await {
            self.ended(ended).await;
        }
        if !self.done.is_empty() {
            self.complete().await;
        }
    }
}

/// How a task ended, and what it said of its job.
type TaskEnd = Result<(Id, Result<Ended, StoreError>), JoinError>;

/// Waits for a moment. Timers count whole milliseconds, so what is due is not left to one.
async fn reached(moment: Instant) {
    if Instant::now() < moment {
        sleep_until(moment).await;
    }
}

fn signed(duration: Duration) -> time::Duration {
    duration.try_into().unwrap_or(time::Duration::MAX)
}
