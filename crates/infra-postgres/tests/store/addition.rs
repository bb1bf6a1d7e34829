//! What a unit of work only adds is sent late, and nobody can tell.

use doorward_domain::{
    AuditAction, AuditEvent, AuditFilter, JobFilter, JobKind, JobPayload, NewJob, Origin,
    PageRequest,
    ports::{JobQueries, Store, StoreError},
};
use doorward_infra_postgres::{PostgresStore, testing::TestDatabase};
use doorward_testkit::{
    CountingEntropy,
    fixture::{NOW, give_up_after},
};
use sqlx::{Connection, PgConnection};

fn job(entropy: &CountingEntropy) -> NewJob {
    let (kind, payload) = (JobKind::parse("test").unwrap(), JobPayload::new("1".into()).unwrap());
    NewJob::new(kind, payload, NOW, entropy)
}

fn event(entropy: &CountingEntropy) -> AuditEvent {
    AuditEvent::new(AuditAction::LoginFailed, &Origin::default(), NOW, entropy)
}

/// A store with one job.
async fn with_job(database: &TestDatabase, job: &NewJob) -> PostgresStore {
    let store = database.store().await;
    let mut work = store.begin().await.unwrap();
    work.job_enqueue(job).await.unwrap();
    work.commit().await.unwrap();
    store
}

/// How many events and jobs there are.
async fn added(store: &PostgresStore) -> (usize, usize) {
    let store: &dyn Store = store;
    let events = store.audit_events(&AuditFilter::default(), PageRequest::default()).await;
    let jobs = store.jobs(&JobFilter::default(), PageRequest::default()).await;
    (events.unwrap().items.len(), jobs.unwrap().items.len())
}

#[tokio::test]
async fn additions_take_effect_with_the_commit_and_not_without() {
    let database = TestDatabase::create().await;
    let (store, entropy) = (database.store().await, CountingEntropy::default());
    for (adds_event, adds_job, ends, expected) in [
        (true, true, "dropped", (0, 0)),
        (true, false, "committed", (1, 0)),
        (false, true, "committed", (1, 1)),
        (true, true, "committed", (2, 2)),
        (false, false, "committed", (2, 2)),
    ] {
        let mut work = store.begin().await.unwrap();
        if adds_event {
            work.audit_append(&event(&entropy)).await.unwrap();
        }
        if adds_job {
            assert!(work.job_enqueue(&job(&entropy)).await.unwrap());
        }
        if ends == "committed" {
            work.commit().await.unwrap();
        } else {
            drop(work);
        }
        assert_eq!(added(&store).await, expected);
    }
    database.drop().await;
}

#[tokio::test]
async fn an_addition_alone_needs_no_transaction_of_its_own() {
    let database = TestDatabase::create().await;
    let (store, entropy) = (database.store().await, CountingEntropy::default());
    let mut observer = PgConnection::connect(&database.url()).await.unwrap();
    let mut work = store.begin().await.unwrap();
    work.job_enqueue(&job(&entropy)).await.unwrap();
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    .fetch_one(&mut observer)
    .await
    .unwrap();
    assert_eq!(open, 0);
    work.commit().await.unwrap();
    // Asked before anything else overwrites what the connection did last.
    let commits: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND query ILIKE 'COMMIT%'",
    )
    .fetch_one(&mut observer)
    .await
    .unwrap();
    assert_eq!(commits, 0);
    assert_eq!(added(&store).await, (0, 1));
    drop(observer);
    database.drop().await;
}

#[tokio::test]
async fn a_later_statement_sees_what_was_added() {
    let database = TestDatabase::create().await;
    let (store, entropy) = (database.store().await, CountingEntropy::default());
    let job = job(&entropy);
    let mut work = store.begin().await.unwrap();
    assert!(work.job_enqueue(&job).await.unwrap());
    assert!(work.job_delete(job.id).await.unwrap());
    work.audit_append(&event(&entropy)).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(added(&store).await, (1, 0));
    assert!(store.job_by_id(job.id).await.unwrap().is_none());
    database.drop().await;
}

#[tokio::test]
async fn an_addition_that_fails_takes_everything_with_it() {
    let database = TestDatabase::create().await;
    let entropy = CountingEntropy::default();
    let known = job(&entropy);
    let store = with_job(&database, &known).await;

    let mut work = store.begin().await.unwrap();
    work.audit_append(&event(&entropy)).await.unwrap();
    work.job_enqueue(&known).await.unwrap();
    work.commit().await.unwrap_err();
    assert_eq!(added(&store).await, (0, 1));

    // The next statement tells as well, and nothing can follow it, inside of a transaction or not.
    let mut work = store.begin().await.unwrap();
    work.job_enqueue(&known).await.unwrap();
    work.job_delete(known.id).await.unwrap_err();
    let refused = work.job_delete(known.id).await;
    assert!(matches!(refused, Err(StoreError::Backend(_))), "{refused:?}");
    work.commit().await.unwrap_err();
    assert_eq!(added(&store).await, (0, 1));
    database.drop().await;
}

#[tokio::test]
async fn nothing_follows_a_statement_that_was_given_up() {
    let database = TestDatabase::create().await;
    let entropy = CountingEntropy::default();
    let known = job(&entropy);
    let store = with_job(&database, &known).await;

    // However soon the server answers, no write to the jobs is carried through.
    let mut other = PgConnection::connect(&database.url()).await.unwrap();
    let mut holding = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE jobs IN EXCLUSIVE MODE").execute(&mut *holding).await.unwrap();

    // What may or may not have been sent is `BEGIN`. Outside of a transaction the job would be gone.
    let mut work = store.begin().await.unwrap();
    assert!(give_up_after(1, work.job_delete(known.id)).await.is_none());
    work.job_delete(known.id).await.unwrap_err();
    work.commit().await.unwrap_err();

    // The first addition is sent because there is a second one.
    let mut work = store.begin().await.unwrap();
    work.job_enqueue(&job(&entropy)).await.unwrap();
    assert!(give_up_after(1, work.job_enqueue(&job(&entropy))).await.is_none());
    work.job_enqueue(&job(&entropy)).await.unwrap_err();
    work.commit().await.unwrap_err();

    holding.commit().await.unwrap();
    drop(other);
    assert_eq!(added(&store).await, (0, 1));
    database.drop().await;
}
