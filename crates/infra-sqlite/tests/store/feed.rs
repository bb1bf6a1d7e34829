//! The revocation feed, over several processes.

use std::time::Duration;

use doorward_domain::{
    ports::{FeedCursor, RevocationFeed, Store},
    session::RevocationCause,
};
use doorward_infra_sqlite::{SqliteStore, testing::TestDatabase};
use tokio::time::timeout;

use doorward_testkit::fixture::{LATER, NOW, register, session, sign_in, user};

const PATIENCE: Duration = Duration::from_secs(10);

async fn revoke(store: &SqliteStore, number: u128) {
    let session = session(number, &user(number));
    let mut work = store.begin().await.unwrap();
    let cause = RevocationCause::Revoked;
    let ended = work.session_revoke(session.id, session.user_id, cause, NOW, LATER).await;
    assert!(ended.unwrap());
    work.commit().await.unwrap();
}

#[tokio::test]
async fn a_revocation_by_another_process_is_noticed() {
    let database = TestDatabase::create().await;
    let (server, command_line) = (database.store().await, database.store().await);
    register(&server, &user(1)).await.unwrap();
    sign_in(&server, &session(1, &user(1))).await.unwrap();
    // The first one says that the file is watched from now on.
    timeout(PATIENCE, server.revocation_hint()).await.unwrap();
    let nothing_new = timeout(Duration::from_millis(600), server.revocation_hint()).await;
    assert!(nothing_new.is_err());

    revoke(&command_line, 1).await;
    timeout(PATIENCE, server.revocation_hint()).await.unwrap();
    let (seen, cursor) = server.revocations_since(FeedCursor::default()).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert!(server.revocations_since(cursor).await.unwrap().0.is_empty());
    database.drop().await;
}

#[tokio::test]
async fn a_revocation_of_this_process_is_told_at_once() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    register(&store, &user(1)).await.unwrap();
    sign_in(&store, &session(1, &user(1))).await.unwrap();
    revoke(&store, 1).await;
    // Kept for whoever asks next.
    timeout(PATIENCE, store.revocation_hint()).await.unwrap();
    database.drop().await;
}
