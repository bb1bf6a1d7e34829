//! Changing one's password.

use std::{
    pin::{Pin, pin},
    task::{Context, Waker},
};

use doorward_app::{
    Actor, Failure, access,
    access::AuthenticateError,
    account,
    password::{self, ChangePassword, ChangePasswordError},
    session::{self, Login, LoginError, RefreshError},
};
use doorward_domain::{
    Credential, Device, Email, Password, PasswordHash, User, UserStatus, ports::HashError,
    session::RevocationCause,
};
use doorward_testkit::{PASSWORD, World};
use secrecy::ExposeSecret;
use time::Duration;

const NEW: &str = "an entirely different passphrase";

fn typed(text: &str) -> Password {
    Password::parse(text).expect("a valid password")
}

fn change(current: &str, new: &str) -> ChangePassword {
    ChangePassword { current: typed(current), new: typed(new) }
}

async fn credential(world: &World, actor: &Actor) -> Credential {
    let found = world.ctx.store.credential_by_user(actor.user_id()).await.unwrap();
    found.expect("there is an account").1
}

/// The first password is still the one, and nobody was signed out.
async fn assert_unchanged(world: &World, actor: &Actor) {
    let stored = credential(world, actor).await;
    assert_eq!((stored.hash.as_str(), stored.version), (&*format!("plain:{PASSWORD}"), 0));
    assert!(world.ctx.revocations.is_empty());
}

async fn login(world: &World, secret: &str) -> Result<session::Tokens, LoginError> {
    let email = Email::parse("ada@example.com").expect("a valid address");
    let command =
        Login { email, password: typed(secret), device: Device::default(), device_token: None };
    session::login(&world.ctx, command).await
}

/// Runs a use case up to the point where it waits for its turn to write, which the test holds.
fn runs_until_its_turn_to_write(use_case: Pin<&mut impl Future>) {
    let polled = use_case.poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "it waits for the unit of work that the test holds");
}

#[tokio::test]
async fn a_guessable_new_password_is_refused_before_any_hashing() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;
    let calls = world.hasher.calls();
    for weak in ["x", "fourteen chars", "passwordpassword", "ada@example.com", "Ada Lovelace Ada"] {
        for current in [PASSWORD, "not the right one"] {
            let refusal = password::change(&world.ctx, &actor, change(current, weak)).await;
            assert!(
                matches!(refusal, Err(ChangePasswordError::Password(_))),
                "{weak}: {refusal:?}"
            );
        }
    }
    assert_eq!(world.hasher.calls(), calls);
    assert_unchanged(&world, &actor).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_wrong_current_password_changes_nothing_and_ends_no_session() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (other, _) = world.signed_in("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;
    let calls = world.hasher.calls();

    let refusal = password::change(&world.ctx, &actor, change("not the right one", NEW)).await;
    assert!(matches!(refusal, Err(ChangePasswordError::WrongPassword)), "{refusal:?}");
    assert_eq!(world.hasher.calls() - calls, 1, "the new password is not hashed in vain");
    assert_unchanged(&world, &actor).await;
    session::refresh(&world.ctx, other.refresh_token.expose_secret()).await.unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_overloaded_hasher_changes_nothing() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;
    world.hasher.set_overloaded(true);
    let refusal = password::change(&world.ctx, &actor, change(PASSWORD, NEW)).await;
    assert!(
        matches!(
            refusal,
            Err(ChangePasswordError::Failed(Failure::Hash(HashError::Overloaded { .. })))
        ),
        "{refusal:?}"
    );
    assert_unchanged(&world, &actor).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_password_of_an_account_that_is_gone_cannot_be_changed() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;

    // Gone after the check of the current password, and gone from the beginning.
    let mut work = world.ctx.store.begin().await.unwrap();
    let mut waiting = pin!(password::change(&world.ctx, &actor, change(PASSWORD, NEW)));
    runs_until_its_turn_to_write(waiting.as_mut());
    assert!(work.user_delete(actor.user_id()).await.unwrap());
    work.commit().await.unwrap();
    let late = waiting.await;
    assert!(matches!(late, Err(ChangePasswordError::Gone)), "{late:?}");

    let never = password::change(&world.ctx, &actor, change(PASSWORD, NEW)).await;
    assert!(matches!(never, Err(ChangePasswordError::Gone)), "{never:?}");
    assert_eq!(world.ctx.store.credential_by_user(actor.user_id()).await.unwrap(), None);
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_password_of_a_disabled_account_cannot_be_changed() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;

    // An operator locks the account after the check of the current password.
    let mut work = world.ctx.store.begin().await.unwrap();
    let mut waiting = pin!(password::change(&world.ctx, &actor, change(PASSWORD, NEW)));
    runs_until_its_turn_to_write(waiting.as_mut());
    let first = PasswordHash::from_text(format!("plain:{PASSWORD}"));
    let disabled = User { status: UserStatus::Disabled, ..user.clone() };
    work.user_delete(user.id).await.unwrap();
    work.user_insert(&disabled).await.unwrap();
    work.credential_insert(user.id, &first, user.created_at).await.unwrap();
    work.commit().await.unwrap();

    for refusal in
        [waiting.await, password::change(&world.ctx, &actor, change(PASSWORD, NEW)).await]
    {
        assert!(matches!(refusal, Err(ChangePasswordError::Gone)), "{refusal:?}");
    }
    assert_unchanged(&world, &actor).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn of_two_changes_at_once_one_wins() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (here_tokens, here) = world.signed_in("ada@example.com").await;
    let (there_tokens, there) = world.signed_in("ada@example.com").await;

    // Both have checked the same password before the first of them may write.
    let turn = world.ctx.store.begin().await.unwrap();
    let mut first = pin!(password::change(&world.ctx, &here, change(PASSWORD, NEW)));
    let mut second =
        pin!(password::change(&world.ctx, &there, change(PASSWORD, "the loser's lengthy secret")));
    runs_until_its_turn_to_write(first.as_mut());
    runs_until_its_turn_to_write(second.as_mut());
    drop(turn);
    first.await.unwrap();
    let loser = second.await;
    assert!(matches!(loser, Err(ChangePasswordError::WrongPassword)), "{loser:?}");

    let stored = credential(&world, &here).await;
    assert_eq!((stored.hash.as_str(), stored.version), (&*format!("plain:{NEW}"), 1));
    access::authenticate(&world.ctx, here_tokens.access_token.expose_secret()).unwrap();
    assert_eq!(
        access::authenticate(&world.ctx, there_tokens.access_token.expose_secret()),
        Err(AuthenticateError::Revoked)
    );
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_sign_in_that_renews_an_outdated_hash_meanwhile_does_not_stop_the_change() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;

    let now = world.ctx.clock.now();
    let mut work = world.ctx.store.begin().await.unwrap();
    let mut waiting = pin!(password::change(&world.ctx, &actor, change(PASSWORD, NEW)));
    runs_until_its_turn_to_write(waiting.as_mut());
    let renewed = PasswordHash::from_text(format!("plain:{PASSWORD}"));
    work.credential_rehash(actor.user_id(), 0, &renewed, now).await.unwrap();
    work.commit().await.unwrap();

    waiting.await.unwrap();
    assert_eq!(credential(&world, &actor).await.hash.as_str(), format!("plain:{NEW}"));
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions_and_keeps_the_present_one() {
    let world = World::default();
    world.registered("ada@example.com").await;
    world.registered("grace@example.com").await;
    let (bystander, _) = world.signed_in("grace@example.com").await;
    let (other, _) = world.signed_in("ada@example.com").await;
    let (present, actor) = world.signed_in("ada@example.com").await;
    world.clock.advance(Duration::minutes(1));

    password::change(&world.ctx, &actor, change(PASSWORD, NEW)).await.unwrap();

    let stored = credential(&world, &actor).await;
    assert_eq!((stored.hash.as_str(), stored.version), (&*format!("plain:{NEW}"), 1));
    assert_eq!(
        access::authenticate(&world.ctx, other.access_token.expose_secret()),
        Err(AuthenticateError::Revoked)
    );
    let refused = session::refresh(&world.ctx, other.refresh_token.expose_secret()).await;
    assert!(matches!(refused, Err(RefreshError::Invalid)), "{refused:?}");
    let (ended, _) = world.ctx.store.session_by_id(other.session_id).await.unwrap().unwrap();
    assert_eq!(ended.revoked, Some(RevocationCause::PasswordChanged));

    for spared in [&present, &bystander] {
        access::authenticate(&world.ctx, spared.access_token.expose_secret()).unwrap();
        session::refresh(&world.ctx, spared.refresh_token.expose_secret()).await.unwrap();
    }
    let old = login(&world, PASSWORD).await;
    assert!(matches!(old, Err(LoginError::InvalidCredentials)), "{old:?}");
    login(&world, NEW).await.unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_next_change_and_the_deletion_ask_for_the_new_password() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;
    password::change(&world.ctx, &actor, change(PASSWORD, NEW)).await.unwrap();

    let old = password::change(&world.ctx, &actor, change(PASSWORD, PASSWORD)).await;
    assert!(matches!(old, Err(ChangePasswordError::WrongPassword)), "{old:?}");
    let old = account::delete(&world.ctx, &actor, &typed(PASSWORD)).await;
    assert!(matches!(old, Err(account::DeleteError::WrongPassword)), "{old:?}");

    password::change(&world.ctx, &actor, change(NEW, PASSWORD)).await.unwrap();
    let stored = credential(&world, &actor).await;
    assert_eq!((stored.hash.as_str(), stored.version), (&*format!("plain:{PASSWORD}"), 2));
    account::delete(&world.ctx, &actor, &typed(PASSWORD)).await.unwrap();
    assert_eq!(world.ctx.store.user_by_id(actor.user_id()).await.unwrap(), None);
    world.assert_consistent().await;
}
