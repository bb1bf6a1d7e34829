//! What jobs promise when workers die, freeze and come back: each effect is there exactly once.
//!
//! The workers are processes of this very test program, started anew with [`worker_process`] as the only
//! test to run. They have the worker of the server, and a handler whose effect can be counted.

#![cfg(unix)]

use std::{
    collections::BTreeSet,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_app::{
    Ctx,
    job::{Attempt, AttemptError, Completed, JobRegistry},
};
use doorward_domain::{
    JobId, JobKind, JobPayload, JobState, NewJob, Timestamp,
    ports::{ImportDigest, Store},
};
use doorward_infra_postgres::testing::TestDatabase;
use doorward_infra_sqlite::Workload;
use doorward_server::{
    settings::{self, Inputs},
    wiring::{self, Database},
    worker::{self, WorkerSettings},
};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};
use uuid::Uuid;

const JOBS: u32 = 10_000;
/// One of so many jobs has no effect in the store, and is completed together with others.
const ALONE: u32 = 5;
const WORKERS: usize = 3;
const LEASE: Duration = Duration::from_secs(2);
/// How long a job waits at most that was in the hands of a worker that died, or froze: a lease of 30 s and
/// the time until somebody looks. The lease is shorter here, and the machine may be busy.
const PROMISE: Duration = Duration::from_secs(35);
const PATIENCE: Duration = Duration::from_secs(100);
/// Present in the processes that are workers.
const ROLE: &str = "DOORWARD_TEST_WORKER";

fn kind(word: &str) -> JobKind {
    JobKind::parse(word).unwrap()
}

fn job(number: u32) -> NewJob {
    let id = u128::from(number) + 1;
    let epoch = Timestamp::UNIX_EPOCH;
    NewJob {
        id: JobId::from_uuid(Uuid::from_u128(id)),
        kind: kind(if number.is_multiple_of(ALONE) { "test.alone" } else { "test.count" }),
        payload: JobPayload::new(number.to_string()).unwrap(),
        unique_key: None,
        max_attempts: 50,
        run_at: epoch,
        created_at: epoch,
    }
}

/// Adds one to the counter that the payload names; twice would show.
async fn count(ctx: Arc<Ctx>, attempt: Attempt) -> Result<Completed, AttemptError> {
    let number: u32 = attempt.payload().expose().parse().unwrap();
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&number.to_be_bytes());
    let digest = ImportDigest(digest);
    // As long as a mail takes; so there is always something that a signal interrupts.
    sleep(Duration::from_millis(5)).await;
    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    let count = work.import_lines(digest, now).await?;
    work.import_advance(digest, count + 1, now).await?;
    attempt.complete(work, now).await
}

/// Does as much as sends a mail would, and leaves it to the worker to complete the job.
async fn alone(_: Arc<Ctx>, attempt: Attempt) -> Result<Completed, AttemptError> {
    sleep(Duration::from_millis(5)).await;
    Ok(attempt.complete_alone())
}

/// No test, but what the workers run.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is run by the other test, as a process of its own"]
async fn worker_process() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let filter: Targets = "warn,doorward_server=debug".parse().unwrap();
    let lines = fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter).with(lines).init();
    let settings = settings::load(&Inputs::from_process(None, Vec::new())).unwrap().settings;
    let database = Database::open(&settings.database, Workload::Serving).await.unwrap();
    let ctx = Arc::new(wiring::context(&settings, &database).unwrap());
    let mut registry = JobRegistry::default();
    registry.handle(kind("test.count"), count);
    registry.handle(kind("test.alone"), alone);
    let worker = WorkerSettings { concurrency: 6, lease: LEASE, patience: Duration::ZERO };
    worker::run(ctx, Arc::new(registry), worker, CancellationToken::new()).await;
}

/// A worker in a process of its own, killed when dropped.
struct Worker {
    child: Child,
    /// What it says. A pipe that nobody empties would stop it.
    log: tempfile::NamedTempFile,
}

impl Worker {
    fn start(folder: &std::path::Path, url: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let log = tempfile::NamedTempFile::new_in(folder).unwrap();
        let child = Command::new(program)
            .args(["worker_process", "--exact", "--ignored", "--nocapture"])
            .current_dir(folder)
            .env(ROLE, "1")
            .env("APP_DATABASE_URL", url)
            .env("APP_DATABASE_MAX_CONNECTIONS", "8")
            .env("APP_AUTH_SECRET", "f3J9w-black-box-Qm2Zx7Lr5Tn8Vb4Kc6Hd")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log.reopen().unwrap()))
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends the process as `kill -9` does, and returns what it said.
    fn kill(&mut self) -> String {
        let _ = self.child.kill();
        self.child.wait().unwrap();
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn succeeded(store: &dyn Store) -> u64 {
    let counts = store.job_counts().await.unwrap();
    counts.into_iter().find(|(state, _)| *state == JobState::Succeeded).map_or(0, |it| it.1)
}

/// Waits until so many are done.
async fn progress(store: &dyn Store, wanted: u64) {
    let deadline = Instant::now() + PATIENCE;
    while succeeded(store).await < wanted {
        assert!(Instant::now() < deadline, "{:?}", store.job_counts().await);
        sleep(Duration::from_millis(20)).await;
    }
}

/// How many claims there were.
async fn claims(connection: &mut PgConnection) -> i64 {
    let claims = sqlx::query_scalar("SELECT sum(token)::bigint FROM jobs");
    claims.fetch_one(connection).await.unwrap()
}

/// The jobs that are being done, each with the token of its claim.
async fn held(connection: &mut PgConnection) -> BTreeSet<(Uuid, i64)> {
    let rows = sqlx::query_as("SELECT id, token FROM jobs WHERE state = 'running'");
    rows.fetch_all(connection).await.unwrap().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_effect_is_there_once_whatever_happens_to_the_workers() {
    let (database, folder) = (TestDatabase::create().await, tempfile::tempdir().unwrap());
    let (store, url) = (database.store().await, database.url());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for first in (0..JOBS).step_by(1000) {
        let mut work = store.begin().await.unwrap();
        for number in first..first + 1000 {
            assert!(work.job_enqueue(&job(number)).await.unwrap());
        }
        work.commit().await.unwrap();
    }
    let start = Instant::now();
    let mut workers: Vec<Worker> =
        (0..WORKERS).map(|_| Worker::start(folder.path(), &url)).collect();
    for kill in 1..=5 {
        progress(&store, kill * u64::from(JOBS) / 10).await;
        // The last worker is not killed, but frozen.
        let victim = usize::try_from(kill).unwrap() % (WORKERS - 1);
        workers[victim].kill();
        workers[victim] = Worker::start(folder.path(), &url);
    }
    let frozen = WORKERS - 1;
    workers[frozen].signal(Signal::STOP);
    let frozen_since = Instant::now();
    let in_hands = held(&mut connection).await;
    sleep(2 * LEASE).await;
    // Whoever was frozen has lost its jobs to the others.
    while !held(&mut connection).await.is_disjoint(&in_hands) {
        assert!(frozen_since.elapsed() < PROMISE, "an abandoned job waits for too long");
        sleep(Duration::from_millis(50)).await;
    }
    workers[frozen].signal(Signal::CONT);
    progress(&store, u64::from(JOBS)).await;
    let took = start.elapsed();
    // It has had the time to learn that it came too late.
    sleep(LEASE).await;

    let (effects, least, most): (i64, i64, i64) =
        sqlx::query_as("SELECT count(*), min(lines), max(lines) FROM imports")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    let wanted = i64::from(JOBS - JOBS / ALONE);
    assert_eq!((effects, least, most), (wanted, 1, 1), "each effect exactly once");
    let all = claims(&mut connection).await;
    assert!(all > i64::from(JOBS), "some jobs were begun more than once");
    let log = workers[frozen].kill();
    // It learns it when it completes a job, when it notes that one failed (its transaction may have been ended
    // meanwhile, as those are that idle for too long), or when it goes on holding one.
    let refused = log.matches("late completion was refused").count();
    let failed = log.matches("taken from this worker, whose attempt failed").count();
    let stopped = log.matches("no longer this worker's").count();
    assert!(
        refused + failed + stopped > 0,
        "the frozen worker came too late for something:\n{log}"
    );
    eprintln!(
        "{JOBS} jobs in {took:?}, {all} claims, \
         late: {refused} refused, {failed} failed, {stopped} stopped before"
    );
    drop(workers);
    connection.close().await.unwrap();
    store.close().await;
    database.drop().await;
}
