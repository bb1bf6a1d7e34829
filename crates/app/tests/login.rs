//! Signing in.

use std::{
    pin::{Pin, pin},
    task::{Context, Waker},
};

use doorward_app::{
    Failure, access,
    session::{self, Login, LoginError},
};
use doorward_domain::{
    Device, DisplayName, Email, Generation, PageRequest, Password, PasswordHash, RoleName, Session,
    User, UserId, UserStatus,
    ports::{HashError, UnitOfWork},
};
use doorward_testkit::{PASSWORD, PlainHasher, World};
use secrecy::ExposeSecret;
use time::{Duration, macros::datetime};

fn login(address: &str, secret: &str) -> Login {
    Login {
        email: Email::parse(address).expect("a valid address"),
        password: Password::parse(secret).expect("a valid password"),
        device: Device::default(),
        device_token: None,
    }
}

/// Adds an account with this status and this password hash.
async fn account_with(
    world: &World,
    address: &str,
    status: UserStatus,
    hash: &PasswordHash,
) -> User {
    let now = world.ctx.clock.now();
    let active = User::new(
        UserId::new(now, world.ctx.entropy.as_ref()),
        Email::parse(address).expect("a valid address"),
        DisplayName::parse("Ada Lovelace").expect("a valid name"),
        vec![RoleName::user()],
        now,
    );
    let user = User { status, ..active };
    let mut work = world.ctx.store.begin().await.unwrap();
    work.user_insert(&user).await.unwrap();
    work.credential_insert(user.id, hash, now).await.unwrap();
    work.commit().await.unwrap();
    user
}

/// What must be true after a refused sign-in.
async fn assert_not_signed_in(world: &World, user: &User) {
    let now = world.ctx.clock.now();
    let sessions =
        world.ctx.store.sessions_by_user(user.id, now, PageRequest::default()).await.unwrap();
    assert_eq!(sessions.items, []);
    let stored = world.ctx.store.user_by_id(user.id).await.unwrap().expect("the account stays");
    assert_eq!(stored.last_login_at, None);
}

/// Signs in as far as the point where the password has been checked, lets `meanwhile` happen, and
/// returns how the sign-in ends.
async fn login_while(
    world: &World,
    meanwhile: impl AsyncFnOnce(&mut dyn UnitOfWork),
) -> Result<session::Tokens, LoginError> {
    let mut work = world.ctx.store.begin().await.unwrap();
    let mut login = pin!(session::login(&world.ctx, login("ada@example.com", PASSWORD)));
    runs_until_its_turn_to_write(login.as_mut());
    meanwhile(work.as_mut()).await;
    work.commit().await.unwrap();
    login.await
}

/// Runs a use case up to the point where it waits for its turn to write, which the test holds.
fn runs_until_its_turn_to_write(use_case: Pin<&mut impl Future>) {
    let polled = use_case.poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "it waits for the unit of work that the test holds");
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_cannot_be_told_apart() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;

    let mut refusals = Vec::new();
    for attempt in
        [login("nobody@example.com", PASSWORD), login("ada@example.com", "not the right password")]
    {
        let calls_before = world.hasher.calls();
        let refusal = session::login(&world.ctx, attempt).await.unwrap_err();
        assert!(matches!(refusal, LoginError::InvalidCredentials), "{refusal:?}");
        refusals.push((refusal.to_string(), world.hasher.calls() - calls_before));
    }
    assert_eq!(refusals[0], refusals[1]);
    assert_eq!(refusals[0].1, 1, "one password is checked, whether there is an account or not");
    assert_not_signed_in(&world, &user).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn that_an_account_is_disabled_is_told_only_after_the_right_password() {
    let world = World::default();
    let hash = PasswordHash::from_text(format!("plain:{PASSWORD}"));
    let user = account_with(&world, "ada@example.com", UserStatus::Disabled, &hash).await;

    let wrong = session::login(&world.ctx, login("ada@example.com", "not the right one")).await;
    assert!(matches!(wrong, Err(LoginError::InvalidCredentials)), "{wrong:?}");
    let right = session::login(&world.ctx, login("ada@example.com", PASSWORD)).await;
    assert!(matches!(right, Err(LoginError::AccountDisabled)), "{right:?}");
    assert_not_signed_in(&world, &user).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn signing_in_while_the_hasher_is_overloaded_leaves_no_trace() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    world.hasher.set_overloaded(true);
    let refusal = session::login(&world.ctx, login("ada@example.com", PASSWORD)).await;
    assert!(
        matches!(refusal, Err(LoginError::Failed(Failure::Hash(HashError::Overloaded { .. })))),
        "{refusal:?}"
    );
    assert_not_signed_in(&world, &user).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_password_that_is_changed_between_the_check_and_the_write_is_refused() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let refusal = login_while(&world, async |work| {
        let hash = PasswordHash::from_text("plain:changed meanwhile".to_owned());
        assert!(work.credential_replace(user.id, 0, &hash, user.created_at).await.unwrap());
    })
    .await;
    assert!(matches!(refusal, Err(LoginError::InvalidCredentials)), "{refusal:?}");
    assert_not_signed_in(&world, &user).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_hash_is_not_renewed_over_a_password_that_is_changed_meanwhile() {
    let world = World::default();
    let outdated = PlainHasher::outdated_hash(PASSWORD);
    let user = account_with(&world, "ada@example.com", UserStatus::Active, &outdated).await;
    let changed = PasswordHash::from_text("plain:changed meanwhile".to_owned());
    let refusal = login_while(&world, async |work| {
        assert!(work.credential_replace(user.id, 0, &changed, user.created_at).await.unwrap());
    })
    .await;
    assert!(matches!(refusal, Err(LoginError::InvalidCredentials)), "{refusal:?}");
    let (_, credential) = world.ctx.store.credential_by_user(user.id).await.unwrap().unwrap();
    assert_eq!((credential.hash, credential.version), (changed, 1));
    assert_not_signed_in(&world, &user).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_account_that_is_disabled_between_the_check_and_the_write_is_refused() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let refusal = login_while(&world, async |work| {
        let hash = PasswordHash::from_text(format!("plain:{PASSWORD}"));
        let disabled = User { status: UserStatus::Disabled, ..user.clone() };
        work.user_delete(user.id).await.unwrap();
        work.user_insert(&disabled).await.unwrap();
        work.credential_insert(user.id, &hash, user.created_at).await.unwrap();
    })
    .await;
    assert!(matches!(refusal, Err(LoginError::AccountDisabled)), "{refusal:?}");
    assert_not_signed_in(&world, &user).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn that_an_account_is_disabled_is_not_told_after_a_password_that_is_changed_meanwhile() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let refusal = login_while(&world, async |work| {
        let hash = PasswordHash::from_text("plain:changed meanwhile".to_owned());
        let disabled = User { status: UserStatus::Disabled, ..user.clone() };
        work.user_delete(user.id).await.unwrap();
        work.user_insert(&disabled).await.unwrap();
        work.credential_insert(user.id, &hash, user.created_at).await.unwrap();
        assert!(work.credential_replace(user.id, 0, &hash, user.created_at).await.unwrap());
    })
    .await;
    assert!(matches!(refusal, Err(LoginError::InvalidCredentials)), "{refusal:?}");
    assert_not_signed_in(&world, &user).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_account_that_is_deleted_between_the_check_and_the_write_is_unknown() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let refusal = login_while(&world, async |work| {
        assert!(work.user_delete(user.id).await.unwrap());
    })
    .await;
    assert!(matches!(refusal, Err(LoginError::InvalidCredentials)), "{refusal:?}");
    assert_eq!(world.ctx.store.user_by_id(user.id).await.unwrap(), None);
    // A session of nobody would be found here.
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_outdated_hash_is_renewed_and_the_version_kept() {
    let world = World::default();
    let outdated = PlainHasher::outdated_hash(PASSWORD);
    let user = account_with(&world, "ada@example.com", UserStatus::Active, &outdated).await;

    session::login(&world.ctx, login("ada@example.com", PASSWORD)).await.unwrap();
    let (_, credential) = world.ctx.store.credential_by_user(user.id).await.unwrap().unwrap();
    assert_eq!(credential.hash.as_str(), format!("plain:{PASSWORD}"));
    assert_eq!(credential.version, 0, "it is still the same password");
    assert_eq!(world.hasher.calls(), 2, "one check, one new hash");

    // The renewed hash is used from now on, and not renewed again.
    session::login(&world.ctx, login("ada@example.com", PASSWORD)).await.unwrap();
    assert_eq!(world.hasher.calls(), 3);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_wrong_password_never_renews_a_hash() {
    let world = World::default();
    let outdated = PlainHasher::outdated_hash(PASSWORD);
    let user = account_with(&world, "ada@example.com", UserStatus::Active, &outdated).await;
    session::login(&world.ctx, login("ada@example.com", "not the right one")).await.unwrap_err();
    let (_, credential) = world.ctx.store.credential_by_user(user.id).await.unwrap().unwrap();
    assert_eq!(credential.hash, outdated);
    world.assert_consistent().await;
}

#[tokio::test]
async fn signing_in_opens_a_session_and_notes_when() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    world.clock.advance(Duration::hours(1) + Duration::microseconds(123_456));
    let now = datetime!(2026-01-01 01:00:00.123456 UTC);
    let device =
        Device { ip: Some("2001:db8::1".to_owned()), user_agent: Some("curl/8.0".to_owned()) };

    // Any form of the address signs in.
    let command = Login { device: device.clone(), ..login("ADA@Example.com", PASSWORD) };
    let tokens = session::login(&world.ctx, command).await.unwrap();

    let (session, owner) =
        world.ctx.store.session_by_id(tokens.session_id).await.unwrap().expect("it was stored");
    assert_eq!(
        session,
        Session {
            id: tokens.session_id,
            user_id: user.id,
            generation: Generation::FIRST,
            rotated_at: now,
            created_at: now,
            last_used_at: now,
            expires_at: now + Duration::days(30),
            revoked: None,
            device,
        }
    );
    assert_eq!(owner, User { last_login_at: Some(now), ..user.clone() });
    assert_eq!(tokens.access_expires_in, Duration::minutes(15));
    assert_eq!(tokens.refresh_expires_in, Duration::days(30));

    let claims = world.ctx.signer.access_verify(tokens.access_token.expose_secret(), now).unwrap();
    assert_eq!((claims.user_id, claims.session_id), (user.id, tokens.session_id));
    assert_eq!(claims.issued_at, datetime!(2026-01-01 01:00:00 UTC));
    assert_eq!(claims.auth_time, datetime!(2026-01-01 01:00:00 UTC));
    assert_eq!(claims.expires_at, datetime!(2026-01-01 01:15:00 UTC));
    assert_eq!(claims.auth_methods, ["pwd"]);
    assert_eq!(claims.roles, [RoleName::user()]);
    world.assert_consistent().await;
}

#[tokio::test]
async fn each_sign_in_is_a_session_of_its_own() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (first, _) = world.signed_in("ada@example.com").await;
    let (second, _) = world.signed_in("ada@example.com").await;
    assert_ne!(first.session_id, second.session_id);
    for tokens in [first, second] {
        let actor = access::authenticate(&world.ctx, tokens.access_token.expose_secret()).unwrap();
        assert_eq!(actor.session_id(), tokens.session_id);
        session::refresh(&world.ctx, tokens.refresh_token.expose_secret()).await.unwrap();
    }
    world.assert_consistent().await;
}
