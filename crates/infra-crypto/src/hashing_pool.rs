//! Runs hashes on threads of their own: a bounded number at a time, a bounded number waiting.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use doorward_domain::ports::HashError;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::argon2_memory::Argon2Memory;

/// Takes jobs that need Argon2's memory.
///
/// **Invariant:** at most `concurrency` jobs run at once, whatever happens to those who asked for
/// them, so the memory in use is bounded too. The permit of a job belongs to the job as well, not only to
/// the future that waits for it: a client that hangs up does not make room while its hash still runs.
pub(crate) struct HashingPool {
    permits: Arc<Semaphore>,
    /// The places in the queue. Whoever waits holds one, and leaving gives it back by itself.
    places: Semaphore,
    queue_timeout: Duration,
    memory: Arc<MemoryStash>,
}

/// A permit. It is over when its holder has let go of it and no job runs in it any more.
pub(crate) type Turn = Arc<OwnedSemaphorePermit>;

impl HashingPool {
    /// A pool of `concurrency` jobs (at least one) with `queue` waiting for at most
    /// `queue_timeout`. Memory of up to `kept_size` KiB is kept for the next job.
    pub(crate) fn new(
        concurrency: usize,
        queue: usize,
        queue_timeout: Duration,
        kept_size: usize,
    ) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS))),
            places: Semaphore::new(queue.min(Semaphore::MAX_PERMITS)),
            queue_timeout,
            memory: Arc::new(MemoryStash { kept_size, idle: Mutex::new(Vec::new()) }),
        }
    }

    /// Waits for its turn and runs `job`.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] at once when the queue is full, and at the deadline when the turn
    /// did not come; [`HashError::Failed`] when the job panicked.
    pub(crate) async fn run<T, J>(&self, job: J) -> Result<T, HashError>
    where
        T: Send + 'static,
        J: FnOnce(&mut Argon2Memory) -> T + Send + 'static,
    {
        let turn = self.admit().await?;
        self.run_in(turn, job).await
    }

    /// As [`run`](Self::run), in a turn that came before.
    pub(crate) async fn run_in<T, J>(&self, turn: Turn, job: J) -> Result<T, HashError>
    where
        T: Send + 'static,
        J: FnOnce(&mut Argon2Memory) -> T + Send + 'static,
    {
        let stash = Arc::clone(&self.memory);
        let (answer, answered) = oneshot::channel();
        let work = move || {
            yield_to_requests();
            // Should the job panic, these are dropped in reverse order, as they are when it does
            // not: whoever learns how a job ended finds its permit free already.
            let answer = answer;
            let turn = turn;
            let outcome = stash.lend(job);
            // The memory is back in the stash by now, so the next job finds it there.
            drop(turn);
            // Whoever asked may have gone meanwhile; then nobody needs the answer.
            let _ = answer.send(outcome);
        };
        // Starting a thread takes a thousandth of what a hash does. It cannot be one of the runtime's
        // threads, because it does not get its old priority back.
        let thread = std::thread::Builder::new().name("hash".to_owned());
        thread.spawn(work).map_err(|error| HashError::Failed(Box::new(error)))?;
        answered.await.map_err(|job_is_gone| HashError::Failed(Box::new(job_is_gone)))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] as [`run`](Self::run).
    pub(crate) async fn admit(&self) -> Result<Turn, HashError> {
        // The semaphore is fair: this fails while anybody waits, so nobody is overtaken.
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(Arc::new(permit));
        }
        let _place = self.places.try_acquire().map_err(|_| self.overloaded())?;
        let turn = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(self.queue_timeout, turn).await {
            Ok(permit) => permit
                .map(Arc::new)
                .map_err(|closed: AcquireError| HashError::Failed(Box::new(closed))),
            Err(_elapsed) => Err(self.overloaded()),
        }
    }

    /// Everybody who waits now is served or refused when the deadline of the queue has passed once,
    /// so that is when to try again: in whole seconds, as `Retry-After` counts, and at least one.
    fn overloaded(&self) -> HashError {
        let fraction = u64::from(self.queue_timeout.subsec_nanos() > 0);
        let seconds = self.queue_timeout.as_secs().saturating_add(fraction).max(1);
        HashError::Overloaded { retry_after: Duration::from_secs(seconds) }
    }
}

/// Lets everything else go first on this thread's processor: a request waits for a hash's time slice
/// otherwise, which is longer than most requests take. Of a processor that requests fill, hashes keep the
/// hundredth part or so, which the scheduler gives to whoever is last; of one with time to spare, all of it.
fn yield_to_requests() {
    // Elsewhere the priority belongs to the whole process.
    #[cfg(target_os = "linux")]
    {
        const NICENESS: i32 = 19;
        // Without it hashes are only less considerate.
        let _ = rustix::process::setpriority_process(None, NICENESS);
    }
}

/// Keeps the memory of past jobs.
struct MemoryStash {
    /// The largest memory that is kept, in KiB.
    kept_size: usize,
    /// There are never more than jobs at once, because each job takes one if there is one.
    idle: Mutex<Vec<Argon2Memory>>,
}

impl MemoryStash {
    fn lend<T>(&self, job: impl FnOnce(&mut Argon2Memory) -> T) -> T {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = kept.unwrap_or_else(Argon2Memory::new);
        let outcome = job(&mut memory);
        // A stored hash may need more than hashes do at present. Its memory is given back to the
        // system, because such hashes die out as their owners sign in.
        if memory.size() <= self.kept_size {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future, poll_fn},
        pin::{Pin, pin},
        sync::mpsc,
        task::Poll,
    };

    use argon2::{Algorithm, Params, Version};

    use super::*;
    use crate::argon2_memory::function;

    const DEADLINE: Duration = Duration::from_millis(1_500);

    fn pool(concurrency: usize, queue: usize) -> HashingPool {
        HashingPool::new(concurrency, queue, DEADLINE, 4)
    }

    /// Polls a future once and says what it answered, if it did.
    async fn poll_once<F: Future>(future: &mut Pin<&mut F>) -> Option<F::Output> {
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// A job that tells when it started, and ends when it is told to.
    fn held_job()
    -> (impl FnOnce(&mut Argon2Memory) + Send + 'static, oneshot::Receiver<()>, mpsc::Sender<()>)
    {
        let (start, started) = oneshot::channel();
        let (end, ended) = mpsc::channel();
        let job = move |_: &mut Argon2Memory| {
            let _ = start.send(());
            ended.recv().unwrap();
        };
        (job, started, end)
    }

    fn assert_overloaded<T>(outcome: Option<Result<T, HashError>>) {
        match outcome {
            Some(Err(HashError::Overloaded { retry_after })) => {
                assert_eq!(retry_after, Duration::from_secs(2));
            }
            Some(Err(other)) => panic!("{other:?}"),
            Some(Ok(_)) => panic!("it ran"),
            None => panic!("it waits"),
        }
    }

    #[tokio::test]
    async fn beyond_the_queue_it_refuses_at_once() {
        let pool = pool(1, 2);
        let (job, started, end) = held_job();
        let mut running = pin!(pool.run(job));
        assert!(poll_once(&mut running).await.is_none());
        started.await.unwrap();

        let mut second = pin!(pool.run(|_| 2));
        let mut third = pin!(pool.run(|_| 3));
        assert!(poll_once(&mut second).await.is_none());
        assert!(poll_once(&mut third).await.is_none());
        let mut fourth = pin!(pool.run(|_| 4));
        assert_overloaded(poll_once(&mut fourth).await);

        end.send(()).unwrap();
        running.await.unwrap();
        assert_eq!(second.await.unwrap(), 2);
        assert_eq!(third.await.unwrap(), 3);
        assert_eq!(pool.places.available_permits(), 2);
        assert_eq!(pool.permits.available_permits(), 1);
    }

    #[tokio::test]
    async fn without_a_queue_it_takes_what_fits_and_nothing_more() {
        let pool = pool(1, 0);
        assert_eq!(pool.run(|_| 1).await.unwrap(), 1);
        let (job, started, end) = held_job();
        let mut running = pin!(pool.run(job));
        assert!(poll_once(&mut running).await.is_none());
        started.await.unwrap();
        assert_overloaded(poll_once(&mut pin!(pool.run(|_| 2))).await);
        end.send(()).unwrap();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_deadline_it_refuses_and_the_place_is_free_again() {
        let pool = pool(1, 1);
        let (job, started, end) = held_job();
        let mut running = pin!(pool.run(job));
        assert!(poll_once(&mut running).await.is_none());
        started.await.unwrap();

        let mut waiting = pin!(pool.run(|_| ()));
        assert!(poll_once(&mut waiting).await.is_none());
        tokio::time::advance(Duration::from_millis(1_499)).await;
        assert!(poll_once(&mut waiting).await.is_none());
        assert_eq!(pool.places.available_permits(), 0);
        tokio::time::advance(Duration::from_millis(2)).await;
        assert_overloaded(poll_once(&mut waiting).await);
        assert_eq!(pool.places.available_permits(), 1);

        end.send(()).unwrap();
        running.await.unwrap();
    }

    #[tokio::test]
    async fn who_stops_waiting_frees_the_place_and_takes_no_turn() {
        let pool = pool(1, 1);
        let (job, started, end) = held_job();
        let mut running = pin!(pool.run(job));
        assert!(poll_once(&mut running).await.is_none());
        started.await.unwrap();

        let mut impatient = Box::pin(pool.run(|_| unreachable!("nobody waits for it")));
        assert!(poll_once(&mut impatient.as_mut()).await.is_none());
        assert_eq!(pool.places.available_permits(), 0);
        drop(impatient);
        assert_eq!(pool.places.available_permits(), 1);

        let mut patient = pin!(pool.run(|_| "done"));
        assert!(poll_once(&mut patient).await.is_none());
        end.send(()).unwrap();
        running.await.unwrap();
        assert_eq!(patient.await.unwrap(), "done");
    }

    #[tokio::test]
    async fn a_hash_that_still_runs_keeps_its_permit_though_nobody_waits() {
        let pool = pool(1, 1);
        let (job, started, end) = held_job();
        let mut abandoned = Box::pin(pool.run(job));
        assert!(poll_once(&mut abandoned.as_mut()).await.is_none());
        started.await.unwrap();
        drop(abandoned);

        assert_eq!(pool.permits.available_permits(), 0);
        let mut next = pin!(pool.run(|_| "next"));
        assert!(poll_once(&mut next).await.is_none());
        end.send(()).unwrap();
        assert_eq!(next.await.unwrap(), "next");
    }

    #[tokio::test]
    async fn a_job_that_panics_is_an_error_and_frees_its_permit() {
        let pool = pool(1, 0);
        for _ in 0..20 {
            let outcome: Result<(), _> = pool.run(|_| panic!("on purpose")).await;
            assert!(matches!(outcome, Err(HashError::Failed(_))));
            assert_eq!(pool.run(|_| "next").await.unwrap(), "next");
        }
    }

    /// Computes a hash in memory of this size, in KiB, and tells how much there was before and is.
    async fn sizes_around_a_hash(pool: &HashingPool, size: u32) -> (usize, usize) {
        let cost = Params::new(size, 1, 1, None).unwrap();
        let function = function(Algorithm::Argon2id, Version::V0x13, &cost, 32).unwrap();
        let job = move |memory: &mut Argon2Memory| {
            let before = memory.size();
            memory.compute(&function, b"password", b"somesalt", &mut [0; 32]).unwrap();
            (before, memory.size())
        };
        pool.run(job).await.unwrap()
    }

    #[tokio::test]
    async fn memory_is_kept_for_the_next_job_and_oversized_memory_is_not() {
        let pool = HashingPool::new(2, 0, DEADLINE, 32);
        assert_eq!(sizes_around_a_hash(&pool, 32).await, (0, 32));
        assert_eq!(sizes_around_a_hash(&pool, 16).await, (32, 32));
        assert_eq!(sizes_around_a_hash(&pool, 36).await, (32, 36));
        assert_eq!(sizes_around_a_hash(&pool, 32).await, (0, 32));
    }

    #[test]
    fn retry_after_is_whole_seconds_and_at_least_one() {
        for (deadline, expected) in [(0, 1), (10, 1), (1_000, 1), (1_001, 2), (3_000, 3)] {
            let pool = HashingPool::new(1, 0, Duration::from_millis(deadline), 4);
            let HashError::Overloaded { retry_after } = pool.overloaded() else { unreachable!() };
            assert_eq!(retry_after, Duration::from_secs(expected), "{deadline} ms");
        }
    }
}
