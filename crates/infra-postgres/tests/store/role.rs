//! Roles that one instance deletes, or takes from administrators, while another gives or takes them.

use std::{slice, sync::Arc, time::Duration};

use doorward_domain::{
    Role, RoleName,
    ports::{Constraint, RoleQueries, Store, StoreError, UserQueries},
    role::RoleDescription,
};
use doorward_infra_postgres::{PostgresStore, testing::TestDatabase};
use doorward_testkit::fixture::{NOW, register, user};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

async fn wait_until_one_waits_for_a_lock(database: &TestDatabase) {
    let mut observer = PgConnection::connect(&database.url()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&mut observer)
        .await
        .unwrap();
        if waiting > 0 {
            break;
        }
        assert!(Instant::now() < deadline, "nobody waits");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A store with user 1 and the role `support`, which nobody has.
async fn with_role(database: &TestDatabase) -> (Arc<PostgresStore>, RoleName) {
    let store = database.store().await;
    register(&store, &user(1)).await.unwrap();
    let name = RoleName::parse("support").unwrap();
    let (description, permissions) = (RoleDescription::default(), [].into());
    let mut work = store.begin().await.unwrap();
    work.role_put(&Role { name: name.clone(), description, permissions }, NOW).await.unwrap();
    work.commit().await.unwrap();
    (Arc::new(store), name)
}

#[tokio::test]
async fn who_deletes_a_role_waits_for_who_gives_it() {
    let database = TestDatabase::create().await;
    let (store, support) = with_role(&database).await;
    let mut giving = store.begin().await.unwrap();
    giving.user_set_roles(user(1).id, slice::from_ref(&support), NOW).await.unwrap();
    let deletion = tokio::spawn({
        let (store, support) = (Arc::clone(&store), support.clone());
        async move {
            let mut deleting = store.begin().await.unwrap();
            assert!(deleting.role_delete(&support, NOW).await.unwrap());
            deleting.commit().await.unwrap();
        }
    });
    wait_until_one_waits_for_a_lock(&database).await;
    giving.commit().await.unwrap();
    deletion.await.unwrap();
    assert_eq!(store.user_by_id(user(1).id).await.unwrap().unwrap().roles, []);
    assert_eq!(store.roles().await.unwrap().len(), 2);
    database.drop().await;
}

#[tokio::test]
async fn who_gives_a_role_that_is_being_deleted_is_told_that_it_is_unknown() {
    let database = TestDatabase::create().await;
    let (store, support) = with_role(&database).await;
    let mut deleting = store.begin().await.unwrap();
    assert!(deleting.role_delete(&support, NOW).await.unwrap());
    let gift = tokio::spawn({
        let (store, support) = (Arc::clone(&store), support.clone());
        async move {
            let mut giving = store.begin().await.unwrap();
            let refused = giving.user_set_roles(user(1).id, &[support], NOW).await;
            assert!(
                matches!(refused, Err(StoreError::Conflict(Constraint::RoleUnknown))),
                "{refused:?}"
            );
            giving.user_set_roles(user(1).id, &[RoleName::user()], NOW).await.unwrap();
            giving.commit().await.unwrap();
        }
    });
    wait_until_one_waits_for_a_lock(&database).await;
    deleting.commit().await.unwrap();
    gift.await.unwrap();
    let roles = store.user_by_id(user(1).id).await.unwrap().unwrap().roles;
    assert_eq!(roles, [RoleName::user()]);
    database.drop().await;
}

#[tokio::test]
async fn who_counts_administrators_waits_for_who_counted_before() {
    let database = TestDatabase::create().await;
    let (store, _) = with_role(&database).await;
    register(&*store, &user(2)).await.unwrap();
    let mut first = store.begin().await.unwrap();
    first.user_lock(user(1).id).await.unwrap();
    assert_eq!(first.user_count_admins().await.unwrap(), 2);
    let second = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut second = store.begin().await.unwrap();
            second.user_lock(user(2).id).await.unwrap();
            second.user_count_admins().await.unwrap()
        }
    });
    wait_until_one_waits_for_a_lock(&database).await;
    first.user_set_roles(user(1).id, &[RoleName::user()], NOW).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), 1);
    database.drop().await;
}

#[tokio::test]
async fn administrators_are_made_while_they_are_counted() {
    let database = TestDatabase::create().await;
    let (store, _) = with_role(&database).await;
    let mut counting = store.begin().await.unwrap();
    assert_eq!(counting.user_count_admins().await.unwrap(), 1);
    // It does not wait.
    register(&*store, &user(2)).await.unwrap();
    counting.commit().await.unwrap();
    database.drop().await;
}
