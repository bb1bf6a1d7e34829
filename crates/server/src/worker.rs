//! The worker: claims jobs, does them beside each other, and gives back what it has not done when it is
//! stopped. It runs beside the server, or alone as `doorward worker`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use doorward_app::{
    Ctx,
    job::{self, JobRegistry},
};
use doorward_domain::{ClaimedJob, JobError, JobKind, Timestamp, ports::StoreError};
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
    running: JoinSet<Result<(), StoreError>>,
    /// What each running task is at.
    held: HashMap<Id, (ClaimedJob, AbortHandle)>,
    /// The last tick of each repeated job that was seen to.
    made: BTreeMap<JobKind, Timestamp>,
    failing: bool,
}

impl Worker {
    async fn run(mut self, stop: CancellationToken) {
        let mut heartbeat = interval(self.settings.lease / 3);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ctx = Arc::clone(&self.ctx);
        let mut look_at = Instant::now();
        loop {
            let has_room = self.free() > 0;
            tokio::select! {
                () = stop.cancelled() => break,
                _ = heartbeat.tick() => self.extend().await,
                Some(ended) = self.running.join_next_with_id() => {
                    self.ended(ended).await;
                    // Where there was one there may be another.
                    look_at = Instant::now();
                }
                () = ctx.store.job_hint(), if has_room => look_at = Instant::now(),
                () = sleep_until(look_at), if has_room => look_at = Instant::now() + self.look().await,
            }
        }
        self.finish(heartbeat).await;
    }

    fn free(&self) -> u32 {
        let busy = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        self.settings.concurrency.saturating_sub(busy)
    }

    /// Begins what there is to do, and says when to look for more.
    async fn look(&mut self) -> Duration {
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
        wait.min(POLL_PERIOD)
    }

    async fn claim(&mut self) -> Result<Duration, StoreError> {
        job::make_due(&self.ctx, &self.registry, &mut self.made).await?;
        let (limit, lease) = (self.free(), signed(self.settings.lease));
        for job in job::claim(&self.ctx, &self.kinds, limit, lease).await? {
            self.begin(job);
        }
        if self.free() == 0 {
            return Ok(POLL_PERIOD);
        }
        let due = self.ctx.store.job_next_due(&self.kinds).await?;
        let wait = due.map(|due| due - self.ctx.clock.now());
        // One that is due already was added this moment, or is held by somebody who is about to finish it.
        let wait = wait.map(|wait| Duration::try_from(wait).unwrap_or_default());
        Ok(wait.map_or(POLL_PERIOD, |wait| wait.max(Duration::from_millis(10))))
    }

    fn begin(&mut self, job: ClaimedJob) {
        let (ctx, registry) = (Arc::clone(&self.ctx), Arc::clone(&self.registry));
        let tried = job.clone();
        let task = self.running.spawn(async move {
            let late = tried.clone();
            match timeout(ATTEMPT_PATIENCE, job::attempt(&ctx, &registry, tried)).await {
                Ok(outcome) => outcome,
                Err(_) => job::fail(&ctx, &late, &JobError::new("it took too long")).await,
            }
        });
        self.held.insert(task.id(), (job, task));
    }

    /// Sees to what a task left behind.
    async fn ended(&mut self, ended: Result<(Id, Result<(), StoreError>), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (error.id(), self.broken_off(&error).await),
        };
        if let Some((job, _)) = self.held.remove(&id)
            && let Err(error) = outcome
        {
            tracing::warn!(
                error = chain(&error),
                job = %job.lease.id,
                kind = %job.kind,
                "cannot note how a job went; it is tried again when its lease is over"
            );
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
        if self.held.is_empty() {
            return;
        }
        let leases: Vec<_> = self.held.values().map(|(job, _)| job.lease).collect();
        match self.ctx.store.jobs_heartbeat(&leases, signed(self.settings.lease)).await {
            Ok(lost) => {
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
                ended = self.running.join_next_with_id() => match ended {
                    Some(ended) => self.ended(ended).await,
                    None => return,
                },
            }
        }
        self.running.abort_all();
        while let Some(ended) = self.running.join_next_with_id().await {
            self.ended(ended).await;
        }
    }
}

fn signed(duration: Duration) -> time::Duration {
    duration.try_into().unwrap_or(time::Duration::MAX)
}
