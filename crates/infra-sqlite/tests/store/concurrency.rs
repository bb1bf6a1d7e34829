//! One writes, many read.

use std::{sync::Arc, time::Duration};

use doorward_domain::ports::{Store, StoreError, UserQueries};
use doorward_infra_sqlite::{
    SqlitePath, SqliteSettings, SqliteStore, Workload, testing::TestDatabase,
};
use tokio::time::timeout;

use doorward_testkit::fixture::{register, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_wait_for_each_other() {
    let database = TestDatabase::create().await;
    let store = Arc::new(database.store().await);
    let writers: Vec<_> = (0..64)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { register(&*store, &user(number)).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    for number in 0..64 {
        assert!(store.user_by_id(user(number).id).await.unwrap().is_some());
    }
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_two_processes_wait_for_each_other() {
    let database = TestDatabase::create().await;
    let stores = [Arc::new(database.store().await), Arc::new(database.store().await)];
    let writers: Vec<_> = (0..64)
        .map(|number| {
            let store = Arc::clone(&stores[number % 2]);
            let newcomer = user(u128::try_from(number).unwrap());
            tokio::spawn(async move { register(&*store, &newcomer).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    database.drop().await;
}

#[tokio::test]
async fn reads_go_on_beside_a_writer() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    let mut work = store.begin().await.unwrap();
    work.user_insert(&user(1)).await.unwrap();
    let seen = timeout(Duration::from_secs(5), store.user_exists()).await.unwrap();
    assert!(!seen.unwrap(), "what is not committed is not seen");
    work.commit().await.unwrap();
    assert!(store.user_exists().await.unwrap());
    database.drop().await;
}

#[tokio::test]
async fn who_waits_too_long_is_told_busy() {
    let database = TestDatabase::create().await;
    let store = SqliteStore::open(SqliteSettings {
        path: SqlitePath::File(database.path()),
        max_connections: 1,
        acquire_timeout: Duration::from_millis(100),
        busy_timeout: Duration::from_secs(5),
        workload: Workload::Serving,
    })
    .await
    .unwrap();
    let held = store.begin().await.unwrap();
    let refused = store.begin().await.map(|_| ());
    assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    drop(held);
    database.drop().await;
}
