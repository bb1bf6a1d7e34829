//! Units of work that are dropped at any point leave no transaction open and no half-done work.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use doorward_domain::ports::{Store, StoreError, UserQueries};
use doorward_infra_postgres::testing::TestDatabase;
use doorward_testkit::fixture::{NOW, give_up_after, hash, register, user};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

async fn open_transactions(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    .fetch_one(connection)
    .await
    .unwrap()
}

async fn wait_until_none_is_open(connection: &mut PgConnection) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while open_transactions(connection).await > 0 {
        assert!(Instant::now() < deadline, "a transaction stays open");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_of_work_may_be_dropped_at_any_point() {
    const TASKS: u128 = 600;
    const WRITES: u128 = 200;
    let database = TestDatabase::create().await;
    let store = Arc::new(database.store().await);
    let mut observer = PgConnection::connect(&database.url()).await.unwrap();

    // Each task is dropped a poll later than the one before it, over and over.
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let store = Arc::clone(&store);
            let polls = usize::try_from(number % 40).unwrap();
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
    assert!(!acknowledged.is_empty() && acknowledged.len() < 600, "{}", acknowledged.len());

    for number in TASKS..TASKS + WRITES {
        register(&*store, &user(number)).await.unwrap();
        acknowledged.insert(number);
    }
    wait_until_none_is_open(&mut observer).await;

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

    // All four places of the pool can still be used.
    let works =
        [store.begin().await, store.begin().await, store.begin().await, store.begin().await];
    assert!(works.iter().all(Result::is_ok));
    drop((works, observer));
    database.drop().await;
}

#[tokio::test]
async fn no_transaction_stays_open_wherever_its_unit_of_work_was_dropped() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    let mut observer = PgConnection::connect(&database.url()).await.unwrap();
    // One by one, because the next unit of work on the connection would end what was left open.
    for number in 0..100 {
        let polls = usize::try_from(number % 20).unwrap();
        let newcomer = user(number);
        give_up_after(polls, register(&store, &newcomer)).await;
        wait_until_none_is_open(&mut observer).await;
    }
    database.drop().await;
}

#[tokio::test]
async fn a_read_may_be_dropped_at_any_point() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    register(&store, &user(1)).await.unwrap();
    for polls in (0..12).cycle().take(120) {
        give_up_after(polls, store.user_by_id(user(1).id)).await;
        let read = timeout(Duration::from_secs(5), store.user_by_id(user(1).id)).await;
        assert!(read.unwrap().unwrap().is_some());
    }
    database.drop().await;
}

#[tokio::test]
async fn dropping_takes_the_writes_back() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    let mut work = store.begin().await.unwrap();
    work.user_insert(&user(1)).await.unwrap();
    drop(work);
    assert!(!store.user_exists().await.unwrap());
    // The row is not locked either.
    register(&store, &user(1)).await.unwrap();
    database.drop().await;
}

#[test]
fn a_unit_of_work_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (database, work) = runtime.block_on(async {
        let database = TestDatabase::create().await;
        let store = database.store().await;
        let mut work = store.begin().await.unwrap();
        work.user_insert(&user(1)).await.unwrap();
        (database, work)
    });
    drop(work);
    drop(runtime);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut observer = PgConnection::connect(&database.url()).await.unwrap();
        wait_until_none_is_open(&mut observer).await;
        let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
            .fetch_one(&mut observer)
            .await
            .unwrap();
        assert_eq!(users, 0);
        drop(observer);
        database.drop().await;
    });
}

#[tokio::test]
async fn after_a_failed_statement_there_is_no_commit() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    let mut work = store.begin().await.unwrap();
    work.user_insert(&user(1)).await.unwrap();
    // There is no user 2 whose credential it could be.
    let refused = work.credential_insert(user(2).id, &hash(), NOW).await;
    assert!(matches!(refused, Err(StoreError::Backend(_))), "{refused:?}");
    assert!(matches!(work.commit().await, Err(StoreError::Backend(_))));
    assert!(!store.user_exists().await.unwrap());

    // The same when it is not known whether the statement failed: the address may or may not be
    // taken by the first one.
    let mut first = store.begin().await.unwrap();
    first.user_insert(&user(1)).await.unwrap();
    let mut second = store.begin().await.unwrap();
    // Its transaction begins with its first statement.
    assert!(second.user_lock(user(9).id).await.unwrap().is_none());
    give_up_after(1, second.user_insert(&user(1))).await;
    assert!(matches!(second.commit().await, Err(StoreError::Backend(_))));
    drop(first);
    register(&store, &user(1)).await.unwrap();
    database.drop().await;
}
