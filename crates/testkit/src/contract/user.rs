use std::sync::Arc;

use doorward_domain::{
    RoleName,
    ports::{Constraint, Store, StoreError},
};
use time::Duration;

use super::samples::{
    NOW, UNTIL, add_sessions, add_user, at_once, begin, email, hash, name, session_id, user,
    user_id,
};

pub async fn a_user_is_read_back_as_written(store: Arc<dyn Store>) {
    assert!(!store.user_exists().await.unwrap());
    let written = add_user(&store, 1, "Ada@BÜCHER.example").await;
    let read = store.user_by_id(user_id(1)).await.unwrap().expect("the user is there");
    assert_eq!(read, written);
    assert_eq!(read.email.as_given(), "Ada@BÜCHER.example");
    assert_eq!(read.roles, [RoleName::admin(), RoleName::user()]);
    assert!(store.user_exists().await.unwrap());
    assert_eq!(store.user_by_id(user_id(2)).await.unwrap(), None);
}

pub async fn an_address_is_taken_whatever_its_form(store: Arc<dyn Store>) {
    add_user(&store, 1, "ada@bücher.example").await;
    for other_form in ["ADA@BÜCHER.EXAMPLE", "ada@xn--bcher-kva.example"] {
        let mut work = begin(&store).await;
        let refusal = work.user_insert(&user(2, other_form)).await;
        assert!(
            matches!(refusal, Err(StoreError::Conflict(Constraint::UserEmail))),
            "{other_form}: {refusal:?}"
        );
    }
}

pub async fn of_many_users_with_one_address_one_is_added(store: Arc<dyn Store>) {
    let added = at_once(16, |number| {
        let store = Arc::clone(&store);
        async move {
            let user = user(number as u128 + 1, "ada@example.com");
            let mut work = begin(&store).await;
            match work.user_insert(&user).await {
                Ok(()) => {
                    work.credential_insert(user.id, &hash("hash-0"), NOW).await.unwrap();
                    work.commit().await.unwrap();
                    true
                }
                Err(StoreError::Conflict(Constraint::UserEmail)) => false,
                Err(other) => panic!("neither added nor taken: {other:?}"),
            }
        }
    })
    .await;
    assert_eq!(added.iter().filter(|added| **added).count(), 1);
}

pub async fn a_renamed_user_keeps_the_rest(store: Arc<dyn Store>) {
    let before = add_user(&store, 1, "ada@example.com").await;
    let later = NOW + Duration::hours(1);
    let mut work = begin(&store).await;
    assert_eq!(work.user_rename(user_id(9), &name("Nobody"), later).await.unwrap(), None);
    let returned = work.user_rename(user_id(1), &name("Ada King"), later).await.unwrap();
    work.commit().await.unwrap();
    let read = store.user_by_id(user_id(1)).await.unwrap().unwrap();
    assert_eq!(returned.as_ref(), Some(&read));
    assert_eq!(read.name.as_str(), "Ada King");
    assert_eq!(read.updated_at, later);
    assert_eq!(read.created_at, before.created_at);
    assert_eq!(read.roles, before.roles);
}

pub async fn only_an_active_user_signs_in(store: Arc<dyn Store>) {
    add_user(&store, 1, "ada@example.com").await;
    let mut work = begin(&store).await;
    assert!(!work.user_signed_in(user_id(2), NOW).await.unwrap());
    assert!(work.user_signed_in(user_id(1), NOW).await.unwrap());
    work.commit().await.unwrap();
    let read = store.user_by_id(user_id(1)).await.unwrap().unwrap();
    assert_eq!(read.last_login_at, Some(NOW));
}

pub async fn a_deleted_user_leaves_nothing_behind(store: Arc<dyn Store>) {
    let gone = add_user(&store, 1, "ada@example.com").await;
    let stays = add_user(&store, 2, "bob@example.com").await;
    add_sessions(&store, &gone, &[10]).await;
    add_sessions(&store, &stays, &[20]).await;
    let mut work = begin(&store).await;
    work.sessions_revoke(
        gone.id,
        None,
        doorward_domain::session::RevocationCause::Revoked,
        NOW,
        UNTIL,
    )
    .await
    .unwrap();
    assert!(work.user_delete(gone.id).await.unwrap());
    assert!(!work.user_delete(gone.id).await.unwrap());
    work.commit().await.unwrap();
    assert_eq!(store.user_by_id(gone.id).await.unwrap(), None);
    assert_eq!(store.credential_by_user(gone.id).await.unwrap(), None);
    assert_eq!(store.credential_by_email(&email("ada@example.com")).await.unwrap(), None);
    assert_eq!(store.session_by_id(session_id(10)).await.unwrap(), None);
    assert!(store.session_by_id(session_id(20)).await.unwrap().is_some());
    // The address is free again.
    add_user(&store, 3, "ada@example.com").await;
}
