use std::sync::Arc;

use doorward_domain::{GuessCounter, GuessKey, GuessRule, GuessSubject, ports::Store};
use time::Duration;

use super::samples::{NOW, at_once, begin, email, session_id};

fn key(number: u8) -> GuessKey {
    GuessKey([number; 32])
}

fn rule() -> GuessRule {
    GuessSubject::Account(email("ada@example.com")).rule()
}

fn counter(failures: u32) -> GuessCounter {
    let locked_until = Some(NOW + Duration::seconds(4));
    GuessCounter { since: NOW, failures, guesses: failures + 1, locked_until }
}

async fn put(store: &Arc<dyn Store>, key: GuessKey, counter: GuessCounter, rule: GuessRule) {
    let mut work = begin(store).await;
    work.guess_hold(key, NOW).await.unwrap();
    work.guess_put(key, counter, rule).await.unwrap();
    work.commit().await.unwrap();
}

pub async fn a_guess_counter_is_read_back_as_written(store: Arc<dyn Store>) {
    assert_eq!(store.guess_counters(&[key(1), key(2)]).await.unwrap(), [None, None]);
    let mut work = begin(&store).await;
    assert_eq!(work.guess_hold(key(1), NOW).await.unwrap(), GuessCounter::blank(NOW));
    work.guess_put(key(1), counter(7), rule()).await.unwrap();
    work.commit().await.unwrap();
    put(&store, key(2), GuessCounter { guesses: u32::MAX, ..counter(u32::MAX - 1) }, rule()).await;

    let read = store.guess_counters(&[key(3), key(2), key(1)]).await.unwrap();
    let most = GuessCounter { guesses: u32::MAX, ..counter(u32::MAX - 1) };
    assert_eq!(read, [None, Some(most), Some(counter(7))]);
    assert_eq!(store.guess_counters(&[]).await.unwrap(), []);
    let mut work = begin(&store).await;
    let held = work.guess_hold(key(1), NOW + Duration::HOUR).await.unwrap();
    assert_eq!(held, counter(7));
    let unlocked = GuessCounter { locked_until: None, ..held };
    work.guess_put(key(1), unlocked, rule()).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(store.guess_counters(&[key(1)]).await.unwrap(), [Some(unlocked)]);
}

pub async fn a_guess_of_a_dropped_unit_of_work_was_not_counted(store: Arc<dyn Store>) {
    let mut work = begin(&store).await;
    work.guess_hold(key(1), NOW).await.unwrap();
    work.guess_put(key(1), counter(7), rule()).await.unwrap();
    drop(work);
    assert_eq!(store.guess_counters(&[key(1)]).await.unwrap(), [None]);
}

pub async fn of_many_claims_no_more_than_allowed_succeed(store: Arc<dyn Store>) {
    let claimed = at_once(24, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut successes = 0;
            for _ in 0..5 {
                let mut work = begin(&store).await;
                let counter = work.guess_hold(key(1), NOW).await.unwrap();
                let Ok(claimed) = counter.claim(rule(), NOW) else { continue };
                work.guess_put(key(1), claimed, rule()).await.unwrap();
                work.commit().await.unwrap();
                successes += 1;
            }
            successes
        }
    })
    .await;
    assert_eq!(claimed.into_iter().sum::<u32>(), 100);
    let left = store.guess_counters(&[key(1)]).await.unwrap();
    assert_eq!(left, [Some(GuessCounter { guesses: 100, ..GuessCounter::blank(NOW) })]);
}

pub async fn of_many_failures_each_is_counted(store: Arc<dyn Store>) {
    at_once(16, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut work = begin(&store).await;
            // Always in this order: nobody deadlocks.
            for number in [1, 2] {
                let counter = work.guess_hold(key(number), NOW).await.unwrap();
                let failed = counter.failed(rule(), false, Duration::MINUTE, NOW);
                work.guess_put(key(number), failed, rule()).await.unwrap();
            }
            work.commit().await.unwrap();
        }
    })
    .await;
    for counter in store.guess_counters(&[key(1), key(2)]).await.unwrap() {
        let counter = counter.expect("it was counted");
        assert_eq!((counter.failures, counter.guesses), (16, 16));
        assert_eq!(counter.locked_until, Some(NOW + Duration::MINUTE));
    }
}

pub async fn guess_counters_that_are_over_are_forgotten_and_no_others(store: Arc<dyn Store>) {
    let short = GuessSubject::block_of([192, 0, 2, 1].into()).rule();
    let long = GuessSubject::Session(session_id(1)).rule();
    put(&store, key(1), counter(1), short).await;
    put(&store, key(2), counter(1), short).await;
    put(&store, key(3), counter(1), long).await;
    let over = counter(1).over_at(short);
    let prune = async |now, limit| {
        let mut work = begin(&store).await;
        let forgotten = work.guesses_prune(now, limit).await.unwrap();
        work.commit().await.unwrap();
        forgotten
    };
    assert_eq!(prune(over - Duration::MICROSECOND, 10).await, 0);
    assert_eq!(prune(over, 1).await, 1);
    assert_eq!(prune(over, 10).await, 1);
    assert_eq!(prune(over, 10).await, 0);
    let left = store.guess_counters(&[key(1), key(2), key(3)]).await.unwrap();
    assert_eq!(left, [None, None, Some(counter(1))]);
}
