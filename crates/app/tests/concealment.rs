//! Signing up where nobody is told who has an account.

use std::{
    future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use doorward_app::{
    Failure, Receipt,
    account::{self, CONCEALED_WRITE, Register, RegisterError},
};
use doorward_domain::{
    DisplayName, Email, Password,
    ports::{HashError, Store, StoreError},
};
use doorward_testkit::{
    PASSWORD, World,
    mock::{MockStore, MockUnitOfWork},
};
use tokio::sync::oneshot;

fn email(text: &str) -> Email {
    Email::parse(text).expect("a valid address")
}

fn sign_up(address: &str, secret: &str) -> Register {
    Register {
        email: email(address),
        password: Password::parse(secret).expect("a valid password"),
        name: DisplayName::parse("Ada Lovelace").expect("a valid name"),
    }
}

/// A pause that is over when the test says so.
fn pause_until(
    over: oneshot::Receiver<()>,
) -> impl FnOnce(Duration) -> Pin<Box<dyn Future<Output = ()>>> {
    |least| {
        assert_eq!(least, CONCEALED_WRITE);
        Box::pin(async { over.await.expect("the test ends the pause") })
    }
}

fn poll<T>(use_case: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    use_case.poll(&mut Context::from_waker(Waker::noop()))
}

async fn is_known(world: &World, address: &str) -> bool {
    world.ctx.store.credential_by_email(&email(address)).await.unwrap().is_some()
}

#[tokio::test]
async fn what_does_not_depend_on_who_has_an_account_is_told_at_once() {
    let world = World::default();
    world.registered("known@example.com").await;
    let hashed = world.hasher.calls();
    let never = |_| -> future::Pending<()> { panic!("nothing is written") };
    for address in ["known@example.com", "new@example.com"] {
        let refusal =
            account::register_concealed(&world.ctx, sign_up(address, "x"), Receipt::none(), never)
                .await;
        assert!(matches!(refusal, Err(RegisterError::Password(_))), "{refusal:?}");
    }
    assert_eq!(world.hasher.calls(), hashed);

    world.hasher.set_overloaded(true);
    for address in ["known@example.com", "new@example.com"] {
        let refusal = account::register_concealed(
            &world.ctx,
            sign_up(address, PASSWORD),
            Receipt::none(),
            never,
        )
        .await;
        assert!(
            matches!(
                refusal,
                Err(RegisterError::Failed(Failure::Hash(HashError::Overloaded { .. })))
            ),
            "{refusal:?}"
        );
    }
    assert!(!is_known(&world, "new@example.com").await);
}

/// A store whose commits fail, as on a full disk. Only a new address gets as far as that.
fn full() -> MockStore {
    let mut work = MockUnitOfWork::new();
    work.expect_audit_append().returning(|_| Ok(()));
    work.expect_user_insert().returning(|_| Ok(()));
    work.expect_proofs_reserve().returning(|_, _, _| Ok(false));
    work.expect_credential_insert().returning(|_, _, _| Ok(()));
    work.expect_job_enqueue().returning(|_| Ok(true));
    work.expect_commit().return_once(|| Err(StoreError::Unavailable("disk full".into())));
    let mut store = MockStore::new();
    store.expect_begin().return_once(move || Ok(Box::new(work)));
    store
}

#[tokio::test]
async fn a_store_that_fails_is_told_but_not_before_the_pause_is_over() {
    let mut gone = MockStore::new();
    gone.expect_begin().return_once(|| Err(StoreError::Unavailable("refused".into())));
    for store in [gone, full()] {
        let world = World::over(Arc::new(store) as Arc<dyn Store>);
        let (end, over) = oneshot::channel();
        let command = sign_up("ada@example.com", PASSWORD);
        let mut outcome = pin!(account::register_concealed(
            &world.ctx,
            command,
            Receipt::none(),
            pause_until(over)
        ));
        assert!(poll(outcome.as_mut()).is_pending());
        end.send(()).unwrap();
        let failed = outcome.await;
        assert!(
            matches!(
                failed,
                Err(RegisterError::Failed(Failure::Store(StoreError::Unavailable(_))))
            ),
            "{failed:?}"
        );
    }
}

#[tokio::test]
async fn known_and_new_addresses_have_one_outcome_and_the_account_stays_as_it_is() {
    let world = World::default();
    let before = world.registered("Known@example.com").await;
    for address in ["known@example.com", "new@example.com"] {
        let hashed = world.hasher.calls();
        let (end, over) = oneshot::channel();
        let command = sign_up(address, "another passphrase altogether");
        let mut outcome = pin!(account::register_concealed(
            &world.ctx,
            command,
            Receipt::none(),
            pause_until(over)
        ));
        // Everything is done by now, and nothing is told.
        assert!(poll(outcome.as_mut()).is_pending(), "{address}");
        assert!(is_known(&world, address).await);
        assert_eq!(world.hasher.calls(), hashed + 1);
        end.send(()).unwrap();
        outcome.await.unwrap();
    }
    let (after, credential) =
        world.ctx.store.credential_by_email(&before.email).await.unwrap().unwrap();
    assert_eq!(after, before);
    assert_eq!(credential.hash.as_str(), format!("plain:{PASSWORD}"));
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_pause_counts_from_before_the_write_and_nothing_is_held_during_it() {
    let world = World::default();
    for (address, is_new) in [("ada@example.com", true), ("ADA@example.com", false)] {
        let turn = world.ctx.store.begin().await.unwrap();
        let (begun, mut has_begun) = oneshot::channel();
        let (end, over) = oneshot::channel();
        let pause = |least| {
            begun.send(()).unwrap();
            pause_until(over)(least)
        };
        let command = sign_up(address, PASSWORD);
        let mut outcome =
            pin!(account::register_concealed(&world.ctx, command, Receipt::none(), pause));
        assert!(poll(outcome.as_mut()).is_pending());
        has_begun.try_recv().expect("it counts while others write");
        assert_eq!(is_known(&world, address).await, !is_new);
        drop(turn);
        assert!(poll(outcome.as_mut()).is_pending());
        assert!(is_known(&world, address).await);

        // Others can write meanwhile.
        drop(world.ctx.store.begin().await.unwrap());
        end.send(()).unwrap();
        outcome.await.unwrap();
    }
    world.assert_consistent().await;
}
