//! Units of work that are dropped at any point leave no transaction open and no half-done work.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use doorward_domain::ports::{Store, UserQueries};
use doorward_infra_sqlite::{
    SqlitePath, SqliteSettings, SqliteStore, Workload, testing::TestDatabase,
};
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use doorward_testkit::fixture::{give_up_after, register, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_of_work_may_be_dropped_at_any_point() {
    const TASKS: u128 = 300;
    let database = TestDatabase::create().await;
    let store = Arc::new(database.store().await);

    // Each task is dropped a poll later than the one before it, over and over.
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let store = Arc::clone(&store);
            let polls = usize::try_from(number % 20).unwrap();
            tokio::spawn(give_up_after(polls, async move {
                register(&*store, &user(number)).await.unwrap();
                number
            }))
        })
        .collect();
    let mut acknowledged = BTreeSet::new();
    for task in tasks {
        acknowledged.extend(task.await.unwrap());
    }
    assert!(!acknowledged.is_empty() && acknowledged.len() < 300, "{}", acknowledged.len());
    for number in TASKS..TASKS + 20 {
        register(&*store, &user(number)).await.unwrap();
        acknowledged.insert(number);
    }

    let mut observer = SqliteConnection::connect(&database.url()).await.unwrap();
    let seen: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM users").fetch_all(&mut observer).await.unwrap();
    let seen: BTreeSet<u128> = seen.into_iter().map(|id| id.as_u128()).collect();
    assert!(acknowledged.is_subset(&seen), "an acknowledged write is lost");
    let halves: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM users LEFT JOIN credentials ON user_id = id WHERE user_id IS NULL",
    )
    .fetch_one(&mut observer)
    .await
    .unwrap();
    assert_eq!(halves, 0);
    assert_eq!(store.inconsistencies().await.unwrap(), Vec::<String>::new());
    database.drop().await;
}

#[tokio::test]
async fn the_write_lock_is_free_again_wherever_a_unit_of_work_was_dropped() {
    let database = TestDatabase::create().await;
    let (store, other) = (database.store().await, database.store().await);
    for number in 0..60 {
        let polls = usize::try_from(number % 15).unwrap();
        let newcomer = user(number);
        give_up_after(polls, register(&store, &newcomer)).await;
        // Another process is not in the queue of the pool.
        register(&other, &user(1_000 + number)).await.unwrap();
    }
    database.drop().await;
}

#[tokio::test]
async fn a_database_in_memory_survives_callers_that_give_up() {
    let store = SqliteStore::open(SqliteSettings {
        path: SqlitePath::Memory,
        max_connections: 4,
        acquire_timeout: Duration::from_secs(10),
        busy_timeout: Duration::from_secs(5),
        workload: Workload::Serving,
    })
    .await
    .unwrap();
    store.migrate().await.unwrap();
    register(&store, &user(1)).await.unwrap();
    for polls in (0..12).cycle().take(120) {
        give_up_after(polls, store.user_by_id(user(1).id)).await;
        give_up_after(polls, register(&store, &user(2))).await;
    }
    assert!(store.user_by_id(user(1).id).await.unwrap().is_some());
}
