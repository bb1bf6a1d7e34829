//! Requests that are sent again and are not carried out again.

use std::{
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Waker},
};

use doorward_app::{
    Ctx, Failure, Receipt,
    account::{self, CONCEALED_WRITE, Register, RegisterError},
    idempotency::{OnceError, Outcome, RepeatError, Request, once},
    maintenance,
    signing_key::{self, Rotation},
};
use doorward_domain::{
    AuditParty, DisplayName, Email, IdempotencyKey, Password, User,
    idempotency::{ANSWER_KEPT_FOR, Caller},
    ports::{Constraint, StoreError},
};
use doorward_testkit::{PASSWORD, World};
use time::Duration;

/// As long as a claim holds by itself.
const LEASE: std::time::Duration = std::time::Duration::from_mins(1);

type Registered = Result<Outcome<User>, OnceError<RegisterError>>;

fn sign_up(address: &str, password: &str) -> Register {
    Register {
        email: Email::parse(address).expect("a valid address"),
        password: Password::parse(password).expect("a valid password"),
        name: DisplayName::parse("Ada Lovelace").expect("a valid name"),
    }
}

fn request(payload: &str) -> Request {
    Request {
        caller: Caller::Anonymous,
        operation: "POST /users".to_owned(),
        key: IdempotencyKey::parse("the-key").expect("a valid key"),
        payload: payload.into(),
    }
}

fn answer(user: &User) -> Vec<u8> {
    format!("made {}", user.id).into_bytes()
}

async fn register_as(ctx: &Ctx, request: Request, command: Register) -> Registered {
    let use_case = |receipt| account::register(ctx, command, receipt);
    once(ctx, Some(request), answer, use_case).await
}

async fn register(ctx: &Ctx, address: &str) -> Registered {
    register_as(ctx, request(address), sign_up(address, PASSWORD)).await
}

fn done(outcome: Registered) -> User {
    match outcome.expect("the request is carried out") {
        Outcome::Done(user) => user,
        Outcome::DoneBefore(answer) => panic!("{answer:?}"),
    }
}

fn is_repeat(outcome: &Registered, user: &User) -> bool {
    matches!(outcome, Ok(Outcome::DoneBefore(before)) if *before == answer(user))
}

fn is_in_progress<T>(outcome: &Result<Outcome<T>, OnceError<RegisterError>>) -> bool {
    matches!(outcome, Err(OnceError::Repeat(RepeatError::InProgress)))
}

#[tokio::test]
async fn another_payload_under_the_key_is_refused() {
    let world = World::default();
    let ada = done(register(&world.ctx, "ada@example.com").await);
    let hashed = world.hasher.calls();
    let refusal = register(&world.ctx, "bob@example.com").await;
    assert!(matches!(refusal, Err(OnceError::Repeat(RepeatError::KeyReused))), "{refusal:?}");
    assert_eq!(world.hasher.calls(), hashed);
    assert!(is_repeat(&register(&world.ctx, "ada@example.com").await, &ada));
}

#[tokio::test]
async fn a_refused_or_failed_request_is_as_if_it_had_never_been_sent() {
    let world = World::default();
    let weak = register_as(&world.ctx, request("weak"), sign_up("ada@example.com", "x")).await;
    assert!(matches!(weak, Err(OnceError::UseCase(RegisterError::Password(_)))), "{weak:?}");
    world.hasher.set_overloaded(true);
    let failed = register(&world.ctx, "ada@example.com").await;
    assert!(matches!(failed, Err(OnceError::UseCase(RegisterError::Failed(_)))), "{failed:?}");
    world.hasher.set_overloaded(false);
    // The same key goes on with whatever payload comes to something.
    let ada = done(register(&world.ctx, "ada@example.com").await);
    assert!(is_repeat(&register(&world.ctx, "ada@example.com").await, &ada));
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_answered_and_not_carried_out() {
    let world = World::default();
    let ada = done(register(&world.ctx, "ada@example.com").await);
    let hashed = world.hasher.calls();
    world.clock.advance(ANSWER_KEPT_FOR - Duration::SECOND);
    maintenance::prune(&world.ctx).await.unwrap();
    for _ in 0..3 {
        assert!(is_repeat(&register(&world.ctx, "ada@example.com").await, &ada));
    }
    assert_eq!(world.hasher.calls(), hashed);
    world.clock.advance(Duration::SECOND);
    maintenance::prune(&world.ctx).await.unwrap();
    let forgotten = register(&world.ctx, "ada@example.com").await;
    let taken = matches!(forgotten, Err(OnceError::UseCase(RegisterError::EmailTaken)));
    assert!(taken, "{forgotten:?}");
}

#[tokio::test]
async fn keys_of_other_callers_and_other_operations_mean_nothing() {
    let world = World::default();
    let ada = done(register(&world.ctx, "ada@example.com").await);
    let bob = Request { caller: Caller::User(ada.id), ..request("ada@example.com") };
    done(register_as(&world.ctx, bob, sign_up("bob@example.com", PASSWORD)).await);
    let other = Request { operation: "POST /others".to_owned(), ..request("ada@example.com") };
    done(register_as(&world.ctx, other, sign_up("eve@example.com", PASSWORD)).await);
}

/// The process is killed after the claim, or after the commit.
#[tokio::test(start_paused = true)]
async fn what_was_broken_off_is_done_again_when_its_lease_is_over() {
    let world = World::default();
    let broken_off = once(&world.ctx, Some(request("ada@example.com")), answer, |receipt| async {
        std::future::pending::<()>().await;
        account::register(&world.ctx, sign_up("ada@example.com", PASSWORD), receipt).await
    });
    {
        let mut broken_off = pin!(broken_off);
        assert!(broken_off.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert!(is_in_progress(&register(&world.ctx, "ada@example.com").await));
    tokio::time::advance(LEASE).await;

    let committed = once(&world.ctx, Some(request("ada@example.com")), answer, |receipt| async {
        let command = sign_up("ada@example.com", PASSWORD);
        account::register(&world.ctx, command, receipt).await?;
        std::future::pending::<Result<User, RegisterError>>().await
    });
    {
        let mut committed = pin!(committed);
        assert!(committed.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let ada = Email::parse("ada@example.com").unwrap();
    let (ada, _) = world.ctx.store.credential_by_email(&ada).await.unwrap().unwrap();
    assert!(is_repeat(&register(&world.ctx, "ada@example.com").await, &ada));
}

#[tokio::test(start_paused = true)]
async fn who_takes_longer_than_the_lease_and_is_overtaken_does_nothing() {
    let world = World::default();
    let slow = once(&world.ctx, Some(request("ada@example.com")), answer, |receipt| async {
        tokio::time::advance(LEASE).await;
        done(register(&world.ctx, "ada@example.com").await);
        // Under another address, so that nothing but the lost claim stands in the way.
        account::register(&world.ctx, sign_up("eve@example.com", PASSWORD), receipt).await
    });
    let Err(OnceError::UseCase(RegisterError::Failed(Failure::Store(overtaken)))) = slow.await
    else {
        panic!("it was overtaken");
    };
    assert!(matches!(overtaken, StoreError::Conflict(Constraint::RequestClaim)), "{overtaken:?}");
    let eve = Email::parse("eve@example.com").unwrap();
    assert_eq!(world.ctx.store.credential_by_email(&eve).await.unwrap(), None);
    let again = register(&world.ctx, "ada@example.com").await;
    assert!(matches!(again, Ok(Outcome::DoneBefore(_))), "{again:?}");
}

/// Who may not know whether there is an account does not learn it from a retry, nor from when it is
/// answered.
#[tokio::test(start_paused = true)]
async fn a_concealed_answer_is_kept_for_known_addresses_and_withheld_for_all() {
    let world = World::default();
    world.registered("known@example.com").await;
    for address in ["known@example.com", "unknown@example.com"] {
        let register = async || {
            let command = sign_up(address, PASSWORD);
            let request =
                Request { key: IdempotencyKey::parse(address).unwrap(), ..request(address) };
            let pause = |_| std::future::ready(());
            let nothing = |(): &()| b"accepted".to_vec();
            once(&world.ctx, Some(request), nothing, |receipt| {
                account::register_concealed(&world.ctx, command, receipt, pause)
            })
            .await
        };
        assert!(matches!(register().await, Ok(Outcome::Done(()))), "{address}");
        assert!(is_in_progress(&register().await), "{address}");
        tokio::time::advance(CONCEALED_WRITE).await;
        let hashed = world.hasher.calls();
        let again = register().await;
        assert!(matches!(&again, Ok(Outcome::DoneBefore(it)) if it == b"accepted"), "{again:?}");
        assert_eq!(world.hasher.calls(), hashed);
    }
}

#[tokio::test]
async fn a_rotation_is_answered_alike_whether_it_was_begun_or_under_way() {
    let world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    let rotate = async |key: &str| {
        let request = Request {
            operation: "POST /rotate".to_owned(),
            key: IdempotencyKey::parse(key).unwrap(),
            ..request("")
        };
        let answer = |rotation: &Rotation| rotation.key.kid.clone().into_bytes();
        let by = AuditParty::system();
        let rotate = |receipt| signing_key::rotate(&world.ctx, by, receipt);
        once(&world.ctx, Some(request), answer, rotate).await.unwrap()
    };
    let Outcome::Done(begun) = rotate("a").await else { panic!("it is new") };
    let Outcome::Done(under_way) = rotate("b").await else { panic!("it is new") };
    assert_eq!((begun.under_way, under_way.under_way), (false, true));
    assert_eq!(begun.key, under_way.key);
    // By now another rotation would make another key.
    world.clock.advance(Duration::HOUR);
    for key in ["a", "b"] {
        let expected = Outcome::DoneBefore(begun.key.kid.clone().into_bytes());
        assert_eq!(rotate(key).await, expected);
    }
    assert_eq!(world.ctx.store.signing_keys().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_send_one_request_at_once_one_carries_it_out() {
    static CARRIED_OUT: AtomicU32 = AtomicU32::new(0);
    let world = World::default();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let ctx = world.ctx.clone();
            tokio::spawn(async move {
                let request = Some(request("ada@example.com"));
                let register = |receipt: Receipt<User>| {
                    CARRIED_OUT.fetch_add(1, Ordering::Relaxed);
                    account::register(&ctx, sign_up("ada@example.com", PASSWORD), receipt)
                };
                once(&ctx, request, answer, register).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(Outcome::Done(user)) => answers.push(answer(&user)),
            Ok(Outcome::DoneBefore(answer)) => answers.push(answer),
            other => assert!(is_in_progress(&other), "{other:?}"),
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]) && !answers.is_empty());
    assert_eq!(CARRIED_OUT.load(Ordering::Relaxed), 1);
}
