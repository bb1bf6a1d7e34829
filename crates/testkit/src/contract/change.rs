use std::{collections::HashSet, sync::Arc};

use doorward_domain::{
    Revocation, RoleName, UserStatus,
    ports::{CHANGE_KEPT_FOR, Change, FeedCursor, Store},
    session::RevocationCause,
};
use time::Duration;

use super::samples::{
    NOW, UNTIL, add_role, add_sessions, add_user, at_once, begin, in_time, role, role_name,
    session_id, told, user_id,
};

pub async fn the_feed_tells_each_committed_revocation(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_sessions(&store, &ada, &[10, 11, 12]).await;
    let (none, start) = store.changes_since(FeedCursor::default()).await.unwrap();
    assert_eq!(none, []);
    revoke(&store, 10).await;
    let (first, cursor) = store.changes_since(start).await.unwrap();
    assert_eq!(first, [revoked(10)]);
    revoke(&store, 11).await;
    revoke(&store, 12).await;
    // At least once: what was told before may be told again.
    let (more, cursor) = store.changes_since(cursor).await.unwrap();
    let told: HashSet<_> = more.iter().copied().collect();
    assert!(told.is_superset(&HashSet::from([revoked(11), revoked(12)])));
    let (all, _) = store.changes_since(FeedCursor::default()).await.unwrap();
    assert_eq!(all.len(), 3);
    let (later, _) = store.changes_since(cursor).await.unwrap();
    assert!(later.len() <= more.len());
}

pub async fn the_feed_survives_the_user(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_sessions(&store, &ada, &[10]).await;
    let mut work = begin(&store).await;
    work.sessions_revoke(ada.id, None, RevocationCause::Revoked, NOW, UNTIL).await.unwrap();
    work.user_delete(ada.id).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(told(&store).await, [revoked(10)]);
}

pub async fn the_feed_misses_nothing_under_concurrency(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let numbers: Vec<u128> = (100..140).collect();
    add_sessions(&store, &ada, &numbers).await;
    let reader = tokio::spawn({
        let store = Arc::clone(&store);
        let wanted = numbers.len();
        async move {
            let (mut cursor, mut told) = (FeedCursor::default(), HashSet::new());
            while told.len() < wanted {
                let (news, next) = store.changes_since(cursor).await.unwrap();
                told.extend(news);
                cursor = next;
                tokio::task::yield_now().await;
            }
        }
    });
    at_once(numbers.len(), |index| {
        let store = Arc::clone(&store);
        async move { revoke(&store, 100 + index as u128).await }
    })
    .await;
    in_time(reader).await.unwrap();
}

pub async fn a_hint_follows_a_revocation(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_sessions(&store, &ada, &[10]).await;
    // The hint may come at any time; what counts is that one comes when there is something to read.
    let reader = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut cursor = FeedCursor::default();
            loop {
                let hint = store.change_hint();
                tokio::pin!(hint);
                let (news, next) = store.changes_since(cursor).await.unwrap();
                if !news.is_empty() {
                    return;
                }
                cursor = next;
                tokio::select! {
                    () = &mut hint => {}
                    // The double keeps no hint for a reader that was not waiting yet.
                    () = tokio::time::sleep(std::time::Duration::from_secs(2)) => {}
                }
            }
        }
    });
    revoke(&store, 10).await;
    in_time(reader).await.unwrap();
}

pub async fn the_feed_tells_changes_of_users_and_roles(store: Arc<dyn Store>) {
    add_user(&store, 1, "ada@example.com").await;
    add_user(&store, 2, "bob@example.com").await;
    assert_eq!(told(&store).await, [], "nobody keeps anything of a new user in memory");
    let support = role("support", &["users:read"]);
    let (ada, bob) = (Change::User(user_id(1)), Change::User(user_id(2)));

    let mut work = begin(&store).await;
    work.role_put(&support, NOW).await.unwrap();
    work.user_set_roles(user_id(1), &[RoleName::user()], NOW).await.unwrap();
    drop(work);
    assert_eq!(told(&store).await, [], "a dropped unit of work is not told of");

    let mut work = begin(&store).await;
    work.user_set_roles(user_id(1), &[RoleName::user()], NOW).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(told(&store).await, [ada]);
    let mut work = begin(&store).await;
    work.user_set_status(user_id(2), UserStatus::Disabled, NOW).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(told(&store).await.into_iter().collect::<HashSet<_>>(), HashSet::from([ada, bob]));

    for count in 1..=2 {
        let mut work = begin(&store).await;
        work.role_put(&support, NOW).await.unwrap();
        work.commit().await.unwrap();
        assert_eq!(times_roles(&store).await, count, "made, then replaced");
    }
    let mut work = begin(&store).await;
    assert!(work.role_delete(&support.name, NOW).await.unwrap());
    work.commit().await.unwrap();
    assert_eq!(times_roles(&store).await, 3);
}

pub async fn what_changes_nothing_is_not_told(store: Arc<dyn Store>) {
    let mut work = begin(&store).await;
    let nobody = user_id(9);
    assert_eq!(work.user_set_status(nobody, UserStatus::Disabled, NOW).await.unwrap(), None);
    assert_eq!(work.user_set_roles(nobody, &[RoleName::user()], NOW).await.unwrap(), None);
    assert!(!work.role_delete(&role_name("support"), NOW).await.unwrap());
    work.commit().await.unwrap();
    assert_eq!(told(&store).await, []);
}

pub async fn changes_are_forgotten_when_they_are_over(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_sessions(&store, &ada, &[10]).await;
    add_role(&store, "support").await;
    let mut work = begin(&store).await;
    work.user_set_roles(ada.id, &[], NOW).await.unwrap();
    work.commit().await.unwrap();
    revoke(&store, 10).await;

    let over = NOW + CHANGE_KEPT_FOR;
    let kept = [Change::Roles, Change::User(ada.id)];
    for (now, limit, forgotten) in [
        (UNTIL - Duration::MICROSECOND, 10, 0),
        (UNTIL, 10, 1),
        (over - Duration::MICROSECOND, 10, 0),
    ] {
        assert_eq!(prune(&store, now, limit).await, forgotten);
    }
    assert_eq!(told(&store).await.into_iter().collect::<HashSet<_>>(), HashSet::from(kept));
    for forgotten in [1, 1, 0] {
        assert_eq!(prune(&store, over, 1).await, forgotten);
    }
    assert_eq!(told(&store).await, []);
}

fn revoked(number: u128) -> Change {
    Change::Revoked(Revocation { session_id: session_id(number), until: UNTIL })
}

async fn times_roles(store: &Arc<dyn Store>) -> usize {
    told(store).await.into_iter().filter(|change| *change == Change::Roles).count()
}

async fn prune(store: &Arc<dyn Store>, now: doorward_domain::Timestamp, limit: u32) -> u64 {
    let mut work = begin(store).await;
    let forgotten = work.sessions_prune(now, limit).await.unwrap();
    work.commit().await.unwrap();
    forgotten
}

async fn revoke(store: &Arc<dyn Store>, number: u128) {
    let mut work = begin(store).await;
    let cause = RevocationCause::Revoked;
    let id = session_id(number);
    assert!(work.session_revoke(id, user_id(1), cause, NOW, UNTIL).await.unwrap());
    work.commit().await.unwrap();
}
