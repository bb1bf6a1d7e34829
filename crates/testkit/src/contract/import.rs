use std::sync::Arc;

use doorward_domain::{
    RoleName, User, UserStatus,
    ports::{Constraint, ImportDigest, Imported, ImportedUser, Store, StoreError},
};
use time::Duration;

use super::samples::{
    NOW, add_role, add_user, at_once, begin, hash, name, role_name, user, user_id,
};

const FILE: ImportDigest = ImportDigest([7; 32]);

fn imported(number: u128, address: &str) -> ImportedUser {
    let password_hash = number.is_multiple_of(2).then(|| hash("$pbkdf2-sha256$1$x$y"));
    let user = User {
        email_verified: number.is_multiple_of(3),
        name: name("Ada \"the\" Løvelace\\"),
        status: if number.is_multiple_of(5) { UserStatus::Disabled } else { UserStatus::Active },
        created_at: NOW - Duration::days(400),
        updated_at: NOW - Duration::days(7),
        last_login_at: number.is_multiple_of(7).then_some(NOW - Duration::days(8)),
        ..user(number, address)
    };
    ImportedUser { user, password_hash }
}

pub async fn imported_users_are_read_back_as_written(store: Arc<dyn Store>) {
    let support = add_role(&store, "support").await;
    let mut users: Vec<ImportedUser> =
        (1..=40).map(|number| imported(number, &format!("Ada{number}@example.com"))).collect();
    users[3].user.roles = vec![];
    users[4].user.roles = vec![support];
    let mut work = begin(&store).await;
    assert_eq!(work.users_import(&[]).await.unwrap(), []);
    assert_eq!(work.users_import(&users).await.unwrap(), vec![Imported::Added; 40]);
    work.commit().await.unwrap();
    for ImportedUser { user, password_hash } in users {
        assert_eq!(store.user_by_id(user.id).await.unwrap().as_ref(), Some(&user));
        let credential = store.credential_by_email(&user.email).await.unwrap();
        match (credential, password_hash) {
            (Some((_, credential)), Some(hash)) => {
                assert_eq!((credential.hash, credential.version), (hash, 0));
            }
            (None, None) => {}
            (credential, hash) => panic!("{credential:?} of {hash:?}"),
        }
    }
}

pub async fn of_a_user_who_is_not_imported_nothing_is_there(store: Arc<dyn Store>) {
    let there = add_user(&store, 1, "ada@example.com").await;
    let users = [
        imported(2, "ADA@example.com"),
        imported(1, "other@example.com"),
        imported(3, "bob@example.com"),
        imported(4, "BOB@example.com"),
        imported(6, "eve@example.com"),
    ];
    let mut work = begin(&store).await;
    let outcomes = work.users_import(&users).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(
        outcomes,
        [
            Imported::EmailTaken,
            Imported::IdTaken,
            Imported::Added,
            Imported::EmailTaken,
            Imported::Added
        ]
    );
    assert_eq!(store.user_by_id(there.id).await.unwrap(), Some(there.clone()));
    let (_, credential) = store.credential_by_user(there.id).await.unwrap().unwrap();
    assert_eq!(credential.hash, hash("hash-0"));
    for number in [2, 4] {
        assert_eq!(store.user_by_id(user_id(number)).await.unwrap(), None);
        assert_eq!(store.credential_by_user(user_id(number)).await.unwrap(), None);
    }
    assert_eq!(store.user_by_id(user_id(3)).await.unwrap(), Some(users[2].user.clone()));
}

pub async fn an_import_with_an_unknown_role_adds_nobody(store: Arc<dyn Store>) {
    let mut users = [imported(1, "ada@example.com"), imported(2, "bob@example.com")];
    users[1].user.roles = vec![RoleName::user(), role_name("support")];
    let mut work = begin(&store).await;
    let refusal = work.users_import(&users).await;
    assert!(matches!(refusal, Err(StoreError::Conflict(Constraint::RoleUnknown))), "{refusal:?}");
    assert_eq!(work.users_import(&users[..1]).await.unwrap(), [Imported::Added]);
    work.commit().await.unwrap();
    assert!(store.user_by_id(user_id(1)).await.unwrap().is_some());
    assert_eq!(store.user_by_id(user_id(2)).await.unwrap(), None);
}

pub async fn an_import_goes_on_where_the_last_commit_left_it(store: Arc<dyn Store>) {
    let lines = async || {
        let mut work = begin(&store).await;
        work.import_lines(FILE, NOW).await.unwrap()
    };
    assert_eq!(lines().await, 0);
    for (done, commits, expected) in [(10, true, 10), (20, false, 10), (30, true, 30)] {
        let mut work = begin(&store).await;
        work.import_lines(FILE, NOW).await.unwrap();
        work.import_advance(FILE, done, NOW).await.unwrap();
        if commits {
            work.commit().await.unwrap();
        } else {
            drop(work);
        }
        assert_eq!(lines().await, expected);
    }
    let mut work = begin(&store).await;
    assert_eq!(work.import_lines(ImportDigest([8; 32]), NOW).await.unwrap(), 0);
    work.import_finish(FILE).await.unwrap();
    work.commit().await.unwrap();
    assert_eq!(lines().await, 0);
}

pub async fn of_many_imports_of_one_file_each_line_is_dealt_with_once(store: Arc<dyn Store>) {
    let dealt_with = at_once(8, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut dealt_with = Vec::new();
            loop {
                let mut work = begin(&store).await;
                let line = work.import_lines(FILE, NOW).await.unwrap();
                if line == 20 {
                    return dealt_with;
                }
                work.import_advance(FILE, line + 1, NOW).await.unwrap();
                work.commit().await.unwrap();
                dealt_with.push(line);
            }
        }
    })
    .await;
    let mut lines = dealt_with.concat();
    lines.sort_unstable();
    assert_eq!(lines, (0..20).collect::<Vec<_>>());
}
