use std::sync::Arc;

use doorward_domain::{
    SealedSigningKey, SigningAlgorithm,
    ports::{Constraint, Store, StoreError, UnitOfWork},
};
use time::Duration;

use super::samples::{NOW, at_once, begin};

fn key(kid: &str, generation: i64, algorithm: SigningAlgorithm) -> SealedSigningKey {
    SealedSigningKey {
        kid: kid.to_owned(),
        generation,
        algorithm,
        sealed_private_key: vec![0, 1, 254, 255],
        created_at: NOW,
        activates_at: NOW + Duration::minutes(10),
        token_life: Duration::seconds(900 + generation),
    }
}

pub async fn signing_keys_are_read_back_in_order(store: Arc<dyn Store>) {
    assert_eq!(store.signing_keys().await.unwrap(), []);
    let keys = [
        key("z", 1, SigningAlgorithm::EdDsa),
        key("a", 2, SigningAlgorithm::Es256),
        key("m", 3, SigningAlgorithm::Rs256),
    ];
    for key in &keys {
        let mut work = begin(&store).await;
        work.signing_key_insert(key).await.unwrap();
        work.commit().await.unwrap();
    }
    assert_eq!(store.signing_keys().await.unwrap(), keys);
}

pub async fn of_many_keys_of_one_generation_one_is_added(store: Arc<dyn Store>) {
    let added = at_once(8, |number| {
        let store = Arc::clone(&store);
        async move {
            let mut work = begin(&store).await;
            let key = key(&format!("key-{number}"), 1, SigningAlgorithm::EdDsa);
            match work.signing_key_insert(&key).await {
                Ok(()) => {
                    work.commit().await.unwrap();
                    true
                }
                Err(StoreError::Conflict(Constraint::SigningKeyGeneration)) => false,
                Err(other) => panic!("neither added nor taken: {other:?}"),
            }
        }
    })
    .await;
    assert_eq!(added.iter().filter(|added| **added).count(), 1);
    assert_eq!(store.signing_keys().await.unwrap().len(), 1);
}

/// Adds the keys of generation 1 to 3, and does something to them.
async fn changed(
    store: &Arc<dyn Store>,
    change: impl AsyncFnOnce(&mut dyn UnitOfWork),
) -> Vec<SealedSigningKey> {
    let mut work = begin(store).await;
    for generation in 1..=3 {
        let kid = format!("key-{generation}");
        work.signing_key_insert(&key(&kid, generation, SigningAlgorithm::EdDsa)).await.unwrap();
    }
    work.commit().await.unwrap();
    let before = store.signing_keys().await.unwrap();
    let mut work = begin(store).await;
    change(work.as_mut()).await;
    work.commit().await.unwrap();
    before
}

pub async fn the_token_life_of_younger_keys_is_raised_and_never_lowered(store: Arc<dyn Store>) {
    let before = changed(&store, async |work| {
        work.signing_keys_raise_token_life(2, Duration::seconds(902)).await.unwrap();
    })
    .await;
    // 901 s, but too old; 902 s already; 903 s.
    assert_eq!(store.signing_keys().await.unwrap(), before);
    let mut work = begin(&store).await;
    work.signing_keys_raise_token_life(2, Duration::days(1)).await.unwrap();
    work.commit().await.unwrap();
    let mut expected = before;
    expected[1..].iter_mut().for_each(|key| key.token_life = Duration::days(1));
    assert_eq!(store.signing_keys().await.unwrap(), expected);
}

pub async fn a_key_is_sealed_anew_and_keeps_the_rest(store: Arc<dyn Store>) {
    let mut expected = changed(&store, async |work| {
        assert!(work.signing_key_reseal("key-2", &[7, 0, 255]).await.unwrap());
        assert!(!work.signing_key_reseal("key-4", &[7]).await.unwrap());
    })
    .await;
    expected[1].sealed_private_key = vec![7, 0, 255];
    assert_eq!(store.signing_keys().await.unwrap(), expected);
}

pub async fn only_older_keys_are_removed(store: Arc<dyn Store>) {
    let before = changed(&store, async |work| {
        assert_eq!(work.signing_keys_delete_before(1).await.unwrap(), 0);
        assert_eq!(work.signing_keys_delete_before(3).await.unwrap(), 2);
    })
    .await;
    assert_eq!(store.signing_keys().await.unwrap(), before[2..]);
}
