//! The first administrator.

use std::{
    collections::HashSet,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Waker},
};

use doorward_app::{
    Failure,
    account::{Register, RegisterError},
    bootstrap,
    session::{self, Login},
};
use doorward_domain::{
    Device, DisplayName, Email, Password, RoleName,
    ports::{Entropy, HashError, StoreError},
};
use doorward_testkit::{PASSWORD, World, mock::MockStore};
use secrecy::ExposeSecret;

/// Octets without a pattern that are the same in each run (xorshift64). The counting double would
/// make a password of almost nothing but `a`, which the policy rightly refuses.
struct Scattered(AtomicU64);

impl Entropy for Scattered {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let mut state = self.0.load(Ordering::Relaxed);
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            self.0.store(state, Ordering::Relaxed);
            *byte = state.to_be_bytes()[0];
        }
    }
}

fn scattered(mut world: World, seed: u64) -> World {
    world.ctx.entropy = Arc::new(Scattered(AtomicU64::new(seed)));
    world
}

fn email(text: &str) -> Email {
    Email::parse(text).expect("a valid address")
}

fn name() -> DisplayName {
    DisplayName::parse("Administrator").expect("a valid name")
}

fn password(text: &str) -> Password {
    Password::parse(text).expect("a valid password")
}

/// Runs a use case up to the point where it waits for its turn to write, which the test holds.
fn runs_until_its_turn_to_write(use_case: Pin<&mut impl Future>) {
    let polled = use_case.poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "it waits for the unit of work that the test holds");
}

#[tokio::test]
async fn no_administrator_is_made_where_there_is_a_user() {
    let world = scattered(World::default(), 1);
    world.registered("ada@example.com").await;
    let calls = world.hasher.calls();

    let made =
        bootstrap::first_admin(&world.ctx, email("admin@example.com"), name()).await.unwrap();
    assert!(made.is_none(), "{made:?}");
    assert_eq!(world.hasher.calls(), calls);
    let stored = world.ctx.store.credential_by_email(&email("admin@example.com")).await.unwrap();
    assert_eq!(stored, None);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_read_makes_no_administrator() {
    let mut store = MockStore::new();
    store
        .expect_user_exists()
        .times(1)
        .returning(|| Err(StoreError::Unavailable("connection refused".into())));
    let world = World::over(Arc::new(store));
    let made = bootstrap::first_admin(&world.ctx, email("admin@example.com"), name()).await;
    assert!(
        matches!(made, Err(RegisterError::Failed(Failure::Store(StoreError::Unavailable(_))))),
        "{made:?}"
    );
    assert_eq!(world.hasher.calls(), 0);
}

#[tokio::test]
async fn an_overloaded_hasher_makes_no_administrator_and_the_next_start_does() {
    let world = scattered(World::default(), 1);
    world.hasher.set_overloaded(true);
    let made = bootstrap::first_admin(&world.ctx, email("admin@example.com"), name()).await;
    assert!(
        matches!(made, Err(RegisterError::Failed(Failure::Hash(HashError::Overloaded { .. })))),
        "{made:?}"
    );
    assert!(!world.ctx.store.user_exists().await.unwrap());

    world.hasher.set_overloaded(false);
    let made = bootstrap::first_admin(&world.ctx, email("admin@example.com"), name()).await;
    assert!(made.unwrap().is_some());
    world.assert_consistent().await;
}

#[tokio::test]
async fn of_two_instances_that_start_at_once_one_makes_the_administrator() {
    let here = scattered(World::default(), 1);
    let there = scattered(World::over(Arc::clone(&here.ctx.store)), 2);
    let turn = here.ctx.store.begin().await.unwrap();
    let mut first = pin!(bootstrap::first_admin(&here.ctx, email("admin@example.com"), name()));
    let mut second = pin!(bootstrap::first_admin(&there.ctx, email("admin@example.com"), name()));
    runs_until_its_turn_to_write(first.as_mut());
    runs_until_its_turn_to_write(second.as_mut());
    drop(turn);

    let made = first.await.unwrap().expect("the first one makes it");
    let none = second.await.unwrap();
    assert!(none.is_none(), "no password is shown that does not work: {none:?}");
    let (stored, credential) =
        here.ctx.store.credential_by_email(&email("admin@example.com")).await.unwrap().unwrap();
    assert_eq!(stored, made.user);
    assert_eq!(credential.hash.as_str(), format!("plain:{}", made.password.expose_secret()));
    here.assert_consistent().await;
}

#[tokio::test]
async fn the_first_administrator_signs_in_with_the_password_that_is_shown() {
    let world = scattered(World::default(), 1);
    let made = bootstrap::first_admin(&world.ctx, email("admin@example.com"), name())
        .await
        .unwrap()
        .expect("the store is empty");
    assert_eq!(made.user.roles, [RoleName::admin(), RoleName::user()]);
    assert_eq!(world.ctx.store.user_by_id(made.user.id).await.unwrap(), Some(made.user));

    let command = Login {
        email: email("admin@example.com"),
        password: password(made.password.expose_secret()),
        device: Device::default(),
        device_token: None,
    };
    let tokens = session::login(&world.ctx, command).await.unwrap();
    let claims = world
        .ctx
        .signer
        .access_verify(tokens.access_token.expose_secret(), world.ctx.clock.now())
        .unwrap();
    assert_eq!(claims.roles, [RoleName::admin(), RoleName::user()]);

    let again = bootstrap::first_admin(&world.ctx, email("second@example.com"), name()).await;
    assert!(again.unwrap().is_none());
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_password_is_easy_to_copy_never_the_same_and_not_shown_by_debug() {
    let mut seen = HashSet::new();
    for seed in 1..=20 {
        let world = scattered(World::default(), seed);
        let made = bootstrap::first_admin(&world.ctx, email("admin@example.com"), name())
            .await
            .unwrap()
            .expect("the store is empty");
        let shown = made.password.expose_secret().to_owned();
        assert!(
            shown.split('-').all(|group| {
                group.len() == 4
                    && group.bytes().all(|b| b"abcdefghjkmnpqrstuvwxyz023456789".contains(&b))
            }),
            "{shown}"
        );
        assert!(!format!("{made:?}").contains(&shown));
        assert!(seen.insert(shown));
        world.assert_consistent().await;
    }
}

#[tokio::test]
async fn the_password_fulfils_the_strictest_policy_that_can_be_set() {
    for min_length in [8, 15, 24, 25, 64] {
        let mut world = scattered(World::default(), 1);
        world.ctx.policy.password.min_length = min_length;
        let made = bootstrap::first_admin(&world.ctx, email("admin@example.com"), name())
            .await
            .unwrap_or_else(|error| panic!("with at least {min_length} characters: {error}"))
            .expect("the store is empty");
        assert!(made.password.expose_secret().len() >= min_length);
        world.assert_consistent().await;
    }
}

#[tokio::test]
async fn an_administrator_with_a_chosen_password_is_held_to_the_policy_too() {
    let world = World::default();
    let admin = |address: &str, secret: &str| Register {
        email: email(address),
        password: password(secret),
        name: name(),
    };
    let refusal =
        bootstrap::create_admin(&world.ctx, admin("admin@example.com", "admin@example.com")).await;
    assert!(matches!(refusal, Err(RegisterError::Password(_))), "{refusal:?}");
    assert_eq!(world.hasher.calls(), 0);

    world.registered("ada@example.com").await;
    let refusal = bootstrap::create_admin(&world.ctx, admin("ADA@example.com", PASSWORD)).await;
    assert!(matches!(refusal, Err(RegisterError::EmailTaken)), "{refusal:?}");

    // Unlike the first one, it may be made beside other users.
    let made =
        bootstrap::create_admin(&world.ctx, admin("admin@example.com", PASSWORD)).await.unwrap();
    assert_eq!(made.roles, [RoleName::admin(), RoleName::user()]);
    assert_eq!(world.ctx.store.user_by_id(made.id).await.unwrap(), Some(made));
    world.assert_consistent().await;
}
