//! The feed of changes, over several processes.

use std::time::Duration;

use doorward_domain::{
    Role, RoleName, UserStatus,
    ports::{ChangeFeed, FeedCursor, Store},
    role::RoleDescription,
    session::RevocationCause,
};
use doorward_infra_sqlite::{
    SqlitePath, SqliteSettings, SqliteStore, Workload, testing::TestDatabase,
};
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
    timeout(PATIENCE, server.change_hint()).await.unwrap();
    let nothing_new = timeout(Duration::from_millis(600), server.change_hint()).await;
    assert!(nothing_new.is_err());

    revoke(&command_line, 1).await;
    timeout(PATIENCE, server.change_hint()).await.unwrap();
    let (seen, cursor) = server.changes_since(FeedCursor::default()).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert!(server.changes_since(cursor).await.unwrap().0.is_empty());
    database.drop().await;
}

#[tokio::test]
async fn a_change_of_this_process_is_told_at_once() {
    // In memory, where there is no file whose watcher would tell as well.
    let store = SqliteStore::open(SqliteSettings {
        path: SqlitePath::Memory,
        max_connections: 1,
        acquire_timeout: PATIENCE,
        busy_timeout: PATIENCE,
        workload: Workload::Serving,
    })
    .await
    .unwrap();
    store.migrate().await.unwrap();
    let user = user(1);
    register(&store, &user).await.unwrap();
    sign_in(&store, &session(1, &user)).await.unwrap();
    assert!(timeout(Duration::from_millis(50), store.change_hint()).await.is_err());
    revoke(&store, 1).await;
    // Kept for whoever asks next.
    timeout(PATIENCE, store.change_hint()).await.unwrap();

    let name = RoleName::parse("support").unwrap();
    let (description, permissions) = (RoleDescription::default(), [].into());
    let support = Role { name, description, permissions };
    for step in 0..4 {
        let mut work = store.begin().await.unwrap();
        match step {
            0 => assert!(work.role_put(&support, NOW).await.unwrap()),
            1 => assert!(work.user_set_roles(user.id, &[], NOW).await.unwrap().is_some()),
            2 => {
                let status = UserStatus::Disabled;
                assert!(work.user_set_status(user.id, status, NOW).await.unwrap().is_some());
            }
            _ => assert!(work.role_delete(&support.name, NOW).await.unwrap()),
        }
        work.commit().await.unwrap();
        timeout(PATIENCE, store.change_hint()).await.expect("a hint follows each change");
    }
}
