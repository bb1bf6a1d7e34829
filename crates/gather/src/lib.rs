//! Many callers' questions, answered by few statements.
//!
//! A statement costs a database and its driver far more than the row that it is about: the round trip, the
//! change of thread, the planning, for a write the wait for the disk. Where many ask the same kind of
//! question at the same moment, [`Gather`] has one statement answer all who are waiting.
//!
//! Nobody waits for company any longer than it takes the runtime to give everybody else their turn: a question
//! that finds no [flight](Gather::new) under way departs with those who ask in the same turn. Those that come
//! while one is under way depart together with the next one. So a question is always carried
//! to the database *after* it was asked, and its answer is as fresh as if it had been asked alone; nothing
//! is kept. It is this that sets it apart from a cache.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{BuildHasher, Hash},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::oneshot,
    time::{Duration, Instant},
};

/// Answers questions `Q` with answers `A`, many at once. It is cheap to share by reference; its flights are
/// tasks of their own, so that a caller that goes away takes nobody else's answer along.
pub struct Gather<Q, A>(Arc<Shared<Q, A>>);

type Answers<A> = Pin<Box<dyn Future<Output = Vec<A>> + Send>>;

struct Shared<Q, A> {
    waiting: Mutex<Waiting<Q, A>>,
    most_flights: usize,
    patience: Duration,
    most_aboard: usize,
    fly: Box<dyn Fn(Vec<Q>) -> Answers<A> + Send + Sync>,
}

struct Waiting<Q, A> {
    questions: VecDeque<(Q, oneshot::Sender<A>)>,
    flights: usize,
    /// When the last one departed.
    departed: Instant,
}

impl<Q: Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// Gathers questions for `fly`, which is given between one and `most_aboard` of them and returns the
    /// answers in the same order. One of its futures is under way, which carries all there are; while the last to
    /// depart takes longer than `patience` another one does, up to `most_flights`, so that a statement that
    /// hangs does not hold up everybody. Without any patience they depart as they come: what waits for a disk
    /// leaves the processor to others.
    pub fn new<F>(
        most_flights: usize,
        patience: Duration,
        most_aboard: usize,
        fly: impl Fn(Vec<Q>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        Self(Arc::new(Shared {
            waiting: Mutex::new(Waiting {
                questions: VecDeque::new(),
                flights: 0,
                departed: Instant::now(),
            }),
            most_flights: most_flights.max(1),
            patience,
            most_aboard: most_aboard.max(1),
            fly: Box::new(move |questions| Box::pin(fly(questions))),
        }))
    }

    /// Asks, from within a tokio runtime. `None` if the flight broke off: it panicked, gave too few answers,
    /// or the runtime is ending.
    pub async fn ask(&self, question: Q) -> Option<A> {
        let (sender, answer) = oneshot::channel();
        let departs = {
            let mut waiting = self.0.waiting();
            waiting.questions.push_back((question, sender));
            let is_slow = || waiting.departed.elapsed() >= self.0.patience;
            let departs =
                waiting.flights == 0 || waiting.flights < self.0.most_flights && is_slow();
            if departs {
                waiting.flights += 1;
                waiting.departed = Instant::now();
            }
            departs
        };
        if departs {
            tokio::spawn(Flight { shared: Arc::clone(&self.0), landed: false }.go());
        }
        answer.await.ok()
    }
}

impl<Q, A> Shared<Q, A> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<Q, A>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the flights that may be under way.
struct Flight<Q, A> {
    shared: Arc<Shared<Q, A>>,
    landed: bool,
}

impl<Q: Send + 'static, A: Send + 'static> Flight<Q, A> {
    /// Flies until nobody waits any more.
    async fn go(mut self) {
        loop {
            // Those who are about to ask do so first: all whose turn it is, and whose requests have come.
            tokio::task::yield_now().await;
            let Some((questions, senders)) = self.board() else { return };
            for (sender, answer) in senders.into_iter().zip((self.shared.fly)(questions).await) {
                // Who has gone does not need it any more.
                let _ = sender.send(answer);
            }
        }
    }

    /// Takes those who wait, or gives the place back if there is nobody: both under one lock, so that nobody
    /// comes in between and waits for a flight that does not depart.
    fn board(&mut self) -> Option<(Vec<Q>, Vec<oneshot::Sender<A>>)> {
        let mut waiting = self.shared.waiting();
        let aboard = waiting.questions.len().min(self.shared.most_aboard);
        if aboard == 0 {
            waiting.flights -= 1;
            self.landed = true;
            return None;
        }
        waiting.departed = Instant::now();
        Some(waiting.questions.drain(..aboard).unzip())
    }
}

impl<Q, A> Drop for Flight<Q, A> {
    /// Gives the place of a flight back that broke off. If it was the only one, those who wait are sent away,
    /// because none would depart for them.
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        let mut waiting = self.shared.waiting();
        waiting.flights -= 1;
        if waiting.flights == 0 {
            waiting.questions.clear();
        }
    }
}

/// Gives each who asked for a key what was found for it, `None` if nothing was. Whoever asked for the same key,
/// or was on a flight that failed as a whole, gets a copy; `retold` makes that of an error.
pub fn deal<K: Eq + Hash, V: Clone, E, S: BuildHasher>(
    asked: &[K],
    found: &Result<HashMap<K, Result<V, E>, S>, E>,
    retold: impl Fn(&E) -> E,
) -> Vec<Result<Option<V>, E>> {
    let of_key = |key| match found {
        Err(error) => Err(retold(error)),
        Ok(found) => match found.get(key) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value.clone())),
            Some(Err(error)) => Err(retold(error)),
        },
    };
    asked.iter().map(of_key).collect()
}

impl<Q, A> fmt::Debug for Gather<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    type Doubling = Gather<u32, u32>;

    const SLOW: Duration = Duration::from_millis(20);

    /// Doubles numbers. Each flight says what it carries and departs when it is let.
    fn doubling(
        most_flights: usize,
        most_aboard: usize,
    ) -> (Arc<Doubling>, mpsc::UnboundedReceiver<Vec<u32>>, Arc<Semaphore>) {
        let (flights, seen) = mpsc::unbounded_channel();
        let let_go = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&let_go);
        let gather = Gather::new(most_flights, SLOW, most_aboard, move |numbers: Vec<u32>| {
            let gate = Arc::clone(&gate);
            flights.send(numbers.clone()).unwrap();
            async move {
                gate.acquire().await.unwrap().forget();
                numbers.into_iter().map(|number| number * 2).collect()
            }
        });
        (Arc::new(gather), seen, let_go)
    }

    fn asked(gather: &Arc<Doubling>, number: u32) -> tokio::task::JoinHandle<Option<u32>> {
        let gather = Arc::clone(gather);
        tokio::spawn(async move { gather.ask(number).await })
    }

    #[tokio::test]
    async fn who_comes_while_a_flight_is_under_way_goes_with_the_next_one() {
        let (gather, mut flights, let_go) = doubling(1, 100);
        let first = asked(&gather, 1);
        assert_eq!(flights.recv().await.unwrap(), [1], "it waits for nobody");
        let others: Vec<_> = (2..=5).map(|number| asked(&gather, number)).collect();
        tokio::task::yield_now().await;
        let_go.add_permits(2);
        assert_eq!(first.await.unwrap(), Some(2));
        assert_eq!(flights.recv().await.unwrap(), [2, 3, 4, 5]);
        for (number, other) in (2..=5).zip(others) {
            assert_eq!(other.await.unwrap(), Some(number * 2), "to each their own answer");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_flight_is_not_waited_for() {
        let (gather, mut flights, let_go) = doubling(2, 100);
        let stuck = asked(&gather, 1);
        assert_eq!(flights.recv().await.unwrap(), [1]);
        let patient = asked(&gather, 2);
        tokio::task::yield_now().await;
        assert!(flights.try_recv().is_err(), "one flight carries everybody");
        tokio::time::advance(SLOW + Duration::from_millis(1)).await;
        let impatient = asked(&gather, 3);
        assert_eq!(flights.recv().await.unwrap(), [2, 3]);
        tokio::time::advance(SLOW * 2).await;
        let last = asked(&gather, 4);
        tokio::task::yield_now().await;
        assert!(flights.try_recv().is_err(), "there are no more than two");
        let_go.add_permits(3);
        for (number, one) in (1..=4).zip([stuck, patient, impatient, last]) {
            assert_eq!(one.await.unwrap(), Some(number * 2));
        }
    }

    #[tokio::test]
    async fn no_more_are_aboard_than_may_be_and_none_are_left_behind() {
        let (gather, mut flights, let_go) = doubling(1, 2);
        let all: Vec<_> = (1..=5).map(|number| asked(&gather, number)).collect();
        let_go.add_permits(10);
        for (number, one) in (1..=5).zip(all) {
            assert_eq!(one.await.unwrap(), Some(number * 2));
        }
        drop(gather);
        while let Some(aboard) = flights.recv().await {
            assert!(aboard.len() <= 2, "{aboard:?}");
        }
    }

    #[tokio::test]
    async fn one_who_goes_away_takes_nobody_along() {
        let (gather, mut flights, let_go) = doubling(1, 100);
        let gone = asked(&gather, 1);
        assert_eq!(flights.recv().await.unwrap(), [1]);
        let (stays, also_gone) = (asked(&gather, 2), asked(&gather, 3));
        tokio::task::yield_now().await;
        gone.abort();
        also_gone.abort();
        let_go.add_permits(2);
        assert_eq!(stays.await.unwrap(), Some(4));
    }

    #[tokio::test]
    async fn a_flight_that_breaks_off_leaves_nobody_waiting_and_others_depart() {
        let flown = AtomicUsize::new(0);
        let gather = Arc::new(Gather::new(1, SLOW, 1, move |numbers: Vec<u32>| {
            let breaks_off = flown.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                assert!(!breaks_off, "the first one does");
                numbers
            }
        }));
        let lost: Vec<_> = (1..=3).map(|number| asked(&gather, number)).collect();
        for one in lost {
            assert_eq!(one.await.unwrap(), None, "told, and not left waiting");
        }
        assert_eq!(gather.ask(4).await, Some(4));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn every_question_is_answered_however_they_come() {
        let gather = Arc::new(Gather::new(3, Duration::ZERO, 7, |numbers: Vec<u32>| async {
            tokio::task::yield_now().await;
            numbers.into_iter().map(|number| number + 1).collect()
        }));
        let callers = (0..64).map(|caller| {
            let gather = Arc::clone(&gather);
            tokio::spawn(async move {
                for round in 0..200 {
                    let number = caller * 1000 + round;
                    assert_eq!(gather.ask(number).await, Some(number + 1));
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
    }
}
