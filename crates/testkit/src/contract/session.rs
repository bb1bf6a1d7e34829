use std::sync::Arc;

use doorward_domain::{
    PageLimit, PageRequest, Session, SessionId, Timestamp,
    ports::{Rotation, Store},
    session::{Generation, RevocationCause},
};
use time::Duration;

use super::samples::{
    NOW, UNTIL, add_sessions, add_user, at_once, begin, session, session_id, told, user_id,
};

pub(super) fn rotation(number: u128, now: Timestamp, expires_at: Timestamp) -> Rotation {
    Rotation { id: session_id(number), from: Generation::FIRST, now, expires_at }
}

/// However many are moved on at once: each as it asked, and no other one.
pub async fn of_many_sessions_each_rotates_by_itself(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let numbers: Vec<u128> = (10..30).collect();
    add_sessions(&store, &ada, &numbers).await;
    let mut work = begin(&store).await;
    let cause = RevocationCause::Revoked;
    assert!(work.session_revoke(session_id(12), ada.id, cause, NOW, UNTIL).await.unwrap());
    work.commit().await.unwrap();
    // Each at a time of its own, some of a generation that is not theirs, one that nobody knows.
    let at = move |number: u128| NOW + Duration::seconds(i64::try_from(number).unwrap());
    let asked = move |number: u128| Rotation {
        from: if number.is_multiple_of(5) { Generation::FIRST.next() } else { Generation::FIRST },
        ..rotation(number, at(number), at(number) + Duration::DAY)
    };
    let rotated = at_once(21, |index| {
        let store = Arc::clone(&store);
        let number = 10 + index as u128;
        async move { (number, store.session_rotate(asked(number)).await.unwrap()) }
    })
    .await;
    for (number, rotated) in rotated {
        let expected = number != 12 && number != 30 && !number.is_multiple_of(5);
        assert_eq!(rotated, expected, "session {number}");
        let Some((read, _)) = store.session_by_id(session_id(number)).await.unwrap() else {
            assert_eq!(number, 30);
            continue;
        };
        let before = session(number, &ada);
        let expected = Session {
            generation: if rotated { Generation::FIRST.next() } else { Generation::FIRST },
            rotated_at: if rotated { at(number) } else { before.rotated_at },
            last_used_at: if rotated { at(number) } else { before.last_used_at },
            expires_at: if rotated { at(number) + Duration::DAY } else { before.expires_at },
            revoked: (number == 12).then_some(cause),
            ..before
        };
        assert_eq!(read, expected);
    }
}

pub async fn of_many_rotations_one_wins(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_sessions(&store, &ada, &[10]).await;
    let later = NOW + Duration::seconds(5);
    let expiry = NOW + Duration::days(60);
    let won = at_once(16, |_| {
        let store = Arc::clone(&store);
        async move { store.session_rotate(rotation(10, later, expiry)).await.unwrap() }
    })
    .await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let (read, user) = store.session_by_id(session_id(10)).await.unwrap().unwrap();
    let expected = Session {
        generation: Generation::FIRST.next(),
        rotated_at: later,
        last_used_at: later,
        expires_at: expiry,
        ..session(10, &ada)
    };
    assert_eq!((read, user), (expected, ada));
}

pub async fn a_session_is_over_at_the_moment_it_expires(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_sessions(&store, &ada, &[10]).await;
    let expiry = session(10, &ada).expires_at;
    let before = expiry - Duration::MICROSECOND;
    let live = |now| {
        let store = Arc::clone(&store);
        async move { store.sessions_by_user(user_id(1), now, PageRequest::default()).await.unwrap() }
    };
    assert_eq!(live(before).await.items.len(), 1);
    assert_eq!(live(expiry).await.items, []);

    assert!(!store.session_rotate(rotation(10, expiry, expiry)).await.unwrap());
    let mut work = begin(&store).await;
    let cause = RevocationCause::Revoked;
    assert!(!work.session_revoke(session_id(10), ada.id, cause, expiry, UNTIL).await.unwrap());
    assert_eq!(work.sessions_revoke(ada.id, None, cause, expiry, UNTIL).await.unwrap(), []);
    drop(work);
    let longer = expiry + Duration::days(1);
    assert!(store.session_rotate(rotation(10, before, longer)).await.unwrap());
}

pub async fn a_revoked_session_rotates_no_more(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_sessions(&store, &ada, &[10]).await;
    let mut work = begin(&store).await;
    let cause = RevocationCause::TokenReused;
    assert!(work.session_revoke(session_id(10), ada.id, cause, NOW, UNTIL).await.unwrap());
    work.commit().await.unwrap();
    assert!(!store.session_rotate(rotation(10, NOW, NOW + Duration::days(1))).await.unwrap());
    let (read, _) = store.session_by_id(session_id(10)).await.unwrap().unwrap();
    assert_eq!(read.revoked, Some(cause));
    assert_eq!(read.generation, Generation::FIRST);
}

pub async fn a_session_is_revoked_only_by_its_owner_and_once(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let bob = add_user(&store, 2, "bob@example.com").await;
    add_sessions(&store, &ada, &[10]).await;
    let cause = RevocationCause::SignedOut;
    let mut work = begin(&store).await;
    assert!(!work.session_revoke(session_id(10), bob.id, cause, NOW, UNTIL).await.unwrap());
    assert!(!work.session_revoke(session_id(11), ada.id, cause, NOW, UNTIL).await.unwrap());
    assert!(work.session_revoke(session_id(10), ada.id, cause, NOW, UNTIL).await.unwrap());
    assert!(!work.session_revoke(session_id(10), ada.id, cause, NOW, UNTIL).await.unwrap());
    work.commit().await.unwrap();
}

pub async fn revoking_all_spares_the_exception_and_the_dead(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let bob = add_user(&store, 2, "bob@example.com").await;
    add_sessions(&store, &ada, &[10, 11, 12, 13]).await;
    add_sessions(&store, &bob, &[20]).await;
    let cause = RevocationCause::PasswordChanged;
    let mut work = begin(&store).await;
    work.session_revoke(session_id(13), ada.id, RevocationCause::SignedOut, NOW, UNTIL)
        .await
        .unwrap();
    let mut ended =
        work.sessions_revoke(ada.id, Some(session_id(11)), cause, NOW, UNTIL).await.unwrap();
    ended.sort();
    assert_eq!(ended, [session_id(10), session_id(12)]);
    work.commit().await.unwrap();
    let live = store.sessions_by_user(ada.id, NOW, PageRequest::default()).await.unwrap();
    assert_eq!(ids(&live.items), [session_id(11)]);
    let live = store.sessions_by_user(bob.id, NOW, PageRequest::default()).await.unwrap();
    assert_eq!(ids(&live.items), [session_id(20)]);
    let (signed_out, _) = store.session_by_id(session_id(13)).await.unwrap().unwrap();
    assert_eq!(signed_out.revoked, Some(RevocationCause::SignedOut));
}

pub async fn session_pages_are_stable_under_inserts(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let bob = add_user(&store, 2, "bob@example.com").await;
    add_sessions(&store, &ada, &[10, 20, 30, 40, 50]).await;
    add_sessions(&store, &bob, &[35]).await;
    let limit = PageLimit::new(2).unwrap();
    let page = |after| {
        let store = Arc::clone(&store);
        async move {
            store.sessions_by_user(user_id(1), NOW, PageRequest { limit, after }).await.unwrap()
        }
    };
    let first = page(None).await;
    assert_eq!(ids(&first.items), [session_id(50), session_id(40)]);
    // One is added before, one after the place where the reader is.
    add_sessions(&store, &ada, &[60, 25]).await;
    let second = page(first.next).await;
    assert_eq!(ids(&second.items), [session_id(30), session_id(25)]);
    let third = page(second.next).await;
    assert_eq!(ids(&third.items), [session_id(20), session_id(10)]);
    assert_eq!(third.next, None);
}

pub async fn pruning_forgets_what_is_over_and_nothing_else(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let short = Session { expires_at: UNTIL, ..session(10, &ada) };
    let long = session(11, &ada);
    let mut work = begin(&store).await;
    work.session_insert(&short).await.unwrap();
    work.session_insert(&long).await.unwrap();
    let cause = RevocationCause::SignedOut;
    work.session_revoke(long.id, ada.id, cause, NOW, UNTIL).await.unwrap();
    work.commit().await.unwrap();

    let prune = |now, limit| {
        let store = Arc::clone(&store);
        async move {
            let mut work = begin(&store).await;
            let rows = work.sessions_prune(now, limit).await.unwrap();
            work.commit().await.unwrap();
            rows
        }
    };
    assert_eq!(prune(UNTIL - Duration::MICROSECOND, 10).await, 0);
    // At `UNTIL` the short session and the revocation are over; the revoked session is kept until it
    // would have expired, because a reused token of it must still be recognised.
    assert_eq!(prune(UNTIL, 10).await, 2);
    assert_eq!(store.session_by_id(short.id).await.unwrap(), None);
    let (kept, _) = store.session_by_id(long.id).await.unwrap().unwrap();
    assert_eq!(kept.revoked, Some(cause));
    assert_eq!(told(&store).await, []);
}

pub async fn pruning_takes_no_more_at_once_than_told(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_sessions(&store, &ada, &[10, 11, 12, 13, 14]).await;
    let end = session(10, &ada).expires_at;
    for expected in [2, 2, 1, 0] {
        let mut work = begin(&store).await;
        assert_eq!(work.sessions_prune(end, 2).await.unwrap(), expected);
        work.commit().await.unwrap();
    }
}

fn ids(sessions: &[Session]) -> Vec<SessionId> {
    sessions.iter().map(|session| session.id).collect()
}
