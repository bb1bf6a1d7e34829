//! What somebody who can write the database does to the audit trail is named.

use std::sync::Arc;

use doorward_app::{
    audit::{self, Verified, VerifyError},
    session::{self, Login, LoginError},
};
use doorward_domain::{
    AuditEventId, AuditFilter, Device, Email, PageRequest, Password, UserId,
    audit::chain::Tampering, ports::Store,
};
use doorward_infra_postgres::testing::TestDatabase;
use doorward_testkit::World;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// A trail of six events under two seals, and one event that is not sealed. The ids are in order.
async fn trail(database: &TestDatabase) -> (World, Vec<AuditEventId>) {
    let store: Arc<dyn Store> = Arc::new(database.store().await);
    let world = World::over(store);
    for sealed in [3, 3, 0] {
        for _ in 0..sealed.max(1) {
            fail_to_sign_in(&world).await;
        }
        if sealed > 0 {
            assert_eq!(audit::seal(&world.ctx).await.unwrap(), sealed);
        }
    }
    let filter = AuditFilter::default();
    let found = world.ctx.store.audit_events(&filter, PageRequest::default()).await.unwrap();
    (world, found.items.iter().rev().map(|event| event.id).collect())
}

/// Each time with another address, or it would be locked out.
async fn fail_to_sign_in(world: &World) {
    let id = UserId::new(world.ctx.clock.now(), world.ctx.entropy.as_ref());
    let command = Login {
        email: Email::parse(&format!("{id}@example.com")).unwrap(),
        password: Password::parse("a wrong password").unwrap(),
        device: Device::default(),
        device_token: None,
    };
    let refused = session::login(&world.ctx, command).await;
    assert!(matches!(refused, Err(LoginError::InvalidCredentials)), "{refused:?}");
}

async fn verify(world: &World) -> Result<Verified, Tampering> {
    match audit::verify(&world.ctx, |_| {}).await {
        Ok(proved) => Ok(proved),
        Err(VerifyError::Tampered(tampering)) => Err(tampering),
        Err(VerifyError::Failed(failure)) => panic!("{failure:?}"),
    }
}

/// Each way in a database of its own: what is done, with `{n}` for the id of an event, and what is said.
#[tokio::test]
async fn whatever_is_done_to_the_rows_is_named() {
    use Tampering::*;
    type Said = fn(&[AuditEventId]) -> Tampering;
    let cases: [(&str, Said); 14] = [
        ("UPDATE audit_events SET ip = '192.0.2.1' WHERE id = {1}", |ids| EventChanged {
            seal: 1,
            event: ids[1],
        }),
        ("UPDATE audit_events SET data = '{}' WHERE id = {4}", |ids| EventChanged {
            seal: 2,
            event: ids[4],
        }),
        ("UPDATE audit_events SET subject_kind = 'user', subject_id = '' WHERE id = {0}", |ids| {
            EventChanged { seal: 1, event: ids[0] }
        }),
        ("DELETE FROM audit_events WHERE id = {2}", |ids| EventRemoved { seal: 1, event: ids[2] }),
        ("UPDATE audit_events SET seal = NULL WHERE id = {3}", |ids| EventRemoved {
            seal: 2,
            event: ids[3],
        }),
        ("UPDATE audit_events SET seal = 1 WHERE id = {6}", |ids| EventPutIn { event: ids[6] }),
        ("UPDATE audit_events SET seal = 9 WHERE id = {6}", |ids| EventPutIn { event: ids[6] }),
        // In another order: each row in the place of the other.
        ("UPDATE audit_events SET seal = 3 - seal WHERE id IN ({2}, {3})", |ids| EventRemoved {
            seal: 1,
            event: ids[2],
        }),
        (
            "UPDATE audit_events SET at = (SELECT max(at) FROM audit_events), request_id = 'x' WHERE id = {5}",
            |ids| EventChanged { seal: 2, event: ids[5] },
        ),
        ("DELETE FROM audit_seals WHERE number = 1", |_| SealMissing { seal: 1 }),
        (
            "UPDATE audit_seals SET at = (SELECT at FROM audit_seals WHERE number = 1) - interval '1 second' WHERE number = 2",
            |_| SealChanged { seal: 2 },
        ),
        ("UPDATE audit_seals SET signature = hash WHERE number = 1", |_| SealForged { seal: 1 }),
        ("UPDATE audit_seals SET signature = hash WHERE number = 2", |_| SealForged { seal: 2 }),
        (
            "INSERT INTO audit_checkpoint (seal, hash, seal_signature, events, at, signature) SELECT number, hash, signature, 3, at, hash FROM audit_seals WHERE number = 1",
            |_| CheckpointForged,
        ),
    ];
    for (statement, said) in cases {
        let database = TestDatabase::create().await;
        let (world, ids) = trail(&database).await;
        let sound = Verified { end: verify(&world).await.unwrap().end, ..Verified::default() };
        let sound = Verified { events: 6, seals: 2, unsealed: 1, ..sound };
        assert_eq!(verify(&world).await, Ok(sound));
        let mut statement = statement.to_owned();
        for (number, id) in ids.iter().enumerate() {
            let id = id.as_uuid().simple().to_string();
            statement = statement.replace(&format!("{{{number}}}"), &format!("'{id}'"));
        }
        let mut intruder = PgConnection::connect(&database.url()).await.unwrap();
        let done = intruder.execute(AssertSqlSafe(statement.clone())).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement}");
        assert_eq!(verify(&world).await, Err(said(&ids)), "{statement}");
        drop(world);
        intruder.close().await.unwrap();
        database.drop().await;
    }
}

/// A transaction that began first and commits last: its event has the smaller id.
#[tokio::test]
async fn an_event_that_becomes_visible_late_is_sealed_with_the_next() {
    let database = TestDatabase::create().await;
    let (world, ids) = trail(&database).await;
    let filter = AuditFilter::default();
    let page = world.ctx.store.audit_events(&filter, PageRequest::default()).await.unwrap();
    let template = page.items.last().unwrap().clone();
    let mut slow = world.ctx.store.begin().await.unwrap();
    let early = AuditEventId::from_uuid(uuid::Uuid::nil());
    slow.audit_append(&doorward_domain::AuditEvent { id: early, ..template }).await.unwrap();
    // Another statement has it sent.
    assert!(slow.user_lock(UserId::from_uuid(uuid::Uuid::nil())).await.unwrap().is_none());
    fail_to_sign_in(&world).await;
    assert_eq!(
        audit::seal(&world.ctx).await.unwrap(),
        2,
        "who seals does not wait for the slow one"
    );
    slow.commit().await.unwrap();
    let before = verify(&world).await.unwrap();
    assert_eq!((before.events, before.unsealed), (ids.len() as u64 + 1, 1));
    assert_eq!(audit::seal(&world.ctx).await.unwrap(), 1);
    let after = verify(&world).await.unwrap();
    assert_eq!((after.events, after.unsealed), (ids.len() as u64 + 2, 0));
    drop(world);
    database.drop().await;
}

/// While one instance seals, another finds that it need not, and whoever writes is not kept waiting.
#[tokio::test]
async fn one_instance_seals_at_a_time_and_writers_do_not_wait() {
    let database = TestDatabase::create().await;
    let (world, _) = trail(&database).await;
    let mut sealing = world.ctx.store.begin().await.unwrap();
    assert!(sealing.audit_chain_hold().await.unwrap().is_some());
    sealing.audit_unsealed(10).await.unwrap();
    fail_to_sign_in(&world).await;
    assert_eq!(audit::seal(&world.ctx).await.unwrap(), 0);
    drop(sealing);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while audit::seal(&world.ctx).await.unwrap() == 0 {
        assert!(tokio::time::Instant::now() < deadline, "the chain is never let go");
        tokio::task::yield_now().await;
    }
    assert_eq!(verify(&world).await.unwrap().unsealed, 0);
    drop(world);
    database.drop().await;
}
