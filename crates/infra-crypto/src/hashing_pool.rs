//! Runs hashes on threads of their own: a bounded number at a time, a bounded number waiting.

use std::{
    collections::TryReserveError,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::Block;
use doorward_domain::ports::HashError;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, oneshot};

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
    /// `queue_timeout`. Memory of up to `block_count` blocks is kept for the next job.
    pub(crate) fn new(
        concurrency: usize,
        queue: usize,
        queue_timeout: Duration,
        block_count: usize,
    ) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS))),
            places: Semaphore::new(queue.min(Semaphore::MAX_PERMITS)),
            queue_timeout,
            memory: Arc::new(MemoryStash { block_count, idle: Mutex::new(Vec::new()) }),
        }
    }

    /// Waits for its turn and runs `job` with `block_count` blocks of memory, whose content is
    /// whatever the job before left there.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] at once when the queue is full, and at the deadline when the turn
    /// did not come; [`HashError::Failed`] when there is no memory or the job panicked.
    pub(crate) async fn run<T, J>(&self, block_count: usize, job: J) -> Result<T, HashError>
    where
        T: Send + 'static,
        J: FnOnce(&mut [Block]) -> T + Send + 'static,
    {
        let turn = self.admit().await?;
        self.run_in(turn, block_count, job).await
    }

    /// As [`run`](Self::run), in a turn that came before.
    pub(crate) async fn run_in<T, J>(
        &self,
        turn: Turn,
        block_count: usize,
        job: J,
    ) -> Result<T, HashError>
    where
        T: Send + 'static,
        J: FnOnce(&mut [Block]) -> T + Send + 'static,
    {
        let stash = Arc::clone(&self.memory);
        let (answer, answered) = oneshot::channel();
        let work = move || {
            yield_to_requests();
            // Should the job panic, these are dropped in reverse order, as they are when it does
            // not: whoever learns how a job ended finds its permit free already.
            let answer = answer;
            let turn = turn;
            let outcome = stash.lend(block_count, job);
            // The memory is back in the stash by now, so the next job finds it there.
            drop(turn);
            // Whoever asked may have gone meanwhile; then nobody needs the answer.
            let _ = answer.send(outcome);
        };
        // Starting a thread takes a thousandth of what a hash does. It cannot be one of the runtime's
        // threads, because it does not get its old priority back.
        let thread = std::thread::Builder::new().name("hash".to_owned());
        thread.spawn(work).map_err(|error| HashError::Failed(Box::new(error)))?;
        match answered.await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(no_memory)) => Err(HashError::Failed(Box::new(no_memory))),
            Err(job_is_gone) => Err(HashError::Failed(Box::new(job_is_gone))),
        }
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
/// otherwise, which is longer than most requests take.
fn yield_to_requests() {
    // Elsewhere the priority belongs to the whole process.
    #[cfg(target_os = "linux")]
    {
        const NICENESS: i32 = 10;
        // Without it hashes are only less considerate.
        let _ = rustix::process::setpriority_process(None, NICENESS);
    }
}

/// Keeps the memory of past jobs. Getting 19 MiB of fresh pages for each hash would take nearly as
/// long as the hash itself.
struct MemoryStash {
    /// Size of each kept buffer.
    block_count: usize,
    /// There are never more than jobs at once, because each job takes one if there is one.
    idle: Mutex<Vec<Vec<Block>>>,
}

impl MemoryStash {
    fn lend<T>(
        &self,
        block_count: usize,
        job: impl FnOnce(&mut [Block]) -> T,
    ) -> Result<T, TryReserveError> {
        // A stored hash may need more than hashes do at present. Its memory is given back to the
        // system, because such hashes die out as their owners sign in.
        if block_count > self.block_count {
            return Ok(job(&mut new_buffer(block_count)?));
        }
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = match kept {
            Some(buffer) => buffer,
            None => new_buffer(self.block_count)?,
        };
        let outcome = job(&mut buffer[..block_count]);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        Ok(outcome)
    }
}

/// Allocates blocks, and reports a lack of memory instead of aborting the process.
fn new_buffer(block_count: usize) -> Result<Vec<Block>, TryReserveError> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(block_count)?;
    buffer.resize(block_count, Block::new());
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future, poll_fn},
        pin::{Pin, pin},
        sync::mpsc,
        task::Poll,
    };

    use super::*;

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
    -> (impl FnOnce(&mut [Block]) + Send + 'static, oneshot::Receiver<()>, mpsc::Sender<()>) {
        let (start, started) = oneshot::channel();
        let (end, ended) = mpsc::channel();
        let job = move |_: &mut [Block]| {
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
        let mut running = pin!(pool.run(1, job));
        assert!(poll_once(&mut running).await.is_none());
        started.await.unwrap();

        let mut second = pin!(pool.run(1, |_| 2));
        let mut third = pin!(pool.run(1, |_| 3));
        assert!(poll_once(&mut second).await.is_none());
        assert!(poll_once(&mut third).await.is_none());
        let mut fourth = pin!(pool.run(1, |_| 4));
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
        assert_eq!(pool.run(1, |_| 1).await.unwrap(), 1);
        let (job, started, end) = held_job();
        let mut running = pin!(pool.run(1, job));
        assert!(poll_once(&mut running).await.is_none());
        started.await.unwrap();
        assert_overloaded(poll_once(&mut pin!(pool.run(1, |_| 2))).await);
        end.send(()).unwrap();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_deadline_it_refuses_and_the_place_is_free_again() {
        let pool = pool(1, 1);
        let (job, started, end) = held_job();
        let mut running = pin!(pool.run(1, job));
        assert!(poll_once(&mut running).await.is_none());
        started.await.unwrap();

        let mut waiting = pin!(pool.run(1, |_| ()));
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
        let mut running = pin!(pool.run(1, job));
        assert!(poll_once(&mut running).await.is_none());
        started.await.unwrap();

        let mut impatient = Box::pin(pool.run(1, |_| unreachable!("nobody waits for it")));
        assert!(poll_once(&mut impatient.as_mut()).await.is_none());
        assert_eq!(pool.places.available_permits(), 0);
        drop(impatient);
        assert_eq!(pool.places.available_permits(), 1);

        let mut patient = pin!(pool.run(1, |_| "done"));
        assert!(poll_once(&mut patient).await.is_none());
        end.send(()).unwrap();
        running.await.unwrap();
        assert_eq!(patient.await.unwrap(), "done");
    }

    #[tokio::test]
    async fn a_hash_that_still_runs_keeps_its_permit_though_nobody_waits() {
        let pool = pool(1, 1);
        let (job, started, end) = held_job();
        let mut abandoned = Box::pin(pool.run(1, job));
        assert!(poll_once(&mut abandoned.as_mut()).await.is_none());
        started.await.unwrap();
        drop(abandoned);

        assert_eq!(pool.permits.available_permits(), 0);
        let mut next = pin!(pool.run(1, |_| "next"));
        assert!(poll_once(&mut next).await.is_none());
        end.send(()).unwrap();
        assert_eq!(next.await.unwrap(), "next");
    }

    #[tokio::test]
    async fn a_job_that_panics_is_an_error_and_frees_its_permit() {
        let pool = pool(1, 0);
        for _ in 0..20 {
            let outcome: Result<(), _> = pool.run(1, |_| panic!("on purpose")).await;
            assert!(matches!(outcome, Err(HashError::Failed(_))));
            assert_eq!(pool.run(1, |_| "next").await.unwrap(), "next");
        }
    }

    #[tokio::test]
    async fn memory_is_kept_for_the_next_job_and_oversized_memory_is_not() {
        let pool = pool(2, 0);
        let first = pool.run(4, |memory| memory.as_ptr() as usize).await.unwrap();
        let (second, length) =
            pool.run(2, |memory| (memory.as_ptr() as usize, memory.len())).await.unwrap();
        assert_eq!((second, length), (first, 2));
        assert_eq!(pool.run(9, |memory| memory.len()).await.unwrap(), 9);
        let kept: Vec<usize> = pool.memory.idle.lock().unwrap().iter().map(Vec::len).collect();
        assert_eq!(kept, [4]);
    }

    #[tokio::test]
    async fn a_lack_of_memory_is_an_error() {
        let pool = pool(1, 0);
        let outcome = pool.run(usize::MAX, |_| ()).await;
        assert!(matches!(outcome, Err(HashError::Failed(_))));
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
