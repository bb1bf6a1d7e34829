//! Bringing the tables up to date.

use doorward_domain::{
    PageLimit, PageRequest, SearchPrefix, UserFilter,
    ports::{Store, UserQueries},
};
use doorward_infra_postgres::{MigrateError, testing::TestDatabase};
use doorward_testkit::fixture::{register, user};
use sqlx::{Connection, Executor, PgConnection};

#[tokio::test]
async fn of_two_instances_that_start_at_once_one_migrates() {
    let database = TestDatabase::create_empty().await;
    let (one, other) = (database.store().await, database.store().await);
    let known = one.pending().await.unwrap();
    assert_eq!(known.first().map(String::as_str), Some("0001_account_core"));

    let (by_one, by_other) = tokio::join!(one.migrate(), other.migrate());
    let (by_one, by_other) = (by_one.unwrap(), by_other.unwrap());
    assert!(by_one.is_empty() != by_other.is_empty());
    assert_eq!([by_one, by_other].concat(), known);

    assert!(one.pending().await.unwrap().is_empty());
    register(&other, &user(1)).await.unwrap();
    database.drop().await;
}

#[tokio::test]
async fn a_migration_that_was_changed_is_named() {
    let database = TestDatabase::create().await;
    let mut operator = PgConnection::connect(&database.url()).await.unwrap();
    operator
        .execute("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1")
        .await
        .unwrap();
    let store = database.store().await;
    for refused in [store.migrate().await, store.pending().await] {
        let Err(MigrateError::Changed { name }) = refused else { panic!("{refused:?}") };
        assert_eq!(name, "0001_account_core");
    }
    database.drop().await;
}

#[tokio::test]
async fn an_older_program_accepts_a_newer_database() {
    let database = TestDatabase::create().await;
    let mut operator = PgConnection::connect(&database.url()).await.unwrap();
    operator
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'from the future', true, '\\x00', 0)",
        )
        .await
        .unwrap();
    let store = database.store().await;
    assert!(store.pending().await.unwrap().is_empty());
    assert!(store.migrate().await.unwrap().is_empty());
    database.drop().await;
}

#[tokio::test]
async fn users_whose_names_an_older_program_wrote_are_listed_once() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    for number in 1..=3 {
        register(&store, &user(number)).await.unwrap();
    }
    let mut operator = PgConnection::connect(&database.url()).await.unwrap();
    // It leaves the default, so they are found by their addresses and not by their names.
    operator.execute("UPDATE users SET name_folded = ''").await.unwrap();
    let filter = UserFilter { prefix: SearchPrefix::parse("ada").ok(), ..UserFilter::default() };
    let mut request = PageRequest { limit: PageLimit::new(1).unwrap(), after: None };
    for number in 1..=3 {
        let page = store.users(&filter, &request).await.unwrap();
        assert_eq!(page.items, [user(number)]);
        request.after = page.next;
    }
    assert_eq!(request.after, None);
    database.drop().await;
}

#[tokio::test]
async fn an_administrator_whom_an_older_program_disabled_does_not_count() {
    let database = TestDatabase::create().await;
    let store = database.store().await;
    for number in 1..=2 {
        register(&store, &user(number)).await.unwrap();
    }
    let mut operator = PgConnection::connect(&database.url()).await.unwrap();
    operator
        .execute("UPDATE users SET status = 'disabled' WHERE email_canonical = 'ada2@example.com'")
        .await
        .unwrap();
    let mut work = store.begin().await.unwrap();
    assert_eq!(work.user_count_admins().await.unwrap(), 1);
    drop(work);
    database.drop().await;
}
