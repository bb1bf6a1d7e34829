//! The work of a queue of jobs, as a process of its own that has a core to itself: filling the queue,
//! draining it, adding jobs one by one, and waiting for each to begin.
//!
//! The worker is that of each queue itself, over its own store, with a handler that does nothing.

mod apalis;
mod bare;
mod doorward;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{interval, sleep, timeout};

use self::{apalis::Apalis, bare::Bare, doorward::Doorward};
use crate::bench::Bench;
use crate::harness::process;
use crate::harness::rounds::Sample;

/// Jobs that are claimed, and done, at once at most.
const AT_ONCE: u32 = 500;
/// Connections of a process to the database.
const CONNECTIONS: u32 = 16;
/// Who adds jobs at the same time as others.
const ENQUEUERS: u64 = 16;
/// How far apart the jobs are whose beginning is waited for.
const PAUSE: Duration = Duration::from_millis(10);
/// The first jobs whose beginning is waited for do not count: connections are made, listeners are not there yet.
const WARM_UP: u64 = 20;
/// Nothing takes longer than this unless it has stopped.
const PATIENCE: Duration = Duration::from_mins(3);

/// What to do with which queue.
#[derive(Clone, Debug, Args)]
pub struct Options {
    queue: Name,
    task: Task,
    #[arg(long, env = "QUEUE_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// How many jobs there are to drain.
    #[arg(long, default_value_t = 0)]
    jobs: u64,
    /// How long jobs are added.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
}

/// Which queue.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Name {
    /// Doorward's, with jobs that have no effect in the store.
    Doorward,
    /// The same, with jobs that each commit a unit of work.
    DoorwardEffects,
    /// `apalis-postgres`, as its example for throughput sets it up.
    Apalis,
    /// No queue: 50 rows at once are claimed and deleted in one statement.
    Bare,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Task {
    /// Empties the queue and adds jobs.
    Fill,
    /// Does all that there are.
    Drain,
    /// Adds jobs one by one, each committed, 16 at the same time.
    Enqueue,
    /// Adds a job now and then, and waits until it begins in the same process.
    Start,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    pub jobs: u64,
    pub seconds: f64,
    pub p50_us: u64,
    pub p99_us: u64,
    /// How long the last fifth took to begin, for each second that the first fifth took.
    pub slowed: f64,
}

/// Has another process do this, on the cores of the load; the database has its own.
///
/// # Errors
/// When the queue fails, or stops.
pub fn measure(
    bench: &Bench,
    url: &str,
    (queue, task): (Name, Task),
    amount: [&str; 2],
) -> Result<(Sample, Seen)> {
    let mut command = bench.machine.load.own_program()?;
    command.arg("queue-work");
    for value in [queue.to_possible_value(), task.to_possible_value()] {
        command.arg(value.context("each has a name")?.get_name());
    }
    command.args(amount).env("QUEUE_DATABASE_URL", url);
    let database = bench.postgres.cpu()?;
    let finished = process::run(&mut command)?;
    let seen: Seen = serde_json::from_str(&finished.output)
        .with_context(|| format!("a queue printed:\n{}", finished.output))?;
    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 jobs")]
    let throughput = seen.jobs as f64 / seen.seconds;
    let sample = Sample {
        throughput,
        p50: Duration::from_micros(seen.p50_us),
        p99: Duration::from_micros(seen.p99_us),
        requests: seen.jobs,
        server_cpu: Some(finished.cpu),
        database_cpu: Some(bench.postgres.cpu()?.saturating_sub(database)),
        took: Duration::from_secs_f64(seen.seconds),
        ..Sample::default()
    };
    Ok((sample, seen))
}

/// Does it in this process, and prints what was seen.
///
/// # Errors
/// When the queue fails, or stops.
pub fn run(options: &Options) -> Result<()> {
    // The same kind of runtime as Doorward's.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let seen = runtime.block_on(async {
        let url = &options.database_url;
        match options.queue {
            Name::Doorward => act(Doorward::open(url, false).await?, options).await,
            Name::DoorwardEffects => act(Doorward::open(url, true).await?, options).await,
            Name::Apalis => act(Apalis::open(url).await?, options).await,
            Name::Bare => act(Bare::open(url).await?, options).await,
        }
    })?;
    println!("{}", serde_json::to_string(&seen)?);
    // What still runs in the background is of no interest any more.
    runtime.shutdown_background();
    Ok(())
}

async fn act<Q: Queue>(queue: Q, options: &Options) -> Result<Seen> {
    let duration = Duration::from_secs(options.seconds);
    match options.task {
        Task::Fill => queue.fill(options.jobs).await.map(|()| Seen::default()),
        Task::Drain => drain(queue, options.jobs).await,
        Task::Enqueue => enqueue(queue, duration).await,
        Task::Start => start(queue, duration).await,
    }
}

/// A queue of jobs that each hold a number.
trait Queue: Send + Sync + 'static {
    /// Empties it and adds so many jobs.
    async fn fill(&self, jobs: u64) -> Result<()>;

    /// Adds a job and commits it.
    fn enqueue(&self, number: u64) -> impl Future<Output = Result<()>> + Send;

    /// Has jobs done from now on, and each one's number told when it begins.
    fn work(&self, begun: Arc<dyn Fn(u64) + Send + Sync>);

    /// Whether there is a job that is not known in the database to be finished.
    async fn is_busy(&self) -> Result<bool>;
}

async fn drain(queue: impl Queue, jobs: u64) -> Result<Seen> {
    ensure!(jobs >= 5 && queue.is_busy().await?, "there is nothing to drain");
    let (count, all) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let fifths = Arc::new(Mutex::new(Vec::new()));
    let (counted, told, marked) = (Arc::clone(&count), Arc::clone(&all), Arc::clone(&fifths));
    let begun = Instant::now();
    queue.work(Arc::new(move |_| {
        let nth = counted.fetch_add(1, Ordering::Relaxed) + 1;
        if nth.is_multiple_of(jobs / 5) {
            marked.lock().unwrap_or_else(PoisonError::into_inner).push(begun.elapsed());
        }
        if nth == jobs {
            told.notify_one();
        }
    }));
    let Ok(()) = timeout(PATIENCE, all.notified()).await else {
        bail!("{} of {jobs} jobs have begun, and no more", count.load(Ordering::Relaxed));
    };
    // Jobs have begun before they are acknowledged, and only that counts.
    while queue.is_busy().await? {
        ensure!(begun.elapsed() < PATIENCE, "jobs are not acknowledged");
        sleep(Duration::from_millis(1)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let fifths = fifths.lock().unwrap_or_else(PoisonError::into_inner);
    let [first, .., before_last, last] = fifths.as_slice() else {
        bail!("too few jobs have begun");
    };
    let slowed = last.saturating_sub(*before_last).as_secs_f64() / first.as_secs_f64();
    Ok(Seen { jobs, seconds, slowed, ..Seen::default() })
}

async fn enqueue(queue: impl Queue, duration: Duration) -> Result<Seen> {
    let (queue, begun) = (Arc::new(queue), Instant::now());
    let mut enqueuers = tokio::task::JoinSet::new();
    for nth in 0..ENQUEUERS {
        let queue = Arc::clone(&queue);
        enqueuers.spawn(async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < duration {
                let since = Instant::now();
                queue.enqueue(nth).await?;
                latencies.push(since.elapsed());
            }
            Ok::<_, anyhow::Error>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(seen) = enqueuers.join_next().await {
        latencies.extend(seen??);
    }
    Seen::of(latencies, begun.elapsed())
}

async fn start(queue: impl Queue, duration: Duration) -> Result<Seen> {
    queue.fill(0).await?;
    let (told, mut beginnings) = tokio::sync::mpsc::unbounded_channel();
    queue.work(Arc::new(move |number| {
        // Nobody listens any more to what was left over.
        let _ = told.send((number, Instant::now()));
    }));
    let (mut begun, mut latencies, mut pause) = (Instant::now(), Vec::new(), interval(PAUSE));
    for number in 0.. {
        if number == WARM_UP {
            begun = Instant::now();
            latencies.clear();
        } else if number > WARM_UP && begun.elapsed() > duration {
            break;
        }
        pause.tick().await;
        let since = Instant::now();
        queue.enqueue(number).await?;
        let beginning = timeout(PATIENCE, beginnings.recv()).await;
        let (first, at) = beginning.ok().flatten().context("a job did not begin")?;
        ensure!(first == number, "job {first} began instead of {number}");
        latencies.push(at - since);
    }
    Seen::of(latencies, begun.elapsed())
}

impl Seen {
    fn of(mut latencies: Vec<Duration>, took: Duration) -> Result<Self> {
        latencies.sort_unstable();
        let percentile = |percent: usize| {
            let nth = latencies.len() * percent / 100;
            let found: &Duration = latencies.get(nth).context("nothing was seen")?;
            Ok::<_, anyhow::Error>(u64::try_from(found.as_micros())?)
        };
        Ok(Self {
            jobs: latencies.len() as u64,
            seconds: took.as_secs_f64(),
            p50_us: percentile(50)?,
            p99_us: percentile(99)?,
            slowed: 0.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue that keeps its jobs in memory.
    #[derive(Default)]
    struct Heap(Arc<Mutex<Vec<u64>>>, Arc<Notify>);

    impl Queue for Heap {
        async fn fill(&self, jobs: u64) -> Result<()> {
            self.0.lock().expect("no panic").extend(0..jobs);
            Ok(())
        }

        async fn enqueue(&self, number: u64) -> Result<()> {
            self.0.lock().expect("no panic").push(number);
            self.1.notify_one();
            Ok(())
        }

        fn work(&self, begun: Arc<dyn Fn(u64) + Send + Sync>) {
            let (jobs, added) = (Arc::clone(&self.0), Arc::clone(&self.1));
            tokio::spawn(async move {
                loop {
                    let taken = std::mem::take(&mut *jobs.lock().expect("no panic"));
                    taken.into_iter().for_each(&*begun);
                    added.notified().await;
                }
            });
        }

        async fn is_busy(&self) -> Result<bool> {
            Ok(!self.0.lock().expect("no panic").is_empty())
        }
    }

    #[tokio::test]
    async fn a_queue_is_drained_to_its_last_job_and_an_empty_one_is_a_failure() {
        let queue = Heap::default();
        queue.fill(103).await.expect("it is filled");
        let seen = drain(queue, 103).await.expect("it is drained");
        assert_eq!(seen.jobs, 103);
        assert!(seen.slowed > 0.0);
        assert!(drain(Heap::default(), 103).await.is_err());
    }

    #[tokio::test]
    async fn the_beginning_of_each_job_is_waited_for() {
        let seen = start(Heap::default(), Duration::from_millis(50)).await.expect("they begin");
        assert!(seen.jobs > 1 && seen.p50_us <= seen.p99_us, "{seen:?}");
    }
}
