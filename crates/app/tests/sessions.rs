//! Access tokens, listing one's sessions, ending them.

use doorward_app::{
    Actor, access,
    access::AuthenticateError,
    session::{self, RefreshError, RevokeError, Tokens},
};
use doorward_domain::{
    PageLimit, PageRequest, Revocation, SessionId,
    ports::{Change, FeedCursor, TokenError},
    session::RevocationCause,
};
use doorward_testkit::World;
use secrecy::ExposeSecret;
use time::{Duration, macros::datetime};

async fn cause(world: &World, id: SessionId) -> Option<RevocationCause> {
    world.ctx.store.session_by_id(id).await.unwrap().expect("there is a session").0.revoked
}

fn authenticate(world: &World, tokens: &Tokens) -> Result<Actor, AuthenticateError> {
    access::authenticate(&world.ctx, tokens.access_token.expose_secret())
}

/// Neither token of a session opens anything any more.
async fn assert_dead(world: &World, tokens: &Tokens) {
    assert_eq!(authenticate(world, tokens), Err(AuthenticateError::Revoked));
    let refreshed = session::refresh(&world.ctx, tokens.refresh_token.expose_secret()).await;
    assert!(matches!(refreshed, Err(RefreshError::Invalid)), "{refreshed:?}");
}

/// Both tokens of a session still work.
async fn assert_alive(world: &World, tokens: &Tokens) {
    assert_eq!(authenticate(world, tokens).unwrap().session_id(), tokens.session_id);
    session::refresh(&world.ctx, tokens.refresh_token.expose_secret()).await.unwrap();
}

async fn ids(world: &World, actor: &Actor) -> Vec<SessionId> {
    let page = session::list(&world.ctx, actor, PageRequest::default()).await.unwrap();
    page.items.iter().map(|session| session.id).collect()
}

#[tokio::test]
async fn what_is_not_an_access_token_opens_nothing() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (tokens, _) = world.signed_in("ada@example.com").await;
    for token in ["", "garbage", "access:", "\0", tokens.refresh_token.expose_secret()] {
        assert_eq!(
            access::authenticate(&world.ctx, token),
            Err(AuthenticateError::Token(TokenError::Malformed)),
            "{token:?}"
        );
    }
    world.assert_consistent().await;
}

/// A revocation is remembered for one life of an access token. A token from before that life was
/// shortened must not outlast it.
#[tokio::test]
async fn an_access_token_ends_after_the_present_life_whatever_it_says() {
    let mut world = World::default();
    world.ctx.policy.access_ttl = Duration::hours(1);
    world.registered("ada@example.com").await;
    let (tokens, _) = world.signed_in("ada@example.com").await;
    world.ctx.policy.access_ttl = Duration::minutes(5);
    world.clock.advance(Duration::minutes(5) - Duration::SECOND);
    assert!(authenticate(&world, &tokens).is_ok());
    world.clock.advance(Duration::SECOND);
    let refused = authenticate(&world, &tokens);
    assert_eq!(refused, Err(AuthenticateError::Token(TokenError::Expired)));
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_access_token_is_refused_at_the_moment_it_expires() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (tokens, actor) = world.signed_in("ada@example.com").await;
    world.clock.advance(Duration::minutes(15) - Duration::MICROSECOND);
    assert_eq!(authenticate(&world, &tokens), Ok(actor));
    world.clock.advance(Duration::MICROSECOND);
    assert_eq!(authenticate(&world, &tokens), Err(AuthenticateError::Token(TokenError::Expired)));
    world.assert_consistent().await;
}

#[tokio::test]
async fn somebody_elses_session_and_an_unknown_one_cannot_be_told_apart_nor_ended() {
    let world = World::default();
    world.registered("ada@example.com").await;
    world.registered("mallory@example.com").await;
    let (theirs, _) = world.signed_in("ada@example.com").await;
    let (_, mallory) = world.signed_in("mallory@example.com").await;
    let unknown = SessionId::new(world.ctx.clock.now(), world.ctx.entropy.as_ref());

    for id in [theirs.session_id, unknown] {
        let refusal = session::revoke(&world.ctx, &mallory, id).await;
        assert!(matches!(refusal, Err(RevokeError::NotFound)), "{refusal:?}");
    }
    assert_eq!(cause(&world, theirs.session_id).await, None);
    assert!(world.ctx.revocations.is_empty());
    assert_alive(&world, &theirs).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_session_that_is_over_cannot_be_ended_again() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (revoked, _) = world.signed_in("ada@example.com").await;
    let (expired, actor) = world.signed_in("ada@example.com").await;
    session::revoke(&world.ctx, &actor, revoked.session_id).await.unwrap();
    let again = session::revoke(&world.ctx, &actor, revoked.session_id).await;
    assert!(matches!(again, Err(RevokeError::NotFound)), "{again:?}");

    world.clock.advance(Duration::days(30));
    let late = session::revoke(&world.ctx, &actor, expired.session_id).await;
    assert!(matches!(late, Err(RevokeError::NotFound)), "{late:?}");
    assert_eq!(cause(&world, expired.session_id).await, None);
    let (recorded, _) = world.ctx.store.changes_since(FeedCursor::default()).await.unwrap();
    assert_eq!(recorded.len(), 1);
    world.assert_consistent().await;
}

#[tokio::test]
async fn signing_out_kills_the_tokens_at_once_and_twice_is_no_error() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (other, _) = world.signed_in("ada@example.com").await;
    let (tokens, actor) = world.signed_in("ada@example.com").await;

    session::logout(&world.ctx, &actor).await.unwrap();
    assert_dead(&world, &tokens).await;
    session::logout(&world.ctx, &actor).await.unwrap();

    assert_eq!(cause(&world, tokens.session_id).await, Some(RevocationCause::SignedOut));
    let (recorded, _) = world.ctx.store.changes_since(FeedCursor::default()).await.unwrap();
    // 15 min of token, 1 min for clocks that differ.
    let until = datetime!(2026-01-01 00:16:00 UTC);
    assert_eq!(recorded, [Change::Revoked(Revocation { session_id: tokens.session_id, until })]);
    assert_alive(&world, &other).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn one_may_end_another_session_and_the_present_one() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (other, _) = world.signed_in("ada@example.com").await;
    let (present, actor) = world.signed_in("ada@example.com").await;

    session::revoke(&world.ctx, &actor, other.session_id).await.unwrap();
    assert_dead(&world, &other).await;
    assert_eq!(authenticate(&world, &present), Ok(actor));

    session::revoke(&world.ctx, &actor, present.session_id).await.unwrap();
    assert_dead(&world, &present).await;
    for id in [other.session_id, present.session_id] {
        assert_eq!(cause(&world, id).await, Some(RevocationCause::Revoked));
    }
    assert_eq!(ids(&world, &actor).await, []);
    world.assert_consistent().await;
}

#[tokio::test]
async fn ending_all_others_spares_the_present_session_and_other_people() {
    let world = World::default();
    world.registered("ada@example.com").await;
    world.registered("grace@example.com").await;
    let (bystander, _) = world.signed_in("grace@example.com").await;
    let (first, _) = world.signed_in("ada@example.com").await;
    let (second, _) = world.signed_in("ada@example.com").await;
    let (present, actor) = world.signed_in("ada@example.com").await;

    session::revoke_others(&world.ctx, &actor).await.unwrap();
    for tokens in [&first, &second] {
        assert_dead(&world, tokens).await;
        assert_eq!(cause(&world, tokens.session_id).await, Some(RevocationCause::Revoked));
    }
    assert_eq!(ids(&world, &actor).await, [present.session_id]);
    assert_alive(&world, &present).await;
    assert_alive(&world, &bystander).await;

    // With no others left it is no error and records nothing.
    session::revoke_others(&world.ctx, &actor).await.unwrap();
    let (recorded, _) = world.ctx.store.changes_since(FeedCursor::default()).await.unwrap();
    assert_eq!(recorded.len(), 2);
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_list_shows_ones_own_live_sessions_newest_first() {
    let world = World::default();
    world.registered("ada@example.com").await;
    world.registered("grace@example.com").await;
    world.signed_in("grace@example.com").await;
    world.signed_in("ada@example.com").await;
    world.clock.advance(Duration::days(1));
    let (oldest, _) = world.signed_in("ada@example.com").await;
    world.clock.advance(Duration::days(1));
    let (revoked, _) = world.signed_in("ada@example.com").await;
    world.clock.advance(Duration::days(1));
    let (newest, actor) = world.signed_in("ada@example.com").await;
    session::revoke(&world.ctx, &actor, revoked.session_id).await.unwrap();
    assert_eq!(ids(&world, &actor).await.len(), 3);

    // The first sign-in is over at this moment.
    world.clock.advance(Duration::days(27));
    assert_eq!(ids(&world, &actor).await, [newest.session_id, oldest.session_id]);
    world.assert_consistent().await;
}

#[tokio::test]
async fn pages_hold_each_session_once_though_people_sign_in_meanwhile() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        let (tokens, _) = world.signed_in("ada@example.com").await;
        expected.insert(0, tokens.session_id);
    }
    let (newest, actor) = world.signed_in("ada@example.com").await;
    expected.insert(0, newest.session_id);

    let limit = PageLimit::new(2).unwrap();
    let (mut seen, mut lengths, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = session::list(&world.ctx, &actor, PageRequest { limit, after }).await.unwrap();
        lengths.push(page.items.len());
        seen.extend(page.items.iter().map(|session| session.id));
        world.signed_in("ada@example.com").await;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    assert_eq!(lengths, [2, 2, 2], "a full last page has no next one");
    world.assert_consistent().await;
}
