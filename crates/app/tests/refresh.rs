//! Staying signed in: rotation, retries, theft and expiry.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Waker},
};

use doorward_app::{
    Ctx, access,
    access::AuthenticateError,
    account,
    session::{self, RefreshError, Tokens},
};
use doorward_domain::{
    Generation, Password, Revocation, RoleName, Session, SessionId, User, UserStatus,
    ports::{Change, FeedCursor, TokenError},
    session::RevocationCause,
};
use doorward_testkit::{PASSWORD, World, mock::MockStore};
use secrecy::ExposeSecret;
use time::{Duration, macros::datetime};

/// The smallest step of a clock.
const TICK: Duration = Duration::MICROSECOND;

fn refresh_token(tokens: &Tokens) -> &str {
    tokens.refresh_token.expose_secret()
}

async fn refresh(world: &World, tokens: &Tokens) -> Result<Tokens, RefreshError> {
    session::refresh(&world.ctx, refresh_token(tokens)).await
}

async fn assert_invalid(world: &World, tokens: &Tokens) {
    let refusal = refresh(world, tokens).await;
    assert!(matches!(refusal, Err(RefreshError::Invalid)), "{refusal:?}");
}

async fn assert_reused(world: &World, tokens: &Tokens) {
    let refusal = refresh(world, tokens).await;
    assert!(matches!(refusal, Err(RefreshError::Reused)), "{refusal:?}");
}

fn authenticate(ctx: &Ctx, tokens: &Tokens) -> Result<SessionId, AuthenticateError> {
    access::authenticate(ctx, tokens.access_token.expose_secret()).map(|actor| actor.session_id())
}

async fn stored(world: &World, id: SessionId) -> Session {
    world.ctx.store.session_by_id(id).await.unwrap().expect("there is a session").0
}

/// Puts `changed` in the place of the user with the same id; credential and these sessions stay.
async fn replace_user(world: &World, changed: &User, sessions: &[SessionId]) {
    let (_, credential) =
        world.ctx.store.credential_by_user(changed.id).await.unwrap().expect("there is an account");
    let mut kept = Vec::new();
    for id in sessions {
        kept.push(stored(world, *id).await);
    }
    let mut work = world.ctx.store.begin().await.unwrap();
    work.user_delete(changed.id).await.unwrap();
    work.user_insert(changed).await.unwrap();
    work.credential_insert(changed.id, &credential.hash, changed.created_at).await.unwrap();
    for session in &kept {
        work.session_insert(session).await.unwrap();
    }
    work.commit().await.unwrap();
}

/// A second instance of the service over the same store, with a memory of its own.
fn another_instance(world: &World) -> Ctx {
    Ctx { revocations: Arc::default(), ..world.ctx.clone() }
}

/// Runs a use case up to the point where it waits for its turn to write, which the test holds.
fn runs_until_its_turn_to_write(use_case: Pin<&mut impl Future>) {
    let polled = use_case.poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "it waits for the unit of work that the test holds");
}

#[tokio::test]
async fn forged_tokens_and_garbage_are_refused_without_touching_the_store() {
    // A mock without expectations fails the test at any call.
    let world = World::over(Arc::new(MockStore::new()));
    for token in [
        "",
        "garbage",
        "refresh:",
        "refresh:not-a-uuid:0",
        "refresh:019b76da-a800-7000-8000-000000000001:-1",
        "refresh:019b76da-a800-7000-8000-000000000001:99999999999999999999",
        "access:019b76da-a800-7000-8000-000000000001:0",
        "\0\u{202e}🦀",
    ] {
        let refusal = session::refresh(&world.ctx, token).await;
        assert!(matches!(refusal, Err(RefreshError::Invalid)), "{token:?}: {refusal:?}");
    }
}

#[tokio::test]
async fn an_access_token_is_not_taken_for_a_refresh_token() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (tokens, _) = world.signed_in("ada@example.com").await;
    let refusal = session::refresh(&world.ctx, tokens.access_token.expose_secret()).await;
    assert!(matches!(refusal, Err(RefreshError::Invalid)), "{refusal:?}");
    assert_eq!(stored(&world, tokens.session_id).await.generation, Generation::FIRST);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_token_of_an_unknown_session_or_of_the_future_is_refused_and_harms_nobody() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (tokens, actor) = world.signed_in("ada@example.com").await;
    let before = stored(&world, tokens.session_id).await;

    let unknown = SessionId::new(before.created_at, world.ctx.entropy.as_ref());
    for (id, generation) in [(unknown, 0), (actor.session_id(), 1), (actor.session_id(), i64::MAX)]
    {
        let generation = Generation::from_number(generation).unwrap();
        let token = world.ctx.signer.refresh_sign(id, generation);
        let refusal = session::refresh(&world.ctx, token.expose_secret()).await;
        assert!(matches!(refusal, Err(RefreshError::Invalid)), "{refusal:?}");
    }
    assert_eq!(stored(&world, tokens.session_id).await, before);
    authenticate(&world.ctx, &tokens).unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn after_the_grace_window_a_used_token_ends_the_session_and_its_access_tokens_at_once() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let (bystander, _) = world.signed_in("ada@example.com").await;
    let (first, _) = world.signed_in("ada@example.com").await;
    let second = refresh(&world, &first).await.unwrap();
    world.clock.advance(Duration::seconds(10));

    assert_reused(&world, &first).await;

    let session = stored(&world, first.session_id).await;
    assert_eq!(session.revoked, Some(RevocationCause::TokenReused));
    for tokens in [&first, &second] {
        assert_eq!(authenticate(&world.ctx, tokens), Err(AuthenticateError::Revoked));
    }
    let (recorded, _) = world.ctx.store.changes_since(FeedCursor::default()).await.unwrap();
    // 10 s of grace, 15 min of token, 1 min for clocks that differ.
    let until = datetime!(2026-01-01 00:16:10 UTC);
    assert_eq!(recorded, [Change::Revoked(Revocation { session_id: first.session_id, until })]);

    // The thief and the owner may both come again: the answer stays, nothing more is written.
    assert_reused(&world, &first).await;
    assert_invalid(&world, &second).await;
    assert_reused(&world, &first).await;
    assert_eq!(stored(&world, first.session_id).await, session);
    let (recorded, _) = world.ctx.store.changes_since(FeedCursor::default()).await.unwrap();
    assert_eq!(recorded.len(), 1);

    // The person's other sign-ins are not touched.
    authenticate(&world.ctx, &bystander).unwrap();
    assert_eq!(refresh(&world, &bystander).await.unwrap().session_id, bystander.session_id);
    assert!(world.ctx.store.user_by_id(user.id).await.unwrap().is_some());
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_token_older_than_the_previous_one_is_theft_even_within_the_grace_window() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (first, _) = world.signed_in("ada@example.com").await;
    let second = refresh(&world, &first).await.unwrap();
    let third = refresh(&world, &second).await.unwrap();

    assert_reused(&world, &first).await;
    assert_eq!(stored(&world, first.session_id).await.revoked, Some(RevocationCause::TokenReused));
    assert_eq!(authenticate(&world.ctx, &third), Err(AuthenticateError::Revoked));
    assert_invalid(&world, &third).await;
    assert_reused(&world, &second).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_used_token_of_a_session_that_was_signed_out_is_just_invalid() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (first, actor) = world.signed_in("ada@example.com").await;
    let second = refresh(&world, &first).await.unwrap();
    session::logout(&world.ctx, &actor).await.unwrap();
    world.clock.advance(Duration::minutes(1));
    assert_invalid(&world, &first).await;
    assert_invalid(&world, &second).await;
    assert_eq!(stored(&world, first.session_id).await.revoked, Some(RevocationCause::SignedOut));
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_session_that_is_revoked_while_its_refresh_waits_is_not_renewed() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (tokens, actor) = world.signed_in("ada@example.com").await;

    let now = world.ctx.clock.now();
    let mut work = world.ctx.store.begin().await.unwrap();
    let mut waiting = pin!(session::refresh(&world.ctx, refresh_token(&tokens)));
    runs_until_its_turn_to_write(waiting.as_mut());
    work.sessions_revoke(actor.user_id(), None, RevocationCause::PasswordChanged, now, now)
        .await
        .unwrap();
    work.commit().await.unwrap();

    let refusal = waiting.await;
    assert!(matches!(refusal, Err(RefreshError::Invalid)), "{refusal:?}");
    assert_eq!(stored(&world, tokens.session_id).await.generation, Generation::FIRST);
    world.assert_consistent().await;
}

#[tokio::test]
async fn of_two_replays_of_a_stolen_token_at_once_both_are_told_and_one_revocation_is_recorded() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (first, _) = world.signed_in("ada@example.com").await;
    refresh(&world, &first).await.unwrap();
    world.clock.advance(Duration::minutes(1));

    let turn = world.ctx.store.begin().await.unwrap();
    let mut here = pin!(session::refresh(&world.ctx, refresh_token(&first)));
    let mut there = pin!(session::refresh(&world.ctx, refresh_token(&first)));
    runs_until_its_turn_to_write(here.as_mut());
    runs_until_its_turn_to_write(there.as_mut());
    drop(turn);

    for refusal in [here.await, there.await] {
        assert!(matches!(refusal, Err(RefreshError::Reused)), "{refusal:?}");
    }
    let (recorded, _) = world.ctx.store.changes_since(FeedCursor::default()).await.unwrap();
    assert_eq!(recorded.len(), 1);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_session_is_over_at_the_moment_its_idle_time_ends() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (kept, _) = world.signed_in("ada@example.com").await;
    let (lost, _) = world.signed_in("ada@example.com").await;

    world.clock.advance(Duration::days(30) - TICK);
    let renewed = refresh(&world, &kept).await.unwrap();
    assert_eq!(renewed.refresh_expires_in, Duration::days(30));
    world.clock.advance(TICK);
    assert_invalid(&world, &lost).await;
    refresh(&world, &renewed).await.unwrap();
    assert_eq!(stored(&world, lost.session_id).await.generation, Generation::FIRST);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_session_is_over_at_its_absolute_end_however_often_it_was_refreshed() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (mut tokens, _) = world.signed_in("ada@example.com").await;
    let end = datetime!(2026-01-01 00:00:00 UTC) + Duration::days(90);
    for (days, expires_in) in [(29, 30), (58, 30), (87, 3)] {
        world.clock.advance(Duration::days(29));
        tokens = refresh(&world, &tokens).await.unwrap();
        assert_eq!(tokens.refresh_expires_in, Duration::days(expires_in), "on day {days}");
    }
    assert_eq!(stored(&world, tokens.session_id).await.expires_at, end);

    world.clock.advance(Duration::days(3) - TICK);
    tokens = refresh(&world, &tokens).await.unwrap();
    assert_eq!(tokens.refresh_expires_in, TICK);
    world.clock.advance(TICK);
    assert_invalid(&world, &tokens).await;
    assert_eq!(
        authenticate(&world.ctx, &tokens),
        Err(AuthenticateError::Token(TokenError::Expired))
    );
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_access_token_never_outlives_its_session() {
    let world = World::default();
    world.registered("ada@example.com").await;
    // The session ends in the middle of a second; a token's times are whole seconds.
    world.clock.advance(Duration::milliseconds(500));
    let (mut tokens, _) = world.signed_in("ada@example.com").await;
    for _ in 0..3 {
        world.clock.advance(Duration::days(29));
        tokens = refresh(&world, &tokens).await.unwrap();
    }
    let end = stored(&world, tokens.session_id).await.expires_at;

    for (before_the_end, expires_in) in [
        (Duration::minutes(20), Duration::minutes(15)),
        (Duration::minutes(15), Duration::minutes(15)),
        (Duration::minutes(5), Duration::minutes(5)),
        (Duration::milliseconds(1_500), Duration::seconds(1)),
        (TICK, Duration::ZERO),
    ] {
        let now = world.ctx.clock.now();
        world.clock.advance(end - before_the_end - now);
        tokens = refresh(&world, &tokens).await.unwrap();
        assert_eq!(tokens.access_expires_in, expires_in, "{before_the_end} before the end");
    }
    world.clock.advance(TICK);
    assert_eq!(
        authenticate(&world.ctx, &tokens),
        Err(AuthenticateError::Token(TokenError::Expired))
    );
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_account_that_is_disabled_or_deleted_cannot_refresh() {
    let world = World::default();
    let user = world.registered("locked@example.com").await;
    let (retried, _) = world.signed_in("locked@example.com").await;
    refresh(&world, &retried).await.unwrap();
    let (locked, _) = world.signed_in("locked@example.com").await;
    let disabled = User { status: UserStatus::Disabled, ..user };
    replace_user(&world, &disabled, &[locked.session_id, retried.session_id]).await;
    assert_invalid(&world, &locked).await;
    // A retry within the grace window writes nothing, so no write is there to refuse it.
    assert_invalid(&world, &retried).await;
    assert_eq!(stored(&world, locked.session_id).await.generation, Generation::FIRST);

    world.registered("gone@example.com").await;
    let (gone, actor) = world.signed_in("gone@example.com").await;
    let password = Password::parse(PASSWORD).unwrap();
    account::delete(&world.ctx, &actor, &password).await.unwrap();
    assert_invalid(&world, &gone).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn refreshing_moves_the_session_on_and_gives_a_new_pair() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let (first, _) = world.signed_in("ada@example.com").await;
    let before = stored(&world, first.session_id).await;
    world.clock.advance(Duration::minutes(15));
    assert_eq!(
        authenticate(&world.ctx, &first),
        Err(AuthenticateError::Token(TokenError::Expired))
    );

    let second = refresh(&world, &first).await.unwrap();
    let now = datetime!(2026-01-01 00:15:00 UTC);
    assert_eq!(second.session_id, first.session_id);
    assert_ne!(refresh_token(&second), refresh_token(&first));
    assert_eq!(second.access_expires_in, Duration::minutes(15));
    assert_eq!(second.refresh_expires_in, Duration::days(30));
    assert_eq!(
        stored(&world, first.session_id).await,
        Session {
            generation: Generation::FIRST.next(),
            rotated_at: now,
            last_used_at: now,
            expires_at: now + Duration::days(30),
            ..before
        }
    );

    let claims = world.ctx.signer.access_verify(second.access_token.expose_secret(), now).unwrap();
    assert_eq!((claims.user_id, claims.session_id), (user.id, first.session_id));
    assert_eq!((claims.issued_at, claims.expires_at), (now, now + Duration::minutes(15)));
    // The person proved who they are when they signed in, not now.
    assert_eq!(claims.auth_time, before.created_at);
    let signed_in = world.ctx.store.user_by_id(user.id).await.unwrap().unwrap();
    assert_eq!(signed_in.last_login_at, Some(before.created_at));
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_replay_within_the_grace_window_gets_the_same_refresh_token_again() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (first, _) = world.signed_in("ada@example.com").await;
    let second = refresh(&world, &first).await.unwrap();
    let rotated = stored(&world, first.session_id).await;

    for _ in 0..2 {
        world.clock.advance(Duration::seconds(5) - TICK);
        let again = refresh(&world, &first).await.unwrap();
        assert_eq!(refresh_token(&again), refresh_token(&second));
        assert_eq!(authenticate(&world.ctx, &again), Ok(first.session_id));
    }
    // A replay renews nothing: neither the window nor the session.
    assert_eq!(stored(&world, first.session_id).await, rotated);
    let third = refresh(&world, &second).await.unwrap();
    assert_ne!(refresh_token(&third), refresh_token(&second));
    world.assert_consistent().await;
}

#[tokio::test]
async fn fifty_refreshes_of_one_token_at_once_over_two_instances_get_one_successor() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (tokens, _) = world.signed_in("ada@example.com").await;
    let instances = [world.ctx.clone(), another_instance(&world)];

    // All fifty have read the same generation before the first of them may write.
    let turn = world.ctx.store.begin().await.unwrap();
    let mut refreshes: Vec<_> = instances
        .iter()
        .cycle()
        .take(50)
        .map(|instance| Box::pin(session::refresh(instance, refresh_token(&tokens))))
        .collect();
    for waiting in &mut refreshes {
        runs_until_its_turn_to_write(waiting.as_mut());
    }
    drop(turn);

    let mut successors = Vec::new();
    for waiting in refreshes {
        let renewed = waiting.await.unwrap();
        assert_eq!(authenticate(&world.ctx, &renewed), Ok(tokens.session_id));
        successors.push(refresh_token(&renewed).to_owned());
    }
    assert_eq!(successors.len(), 50);
    successors.dedup();
    assert_eq!(successors.len(), 1, "{successors:?}");
    let session = stored(&world, tokens.session_id).await;
    assert_eq!(session.generation, Generation::FIRST.next());
    assert_eq!(session.revoked, None);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_new_access_token_names_the_present_roles() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let (tokens, _) = world.signed_in("ada@example.com").await;
    let roles = vec![RoleName::admin(), RoleName::user()];
    let promoted = User { roles: roles.clone(), ..user };
    replace_user(&world, &promoted, &[tokens.session_id]).await;

    let rotated = refresh(&world, &tokens).await.unwrap();
    let replayed = refresh(&world, &tokens).await.unwrap();
    for tokens in [rotated, replayed] {
        let now = world.ctx.clock.now();
        let claims =
            world.ctx.signer.access_verify(tokens.access_token.expose_secret(), now).unwrap();
        assert_eq!(claims.roles, roles);
    }
    world.assert_consistent().await;
}
