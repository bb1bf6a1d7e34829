//! Signing up, reading and changing one's own account, deleting it.

use std::{
    pin::{Pin, pin},
    task::{Context, Waker},
};

use doorward_app::{
    Actor, Failure, Receipt, access,
    account::{self, DeleteError, ProfileError, Register, RegisterError},
    session::{self, RefreshError},
};
use doorward_domain::{
    DisplayName, Email, Password, PasswordHash, RoleName, User, UserStatus,
    password::PasswordError,
    ports::{HashError, PasswordHasher},
};
use doorward_testkit::{PASSWORD, World};
use secrecy::ExposeSecret;
use time::{Duration, macros::datetime};

fn email(text: &str) -> Email {
    Email::parse(text).expect("a valid address")
}

fn name(text: &str) -> DisplayName {
    DisplayName::parse(text).expect("a valid name")
}

fn password(text: &str) -> Password {
    Password::parse(text).expect("a valid password")
}

fn sign_up(address: &str, secret: &str) -> Register {
    Register { email: email(address), password: password(secret), name: name("Ada Lovelace") }
}

/// Runs a use case up to the point where it waits for its turn to write. The test holds that turn,
/// so it decides what happens between what the use case has read and what it is about to write.
fn runs_until_its_turn_to_write(use_case: Pin<&mut impl Future>) {
    let polled = use_case.poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "it waits for the unit of work that the test holds");
}

/// Locks an account as an operator would.
async fn disable(world: &World, user: &User) {
    let (_, credential) =
        world.ctx.store.credential_by_user(user.id).await.unwrap().expect("there is an account");
    let disabled = User { status: UserStatus::Disabled, ..user.clone() };
    let mut work = world.ctx.store.begin().await.unwrap();
    work.user_delete(user.id).await.unwrap();
    work.user_insert(&disabled).await.unwrap();
    work.credential_insert(user.id, &credential.hash, user.created_at).await.unwrap();
    work.commit().await.unwrap();
}

#[tokio::test]
async fn signing_up_with_a_weak_password_is_refused_before_any_hashing() {
    let world = World::default();
    for weak in [
        "x",
        "fourteen chars",
        "passwordpassword",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
        "ada@example.com",
        "Ada Lovelace Ada",
        "doorwarddoorward",
    ] {
        let refusal =
            account::register(&world.ctx, sign_up("ada@example.com", weak), Receipt::none()).await;
        assert!(matches!(refusal, Err(RegisterError::Password(_))), "{weak}: {refusal:?}");
    }
    let refusal =
        account::register(&world.ctx, sign_up("ada@example.com", "x"), Receipt::none()).await;
    assert!(
        matches!(refusal, Err(RegisterError::Password(PasswordError::TooShort { min: 15 }))),
        "{refusal:?}"
    );

    assert_eq!(world.hasher.calls(), 0);
    assert!(!world.ctx.store.user_exists().await.unwrap());
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_taken_address_is_refused_in_any_form_and_the_account_stays_as_it_is() {
    let world = World::default();
    for (taken, forms) in [
        ("Ada@example.com", ["ada@example.com", "ADA@EXAMPLE.COM", "aDa@Example.Com"]),
        (
            "ada@bücher.example",
            ["ada@xn--bcher-kva.example", "ada@BÜCHER.example", "Ada@bu\u{308}cher.example"],
        ),
    ] {
        let before = world.registered(taken).await;
        for form in forms {
            let command = sign_up(form, "another passphrase altogether");
            let refusal = account::register(&world.ctx, command, Receipt::none()).await;
            assert!(matches!(refusal, Err(RegisterError::EmailTaken)), "{form}: {refusal:?}");
        }
        let (after, credential) =
            world.ctx.store.credential_by_email(&email(taken)).await.unwrap().unwrap();
        assert_eq!(after, before);
        assert_eq!(after.email.as_given(), taken);
        assert_eq!(credential.hash.as_str(), format!("plain:{PASSWORD}"));
        assert_eq!(credential.version, 0);
    }
    world.assert_consistent().await;
}

#[tokio::test]
async fn of_two_people_who_sign_up_with_one_address_at_once_one_gets_it() {
    let world = World::default();
    let turn = world.ctx.store.begin().await.unwrap();
    let mut first =
        pin!(account::register(&world.ctx, sign_up("ada@example.com", PASSWORD), Receipt::none()));
    let mut second =
        pin!(account::register(&world.ctx, sign_up("ADA@example.com", PASSWORD), Receipt::none()));
    runs_until_its_turn_to_write(first.as_mut());
    runs_until_its_turn_to_write(second.as_mut());
    drop(turn);

    let winner = first.await.unwrap();
    let loser = second.await;
    assert!(matches!(loser, Err(RegisterError::EmailTaken)), "{loser:?}");
    let (stored, _) =
        world.ctx.store.credential_by_email(&email("ada@example.com")).await.unwrap().unwrap();
    assert_eq!(stored, winner);
    world.assert_consistent().await;
}

#[tokio::test]
async fn signing_up_while_the_hasher_is_overloaded_leaves_no_trace() {
    let world = World::default();
    world.hasher.set_overloaded(true);
    let refusal =
        account::register(&world.ctx, sign_up("ada@example.com", PASSWORD), Receipt::none()).await;
    assert!(
        matches!(refusal, Err(RegisterError::Failed(Failure::Hash(HashError::Overloaded { .. })))),
        "{refusal:?}"
    );
    assert!(!world.ctx.store.user_exists().await.unwrap());

    // The address is not held back for the one who failed.
    world.hasher.set_overloaded(false);
    world.registered("ada@example.com").await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_new_account_is_active_unverified_and_has_the_role_user_only() {
    let world = World::default();
    world.clock.advance(Duration::microseconds(123_456));
    let user = account::register(&world.ctx, sign_up("Ada@Example.com", PASSWORD), Receipt::none())
        .await
        .unwrap();

    let now = datetime!(2026-01-01 00:00:00.123456 UTC);
    assert_eq!(user.id.to_string(), "019b76da-a87b-774b-8000-000000000001");
    assert_eq!(user.email.as_given(), "Ada@Example.com");
    assert_eq!(
        user,
        User {
            id: user.id,
            email: email("ada@example.com"),
            email_verified: false,
            name: name("Ada Lovelace"),
            roles: vec![RoleName::user()],
            status: UserStatus::Active,
            created_at: now,
            updated_at: now,
            last_login_at: None,
        }
    );

    let (stored, credential) =
        world.ctx.store.credential_by_user(user.id).await.unwrap().expect("it was stored");
    assert_eq!(stored, user);
    assert_eq!(credential.user_id, user.id);
    assert_eq!(credential.hash, world.hasher.hash(&password(PASSWORD)).await.unwrap());
    assert_eq!(credential.version, 0);
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_account_that_is_gone_is_neither_shown_nor_changed() {
    let world = World::default();
    let deleted = world.registered("gone@example.com").await;
    let (_, deleted_actor) = world.signed_in("gone@example.com").await;
    account::delete(&world.ctx, &deleted_actor, &password(PASSWORD)).await.unwrap();
    let disabled = world.registered("locked@example.com").await;
    let (_, disabled_actor) = world.signed_in("locked@example.com").await;
    disable(&world, &disabled).await;

    for actor in [deleted_actor, disabled_actor] {
        let shown = account::profile(&world.ctx, &actor).await;
        assert!(matches!(shown, Err(ProfileError::Gone)), "{shown:?}");
        for new_name in [None, Some(name("Mallory"))] {
            let changed = account::update_profile(&world.ctx, &actor, new_name).await;
            assert!(matches!(changed, Err(ProfileError::Gone)), "{changed:?}");
        }
    }
    assert_eq!(world.ctx.store.user_by_id(deleted.id).await.unwrap(), None);
    let stored = world.ctx.store.user_by_id(disabled.id).await.unwrap().unwrap();
    assert_eq!((stored.name, stored.updated_at), (disabled.name, disabled.updated_at));
    world.assert_consistent().await;
}

#[tokio::test]
async fn changing_nothing_changes_nothing() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;
    let before = account::profile(&world.ctx, &actor).await.unwrap();
    world.clock.advance(Duration::hours(1));

    assert_eq!(account::update_profile(&world.ctx, &actor, None).await.unwrap(), before);
    assert_eq!(world.ctx.store.user_by_id(before.id).await.unwrap(), Some(before));
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_new_name_changes_the_name_and_the_time_of_change_only() {
    let world = World::default();
    world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;
    let before = account::profile(&world.ctx, &actor).await.unwrap();
    world.clock.advance(Duration::hours(1));

    let after = account::update_profile(&world.ctx, &actor, Some(name("Countess"))).await.unwrap();
    assert_eq!(
        after,
        User { name: name("Countess"), updated_at: datetime!(2026-01-01 01:00:00 UTC), ..before }
    );
    assert_eq!(account::profile(&world.ctx, &actor).await.unwrap(), after);
    world.assert_consistent().await;
}

#[tokio::test]
async fn deleting_with_a_wrong_password_deletes_nothing() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let (tokens, actor) = world.signed_in("ada@example.com").await;

    let refusal = account::delete(&world.ctx, &actor, &password("not the right one")).await;
    assert!(matches!(refusal, Err(DeleteError::WrongPassword)), "{refusal:?}");

    assert!(world.ctx.store.credential_by_user(user.id).await.unwrap().is_some());
    access::authenticate(&world.ctx, tokens.access_token.expose_secret()).unwrap();
    session::refresh(&world.ctx, tokens.refresh_token.expose_secret()).await.unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn deleting_with_a_password_that_is_changed_meanwhile_deletes_nothing() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;

    let mut work = world.ctx.store.begin().await.unwrap();
    let typed = password(PASSWORD);
    let mut deletion = pin!(account::delete(&world.ctx, &actor, &typed));
    runs_until_its_turn_to_write(deletion.as_mut());
    let new_hash = PasswordHash::from_text("plain:changed meanwhile".to_owned());
    assert!(work.credential_replace(user.id, 0, &new_hash, user.created_at).await.unwrap());
    work.commit().await.unwrap();

    let refusal = deletion.await;
    assert!(matches!(refusal, Err(DeleteError::WrongPassword)), "{refusal:?}");
    assert!(world.ctx.store.user_by_id(user.id).await.unwrap().is_some());
    assert!(world.ctx.store.session_by_id(actor.session_id()).await.unwrap().is_some());
    assert!(world.ctx.revocations.is_empty());
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_disabled_account_cannot_be_deleted_by_its_owner() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;
    disable(&world, &user).await;

    // Otherwise whoever was locked out would get rid of the lock by signing up again.
    let refusal = account::delete(&world.ctx, &actor, &password(PASSWORD)).await;
    assert!(matches!(refusal, Err(DeleteError::Gone)), "{refusal:?}");
    let stored = world.ctx.store.user_by_id(user.id).await.unwrap().expect("the account stays");
    assert_eq!(stored.status, UserStatus::Disabled);
    world.assert_consistent().await;
}

#[tokio::test]
async fn of_two_deletions_of_one_account_at_once_one_finds_it_gone() {
    let world = World::default();
    let user = world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;

    let turn = world.ctx.store.begin().await.unwrap();
    let typed = password(PASSWORD);
    let mut first = pin!(account::delete(&world.ctx, &actor, &typed));
    let mut second = pin!(account::delete(&world.ctx, &actor, &typed));
    runs_until_its_turn_to_write(first.as_mut());
    runs_until_its_turn_to_write(second.as_mut());
    drop(turn);

    first.await.unwrap();
    for refusal in [second.await, account::delete(&world.ctx, &actor, &typed).await] {
        assert!(matches!(refusal, Err(DeleteError::Gone)), "{refusal:?}");
    }
    assert_eq!(world.ctx.store.user_by_id(user.id).await.unwrap(), None);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_and_the_address_is_free_again() {
    let world = World::default();
    let bystander = world.registered("grace@example.com").await;
    let (bystander_tokens, _) = world.signed_in("grace@example.com").await;
    let user = world.registered("ada@example.com").await;
    let (other_tokens, other) = world.signed_in("ada@example.com").await;
    let (tokens, actor) = world.signed_in("ada@example.com").await;

    account::delete(&world.ctx, &actor, &password(PASSWORD)).await.unwrap();

    let store = &world.ctx.store;
    assert_eq!(store.user_by_id(user.id).await.unwrap(), None);
    assert_eq!(store.credential_by_user(user.id).await.unwrap(), None);
    assert_eq!(store.credential_by_email(&email("ada@example.com")).await.unwrap(), None);
    for (actor, tokens) in [(actor, &tokens), (other, &other_tokens)] {
        assert_eq!(store.session_by_id(actor.session_id()).await.unwrap(), None);
        let access = access::authenticate(&world.ctx, tokens.access_token.expose_secret());
        assert_eq!(access, Err(access::AuthenticateError::Revoked));
        let refreshed = session::refresh(&world.ctx, tokens.refresh_token.expose_secret()).await;
        assert!(matches!(refreshed, Err(RefreshError::Invalid)), "{refreshed:?}");
    }

    assert!(store.user_by_id(bystander.id).await.unwrap().is_some());
    let signed_in: Actor =
        access::authenticate(&world.ctx, bystander_tokens.access_token.expose_secret()).unwrap();
    assert_eq!(signed_in.user_id(), bystander.id);

    let again = world.registered("ada@example.com").await;
    assert_ne!(again.id, user.id);
    world.assert_consistent().await;
}
