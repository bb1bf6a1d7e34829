//! Revoked sessions become known to every instance, and are forgotten when they no longer matter.

use std::sync::Arc;

use doorward_app::{Ctx, access, access::AuthenticateError, change, maintenance, session};
use doorward_domain::{
    Revocation, SessionId,
    ports::{FeedCursor, StoreError, TokenError},
};
use doorward_testkit::{
    World,
    mock::{MockStore, MockUnitOfWork},
};
use secrecy::ExposeSecret;
use time::{Duration, macros::datetime};
use uuid::Uuid;

fn session_id(number: u128) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(number))
}

/// A second instance of the service over the same store, with a memory of its own.
fn another_instance(world: &World) -> Ctx {
    Ctx { revocations: Arc::default(), ..world.ctx.clone() }
}

#[tokio::test]
async fn a_feed_that_cannot_be_read_leaves_the_list_as_it_is() {
    let mut store = MockStore::new();
    store
        .expect_changes_since()
        .withf(|cursor| *cursor == FeedCursor(7))
        .times(1)
        .returning(|_| Err(StoreError::Unavailable("connection refused".into())));
    let world = World::over(Arc::new(store));
    let until = datetime!(2026-01-01 00:16:00 UTC);
    world.ctx.revocations.add([Revocation { session_id: session_id(1), until }]);

    let outcome = change::catch_up(&world.ctx, FeedCursor(7)).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(world.ctx.revocations.contains(session_id(1)));
    assert_eq!(world.ctx.revocations.len(), 1);
}

#[tokio::test]
async fn a_revocation_is_forgotten_at_the_moment_its_last_access_token_may_have_expired() {
    let world = World::default();
    let list = &world.ctx.revocations;
    let until = datetime!(2026-01-01 00:16:00 UTC);
    list.add([
        Revocation { session_id: session_id(1), until },
        Revocation { session_id: session_id(2), until: until + Duration::MICROSECOND },
    ]);

    list.forget_expired(until - Duration::MICROSECOND);
    assert_eq!(list.len(), 2);
    list.forget_expired(until);
    assert!(!list.contains(session_id(1)));
    assert!(list.contains(session_id(2)));
    list.forget_expired(until + Duration::MICROSECOND);
    assert!(list.is_empty());
    world.assert_consistent().await;
}

#[tokio::test]
async fn what_is_forgotten_was_expired_already() {
    let world = World::default();
    world.registered("ada@example.com").await;
    // A token's times are whole seconds; the middle of one is the hardest case.
    world.clock.advance(Duration::milliseconds(999));
    let (tokens, actor) = world.signed_in("ada@example.com").await;
    session::logout(&world.ctx, &actor).await.unwrap();

    // At every moment the token is refused: first as revoked, in the end as expired.
    let mut refusals = Vec::new();
    for _ in 0..20 {
        refusals.push(
            access::authenticate(&world.ctx, tokens.access_token.expose_secret()).unwrap_err(),
        );
        world.clock.advance(Duration::minutes(1));
        world.ctx.revocations.forget_expired(world.ctx.clock.now());
    }
    assert!(world.ctx.revocations.is_empty());
    assert_eq!(refusals.first(), Some(&AuthenticateError::Revoked));
    assert_eq!(refusals.last(), Some(&AuthenticateError::Token(TokenError::Expired)));
    world.assert_consistent().await;
}

#[tokio::test]
async fn what_another_instance_revokes_arrives_with_the_next_look_at_the_feed() {
    let world = World::default();
    let there = another_instance(&world);
    world.registered("ada@example.com").await;
    let (tokens, actor) = world.signed_in("ada@example.com").await;
    let (kept, _) = world.signed_in("ada@example.com").await;
    let token = tokens.access_token.expose_secret();
    let start = change::catch_up(&world.ctx, FeedCursor::default()).await.unwrap();

    session::logout(&there, &actor).await.unwrap();
    assert_eq!(access::authenticate(&there, token), Err(AuthenticateError::Revoked));
    assert_eq!(access::authenticate(&world.ctx, token), Ok(actor), "the news is on its way");

    let next = change::catch_up(&world.ctx, start).await.unwrap();
    assert_eq!(access::authenticate(&world.ctx, token), Err(AuthenticateError::Revoked));
    access::authenticate(&world.ctx, kept.access_token.expose_secret()).unwrap();

    // What was read is not read again, and reading it again would do no harm.
    assert_ne!(next, start);
    let (news, _) = world.ctx.store.changes_since(next).await.unwrap();
    assert_eq!(news, []);
    assert_eq!(change::catch_up(&world.ctx, next).await.unwrap(), next);
    change::catch_up(&world.ctx, FeedCursor::default()).await.unwrap();
    assert_eq!(world.ctx.revocations.len(), 1);
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_instance_that_starts_learns_what_was_revoked_before() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (first, _) = world.signed_in("ada@example.com").await;
    let (second, _) = world.signed_in("ada@example.com").await;
    let (present, actor) = world.signed_in("ada@example.com").await;
    session::revoke_others(&world.ctx, &actor).await.unwrap();

    let restarted = another_instance(&world);
    change::catch_up(&restarted, FeedCursor::default()).await.unwrap();
    assert!(restarted.revocations.contains(first.session_id));
    assert!(restarted.revocations.contains(second.session_id));
    assert!(!restarted.revocations.contains(present.session_id));
    world.assert_consistent().await;
}

#[tokio::test]
async fn pruning_that_fails_tells_and_commits_nothing() {
    let mut work = MockUnitOfWork::new();
    work.expect_audit_append().returning(|_| Ok(()));
    work.expect_sessions_prune().times(1).returning(|_, _| Err(StoreError::Busy("locked".into())));
    work.expect_commit().never();
    let mut store = MockStore::new();
    store.expect_begin().times(1).return_once(move || Ok(Box::new(work)));
    let world = World::over(Arc::new(store));
    let outcome = maintenance::prune(&world.ctx).await;
    assert!(matches!(outcome, Err(StoreError::Busy(_))), "{outcome:?}");
}

#[tokio::test]
async fn pruning_forgets_what_is_over_and_nothing_else() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let (expiring, _) = world.signed_in("ada@example.com").await;
    world.clock.advance(Duration::days(1));
    let (revoked, revoked_actor) = world.signed_in("ada@example.com").await;
    let (live, _) = world.signed_in("ada@example.com").await;
    session::logout(&world.ctx, &revoked_actor).await.unwrap();
    let feed = || world.ctx.store.changes_since(FeedCursor::default());

    maintenance::prune(&world.ctx).await.unwrap();
    assert_eq!(world.ctx.revocations.len(), 1);
    assert_eq!(feed().await.unwrap().0.len(), 1);

    // 15 min of token and 1 min for clocks that differ, after the sign-out.
    world.clock.advance(Duration::minutes(16));
    maintenance::prune(&world.ctx).await.unwrap();
    assert!(world.ctx.revocations.is_empty());
    assert_eq!(feed().await.unwrap().0, []);
    // The session itself stays until it would have expired: a late replay must still be noticed.
    assert!(world.ctx.store.session_by_id(revoked.session_id).await.unwrap().is_some());

    world.clock.advance(Duration::days(29));
    maintenance::prune(&world.ctx).await.unwrap();
    assert_eq!(world.ctx.store.session_by_id(expiring.session_id).await.unwrap(), None);
    assert!(world.ctx.store.session_by_id(live.session_id).await.unwrap().is_some());
    assert!(world.ctx.store.user_by_id(user.id).await.unwrap().is_some());
    world.assert_consistent().await;
}
