//! What operators do with other people's accounts, and who may.

use std::sync::Arc;

use doorward_app::{
    account::{self, DeleteError},
    change,
    grant::{
        self, GrantCache, PermitError, Permitted, RolesRead, RolesWrite, SessionsWrite, UsersRead,
        UsersWrite,
    },
    role::{self, RoleError},
    session::{self, LoginError, RefreshError},
    user::{self, UpdateUser, UserError},
};
use doorward_domain::{
    Device, Email, PageRequest, Password, Permission, Role, RoleName, User, UserId, UserStatus,
    ports::FeedCursor, role::RoleDescription,
};
use doorward_testkit::{PASSWORD, World, mock::MockStore};
use secrecy::ExposeSecret;

fn name(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

fn role(role: &str, permissions: &[Permission]) -> Role {
    Role {
        name: name(role),
        description: RoleDescription::default(),
        permissions: permissions.iter().cloned().collect(),
    }
}

async fn permitted<P: grant::Needed>(world: &World, actor: doorward_app::Actor) -> Permitted<P> {
    grant::permit(&world.ctx, actor).await.expect("the actor is permitted")
}

#[tokio::test]
async fn a_permission_is_had_by_role_and_only_by_role() {
    let world = World::default();
    let root = world.admin("root@example.com").await;
    let ada = world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;
    let refused = grant::permit::<UsersRead>(&world.ctx, actor).await;
    assert!(
        matches!(&refused, Err(PermitError::Forbidden(it)) if *it == Permission::USERS_READ),
        "{refused:?}"
    );

    let by = permitted::<RolesWrite>(&world, root).await;
    role::put(&world.ctx, &by, &role("support", &[Permission::USERS_READ])).await.unwrap();
    user::set_roles(&world.ctx, &by, ada.id, &[name("support")]).await.unwrap();
    permitted::<UsersRead>(&world, actor).await;
    assert!(grant::permit::<UsersWrite>(&world.ctx, actor).await.is_err());

    // The role changes, and so does what it opens, at once.
    role::put(&world.ctx, &by, &role("support", &[Permission::USERS_WRITE])).await.unwrap();
    assert!(grant::permit::<UsersRead>(&world.ctx, actor).await.is_err());
    permitted::<UsersWrite>(&world, actor).await;
    role::delete(&world.ctx, &by, &name("support")).await.unwrap();
    assert!(grant::permit::<UsersWrite>(&world.ctx, actor).await.is_err());
    let now = world.ctx.store.user_by_id(ada.id).await.unwrap().unwrap();
    assert_eq!(now.roles, []);
    world.assert_consistent().await;
}

#[tokio::test]
async fn another_instance_forgets_what_it_knew_when_it_hears_of_the_change() {
    let world = World::default();
    let root = world.admin("root@example.com").await;
    let ada = world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;
    let by = permitted::<RolesWrite>(&world, root).await;
    user::set_roles(&world.ctx, &by, ada.id, &[RoleName::admin()]).await.unwrap();

    let mut other = world.ctx.clone();
    other.grants = Arc::default();
    let start = change::catch_up(&other, FeedCursor::default()).await.unwrap();
    assert!(grant::permit::<UsersRead>(&other, actor).await.is_ok());
    user::set_roles(&world.ctx, &by, ada.id, &[RoleName::user()]).await.unwrap();
    // It keeps what it knew until it hears, and costs no read meanwhile.
    assert!(grant::permit::<UsersRead>(&other, actor).await.is_ok());
    change::catch_up(&other, start).await.unwrap();
    assert!(grant::permit::<UsersRead>(&other, actor).await.is_err());
}

#[tokio::test]
async fn what_was_read_while_a_change_came_in_is_not_kept() {
    let world = World::default();
    let root = world.admin("root@example.com").await;
    let present = world.ctx.store.user_by_id(root.user_id()).await.unwrap().unwrap();
    let changes: [fn(&GrantCache, UserId); 2] =
        [|grants, user| grants.forget(user), |grants, _| grants.forget_all()];
    for change in changes {
        let mut other = world.ctx.clone();
        other.grants = Arc::default();
        let (grants, mut reads) = (Arc::clone(&other.grants), 0);
        let (before, after) = (present.clone(), User { roles: Vec::new(), ..present.clone() });
        let mut store = MockStore::new();
        store.expect_roles().returning(|| Ok(vec![role("admin", &[])]));
        store.expect_user_by_id().returning(move |id| {
            reads += 1;
            if reads > 1 {
                return Ok(Some(after.clone()));
            }
            // It was read before the change, and arrives after the change was heard of.
            change(&grants, id);
            Ok(Some(before.clone()))
        });
        other.store = Arc::new(store);
        assert!(grant::permit::<UsersRead>(&other, root).await.is_ok());
        assert!(grant::permit::<UsersRead>(&other, root).await.is_err(), "it is read anew");
    }
}

#[tokio::test]
async fn an_instance_that_lost_touch_trusts_nothing_it_knew() {
    let world = World::default();
    let root = world.admin("root@example.com").await;
    let ada = world.registered("ada@example.com").await;
    let (_, actor) = world.signed_in("ada@example.com").await;
    let by = permitted::<RolesWrite>(&world, root).await;
    user::set_roles(&world.ctx, &by, ada.id, &[RoleName::admin()]).await.unwrap();
    let mut other = world.ctx.clone();
    other.grants = Arc::default();
    assert!(grant::permit::<UsersRead>(&other, actor).await.is_ok());
    user::set_roles(&world.ctx, &by, ada.id, &[RoleName::user()]).await.unwrap();
    change::lost_touch(&other);
    assert!(grant::permit::<UsersRead>(&other, actor).await.is_err());
}

#[tokio::test]
async fn disabling_ends_every_way_in_and_enabling_opens_the_door_again() {
    let world = World::default();
    let root = world.admin("root@example.com").await;
    let ada = world.registered("ada@example.com").await;
    let (tokens, actor) = world.signed_in("ada@example.com").await;
    let by = permitted::<UsersWrite>(&world, root).await;
    let set = |status| UpdateUser { name: None, status: Some(status) };
    let disabled = user::update(&world.ctx, &by, ada.id, set(UserStatus::Disabled)).await.unwrap();
    assert_eq!(disabled.status, UserStatus::Disabled);
    assert!(world.ctx.revocations.contains(actor.session_id()));
    let refreshed = session::refresh(&world.ctx, tokens.refresh_token.expose_secret()).await;
    assert!(matches!(refreshed, Err(RefreshError::Invalid)));
    let command = session::Login {
        email: Email::parse("ada@example.com").unwrap(),
        password: Password::parse(PASSWORD).unwrap(),
        device: Device::default(),
        device_token: None,
    };
    let login = session::login(&world.ctx, command).await;
    assert!(matches!(login, Err(LoginError::AccountDisabled)));
    user::update(&world.ctx, &by, ada.id, set(UserStatus::Active)).await.unwrap();
    world.signed_in("ada@example.com").await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_last_administrator_cannot_be_lost() {
    let world = World::default();
    let root = world.admin("root@example.com").await;
    let id = root.user_id();
    let users = permitted::<UsersWrite>(&world, root).await;
    let roles = permitted::<RolesWrite>(&world, root).await;
    let disable = UpdateUser { name: None, status: Some(UserStatus::Disabled) };
    let outcomes = [
        user::update(&world.ctx, &users, id, disable.clone()).await.map(|_| ()),
        user::delete(&world.ctx, &users, id).await,
        user::set_roles(&world.ctx, &roles, id, &[RoleName::user()]).await.map(|_| ()),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(UserError::LastAdmin)), "{outcome:?}");
    }
    let password = Password::parse(PASSWORD).unwrap();
    let outcome = account::delete(&world.ctx, &root, &password).await;
    assert!(matches!(outcome, Err(DeleteError::LastAdmin)), "{outcome:?}");

    // A disabled administrator does not count.
    let second = world.admin("second@example.com").await;
    user::update(&world.ctx, &users, second.user_id(), disable).await.unwrap();
    let outcome = user::delete(&world.ctx, &users, id).await;
    assert!(matches!(outcome, Err(UserError::LastAdmin)), "{outcome:?}");
    // Whoever is none can go.
    user::delete(&world.ctx, &users, second.user_id()).await.unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn of_twenty_demotions_at_once_one_administrator_is_left() {
    let world = World::default();
    let root = world.admin("root@example.com").await;
    let second = world.admin("second@example.com").await;
    let by = permitted::<RolesWrite>(&world, root).await;
    let demotions: Vec<_> = (0..20)
        .map(|number| {
            let ctx = world.ctx.clone();
            let target = if number % 2 == 0 { root.user_id() } else { second.user_id() };
            tokio::spawn(
                async move { user::set_roles(&ctx, &by, target, &[RoleName::user()]).await },
            )
        })
        .collect();
    for demotion in demotions {
        let outcome = demotion.await.unwrap();
        assert!(matches!(outcome, Ok(_) | Err(UserError::LastAdmin)), "{outcome:?}");
    }
    let mut left = 0;
    for id in [root.user_id(), second.user_id()] {
        let user = world.ctx.store.user_by_id(id).await.unwrap().unwrap();
        left += usize::from(user.roles.contains(&RoleName::admin()));
    }
    assert_eq!(left, 1);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_unknown_roles_are_told() {
    let world = World::default();
    let root = world.admin("root@example.com").await;
    let ada = world.registered("ada@example.com").await;
    let nobody = doorward_domain::UserId::from_uuid(uuid::Uuid::nil());
    let read = permitted::<UsersRead>(&world, root).await;
    let roles = permitted::<RolesWrite>(&world, root).await;
    let sessions = permitted::<SessionsWrite>(&world, root).await;
    assert!(matches!(user::get(&world.ctx, &read, nobody).await, Err(UserError::NotFound)));
    let list = user::sessions(&world.ctx, &read, nobody, PageRequest::default()).await;
    assert!(matches!(list, Err(UserError::NotFound)));
    let revoked = user::revoke_sessions(&world.ctx, &sessions, nobody).await;
    assert!(matches!(revoked, Err(UserError::NotFound)));
    let unknown = user::set_roles(&world.ctx, &roles, ada.id, &[name("unheard-of")]).await;
    assert!(matches!(unknown, Err(UserError::RoleUnknown)));
    let kept = world.ctx.store.user_by_id(ada.id).await.unwrap().unwrap();
    assert_eq!(kept.roles, [RoleName::user()]);
    let built_in = role::put(&world.ctx, &roles, &role("admin", &[])).await;
    assert!(matches!(built_in, Err(RoleError::BuiltIn)));
    let built_in = role::delete(&world.ctx, &roles, &name("user")).await;
    assert!(matches!(built_in, Err(RoleError::BuiltIn)));
    let missing = role::delete(&world.ctx, &roles, &name("unheard-of")).await;
    assert!(matches!(missing, Err(RoleError::NotFound)));
    let list = permitted::<RolesRead>(&world, root).await;
    let page = role::list(&world.ctx, &list, &PageRequest::default()).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(names, ["admin", "user"]);
}

#[tokio::test]
async fn ending_all_sessions_of_a_user_leaves_others_alone() {
    let world = World::default();
    let root = world.admin("root@example.com").await;
    let ada = world.registered("ada@example.com").await;
    let (_, first) = world.signed_in("ada@example.com").await;
    let (_, second) = world.signed_in("ada@example.com").await;
    let by = permitted::<SessionsWrite>(&world, root).await;
    user::revoke_sessions(&world.ctx, &by, ada.id).await.unwrap();
    assert!(world.ctx.revocations.contains(first.session_id()));
    assert!(world.ctx.revocations.contains(second.session_id()));
    assert!(!world.ctx.revocations.contains(root.session_id()));
    let read = permitted::<UsersRead>(&world, root).await;
    let page = user::sessions(&world.ctx, &read, ada.id, PageRequest::default()).await.unwrap();
    assert_eq!(page.items, []);
    world.assert_consistent().await;
}
