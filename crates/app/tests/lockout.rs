//! Guessing passwords does not work, and locking others out by guessing does not either.

use std::sync::Arc;

use doorward_app::{
    Actor, Failure,
    account::{self, DeleteError},
    maintenance,
    password::{self, ChangePassword, ChangePasswordError},
    session::{self, Login, LoginError, Tokens},
};
use doorward_domain::{
    AuditFilter, AuditParty, Device, Email, GuessSubject, Origin, PageRequest, Password,
    ports::StoreError,
};
use doorward_testkit::{PASSWORD, PlainHasher, World, mock::MockStore};
use secrecy::{ExposeSecret, SecretString};
use time::Duration;

const ADA: &str = "ada@example.com";
/// How many wrong guesses are free.
const FREE: usize = 5;

fn login(address: &str, secret: &str, device_token: Option<&SecretString>) -> Login {
    Login {
        email: Email::parse(address).expect("a valid address"),
        password: Password::parse(secret).expect("a valid password"),
        device: Device::default(),
        device_token: device_token.cloned(),
    }
}

async fn attempt(world: &World, address: &str, secret: &str) -> Result<Tokens, LoginError> {
    session::login(&world.ctx, login(address, secret, None)).await
}

/// Guesses wrong so many times, each of which is looked at.
async fn guess_wrong(world: &World, address: &str, times: usize) {
    for _ in 0..times {
        let refusal = attempt(world, address, "wrong").await;
        assert!(matches!(refusal, Err(LoginError::InvalidCredentials)), "{refusal:?}");
    }
}

#[track_caller]
fn assert_locked(refusal: Result<Tokens, LoginError>) -> Duration {
    match refusal {
        Err(LoginError::TooManyAttempts { retry_after }) => retry_after,
        other => panic!("it should wait: {other:?}"),
    }
}

/// A world with Ada in it, asked from this address.
async fn world_from(ip: &str) -> World {
    let mut world = World::default();
    world.registered(ADA).await;
    ask_from(&mut world, ip);
    world
}

fn ask_from(world: &mut World, ip: &str) {
    let device = Device { ip: Some(ip.to_owned()), user_agent: None };
    world.ctx = world.ctx.asked_from(Origin { device, request_id: None });
}

/// Signs in so many times at once, and returns how the attempts ended and how many were looked at.
async fn at_once(
    world: &World,
    count: usize,
    secret: &str,
) -> (Vec<Result<Tokens, LoginError>>, usize) {
    let before = world.hasher.calls();
    let start = Arc::new(tokio::sync::Barrier::new(count));
    let attempts: Vec<_> = (0..count)
        .map(|_| {
            let (ctx, start) = (world.ctx.clone(), Arc::clone(&start));
            let command = login(ADA, secret, None);
            tokio::spawn(async move {
                start.wait().await;
                session::login(&ctx, command).await
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for attempt in attempts {
        outcomes.push(attempt.await.expect("it does not panic"));
    }
    (outcomes, world.hasher.calls() - before)
}

#[tokio::test]
async fn after_the_free_guesses_each_one_waits_twice_as_long_up_to_the_longest_wait() {
    for address in [ADA, "nobody@example.com"] {
        let world = world_from("192.0.2.1").await;
        guess_wrong(&world, address, FREE).await;
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let wait = Duration::seconds(seconds);
            let calls = world.hasher.calls();
            // Not even the right one is looked at.
            for secret in ["wrong", PASSWORD] {
                assert_eq!(assert_locked(attempt(&world, address, secret).await), wait);
            }
            world.clock.advance(wait - Duration::MICROSECOND);
            let left = assert_locked(attempt(&world, address, PASSWORD).await);
            assert_eq!(left, Duration::MICROSECOND);
            assert_eq!(world.hasher.calls(), calls, "nothing is hashed for who is locked out");
            world.clock.advance(Duration::MICROSECOND);
            guess_wrong(&world, address, 1).await;
        }
        world.assert_consistent().await;
    }
}

#[tokio::test]
async fn a_right_password_forgives_the_failures_before_it() {
    let world = world_from("192.0.2.1").await;
    for _ in 0..4 {
        guess_wrong(&world, ADA, FREE - 1).await;
        attempt(&world, ADA, PASSWORD).await.unwrap();
    }
    guess_wrong(&world, ADA, FREE).await;
    world.clock.advance(Duration::seconds(1));
    attempt(&world, ADA, PASSWORD).await.unwrap();
    guess_wrong(&world, ADA, FREE).await;
    assert_locked(attempt(&world, ADA, PASSWORD).await);
}

#[tokio::test]
async fn a_right_password_without_failures_writes_no_counter() {
    let world = world_from("192.0.2.1").await;
    attempt(&world, ADA, PASSWORD).await.unwrap();
    for subject in [
        GuessSubject::Account(Email::parse(ADA).unwrap()),
        GuessSubject::block_of([192, 0, 2, 1].into()),
    ] {
        let key = world.ctx.signer.guess_key(&subject);
        assert_eq!(world.ctx.store.guess_counters(&[key]).await.unwrap(), [None]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_right_passwords_at_once_are_all_right() {
    for failures in [0, FREE - 1] {
        let world = world_from("192.0.2.1").await;
        guess_wrong(&world, ADA, failures).await;
        let (outcomes, _) = at_once(&world, 20, PASSWORD).await;
        for outcome in outcomes {
            outcome.unwrap();
        }
        // What was claimed for them was given back.
        let key = world.ctx.signer.guess_key(&GuessSubject::Account(Email::parse(ADA).unwrap()));
        let counters = world.ctx.store.guess_counters(&[key]).await.unwrap();
        assert_eq!(counters[0].map_or(0, |counter| counter.guesses as usize), failures);
        world.assert_consistent().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_wrong_passwords_at_once_few_are_looked_at() {
    let world = world_from("192.0.2.1").await;
    let (outcomes, looked_at) = at_once(&world, 200, "wrong").await;
    assert!((FREE..FREE + PlainHasher::TURNS).contains(&looked_at), "{looked_at}");
    let refused = outcomes.iter().filter(|it| matches!(it, Err(LoginError::InvalidCredentials)));
    assert_eq!(refused.count(), looked_at);
    world.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_than_a_hundred_guesses_are_looked_at_in_a_day() {
    let mut world = world_from("192.0.2.1").await;
    world.ctx.policy.lockout_max = Duration::seconds(1);
    let mut looked_at = 0;
    for number in 0..120 {
        // Wherever they come from.
        ask_from(&mut world, &format!("2001:db8:0:{number:x}::1"));
        looked_at += at_once(&world, 12, "wrong").await.1;
        world.clock.advance(Duration::seconds(1));
    }
    assert_eq!(looked_at, 100);
    let wait = assert_locked(attempt(&world, ADA, PASSWORD).await);
    assert_eq!(wait, Duration::DAY - Duration::seconds(120));
    world.clock.advance(wait);
    attempt(&world, ADA, PASSWORD).await.unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn right_passwords_do_not_use_up_the_day() {
    let world = world_from("192.0.2.1").await;
    guess_wrong(&world, ADA, 1).await;
    for _ in 0..200 {
        attempt(&world, ADA, PASSWORD).await.unwrap();
    }
}

#[tokio::test]
async fn a_right_password_is_no_wrong_guess_although_it_does_not_let_in() {
    let mut world = world_from("192.0.2.1").await;
    world.ctx.policy.require_verified_email = true;
    guess_wrong(&world, ADA, FREE - 1).await;
    // As who looks again and again whether the address is verified by now.
    for _ in 0..200 {
        let refusal = attempt(&world, ADA, PASSWORD).await;
        assert!(matches!(refusal, Err(LoginError::EmailNotVerified)), "{refusal:?}");
    }
    guess_wrong(&world, ADA, FREE - 1).await;
}

#[tokio::test]
async fn a_right_password_is_no_wrong_guess_although_the_account_may_not_be_deleted() {
    let world = world_from("192.0.2.1").await;
    let admin = world.admin("admin@example.com").await;
    for _ in 0..FREE {
        for _ in 1..FREE {
            let refusal = delete(&world, &admin, "wrong").await;
            assert!(matches!(refusal, Err(DeleteError::WrongPassword)), "{refusal:?}");
        }
        let refusal = delete(&world, &admin, PASSWORD).await;
        assert!(matches!(refusal, Err(DeleteError::LastAdmin)), "{refusal:?}");
    }
}

#[tokio::test]
async fn an_attacker_does_not_lock_out_the_owner_on_a_known_device() {
    let mut world = world_from("192.0.2.1").await;
    let token = attempt(&world, ADA, PASSWORD).await.unwrap().device_token.unwrap();
    guess_wrong(&world, ADA, FREE).await;
    assert_locked(attempt(&world, ADA, PASSWORD).await);

    let again = session::login(&world.ctx, login(ADA, PASSWORD, Some(&token))).await.unwrap();
    // It stays the same device, from now on for another year.
    let signer = &world.ctx.signer;
    let device = |token: &SecretString| signer.device_verify(token.expose_secret()).unwrap();
    assert_eq!(device(again.device_token.as_ref().unwrap()), device(&token));
    // That the owner signed in does not help the attacker.
    assert_locked(attempt(&world, ADA, "wrong").await);

    // Nor does the whole block of addresses count, from where others guess.
    for number in FREE..50 {
        guess_wrong(&world, &format!("user-{number}@example.com"), 1).await;
    }
    assert_locked(attempt(&world, "somebody@example.com", "wrong").await);
    session::login(&world.ctx, login(ADA, PASSWORD, Some(&token))).await.unwrap();
    ask_from(&mut world, "192.0.2.2");
    guess_wrong(&world, "somebody@example.com", 1).await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_device_token_of_somebody_else_or_nobody_or_long_ago_is_as_good_as_none() {
    let world = world_from("192.0.2.1").await;
    world.registered("bob@example.com").await;
    let token = |tokens: Tokens| tokens.device_token.unwrap();
    let own = token(attempt(&world, ADA, PASSWORD).await.unwrap());
    let foreign = token(attempt(&world, "bob@example.com", PASSWORD).await.unwrap());
    world.clock.advance(Duration::days(365) - Duration::seconds(1));
    guess_wrong(&world, ADA, FREE).await;
    for bad in [foreign, "device:".into(), "x".repeat(10_000).into()] {
        assert_locked(session::login(&world.ctx, login(ADA, PASSWORD, Some(&bad))).await);
    }
    session::login(&world.ctx, login(ADA, PASSWORD, Some(&own))).await.unwrap();
    world.clock.advance(Duration::seconds(1));
    guess_wrong(&world, ADA, 1).await;
    assert_locked(session::login(&world.ctx, login(ADA, PASSWORD, Some(&own))).await);
}

#[tokio::test]
async fn a_known_device_is_not_a_place_to_guess_at_will() {
    let world = world_from("192.0.2.1").await;
    let token = attempt(&world, ADA, PASSWORD).await.unwrap().device_token.unwrap();
    for _ in 0..FREE {
        let refusal = session::login(&world.ctx, login(ADA, "wrong", Some(&token))).await;
        assert!(matches!(refusal, Err(LoginError::InvalidCredentials)), "{refusal:?}");
    }
    let refusal = session::login(&world.ctx, login(ADA, PASSWORD, Some(&token))).await;
    assert_eq!(assert_locked(refusal), Duration::seconds(1));
    // They count for the account as well: without the token it goes on just as far.
    assert_locked(attempt(&world, ADA, PASSWORD).await);
}

#[tokio::test]
async fn a_block_of_addresses_is_locked_out_after_many_failures_of_an_hour() {
    let mut world = world_from("2001:db8:0:1::1").await;
    for number in 0..50 {
        ask_from(&mut world, &format!("2001:db8:0:1::{number:x}"));
        guess_wrong(&world, &format!("user-{number}@example.com"), 1).await;
    }
    assert_eq!(assert_locked(attempt(&world, ADA, PASSWORD).await), Duration::seconds(1));
    world.clock.advance(Duration::seconds(1));
    // A right password does not forgive what was guessed at others.
    attempt(&world, ADA, PASSWORD).await.unwrap();
    guess_wrong(&world, "last@example.com", 1).await;
    assert_eq!(assert_locked(attempt(&world, ADA, PASSWORD).await), Duration::seconds(2));
    ask_from(&mut world, "2001:db8:0:2::1");
    attempt(&world, ADA, PASSWORD).await.unwrap();
    ask_from(&mut world, "2001:db8:0:1::1");
    world.clock.advance(Duration::HOUR);
    for number in 0..49 {
        guess_wrong(&world, &format!("other-{number}@example.com"), 1).await;
    }
    attempt(&world, ADA, PASSWORD).await.unwrap();
}

async fn change(world: &World, actor: &Actor, secret: &str) -> Result<(), ChangePasswordError> {
    let current = Password::parse(secret).unwrap();
    let new = Password::parse("four other words in a row").unwrap();
    password::change(&world.ctx, actor, ChangePassword { current, new }).await
}

async fn delete(world: &World, actor: &Actor, secret: &str) -> Result<(), DeleteError> {
    account::delete(&world.ctx, actor, &Password::parse(secret).unwrap()).await
}

#[tokio::test]
async fn strangers_do_not_keep_the_owner_who_is_signed_in_from_anything() {
    let world = world_from("192.0.2.1").await;
    let (tokens, actor) = world.signed_in(ADA).await;
    guess_wrong(&world, ADA, FREE).await;
    session::refresh(&world.ctx, tokens.refresh_token.expose_secret()).await.unwrap();
    change(&world, &actor, PASSWORD).await.unwrap();
    delete(&world, &actor, "four other words in a row").await.unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_stolen_session_is_not_a_place_to_guess_either() {
    let world = world_from("192.0.2.1").await;
    let (_, stolen) = world.signed_in(ADA).await;
    let (_, own) = world.signed_in(ADA).await;
    for _ in 0..2 {
        let refusal = change(&world, &stolen, "wrong").await;
        assert!(matches!(refusal, Err(ChangePasswordError::WrongPassword)), "{refusal:?}");
    }
    for _ in 2..FREE {
        let refusal = delete(&world, &stolen, "wrong").await;
        assert!(matches!(refusal, Err(DeleteError::WrongPassword)), "{refusal:?}");
    }
    let calls = world.hasher.calls();
    let wait = Duration::seconds(1);
    let refusal = change(&world, &stolen, PASSWORD).await;
    assert!(
        matches!(refusal, Err(ChangePasswordError::TooManyAttempts { retry_after }) if retry_after == wait),
        "{refusal:?}"
    );
    let refusal = delete(&world, &stolen, PASSWORD).await;
    assert!(
        matches!(refusal, Err(DeleteError::TooManyAttempts { retry_after }) if retry_after == wait),
        "{refusal:?}"
    );
    // These were guesses at the account as well.
    assert_eq!(assert_locked(attempt(&world, ADA, "wrong").await), wait);
    assert_eq!(world.hasher.calls(), calls);
    // The owner's own session has a counter of its own.
    change(&world, &own, PASSWORD).await.unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_guess_that_cannot_be_counted_is_not_free() {
    let mut world = world_from("192.0.2.1").await;
    let mut store = MockStore::new();
    store.expect_credential_by_email().returning(|_| Ok(None));
    store.expect_guess_counters().returning(|keys| Ok(vec![None; keys.len()]));
    store.expect_begin().returning(|| Err(StoreError::Unavailable("gone".into())));
    world.ctx.store = Arc::new(store);
    let refusal = attempt(&world, ADA, "wrong").await;
    assert!(
        matches!(refusal, Err(LoginError::Failed(Failure::Store(StoreError::Unavailable(_))))),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_lock_is_written_down_once_and_not_what_is_refused_under_it() {
    let world = world_from("192.0.2.1").await;
    guess_wrong(&world, ADA, FREE).await;
    for _ in 0..20 {
        assert_locked(attempt(&world, ADA, "wrong").await);
    }
    world.clock.advance(Duration::seconds(1));
    guess_wrong(&world, ADA, 1).await;
    let page = PageRequest::default();
    let events = world.ctx.store.audit_events(&AuditFilter::default(), page).await.unwrap();
    let locks: Vec<_> =
        events.items.iter().filter(|event| event.action == "lockout.begun").collect();
    let data: Vec<&str> = locks.iter().map(|event| event.data.as_str()).collect();
    assert_eq!(
        data,
        [
            r#"{"of":"account","seconds":"2","failures":"6"}"#,
            r#"{"of":"account","seconds":"1","failures":"5"}"#
        ]
    );
    let ada = world.ctx.store.credential_by_email(&Email::parse(ADA).unwrap()).await.unwrap();
    let ada = Some(AuditParty::user(ada.unwrap().0.id));
    assert!(locks.iter().all(|event| event.subject == ada && event.actor.is_none()));
    let failures = events.items.iter().filter(|event| event.action == "login.failed").count();
    assert_eq!(failures, FREE + 1);
}

#[tokio::test]
async fn counters_that_mean_nothing_any_more_are_forgotten() {
    let world = world_from("192.0.2.1").await;
    guess_wrong(&world, ADA, 1).await;
    let keys = [
        GuessSubject::Account(Email::parse(ADA).unwrap()),
        GuessSubject::block_of([192, 0, 2, 1].into()),
    ]
    .map(|subject| world.ctx.signer.guess_key(&subject));
    for (pause, left) in [(Duration::HOUR, [true, false]), (Duration::DAY, [false, false])] {
        world.clock.advance(pause);
        maintenance::prune(&world.ctx).await.unwrap();
        let counters = world.ctx.store.guess_counters(&keys).await.unwrap();
        assert_eq!([counters[0].is_some(), counters[1].is_some()], left);
    }
}
