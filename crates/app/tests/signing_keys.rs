//! Making and taking over the keys that sign access tokens.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Waker},
};

use doorward_app::{
    Ctx, Failure,
    signing_key::{self, PUBLICATION_LEAD, SigningKeyError},
};
use doorward_domain::{
    SealedSigningKey, SigningAlgorithm,
    ports::{Constraint, KeyError, Store, StoreError},
};
use doorward_testkit::{
    PlainSigner, World,
    mock::{MockStore, MockTokenSigner, MockUnitOfWork},
};
use mockall::Sequence;
use time::{Duration, macros::datetime};

/// A second instance over the same store that signs with what it has adopted itself.
fn another_instance(world: &World, algorithm: SigningAlgorithm) -> Ctx {
    let mut ctx = Ctx { signer: Arc::new(PlainSigner::default()), ..world.ctx.clone() };
    ctx.policy.signing_algorithm = algorithm;
    ctx
}

fn published(ctx: &Ctx) -> Vec<String> {
    signing_key::published(ctx).into_iter().map(|key| key.kid).collect()
}

async fn stored(store: &dyn Store) -> Vec<(i64, SigningAlgorithm)> {
    let keys = store.signing_keys().await.unwrap();
    keys.iter().map(|key| (key.generation, key.algorithm)).collect()
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("connection refused".into())
}

fn key(generation: i64) -> SealedSigningKey {
    SealedSigningKey {
        kid: format!("key-{generation}"),
        generation,
        algorithm: SigningAlgorithm::EdDsa,
        sealed_private_key: Vec::new(),
        created_at: datetime!(2026-01-01 00:00:00 UTC),
        activates_at: datetime!(2026-01-01 00:00:00 UTC),
    }
}

/// Runs a use case up to the point where it waits for its turn to write, which the test holds.
fn runs_until_its_turn_to_write(use_case: Pin<&mut impl Future>) {
    let polled = use_case.poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "it waits for the unit of work that the test holds");
}

#[tokio::test]
async fn a_store_that_cannot_be_read_fails_the_start_and_the_reload() {
    let mut store = MockStore::new();
    store.expect_signing_keys().times(2).returning(|| Err(unavailable()));
    let world = World::over(Arc::new(store));
    for outcome in [signing_key::ensure(&world.ctx).await, signing_key::reload(&world.ctx).await] {
        assert!(
            matches!(
                outcome,
                Err(SigningKeyError::Failed(Failure::Store(StoreError::Unavailable(_))))
            ),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_written_is_not_published() {
    for commit_fails in [false, true] {
        let mut work = MockUnitOfWork::new();
        if commit_fails {
            work.expect_signing_key_insert().times(1).returning(|_| Ok(()));
            work.expect_commit().times(1).return_once(|| Err(unavailable()));
        } else {
            work.expect_signing_key_insert().times(1).returning(|_| Err(unavailable()));
            work.expect_commit().never();
        }
        let mut store = MockStore::new();
        store.expect_signing_keys().times(1).returning(|| Ok(Vec::new()));
        store.expect_begin().times(1).return_once(move || Ok(Box::new(work)));
        let world = World::over(Arc::new(store));

        let outcome = signing_key::ensure(&world.ctx).await;
        assert!(
            matches!(
                outcome,
                Err(SigningKeyError::Failed(Failure::Store(StoreError::Unavailable(_))))
            ),
            "{outcome:?}"
        );
        assert_eq!(signing_key::published(&world.ctx), []);
    }
}

#[tokio::test]
async fn another_conflict_than_that_of_the_generation_is_a_failure() {
    let mut work = MockUnitOfWork::new();
    work.expect_signing_key_insert()
        .returning(|_| Err(StoreError::Conflict(Constraint::UserEmail)));
    let mut store = MockStore::new();
    store.expect_signing_keys().returning(|| Ok(Vec::new()));
    store.expect_begin().return_once(move || Ok(Box::new(work)));
    let world = World::over(Arc::new(store));
    let outcome = signing_key::ensure(&world.ctx).await;
    assert!(
        matches!(outcome, Err(SigningKeyError::Failed(Failure::Store(StoreError::Conflict(_))))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn keys_of_another_secret_stop_the_start_before_a_key_is_made() {
    let mut signer = MockTokenSigner::new();
    signer
        .expect_keys_adopt()
        .returning(|_| Err(KeyError::WrongSecret { kid: "key-1".to_owned() }));
    let mut world = World::default();
    world.ctx.signer = Arc::new(signer);
    for outcome in [signing_key::ensure(&world.ctx).await, signing_key::reload(&world.ctx).await] {
        assert!(
            matches!(
                &outcome,
                Err(SigningKeyError::Failed(Failure::Key(KeyError::WrongSecret { kid }))) if kid == "key-1"
            ),
            "{outcome:?}"
        );
    }
    assert_eq!(stored(world.ctx.store.as_ref()).await, []);
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_instance_whose_key_was_made_by_a_faster_one_takes_that_one() {
    let mut sequence = Sequence::new();
    let mut work = MockUnitOfWork::new();
    work.expect_commit().never();
    let mut store = MockStore::new();
    store.expect_signing_keys().times(1).in_sequence(&mut sequence).returning(|| Ok(Vec::new()));
    work.expect_signing_key_insert()
        .times(1)
        .in_sequence(&mut sequence)
        .returning(|_| Err(StoreError::Conflict(Constraint::SigningKeyGeneration)));
    store.expect_signing_keys().times(1).in_sequence(&mut sequence).returning(|| Ok(vec![key(1)]));
    store.expect_begin().times(1).return_once(move || Ok(Box::new(work)));
    let world = World::over(Arc::new(store));

    signing_key::ensure(&world.ctx).await.unwrap();
    assert_eq!(published(&world.ctx), ["key-1"]);
}

#[tokio::test]
async fn the_first_start_makes_a_key_that_signs_at_once_and_the_second_none() {
    let world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    let keys = world.ctx.store.signing_keys().await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!((keys[0].generation, keys[0].algorithm), (1, SigningAlgorithm::EdDsa));
    assert_eq!(keys[0].created_at, datetime!(2026-01-01 00:00:00 UTC));
    assert_eq!(keys[0].activates_at, keys[0].created_at);
    assert_eq!(published(&world.ctx), ["key-1"]);

    world.clock.advance(Duration::days(1));
    let restarted = another_instance(&world, SigningAlgorithm::EdDsa);
    assert_eq!(signing_key::published(&restarted), []);
    signing_key::ensure(&restarted).await.unwrap();
    assert_eq!(published(&restarted), ["key-1"]);
    assert_eq!(world.ctx.store.signing_keys().await.unwrap(), keys);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_key_of_another_algorithm_is_published_before_it_signs() {
    let world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    world.clock.advance(Duration::days(1));

    let changed = another_instance(&world, SigningAlgorithm::Es256);
    signing_key::ensure(&changed).await.unwrap();
    let keys = world.ctx.store.signing_keys().await.unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!((keys[1].generation, keys[1].algorithm), (2, SigningAlgorithm::Es256));
    assert_eq!(keys[1].created_at, datetime!(2026-01-02 00:00:00 UTC));
    assert_eq!(keys[1].activates_at, keys[1].created_at + PUBLICATION_LEAD);
    assert_eq!(published(&changed), ["key-1", "key-2"]);

    // Changing back needs no third key.
    signing_key::ensure(&another_instance(&world, SigningAlgorithm::EdDsa)).await.unwrap();
    assert_eq!(world.ctx.store.signing_keys().await.unwrap(), keys);
    world.assert_consistent().await;
}

#[tokio::test]
async fn two_instances_that_start_at_once_make_one_key() {
    let world = World::default();
    let there = another_instance(&world, SigningAlgorithm::EdDsa);
    let turn = world.ctx.store.begin().await.unwrap();
    let mut first = pin!(signing_key::ensure(&world.ctx));
    let mut second = pin!(signing_key::ensure(&there));
    runs_until_its_turn_to_write(first.as_mut());
    runs_until_its_turn_to_write(second.as_mut());
    drop(turn);
    first.await.unwrap();
    second.await.unwrap();

    assert_eq!(stored(world.ctx.store.as_ref()).await, [(1, SigningAlgorithm::EdDsa)]);
    assert_eq!(published(&world.ctx), ["key-1"]);
    assert_eq!(published(&there), ["key-1"]);
    world.assert_consistent().await;
}

#[tokio::test]
async fn two_instances_with_different_algorithms_that_start_at_once_make_one_key_each() {
    let world = World::default();
    let there = another_instance(&world, SigningAlgorithm::Rs256);
    let turn = world.ctx.store.begin().await.unwrap();
    let mut first = pin!(signing_key::ensure(&world.ctx));
    let mut second = pin!(signing_key::ensure(&there));
    runs_until_its_turn_to_write(first.as_mut());
    runs_until_its_turn_to_write(second.as_mut());
    drop(turn);
    first.await.unwrap();
    second.await.unwrap();

    let keys = world.ctx.store.signing_keys().await.unwrap();
    assert_eq!(
        stored(world.ctx.store.as_ref()).await,
        [(1, SigningAlgorithm::EdDsa), (2, SigningAlgorithm::Rs256)]
    );
    // The loser's key is the second one now, so it is published before it signs.
    assert_eq!(keys[1].activates_at, keys[1].created_at + PUBLICATION_LEAD);

    // The winner learns of it at its next reload.
    assert_eq!(published(&world.ctx), ["key-1"]);
    signing_key::reload(&world.ctx).await.unwrap();
    assert_eq!(published(&world.ctx), ["key-1", "key-2"]);
    world.assert_consistent().await;
}
