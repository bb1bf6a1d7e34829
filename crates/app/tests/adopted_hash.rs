//! Accounts that came with a password hash from elsewhere.

use doorward_app::{
    Actor, access,
    account::{self, DeleteError},
    password::{self, ChangePassword, ChangePasswordError},
    session::{self, Login, LoginError, Tokens},
};
use doorward_domain::{
    Device, DisplayName, Email, ForeignHashError, Password, PasswordHash, RoleName, User, UserId,
};
use doorward_testkit::{PASSWORD, World};
use secrecy::ExposeSecret;

/// Short, guessable, and another text in NFKC: no new password could be so.
const OLD: &str = "4 \u{b5}m\u{b2}";

fn typed(text: &str) -> Password {
    Password::parse(text).expect("a password that can be tried")
}

async fn imported(world: &World) -> User {
    imported_with(world, OLD).await
}

async fn imported_with(world: &World, secret: &str) -> User {
    let now = world.ctx.clock.now();
    let hash =
        world.ctx.hasher.adopt(&format!("foreign:{secret}")).expect("a hash in a known form");
    let user = User::new(
        UserId::new(now, world.ctx.entropy.as_ref()),
        Email::parse("ada@example.com").expect("a valid address"),
        DisplayName::parse("Ada Lovelace").expect("a valid name"),
        vec![RoleName::user()],
        now,
    );
    let mut work = world.ctx.store.begin().await.unwrap();
    work.user_insert(&user).await.unwrap();
    work.credential_insert(user.id, &hash, now).await.unwrap();
    work.commit().await.unwrap();
    user
}

async fn login(world: &World, secret: &str) -> Result<Tokens, LoginError> {
    let email = Email::parse("ada@example.com").expect("a valid address");
    let command =
        Login { email, password: typed(secret), device: Device::default(), device_token: None };
    session::login(&world.ctx, command).await
}

async fn hash(world: &World, user: &User) -> PasswordHash {
    let found = world.ctx.store.credential_by_user(user.id).await.unwrap();
    let (_, credential) = found.expect("there is an account");
    assert_eq!(credential.version, 0, "it is still the same password");
    credential.hash
}

/// Signs in, and puts the hash from elsewhere back.
async fn signed_in_before_the_hash_was_replaced(world: &World, user: &User) -> Actor {
    let adopted = hash(world, user).await;
    let tokens = login(world, OLD).await.unwrap();
    let mut work = world.ctx.store.begin().await.unwrap();
    work.credential_rehash(user.id, 0, &adopted, user.created_at).await.unwrap();
    work.commit().await.unwrap();
    access::authenticate(&world.ctx, tokens.access_token.expose_secret()).unwrap()
}

#[tokio::test]
async fn what_is_no_known_form_is_not_taken_over() {
    let world = World::default();
    for text in ["", "foreign:", "plain:secret", "secret"] {
        assert_eq!(world.ctx.hasher.adopt(text), Err(ForeignHashError::Unknown), "{text}");
    }
    assert_eq!(world.hasher.calls(), 0, "nothing was hashed");
}

#[tokio::test]
async fn the_first_right_password_replaces_the_hash() {
    let world = World::default();
    let user = imported(&world).await;
    let adopted = hash(&world, &user).await;

    for wrong in ["not the right one", "4 m", "4 \u{b5}m2"] {
        let refusal = login(&world, wrong).await;
        assert!(matches!(refusal, Err(LoginError::InvalidCredentials)), "{wrong}: {refusal:?}");
        assert_eq!(hash(&world, &user).await, adopted);
    }
    login(&world, OLD).await.unwrap();
    assert_eq!(hash(&world, &user).await.as_str(), "plain:4 \u{3bc}m2");

    // From now on it is a hash like any other: of the NFKC, and not replaced again.
    let calls = world.hasher.calls();
    login(&world, OLD).await.unwrap();
    login(&world, "4 \u{3bc}m2").await.unwrap();
    assert_eq!(world.hasher.calls(), calls + 2);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_password_that_is_too_long_to_be_chosen_here_signs_in_for_good() {
    let world = World::default();
    let secret = "correct horse battery staple ".repeat(20);
    let user = imported_with(&world, &secret).await;
    for _ in 0..2 {
        login(&world, &secret).await.unwrap();
        assert_eq!(hash(&world, &user).await.as_str(), format!("plain:{secret}"));
    }
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_password_can_be_changed() {
    let world = World::default();
    let user = imported(&world).await;
    let actor = signed_in_before_the_hash_was_replaced(&world, &user).await;

    let change = |current| ChangePassword { current: typed(current), new: typed(PASSWORD) };
    let refusal = password::change(&world.ctx, &actor, change("not the right one")).await;
    assert!(matches!(refusal, Err(ChangePasswordError::WrongPassword)), "{refusal:?}");
    password::change(&world.ctx, &actor, change(OLD)).await.unwrap();

    login(&world, PASSWORD).await.unwrap();
    let refusal = login(&world, OLD).await;
    assert!(matches!(refusal, Err(LoginError::InvalidCredentials)), "{refusal:?}");
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_account_can_be_deleted() {
    let world = World::default();
    let user = imported(&world).await;
    let actor = signed_in_before_the_hash_was_replaced(&world, &user).await;

    let refusal = account::delete(&world.ctx, &actor, &typed("not the right one")).await;
    assert!(matches!(refusal, Err(DeleteError::WrongPassword)), "{refusal:?}");
    account::delete(&world.ctx, &actor, &typed(OLD)).await.unwrap();
    assert_eq!(world.ctx.store.user_by_id(user.id).await.unwrap(), None);
    world.assert_consistent().await;
}
