use std::{slice, sync::Arc};

use doorward_domain::{
    Role, RoleName,
    ports::{Constraint, Store, StoreError},
    role::RoleDescription,
};

use super::samples::{
    NOW, add_role, add_user, at_once, begin, hash, role, role_name, told, user, user_id,
};

pub async fn the_built_in_roles_are_there_from_the_beginning(store: Arc<dyn Store>) {
    let roles = store.roles().await.unwrap();
    assert_eq!(names(&roles), ["admin", "user"]);
    assert!(roles.iter().all(|role| role.permissions.is_empty()));
    assert_eq!(told(&store).await, []);
}

pub async fn roles_are_read_back_in_order_of_name(store: Arc<dyn Store>) {
    let long = RoleDescription::parse(&"ü".repeat(200)).unwrap();
    let written = [
        role("support", &["users:read", "sessions:write", "orders:refund", "a.b:c-d_e"]),
        Role { description: long, ..role("ab", &["x:y"]) },
        Role { description: RoleDescription::default(), ..role("a_b", &[]) },
        role("a-b", &["users:read"]),
        role("zz", &[]),
    ];
    let mut work = begin(&store).await;
    for role in &written {
        assert!(work.role_put(role, NOW).await.unwrap());
    }
    work.commit().await.unwrap();
    let read = store.roles().await.unwrap();
    // By their octets, whatever the language of the database.
    assert_eq!(names(&read), ["a-b", "a_b", "ab", "admin", "support", "user", "zz"]);
    for role in written {
        assert!(read.contains(&role), "{role:?} is not in {read:?}");
    }
}

pub async fn a_role_is_made_then_replaced(store: Arc<dyn Store>) {
    let first = role("support", &["users:read", "sessions:write"]);
    let second = Role {
        description: RoleDescription::parse("Second line").unwrap(),
        ..role("support", &["users:write"])
    };
    let third = role("support", &[]);
    let mut work = begin(&store).await;
    assert!(work.role_put(&first, NOW).await.unwrap());
    assert!(!work.role_put(&second, NOW).await.unwrap());
    work.commit().await.unwrap();
    assert!(store.roles().await.unwrap().contains(&second));

    // Whoever has it keeps it.
    add_user(&store, 1, "ada@example.com").await;
    for role in [&first, &third] {
        let mut work = begin(&store).await;
        work.user_set_roles(user_id(1), slice::from_ref(&third.name), NOW).await.unwrap();
        assert!(!work.role_put(role, NOW).await.unwrap());
        work.commit().await.unwrap();
        let roles = store.roles().await.unwrap();
        assert!(roles.contains(role) && roles.len() == 3, "{roles:?}");
    }
    assert_eq!(store.user_by_id(user_id(1)).await.unwrap().unwrap().roles, [third.name]);
}

pub async fn of_many_who_put_one_role_one_makes_it(store: Arc<dyn Store>) {
    let made = at_once(16, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut work = begin(&store).await;
            let made = work.role_put(&role("support", &["users:read"]), NOW).await.unwrap();
            work.commit().await.unwrap();
            made
        }
    })
    .await;
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
}

pub async fn a_deleted_role_is_taken_from_everybody(store: Arc<dyn Store>) {
    let support = add_role(&store, "support").await;
    let sales = add_role(&store, "sales").await;
    add_user(&store, 1, "ada@example.com").await;
    add_user(&store, 2, "bob@example.com").await;
    let mut work = begin(&store).await;
    let both = [support.clone(), sales.clone()];
    work.user_set_roles(user_id(1), &both, NOW).await.unwrap();
    work.user_set_roles(user_id(2), &both[..1], NOW).await.unwrap();
    work.commit().await.unwrap();

    let mut work = begin(&store).await;
    assert!(work.role_delete(&support, NOW).await.unwrap());
    assert!(!work.role_delete(&support, NOW).await.unwrap());
    work.commit().await.unwrap();
    assert_eq!(names(&store.roles().await.unwrap()), ["admin", "sales", "user"]);
    assert_eq!(store.user_by_id(user_id(1)).await.unwrap().unwrap().roles, [sales]);
    assert_eq!(store.user_by_id(user_id(2)).await.unwrap().unwrap().roles, []);

    // One of the same name is another one.
    add_role(&store, "support").await;
    assert_eq!(store.user_by_id(user_id(2)).await.unwrap().unwrap().roles, []);
}

pub async fn a_role_that_is_deleted_meanwhile_stays_with_nobody(store: Arc<dyn Store>) {
    for number in 0..8 {
        add_user(&store, number, &format!("ada{number}@example.com")).await;
    }
    let support = add_role(&store, "support").await;
    at_once(16, |number| {
        let (store, support) = (Arc::clone(&store), support.clone());
        async move {
            let mut work = begin(&store).await;
            let number = number as u128;
            let given = match number {
                0..8 => {
                    work.user_lock(user_id(number)).await.unwrap();
                    work.user_set_roles(user_id(number), &[support], NOW).await.map(|_| ())
                }
                8..15 => {
                    let mut newcomer = user(number, &format!("bob{number}@example.com"));
                    newcomer.roles = vec![support];
                    let added = work.user_insert(&newcomer).await;
                    if added.is_ok() {
                        let hash = hash("hash-0");
                        work.credential_insert(newcomer.id, &hash, NOW).await.unwrap();
                    }
                    added
                }
                _ => {
                    assert!(work.role_delete(&support, NOW).await.unwrap());
                    Ok(())
                }
            };
            assert!(
                matches!(given, Ok(()) | Err(StoreError::Conflict(Constraint::RoleUnknown))),
                "{given:?}"
            );
            work.commit().await.unwrap();
        }
    })
    .await;
    assert!(!store.roles().await.unwrap().iter().any(|role| role.name == support));
    for number in 0..15 {
        let user = store.user_by_id(user_id(number)).await.unwrap();
        let roles = user.map(|user| user.roles).unwrap_or_default();
        assert!(!roles.contains(&role_name("support")), "{number}: {roles:?}");
    }
}

fn names(roles: &[Role]) -> Vec<&str> {
    roles.iter().map(|role| RoleName::as_str(&role.name)).collect()
}
