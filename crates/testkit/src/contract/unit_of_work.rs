use std::sync::Arc;

use doorward_domain::{
    ports::{Constraint, Store, StoreError},
    session::RevocationCause,
};

use super::samples::{
    NOW, UNTIL, add_sessions, add_user, begin, hash, name, session_id, told, user, user_id,
};

pub async fn a_dropped_unit_of_work_leaves_no_trace(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_sessions(&store, &ada, &[10]).await;
    let mut work = begin(&store).await;
    work.user_insert(&user(2, "bob@example.com")).await.unwrap();
    work.user_rename(ada.id, &name("Somebody Else"), NOW).await.unwrap();
    work.credential_replace(ada.id, 0, &hash("hash-1"), NOW).await.unwrap();
    work.session_revoke(session_id(10), ada.id, RevocationCause::Revoked, NOW, UNTIL)
        .await
        .unwrap();
    drop(work);

    assert_eq!(store.user_by_id(user_id(2)).await.unwrap(), None);
    assert_eq!(store.user_by_id(ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.credential_by_user(ada.id).await.unwrap().unwrap().1.version, 0);
    assert!(store.session_by_id(session_id(10)).await.unwrap().unwrap().0.is_live(NOW));
    assert_eq!(told(&store).await, []);
    // The next unit of work is not held up by the dropped one, and does not see it.
    let mut next = begin(&store).await;
    next.user_insert(&user(2, "bob@example.com")).await.unwrap();
    next.credential_insert(user_id(2), &hash("hash-0"), NOW).await.unwrap();
    next.commit().await.unwrap();
}

pub async fn a_conflict_leaves_the_unit_of_work_usable(store: Arc<dyn Store>) {
    add_user(&store, 1, "ada@example.com").await;
    let mut work = begin(&store).await;
    let refusal = work.user_insert(&user(2, "ada@example.com")).await;
    assert!(matches!(refusal, Err(StoreError::Conflict(Constraint::UserEmail))));
    work.user_insert(&user(3, "bob@example.com")).await.unwrap();
    work.credential_insert(user_id(3), &hash("hash-0"), NOW).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(store.user_by_id(user_id(2)).await.unwrap(), None);
    assert!(store.user_by_id(user_id(3)).await.unwrap().is_some());
}

pub async fn a_unit_of_work_reads_its_own_writes(store: Arc<dyn Store>) {
    let mut work = begin(&store).await;
    assert_eq!(work.user_lock(user_id(1)).await.unwrap(), None);
    let ada = user(1, "ada@example.com");
    work.user_insert(&ada).await.unwrap();
    work.credential_insert(ada.id, &hash("hash-0"), NOW).await.unwrap();
    assert_eq!(work.user_lock(ada.id).await.unwrap(), Some(ada.clone()));
    assert!(work.credential_is_current(ada.id, 0).await.unwrap());
    // Nobody else sees it before the commit.
    assert_eq!(store.user_by_id(ada.id).await.unwrap(), None);
    work.commit().await.unwrap();
    assert_eq!(store.user_by_id(ada.id).await.unwrap(), Some(ada));
}
