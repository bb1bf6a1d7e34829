//! What a worker does with handlers that panic, hang or are still busy when it is stopped. Over the store in
//! memory, on a clock that is moved.

use std::{
    future::pending,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use doorward_app::{
    Ctx,
    job::{Attempt, AttemptError, Completed, JobRegistry},
};
use doorward_domain::{
    ClaimedJob, Job, JobId, JobKind, JobLease, JobPayload, JobState, NewJob,
    ports::{Claim, StoreError},
};
use doorward_server::worker::{self, WorkerSettings};
use doorward_testkit::{World, mock::MockStore};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const KIND: &str = "test";
const SETTINGS: WorkerSettings = WorkerSettings {
    concurrency: 2,
    lease: Duration::from_secs(30),
    patience: Duration::from_secs(5),
};

/// A world with a worker in it, whose handler does what the payload says.
struct Factory {
    ctx: Arc<Ctx>,
    stop: CancellationToken,
    worker: JoinHandle<()>,
    /// Told when a job waits to be let go, and to let it go.
    waits: Arc<Notify>,
    go: Arc<Notify>,
}

impl Factory {
    fn new() -> Self {
        let ctx = Arc::new(World::default().ctx);
        let (waits, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mut registry = JobRegistry::default();
        let (at, on) = (Arc::clone(&waits), Arc::clone(&go));
        registry.handle(JobKind::parse(KIND).unwrap(), move |ctx, attempt| {
            handle(ctx, attempt, Arc::clone(&at), Arc::clone(&on))
        });
        let stop = CancellationToken::new();
        let running = worker::run(Arc::clone(&ctx), Arc::new(registry), SETTINGS, stop.clone());
        Self { ctx, stop, worker: tokio::spawn(running), waits, go }
    }

    async fn enqueue(&self, order: &str, max_attempts: u32) -> JobId {
        let (kind, payload) = (JobKind::parse(KIND).unwrap(), JobPayload::new(order.to_owned()));
        let (now, entropy) = (self.ctx.clock.now(), self.ctx.entropy.as_ref());
        let new = NewJob::new(kind, payload.unwrap(), now, entropy);
        let new = NewJob { max_attempts, ..new };
        let mut work = self.ctx.store.begin().await.unwrap();
        assert!(work.job_enqueue(&new).await.unwrap());
        work.commit().await.unwrap();
        new.id
    }

    async fn job(&self, id: JobId) -> Job {
        self.ctx.store.job_by_id(id).await.unwrap().unwrap()
    }

    /// Waits until the job is in this state. The clock moves by itself while nobody has anything to do.
    async fn until(&self, id: JobId, state: JobState) -> Job {
        let deadline = Instant::now() + Duration::from_hours(1);
        loop {
            let job = self.job(id).await;
            if job.state == state {
                return job;
            }
            assert!(Instant::now() < deadline, "it never is {state:?}: {job:?}");
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Tells the worker to stop, and says how long that took.
    async fn stop(self) -> Duration {
        let since = Instant::now();
        self.stop.cancel();
        self.worker.await.unwrap();
        since.elapsed()
    }
}

async fn handle(
    ctx: Arc<Ctx>,
    attempt: Attempt,
    waits: Arc<Notify>,
    go: Arc<Notify>,
) -> Result<Completed, AttemptError> {
    match attempt.payload().expose() {
        "panic" => panic!("on purpose"),
        "hang" => pending::<()>().await,
        "alone" => return Ok(attempt.complete_alone()),
        "wait alone" => {
            waits.notify_one();
            go.notified().await;
            return Ok(attempt.complete_alone());
        }
        "wait" => {
            waits.notify_one();
            go.notified().await;
        }
        _ => {}
    }
    let now = ctx.clock.now();
    let work = ctx.store.begin().await?;
    attempt.complete(work, now).await
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_uses_up_an_attempt_and_harms_nobody_else() {
    let factory = Factory::new();
    let poison = factory.enqueue("panic", 1).await;
    let dead = factory.until(poison, JobState::Dead).await;
    assert_eq!(dead.last_error.unwrap().as_str(), "the handler panicked");
    let other = factory.enqueue("do it", 1).await;
    factory.until(other, JobState::Succeeded).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_given_up_although_its_worker_lives() {
    let factory = Factory::new();
    let since = Instant::now();
    let hangs = factory.enqueue("hang", 1).await;
    let dead = factory.until(hangs, JobState::Dead).await;
    assert_eq!(dead.last_error.unwrap().as_str(), "it took too long");
    let took = since.elapsed();
    assert!(took > 2 * SETTINGS.lease, "its lease was extended meanwhile: {took:?}");
    assert!(took < Duration::from_mins(6), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_stopped_lets_jobs_finish_in_time() {
    let factory = Factory::new();
    let job = factory.enqueue("wait", 1).await;
    factory.waits.notified().await;
    let (ctx, go) = (Arc::clone(&factory.ctx), Arc::clone(&factory.go));
    factory.stop.cancel();
    go.notify_one();
    assert!(factory.stop().await < SETTINGS.patience);
    let job = ctx.store.job_by_id(job).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn what_a_stopped_worker_did_not_finish_is_handed_back_without_a_lost_attempt() {
    let factory = Factory::new();
    let job = factory.enqueue("wait", 1).await;
    factory.waits.notified().await;
    let ctx = Arc::clone(&factory.ctx);
    assert_eq!(factory.job(job).await.state, JobState::Running);
    let took = factory.stop().await;
    assert!(took >= SETTINGS.patience && took < 2 * SETTINGS.patience, "{took:?}");
    let job = ctx.store.job_by_id(job).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Ready, 0), "another worker may begin at once");
}

#[tokio::test(start_paused = true)]
async fn many_jobs_without_an_effect_are_completed_and_so_are_those_that_a_stop_finds_done() {
    let factory = Factory::new();
    let mut jobs = Vec::new();
    for _ in 0..20 {
        jobs.push(factory.enqueue("alone", 1).await);
    }
    for job in jobs {
        factory.until(job, JobState::Succeeded).await;
    }
    let last = factory.enqueue("wait alone", 1).await;
    factory.waits.notified().await;
    let (ctx, go) = (Arc::clone(&factory.ctx), Arc::clone(&factory.go));
    factory.stop.cancel();
    go.notify_one();
    assert!(factory.stop().await < SETTINGS.patience);
    let last = ctx.store.job_by_id(last).await.unwrap().unwrap();
    assert_eq!(last.state, JobState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn of_jobs_that_are_completed_together_one_may_be_lost() {
    let factory = Factory::new();
    let mut jobs = Vec::new();
    for _ in 0..2 {
        jobs.push(factory.enqueue("wait alone", 1).await);
        factory.waits.notified().await;
    }
    let mut work = factory.ctx.store.begin().await.unwrap();
    assert!(work.job_delete(jobs[0]).await.unwrap());
    work.commit().await.unwrap();
    factory.go.notify_waiters();
    factory.until(jobs[1], JobState::Succeeded).await;
    // The worker has room for others.
    for _ in 0..2 {
        let next = factory.enqueue("alone", 1).await;
        factory.until(next, JobState::Succeeded).await;
    }
}

/// A worker whose store has two jobs, and fails so many times when they are completed. It is stopped when
/// they are. Says how many were to be completed each time.
async fn complete_over_a_failing_store(failures: usize, stop: CancellationToken) -> Vec<usize> {
    let kind = JobKind::parse(KIND).unwrap();
    let job = |number| ClaimedJob {
        lease: JobLease { id: JobId::from_uuid(Uuid::from_u128(number)), token: 1 },
        kind: JobKind::parse(KIND).unwrap(),
        payload: JobPayload::empty(),
        attempts: 1,
        max_attempts: 1,
    };
    let mut claims = vec![Claim { taken: vec![job(1), job(2)], given_up: vec![] }];
    let (calls, stopping) = (Arc::new(Mutex::new(Vec::new())), stop.clone());
    let called = Arc::clone(&calls);
    let mut store = MockStore::new();
    store.expect_jobs_claim().returning(move |_, _, _, _| Ok(claims.pop().unwrap_or_default()));
    store.expect_job_next_due().returning(|_| Ok(None));
    store.expect_job_hint().returning(|| ());
    store.expect_jobs_heartbeat().returning(|_, _| Ok(vec![]));
    store.expect_jobs_complete().returning(move |leases, _| {
        let mut called = called.lock().unwrap();
        called.push(leases.len());
        if called.len() <= failures {
            return Err(StoreError::Unavailable(io::Error::other("on purpose").into()));
        }
        stopping.cancel();
        Ok(vec![])
    });
    let ctx = Arc::new(Ctx { store: Arc::new(store), ..World::default().ctx });
    let mut registry = JobRegistry::default();
    registry.handle(kind, |_, attempt: Attempt| async { Ok(attempt.complete_alone()) });
    worker::run(ctx, Arc::new(registry), SETTINGS, stop).await;
    calls.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_to_complete_jobs_is_asked_again_and_they_are_not_done_again() {
    let calls = complete_over_a_failing_store(4, CancellationToken::new()).await;
    assert_eq!((calls.len(), &calls[1..]), (5, [2; 4].as_slice()));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_stopped_does_not_wait_for_a_store_that_fails() {
    let stop = CancellationToken::new();
    let worker = tokio::spawn(complete_over_a_failing_store(usize::MAX, stop.clone()));
    sleep(Duration::from_mins(1)).await;
    let since = Instant::now();
    stop.cancel();
    assert!(worker.await.unwrap().len() > 10);
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_worker_takes_no_more_than_it_can_do_at_once() {
    let factory = Factory::new();
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(factory.enqueue("wait", 1).await);
    }
    for _ in 0..2 {
        factory.waits.notified().await;
    }
    sleep(Duration::from_secs(10)).await;
    let mut running = 0;
    for job in &jobs {
        running += u32::from(factory.job(*job).await.state == JobState::Running);
    }
    assert_eq!(running, SETTINGS.concurrency);
    for job in jobs {
        factory.go.notify_waiters();
        factory.go.notify_one();
        factory.until(job, JobState::Succeeded).await;
    }
}
