//! The feed of changes, over several instances.

use std::time::Duration;

use doorward_domain::{
    Role, RoleName, Session, SessionId, User, UserStatus,
    ports::{Change, ChangeFeed, FeedCursor, Store, UnitOfWork},
    role::RoleDescription,
    session::RevocationCause,
};
use doorward_infra_postgres::{PostgresStore, testing::TestDatabase};
use doorward_testkit::fixture::{LATER, NOW, register, session, sign_in, user};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(10);

async fn signed_in(store: &PostgresStore, number: u128) -> (User, Session) {
    let user = user(number);
    let session = session(number, &user);
    register(store, &user).await.unwrap();
    sign_in(store, &session).await.unwrap();
    (user, session)
}

async fn revoke(work: &mut dyn UnitOfWork, session: &Session) {
    let cause = RevocationCause::Revoked;
    assert!(work.session_revoke(session.id, session.user_id, cause, NOW, LATER).await.unwrap());
}

async fn ids_since(store: &PostgresStore, cursor: FeedCursor) -> (Vec<SessionId>, FeedCursor) {
    let (changes, cursor) = store.changes_since(cursor).await.unwrap();
    let ids = changes.into_iter().map(|change| match change {
        Change::Revoked(revocation) => revocation.session_id,
        other => panic!("nobody made {other:?}"),
    });
    (ids.collect(), cursor)
}

#[tokio::test]
async fn a_slow_transaction_is_not_missed_behind_a_fast_one() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    let (_, first) = signed_in(&store, 1).await;
    let (_, second) = signed_in(&store, 2).await;

    let mut slow = store.begin().await.unwrap();
    revoke(&mut *slow, &first).await;
    let mut fast = store.begin().await.unwrap();
    revoke(&mut *fast, &second).await;
    fast.commit().await.unwrap();

    let (seen, cursor) = ids_since(&store, FeedCursor::default()).await;
    assert_eq!(seen, [second.id]);
    slow.commit().await.unwrap();
    let (seen, mut cursor) = ids_since(&store, cursor).await;
    assert!(seen.contains(&first.id));

    // Nothing is read for ever. Transactions of other databases on the server count as well, so this
    // may take until those that run now are over.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (again, next) = ids_since(&store, cursor).await;
        if again.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "the cursor stays behind");
        cursor = next;
        sleep(Duration::from_millis(50)).await;
    }
    database.drop().await;
}

#[tokio::test]
async fn a_transaction_that_begins_before_and_revokes_after_a_reading_is_not_missed() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    let (_, session) = signed_in(&store, 1).await;
    let mut work = store.begin().await.unwrap();
    // The transaction begins with its first statement.
    assert!(work.user_lock(user(9).id).await.unwrap().is_none());
    let (_, cursor) = ids_since(&store, FeedCursor::default()).await;
    revoke(&mut *work, &session).await;
    work.commit().await.unwrap();
    assert_eq!(ids_since(&store, cursor).await.0, [session.id]);
    database.drop().await;
}

#[tokio::test]
async fn another_instance_gets_a_hint() {
    let database = TestDatabase::create().await;
    let (here, there) = (database.store().await, database.store().await);
    let (_, session) = signed_in(&here, 1).await;
    // The first one says that it listens from now on.
    timeout(PATIENCE, there.change_hint()).await.unwrap();
    let nothing_new = timeout(Duration::from_millis(300), there.change_hint()).await;
    assert!(nothing_new.is_err());

    let mut work = here.begin().await.unwrap();
    revoke(&mut *work, &session).await;
    work.commit().await.unwrap();
    timeout(PATIENCE, there.change_hint()).await.unwrap();
    assert_eq!(ids_since(&there, FeedCursor::default()).await.0, [session.id]);

    let user = session.user_id;
    let name = RoleName::parse("support").unwrap();
    let (description, permissions) = (RoleDescription::default(), [].into());
    let support = Role { name, description, permissions };
    for step in 0..4 {
        let mut work = here.begin().await.unwrap();
        match step {
            0 => assert!(work.role_put(&support, NOW).await.unwrap()),
            1 => assert!(work.user_set_roles(user, &[], NOW).await.unwrap().is_some()),
            2 => {
                let status = UserStatus::Disabled;
                assert!(work.user_set_status(user, status, NOW).await.unwrap().is_some());
            }
            _ => assert!(work.role_delete(&support.name, NOW).await.unwrap()),
        }
        work.commit().await.unwrap();
        timeout(PATIENCE, there.change_hint()).await.expect("a hint follows each change");
    }
    database.drop().await;
}

#[tokio::test]
async fn a_lost_listener_comes_back_with_a_hint() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    timeout(PATIENCE, store.change_hint()).await.unwrap();
    let mut operator = PgConnection::connect(&database.url()).await.unwrap();
    let ended: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    )
    .fetch_all(&mut operator)
    .await
    .unwrap();
    assert_eq!(ended, [true]);
    timeout(PATIENCE, store.change_hint()).await.unwrap();
    database.drop().await;
}
