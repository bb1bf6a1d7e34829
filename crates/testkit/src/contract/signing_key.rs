use std::sync::Arc;

use doorward_domain::{
    SealedSigningKey, SigningAlgorithm,
    ports::{Constraint, Store, StoreError},
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
