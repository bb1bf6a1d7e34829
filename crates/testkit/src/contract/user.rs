use std::sync::Arc;

use doorward_domain::{
    Generation, RoleName, UserStatus,
    ports::{Constraint, Rotation, Store, StoreError},
};
use time::Duration;

use super::samples::{
    NOW, UNTIL, add_role, add_sessions, add_user, at_once, begin, email, hash, name, role_name,
    session_id, told, user, user_id,
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

pub async fn a_user_with_an_unknown_role_is_not_added(store: Arc<dyn Store>) {
    let mut ada = user(1, "ada@example.com");
    ada.roles.push(role_name("zzz"));
    let mut work = begin(&store).await;
    let refusal = work.user_insert(&ada).await;
    assert!(matches!(refusal, Err(StoreError::Conflict(Constraint::RoleUnknown))), "{refusal:?}");
    // The unit of work is still usable.
    work.user_insert(&user(2, "ada@example.com")).await.unwrap();
    work.credential_insert(user_id(2), &hash("hash-0"), NOW).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(store.user_by_id(user_id(1)).await.unwrap(), None);
    assert!(store.user_by_id(user_id(2)).await.unwrap().is_some());
}

pub async fn a_users_roles_are_replaced_exactly(store: Arc<dyn Store>) {
    let before = add_user(&store, 1, "ada@example.com").await;
    let other = add_user(&store, 2, "bob@example.com").await;
    let support = add_role(&store, "support").await;
    let later = NOW + Duration::hours(1);
    let (user, admin) = (RoleName::user(), RoleName::admin());
    for (given, expected) in [
        (vec![user.clone(), support.clone(), user.clone()], vec![support.clone(), user.clone()]),
        (vec![user.clone(), admin.clone()], vec![admin, user]),
        (vec![], vec![]),
        (vec![support.clone()], vec![support]),
    ] {
        let mut work = begin(&store).await;
        let returned = work.user_set_roles(before.id, &given, later).await.unwrap();
        work.commit().await.unwrap();
        let read = store.user_by_id(before.id).await.unwrap().unwrap();
        assert_eq!(returned.as_ref(), Some(&read));
        let expected =
            doorward_domain::User { roles: expected, updated_at: later, ..before.clone() };
        assert_eq!(read, expected);
    }
    assert_eq!(store.user_by_id(other.id).await.unwrap(), Some(other));
}

pub async fn an_unknown_role_changes_nothing(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    let mut work = begin(&store).await;
    let roles = [RoleName::user(), role_name("support")];
    let refusal = work.user_set_roles(ada.id, &roles, NOW + Duration::HOUR).await;
    assert!(matches!(refusal, Err(StoreError::Conflict(Constraint::RoleUnknown))), "{refusal:?}");
    assert_eq!(work.user_lock(ada.id).await.unwrap(), Some(ada.clone()));
    work.commit().await.unwrap();
    assert_eq!(store.user_by_id(ada.id).await.unwrap(), Some(ada));
    assert_eq!(told(&store).await, []);
}

pub async fn a_disabled_user_is_kept_out_until_active_again(store: Arc<dyn Store>) {
    let ada = add_user(&store, 1, "ada@example.com").await;
    add_sessions(&store, &ada, &[10]).await;
    let later = NOW + Duration::HOUR;
    for (status, comes_in) in [(UserStatus::Disabled, false), (UserStatus::Active, true)] {
        let mut work = begin(&store).await;
        let returned = work.user_set_status(ada.id, status, later).await.unwrap();
        work.commit().await.unwrap();
        let read = store.user_by_id(ada.id).await.unwrap().unwrap();
        assert_eq!(returned.as_ref(), Some(&read));
        let expected = doorward_domain::User { status, updated_at: later, ..ada.clone() };
        assert_eq!(read, expected);

        let mut work = begin(&store).await;
        assert_eq!(work.user_signed_in(ada.id, later).await.unwrap(), comes_in);
        let (id, expiry) = (session_id(10), NOW + Duration::days(30));
        drop(work);
        let rotation = Rotation { id, from: Generation::FIRST, now: later, expires_at: expiry };
        let rotated = store.session_rotate(rotation).await;
        assert_eq!(rotated.unwrap(), comes_in);
    }
}

pub async fn of_many_reads_at_once_each_gets_its_own(store: Arc<dyn Store>) {
    let mut users = Vec::new();
    for number in 1..=8 {
        let user = add_user(&store, number, &format!("ada{number}@example.com")).await;
        add_sessions(&store, &user, &[number]).await;
        users.push(user);
    }
    let mut work = begin(&store).await;
    work.user_set_roles(user_id(3), &[], NOW).await.unwrap();
    let third = work.user_rename(user_id(3), &name("Grace"), NOW).await.unwrap();
    users[2] = third.unwrap();
    work.commit().await.unwrap();
    // Some ask for the same one, some for one that is not there.
    let read = at_once(64, |index| {
        let store = Arc::clone(&store);
        let number = index as u128 % 10;
        async move {
            let user = store.user_by_id(user_id(number)).await.unwrap();
            let session = store.session_by_id(session_id(number)).await.unwrap();
            (number, user, session)
        }
    })
    .await;
    for (number, user, session) in read {
        let expected = users.iter().find(|user| user.id == user_id(number));
        assert_eq!(user.as_ref(), expected);
        let (session, owner) = session.unzip();
        assert_eq!(session.map(|session| session.id), expected.map(|_| session_id(number)));
        assert_eq!(owner.as_ref(), expected);
    }
}

pub async fn active_administrators_are_counted(store: Arc<dyn Store>) {
    for number in 1..=3 {
        add_user(&store, number, &format!("ada{number}@example.com")).await;
    }
    let mut work = begin(&store).await;
    assert_eq!(work.user_count_admins().await.unwrap(), 3);
    work.user_set_roles(user_id(1), &[RoleName::user()], NOW).await.unwrap();
    assert_eq!(work.user_count_admins().await.unwrap(), 2);
    work.user_set_status(user_id(2), UserStatus::Disabled, NOW).await.unwrap();
    assert_eq!(work.user_count_admins().await.unwrap(), 1);
    drop(work);
    assert_eq!(begin(&store).await.user_count_admins().await.unwrap(), 3);
}

pub async fn of_many_administrators_who_resign_one_stays(store: Arc<dyn Store>) {
    for number in 0..16 {
        add_user(&store, number, &format!("ada{number}@example.com")).await;
    }
    at_once(16, |number| {
        let store = Arc::clone(&store);
        async move {
            let id = user_id(number as u128);
            let mut work = begin(&store).await;
            work.user_lock(id).await.unwrap().expect("the user is there");
            if work.user_count_admins().await.unwrap() > 1 {
                work.user_set_roles(id, &[RoleName::user()], NOW).await.unwrap();
            }
            work.commit().await.unwrap();
        }
    })
    .await;
    assert_eq!(begin(&store).await.user_count_admins().await.unwrap(), 1);
}
