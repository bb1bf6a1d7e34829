use std::{sync::Arc, time::Duration as StdDuration};

use doorward_domain::{
    ClaimId, Timestamp,
    idempotency::{Caller, Claimed, Fingerprint, IdempotencyKey, RequestClaim, RequestName},
    ports::{Constraint, Store, StoreError},
};
use time::Duration;
use uuid::Uuid;

use super::samples::{NOW, at_once, begin, hash, in_time, user, user_id};

/// Longer than any case takes.
const LONG: Duration = Duration::HOUR;
const PAYLOAD: Fingerprint = Fingerprint([7; 32]);
const OTHER_PAYLOAD: Fingerprint = Fingerprint([8; 32]);

fn request(key: &str) -> RequestName {
    let key = IdempotencyKey::parse(key).expect("a valid key");
    RequestName::new(Caller::Anonymous, "POST /users", &key)
}

fn claim(number: u128, key: &str) -> RequestClaim {
    RequestClaim { id: ClaimId::from_uuid(Uuid::from_u128(number)), request: request(key) }
}

async fn ask(store: &Arc<dyn Store>, claim: &RequestClaim, lease: Duration) -> Claimed {
    ask_at(store, claim, lease, NOW).await
}

async fn ask_at(
    store: &Arc<dyn Store>,
    claim: &RequestClaim,
    lease: Duration,
    now: Timestamp,
) -> Claimed {
    store.request_claim(claim, &PAYLOAD, lease, now).await.expect("the store answers")
}

/// Asks until it is granted, because a lease ends by a clock that no test can move.
async fn ask_until_granted(store: &Arc<dyn Store>, claim: &RequestClaim) {
    in_time(async {
        while ask(store, claim, LONG).await != Claimed::Granted {
            tokio::time::sleep(StdDuration::from_millis(1)).await;
        }
    })
    .await;
}

async fn keep(store: &Arc<dyn Store>, claim: &RequestClaim, answer: &[u8], withheld: Duration) {
    let mut work = begin(store).await;
    work.answer_keep(claim, answer, withheld).await.expect("the answer is kept");
    work.commit().await.expect("the unit of work commits");
}

fn going_on() -> Claimed {
    Claimed::Before { fingerprint: PAYLOAD, answer: None }
}

fn answered(answer: &[u8]) -> Claimed {
    Claimed::Before { fingerprint: PAYLOAD, answer: Some(answer.to_vec()) }
}

pub async fn of_many_who_claim_one_request_one_carries_it_out(store: Arc<dyn Store>) {
    let told = at_once(16, |number| {
        let store = Arc::clone(&store);
        async move {
            let claim = claim(number as u128, "k");
            (ask(&store, &claim, LONG).await, claim)
        }
    })
    .await;
    let granted: Vec<_> = told.iter().filter(|(told, _)| *told == Claimed::Granted).collect();
    assert_eq!(granted.len(), 1);
    assert_eq!(told.iter().filter(|(told, _)| *told == going_on()).count(), 15);
    // Whoever sends something else under the key sees that it was used for another payload.
    let other = claim(99, "k");
    let before = store.request_claim(&other, &OTHER_PAYLOAD, LONG, NOW).await.unwrap();
    assert_eq!(before, going_on());
    assert_eq!(ask(&store, &claim(99, "l"), LONG).await, Claimed::Granted);
    keep(&store, &granted[0].1, b"answer", Duration::ZERO).await;
    assert_eq!(ask(&store, &other, LONG).await, answered(b"answer"));
}

pub async fn an_answer_is_kept_with_its_effect_or_not_at_all(store: Arc<dyn Store>) {
    let first = claim(1, "k");
    assert_eq!(ask(&store, &first, LONG).await, Claimed::Granted);
    for commits in [false, true] {
        let mut work = begin(&store).await;
        work.user_insert(&user(1, "ada@example.com")).await.unwrap();
        work.credential_insert(user_id(1), &hash("hash-0"), NOW).await.unwrap();
        work.answer_keep(&first, b"made", Duration::ZERO).await.unwrap();
        if commits {
            work.commit().await.unwrap();
        } else {
            drop(work);
        }
        let expected = if commits { answered(b"made") } else { going_on() };
        assert_eq!(ask(&store, &claim(2, "k"), LONG).await, expected);
        assert_eq!(store.user_by_id(user_id(1)).await.unwrap().is_some(), commits);
    }
    // It is never replaced, nor taken back.
    let mut work = begin(&store).await;
    let again = work.answer_keep(&first, b"other", Duration::ZERO).await;
    assert!(matches!(again, Err(StoreError::Conflict(Constraint::RequestClaim))), "{again:?}");
    drop(work);
    store.request_release(&first).await.unwrap();
    assert_eq!(ask(&store, &claim(2, "k"), LONG).await, answered(b"made"));
}

pub async fn who_lost_the_claim_keeps_no_answer(store: Arc<dyn Store>) {
    let (late, present) = (claim(1, "k"), claim(2, "k"));
    assert_eq!(ask(&store, &late, Duration::milliseconds(1)).await, Claimed::Granted);
    ask_until_granted(&store, &present).await;
    let mut work = begin(&store).await;
    let lost = work.answer_keep(&late, b"late", Duration::ZERO).await;
    assert!(matches!(lost, Err(StoreError::Conflict(Constraint::RequestClaim))), "{lost:?}");
    drop(work);
    // Nor does it take the claim away from the present one.
    store.request_release(&late).await.unwrap();
    assert_eq!(ask(&store, &claim(3, "k"), LONG).await, going_on());
    keep(&store, &present, b"present", Duration::ZERO).await;
    assert_eq!(ask(&store, &claim(3, "k"), LONG).await, answered(b"present"));
}

pub async fn a_lease_that_is_over_holds_until_somebody_claims_the_request(store: Arc<dyn Store>) {
    let slow = claim(1, "k");
    assert_eq!(ask(&store, &slow, Duration::ZERO).await, Claimed::Granted);
    keep(&store, &slow, b"slow", Duration::ZERO).await;
    assert_eq!(ask(&store, &claim(2, "k"), LONG).await, answered(b"slow"));
}

pub async fn a_request_that_was_released_is_new(store: Arc<dyn Store>) {
    assert_eq!(ask(&store, &claim(1, "k"), LONG).await, Claimed::Granted);
    store.request_release(&claim(2, "k")).await.unwrap();
    assert_eq!(ask(&store, &claim(3, "k"), LONG).await, going_on());
    store.request_release(&claim(1, "k")).await.unwrap();
    let other = store.request_claim(&claim(3, "k"), &OTHER_PAYLOAD, LONG, NOW).await.unwrap();
    assert_eq!(other, Claimed::Granted);
    store.request_release(&claim(1, "k")).await.unwrap();
    let before = ask(&store, &claim(4, "k"), LONG).await;
    assert_eq!(before, Claimed::Before { fingerprint: OTHER_PAYLOAD, answer: None });
}

pub async fn an_answer_that_is_withheld_looks_like_none(store: Arc<dyn Store>) {
    for (key, withheld) in [("k", LONG), ("l", Duration::milliseconds(1))] {
        let first = claim(1, key);
        // A lease that is over must not make an answer that is withheld free to be claimed.
        assert_eq!(ask(&store, &first, Duration::ZERO).await, Claimed::Granted);
        keep(&store, &first, b"answer", withheld).await;
    }
    assert_eq!(ask(&store, &claim(2, "k"), LONG).await, going_on());
    in_time(async {
        while ask(&store, &claim(2, "l"), LONG).await != answered(b"answer") {
            tokio::time::sleep(StdDuration::from_millis(1)).await;
        }
    })
    .await;
}

pub async fn answers_are_forgotten_after_a_day_and_not_before(store: Arc<dyn Store>) {
    for (number, key) in [(1, "a"), (2, "b"), (3, "c")] {
        let first = claim(number, key);
        assert_eq!(ask(&store, &first, LONG).await, Claimed::Granted);
        keep(&store, &first, b"answer", Duration::ZERO).await;
    }
    let day = NOW + Duration::DAY;
    let just_before = day - Duration::microseconds(1);
    assert_eq!(ask_at(&store, &claim(9, "a"), LONG, just_before).await, answered(b"answer"));
    // At its end a request is new, whether or not anybody has cleared up.
    assert_eq!(ask_at(&store, &claim(9, "a"), LONG, day).await, Claimed::Granted);

    let prune = async |until, limit| {
        let mut work = begin(&store).await;
        let forgotten = work.answers_prune(until, limit).await.unwrap();
        work.commit().await.unwrap();
        forgotten
    };
    assert_eq!(prune(NOW - Duration::microseconds(1), 9).await, 0);
    assert_eq!(prune(NOW, 1).await, 1);
    assert_eq!(prune(NOW, 9).await, 1);
    assert_eq!(prune(NOW, 9).await, 0);
    assert_eq!(ask_at(&store, &claim(10, "a"), LONG, day).await, going_on());
    assert_eq!(ask(&store, &claim(10, "b"), LONG).await, Claimed::Granted);
}
