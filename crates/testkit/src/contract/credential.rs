use std::sync::Arc;

use doorward_domain::ports::Store;

use super::samples::{NOW, add_user, at_once, begin, email, hash, user_id};

pub async fn a_credential_is_found_by_any_form_of_the_address(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "Ada@example.com").await;
    for form in ["Ada@example.com", "ADA@EXAMPLE.COM", "ada@example.com"] {
        let (user, credential) = store
            .credential_by_email(&email(form))
            .await
            .unwrap()
            .expect("the credential is found");
        assert_eq!(user, ada);
        assert_eq!(user.email.as_given(), "Ada@example.com");
        assert_eq!((credential.hash, credential.version), (hash("hash-0"), 0));
    }
    let (_, by_user) = store.credential_by_user(ada.id).await.unwrap().unwrap();
    assert_eq!(by_user.hash, hash("hash-0"));
    assert_eq!(store.credential_by_email(&email("bob@example.com")).await.unwrap(), None);
    assert_eq!(store.credential_by_user(user_id(2)).await.unwrap(), None);
}

pub async fn a_credential_is_replaced_only_at_the_expected_version(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let mut work = begin(&store).await;
    assert!(!work.credential_replace(ada.id, 1, &hash("stale"), NOW).await.unwrap());
    assert!(!work.credential_replace(user_id(2), 0, &hash("nobody"), NOW).await.unwrap());
    assert!(work.credential_replace(ada.id, 0, &hash("hash-1"), NOW).await.unwrap());
    assert!(!work.credential_is_current(ada.id, 0).await.unwrap());
    assert!(work.credential_is_current(ada.id, 1).await.unwrap());
    assert!(!work.credential_is_current(user_id(2), 0).await.unwrap());
    work.commit().await.unwrap();
    let (_, credential) = store.credential_by_user(ada.id).await.unwrap().unwrap();
    assert_eq!((credential.hash, credential.version), (hash("hash-1"), 1));
}

pub async fn a_rehash_keeps_the_version(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let mut work = begin(&store).await;
    work.credential_rehash(ada.id, 7, &hash("stale"), NOW).await.unwrap();
    work.credential_rehash(ada.id, 0, &hash("stronger"), NOW).await.unwrap();
    work.commit().await.unwrap();
    let (_, credential) = store.credential_by_user(ada.id).await.unwrap().unwrap();
    assert_eq!((credential.hash, credential.version), (hash("stronger"), 0));
}

pub async fn of_many_password_changes_one_wins(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let won = at_once(16, |number| {
        let store = Arc::clone(&store);
        async move {
            let mut work = begin(&store).await;
            work.user_lock(ada.id).await.unwrap().expect("the user is there");
            let new = hash(&format!("by-{number}"));
            let won = work.credential_replace(ada.id, 0, &new, NOW).await.unwrap();
            work.commit().await.unwrap();
            won
        }
    })
    .await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let (_, credential) = store.credential_by_user(ada.id).await.unwrap().unwrap();
    assert_eq!(credential.version, 1);
}
