//! Making and taking over the keys that sign access tokens.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Waker},
};

use doorward_app::{
    Ctx, Failure, Receipt, maintenance,
    signing_key::{self, Rotation, SigningKeyError},
};
use doorward_domain::{
    AuditParty, KeyState, SealedSigningKey, SigningAlgorithm,
    key_life::SETTLING,
    ports::{Constraint, KeyError, Store, StoreError},
};
use doorward_testkit::{
    PlainSigner, World,
    mock::{MockStore, MockTokenSigner, MockUnitOfWork},
};
use mockall::Sequence;
use time::{Duration, macros::datetime};

/// The public keys may be kept for ten minutes.
const PUBLICATION_LEAD: Duration = Duration::seconds(600 + 15);

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
        token_life: Duration::minutes(15),
    }
}

/// The state of each key, oldest first.
async fn states(ctx: &Ctx) -> Vec<(i64, KeyState)> {
    let keys = signing_key::list(ctx).await.unwrap();
    keys.iter().map(|key| (key.generation, key.state)).collect()
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
        work.expect_audit_append().returning(|_| Ok(()));
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
    work.expect_audit_append().returning(|_| Ok(()));
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
    work.expect_audit_append().returning(|_| Ok(()));
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

    // One rotation at a time: changing back has to wait for this one.
    signing_key::ensure(&another_instance(&world, SigningAlgorithm::EdDsa)).await.unwrap();
    assert_eq!(world.ctx.store.signing_keys().await.unwrap(), keys);
    world.clock.advance(PUBLICATION_LEAD);
    signing_key::ensure(&another_instance(&world, SigningAlgorithm::EdDsa)).await.unwrap();
    let changed_back = world.ctx.store.signing_keys().await.unwrap();
    assert_eq!(
        (changed_back[2].generation, changed_back[2].algorithm),
        (3, SigningAlgorithm::EdDsa)
    );
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

#[tokio::test]
async fn a_rotation_publishes_a_key_that_signs_later_and_is_begun_once() {
    let world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    world.clock.advance(Duration::days(1));
    let begun =
        signing_key::rotate(&world.ctx, AuditParty::system(), Receipt::none()).await.unwrap();
    assert!(!begun.under_way);
    assert_eq!((begun.key.generation, begun.key.state), (2, KeyState::Published));
    assert_eq!(begun.key.activates_at, begun.key.created_at + PUBLICATION_LEAD);
    assert_eq!(published(&world.ctx), ["key-1", "key-2"]);

    // Until the new key signs there is nothing more to do, on whichever instance somebody asks.
    world.clock.advance(PUBLICATION_LEAD - Duration::SECOND);
    let there = another_instance(&world, SigningAlgorithm::EdDsa);
    for ctx in [&world.ctx, &there] {
        let again = signing_key::rotate(ctx, AuditParty::system(), Receipt::none()).await.unwrap();
        assert_eq!(again, Rotation { under_way: true, ..begun.clone() });
        assert_eq!(published(ctx), ["key-1", "key-2"]);
    }
    assert_eq!(states(&there).await, [(1, KeyState::Active), (2, KeyState::Published)]);

    world.clock.advance(Duration::SECOND);
    assert_eq!(states(&there).await, [(1, KeyState::Retiring), (2, KeyState::Active)]);
    let next = signing_key::rotate(&there, AuditParty::system(), Receipt::none()).await.unwrap();
    assert_eq!((next.key.generation, next.under_way), (3, false));

    world.clock.advance(Duration::minutes(15) + SETTLING - Duration::SECOND);
    assert_eq!(published(&there), ["key-1", "key-2", "key-3"]);
    world.clock.advance(Duration::SECOND);
    assert_eq!(states(&there).await, [(2, KeyState::Retiring), (3, KeyState::Active)]);
    assert_eq!(published(&there), ["key-2", "key-3"]);
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_first_rotation_of_an_empty_installation_makes_its_first_key() {
    let world = World::default();
    let rotation =
        signing_key::rotate(&world.ctx, AuditParty::system(), Receipt::none()).await.unwrap();
    assert_eq!((rotation.key.state, rotation.under_way), (KeyState::Active, false));
}

#[tokio::test]
async fn of_rotations_at_once_one_makes_the_key_and_the_others_say_that_it_is_under_way() {
    let world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    let there = another_instance(&world, SigningAlgorithm::EdDsa);
    let turn = world.ctx.store.begin().await.unwrap();
    let mut first = pin!(signing_key::rotate(&world.ctx, AuditParty::system(), Receipt::none()));
    let mut second = pin!(signing_key::rotate(&there, AuditParty::system(), Receipt::none()));
    runs_until_its_turn_to_write(first.as_mut());
    runs_until_its_turn_to_write(second.as_mut());
    drop(turn);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first.under_way, second.under_way), (false, true));
    assert_eq!(first.key, second.key);
    assert_eq!(published(&there), ["key-1", "key-2"]);
    assert_eq!(stored(world.ctx.store.as_ref()).await.len(), 2);
}

#[tokio::test]
async fn a_rotation_that_cannot_be_written_leaves_no_key() {
    let mut work = MockUnitOfWork::new();
    work.expect_audit_append().returning(|_| Ok(()));
    work.expect_signing_key_insert().times(1).returning(|_| Ok(()));
    work.expect_commit().times(1).return_once(|| Err(unavailable()));
    let mut store = MockStore::new();
    store.expect_signing_keys().returning(|| Ok(vec![key(1)]));
    store.expect_begin().times(1).return_once(move || Ok(Box::new(work)));
    let world = World::over(Arc::new(store));
    assert!(signing_key::rotate(&world.ctx, AuditParty::system(), Receipt::none()).await.is_err());
    assert_eq!(published(&world.ctx), ["key-1"]);
}

#[tokio::test]
async fn a_key_that_has_signed_for_long_enough_is_followed_by_the_next() {
    let mut world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    world.clock.advance(Duration::days(90) - Duration::SECOND);
    signing_key::rotate_when_due(&world.ctx).await.unwrap();
    assert_eq!(states(&world.ctx).await.len(), 1);
    world.clock.advance(Duration::SECOND);
    let never = Ctx {
        policy: doorward_app::Policy { key_rotation: None, ..world.ctx.policy },
        ..world.ctx.clone()
    };
    signing_key::rotate_when_due(&never).await.unwrap();
    assert_eq!(states(&world.ctx).await.len(), 1);
    for _ in 0..3 {
        signing_key::rotate_when_due(&world.ctx).await.unwrap();
    }
    assert_eq!(states(&world.ctx).await, [(1, KeyState::Active), (2, KeyState::Published)]);

    // What counts is for how long it has signed.
    world.ctx.policy.key_rotation = Some(Duration::seconds(1));
    world.clock.advance(PUBLICATION_LEAD);
    signing_key::rotate_when_due(&world.ctx).await.unwrap();
    assert_eq!(states(&world.ctx).await.len(), 2);
    world.clock.advance(Duration::SECOND);
    signing_key::rotate_when_due(&world.ctx).await.unwrap();
    assert_eq!(states(&world.ctx).await.len(), 3);
}

#[tokio::test]
async fn in_an_emergency_one_new_key_replaces_all() {
    let world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    signing_key::rotate(&world.ctx, AuditParty::system(), Receipt::none()).await.unwrap();
    let there = another_instance(&world, SigningAlgorithm::EdDsa);
    signing_key::ensure(&there).await.unwrap();
    let rotation = signing_key::rotate_now(&world.ctx).await.unwrap();
    assert_eq!((rotation.key.generation, rotation.key.state), (3, KeyState::Active));
    assert_eq!(published(&world.ctx), ["key-3"]);
    signing_key::reload(&there).await.unwrap();
    assert_eq!(published(&there), ["key-3"]);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_rotation_at_the_same_time_does_not_survive_an_emergency() {
    let world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    let there = another_instance(&world, SigningAlgorithm::EdDsa);
    let turn = world.ctx.store.begin().await.unwrap();
    let mut planned = pin!(signing_key::rotate(&there, AuditParty::system(), Receipt::none()));
    let mut emergency = pin!(signing_key::rotate_now(&world.ctx));
    runs_until_its_turn_to_write(planned.as_mut());
    runs_until_its_turn_to_write(emergency.as_mut());
    drop(turn);
    planned.await.unwrap();
    emergency.await.unwrap();
    assert_eq!(states(&world.ctx).await, [(3, KeyState::Active)]);
}

/// The life of the tokens of each key, in seconds.
async fn token_lives(ctx: &Ctx) -> Vec<i64> {
    let keys = ctx.store.signing_keys().await.unwrap();
    keys.iter().map(|key| key.token_life.whole_seconds()).collect()
}

#[tokio::test]
async fn a_key_outlives_the_tokens_of_every_instance_whatever_becomes_of_the_setting() {
    let world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    world.clock.advance(Duration::days(1));
    signing_key::rotate(&world.ctx, AuditParty::system(), Receipt::none()).await.unwrap();
    world.clock.advance(PUBLICATION_LEAD);
    signing_key::rotate(&world.ctx, AuditParty::system(), Receipt::none()).await.unwrap();
    assert_eq!(token_lives(&world.ctx).await, [900; 3]);

    // Key 1 signs no more; the others may sign the longer tokens of the instance that comes.
    let mut longer = another_instance(&world, SigningAlgorithm::EdDsa);
    longer.policy.access_ttl = Duration::hours(2);
    signing_key::reload(&longer).await.unwrap();
    assert_eq!(token_lives(&world.ctx).await, [900, 7200, 7200]);
    let mut shorter = another_instance(&world, SigningAlgorithm::EdDsa);
    shorter.policy.access_ttl = Duration::minutes(1);
    signing_key::reload(&shorter).await.unwrap();
    world.clock.advance(PUBLICATION_LEAD);
    signing_key::rotate(&shorter, AuditParty::system(), Receipt::none()).await.unwrap();
    assert_eq!(token_lives(&world.ctx).await, [900, 7200, 7200, 60]);
}

#[tokio::test]
async fn a_key_is_not_used_while_it_cannot_be_written_down_how_long_it_is_needed() {
    let mut work = MockUnitOfWork::new();
    work.expect_audit_append().returning(|_| Ok(()));
    work.expect_signing_keys_raise_token_life().times(1).returning(|_, _| Err(unavailable()));
    let mut store = MockStore::new();
    store.expect_signing_keys().returning(|| Ok(vec![key(1)]));
    store.expect_begin().times(1).return_once(move || Ok(Box::new(work)));
    let mut world = World::over(Arc::new(store));
    world.ctx.policy.access_ttl = Duration::hours(1);
    assert!(signing_key::reload(&world.ctx).await.is_err());
    assert_eq!(signing_key::published(&world.ctx), []);
}

#[tokio::test]
async fn pruning_removes_retired_keys_and_no_others() {
    let world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    signing_key::rotate(&world.ctx, AuditParty::system(), Receipt::none()).await.unwrap();
    world.clock.advance(PUBLICATION_LEAD + Duration::minutes(15) + SETTLING - Duration::SECOND);
    maintenance::prune(&world.ctx).await.unwrap();
    assert_eq!(stored(world.ctx.store.as_ref()).await.len(), 2);
    world.clock.advance(Duration::SECOND);
    maintenance::prune(&world.ctx).await.unwrap();
    maintenance::prune(&world.ctx).await.unwrap();
    assert_eq!(stored(world.ctx.store.as_ref()).await, [(2, SigningAlgorithm::EdDsa)]);
    let next =
        signing_key::rotate(&world.ctx, AuditParty::system(), Receipt::none()).await.unwrap();
    assert_eq!(next.key.generation, 3);
}

#[tokio::test]
async fn all_keys_are_encrypted_anew_or_none() {
    let world = World::default();
    signing_key::ensure(&world.ctx).await.unwrap();
    signing_key::rotate(&world.ctx, AuditParty::system(), Receipt::none()).await.unwrap();
    let before = world.ctx.store.signing_keys().await.unwrap();

    let mut signer = MockTokenSigner::new();
    signer.expect_key_reseal().returning(|key| match key.generation {
        1 => Ok(key.clone()),
        _ => Err(KeyError::WrongSecret { kid: key.kid.clone() }),
    });
    let other = Ctx { signer: Arc::new(signer), ..world.ctx.clone() };
    let outcome = signing_key::rewrap(&other).await;
    assert!(
        matches!(&outcome, Err(SigningKeyError::Failed(Failure::Key(KeyError::WrongSecret { kid }))) if kid == "key-2"),
        "{outcome:?}"
    );
    assert_eq!(world.ctx.store.signing_keys().await.unwrap(), before);

    assert_eq!(signing_key::rewrap(&world.ctx).await.unwrap(), 2);
    for (key, before) in world.ctx.store.signing_keys().await.unwrap().iter().zip(before) {
        let sealed_private_key = key.sealed_private_key.clone();
        assert_eq!(sealed_private_key, b"sealed anew");
        assert_eq!(*key, SealedSigningKey { sealed_private_key, ..before });
    }
}
