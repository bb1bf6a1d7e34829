//! Taking in users from a file.

use doorward_app::{
    Ctx,
    grant::{self, Permitted, RolesWrite, UsersWrite},
    import::{Import, ImportError, Refusal},
};
use doorward_domain::{
    DisplayName, Email, RoleName, User, UserId,
    ports::{ImportDigest, ImportedUser},
};
use doorward_testkit::World;
use uuid::Uuid;

const FILE: ImportDigest = ImportDigest([1; 32]);

struct Operator {
    users: Permitted<UsersWrite>,
    roles: Permitted<RolesWrite>,
}

impl Operator {
    async fn of(world: &World) -> Self {
        let actor = world.admin("root@example.com").await;
        Self {
            users: grant::permit(&world.ctx, actor).await.unwrap(),
            roles: grant::permit(&world.ctx, actor).await.unwrap(),
        }
    }

    async fn begin(&self, ctx: &Ctx, rehearse: bool) -> Import {
        Import::begin(ctx, (&self.users, &self.roles), FILE, rehearse).await.unwrap()
    }
}

fn user(id: u128, address: &str, roles: &[&str]) -> ImportedUser {
    let roles = roles.iter().map(|name| RoleName::parse(name).unwrap()).collect();
    let user = User::new(
        UserId::from_uuid(Uuid::from_u128(id)),
        Email::parse(address).unwrap(),
        DisplayName::parse("Ada").unwrap(),
        roles,
        time::macros::datetime!(2020-01-01 00:00 UTC),
    );
    ImportedUser { user, password_hash: None }
}

async fn is_there(ctx: &Ctx, id: u128) -> bool {
    ctx.store.user_by_id(UserId::from_uuid(Uuid::from_u128(id))).await.unwrap().is_some()
}

#[tokio::test]
async fn what_is_refused_is_told_and_the_rest_is_added() {
    let world = World::default();
    let by = Operator::of(&world).await;
    world.registered("taken@example.com").await;
    let mut import = by.begin(&world.ctx, false).await;
    let users = vec![
        user(1, "ada@example.com", &["user"]),
        user(2, "TAKEN@example.com", &["user"]),
        user(3, "bob@example.com", &["user", "support"]),
        user(1, "eve@example.com", &[]),
        user(4, "Ada@example.com", &[]),
        user(5, "eve@example.com", &["admin"]),
    ];
    let outcomes = import.add(&world.ctx, users, 6).await.unwrap();
    let unknown = RoleName::parse("support").unwrap();
    assert_eq!(
        outcomes,
        [
            Ok(()),
            Err(Refusal::EmailTaken),
            Err(Refusal::RoleUnknown(unknown)),
            Err(Refusal::IdTaken),
            Err(Refusal::EmailTaken),
            Ok(()),
        ]
    );
    for (id, added) in [(1, true), (2, false), (3, false), (4, false), (5, true)] {
        assert_eq!(is_there(&world.ctx, id).await, added, "{id}");
    }
    import.finish(&world.ctx).await.unwrap();
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_import_that_was_broken_off_goes_on_behind_the_last_commit() {
    let world = World::default();
    let by = Operator::of(&world).await;
    let mut import = by.begin(&world.ctx, false).await;
    assert_eq!(import.lines(), 0);
    import.add(&world.ctx, vec![user(1, "a@example.com", &[])], 10).await.unwrap();
    drop(import);

    let mut import = by.begin(&world.ctx, false).await;
    assert_eq!(import.lines(), 10);
    let outcomes = import.add(&world.ctx, vec![user(2, "b@example.com", &[])], 20).await.unwrap();
    assert_eq!(outcomes, [Ok(())]);
    import.finish(&world.ctx).await.unwrap();
    // Once it is finished, the same file is a new import.
    assert_eq!(by.begin(&world.ctx, false).await.lines(), 0);
}

#[tokio::test]
async fn of_two_imports_of_one_file_one_gives_way() {
    let world = World::default();
    let by = Operator::of(&world).await;
    let mut first = by.begin(&world.ctx, false).await;
    let mut second = by.begin(&world.ctx, false).await;
    first.add(&world.ctx, vec![user(1, "a@example.com", &[])], 1).await.unwrap();
    let refused = second.add(&world.ctx, vec![user(1, "a@example.com", &[])], 1).await;
    assert!(matches!(refused, Err(ImportError::UnderWay)));
    first.add(&world.ctx, vec![user(2, "b@example.com", &[])], 2).await.unwrap();
}

#[tokio::test]
async fn a_rehearsal_finds_what_an_import_would_and_writes_nothing() {
    let world = World::default();
    let by = Operator::of(&world).await;
    let users = |rehearse| {
        let (world, by) = (&world, &by);
        async move {
            let mut import = by.begin(&world.ctx, rehearse).await;
            let mut outcomes = Vec::new();
            for (lines, batch) in [
                (2, vec![user(1, "a@example.com", &["user"]), user(2, "b@example.com", &[])]),
                (4, vec![user(2, "c@example.com", &[]), user(3, "A@example.com", &[])]),
            ] {
                outcomes.extend(import.add(&world.ctx, batch, lines).await.unwrap());
            }
            import.finish(&world.ctx).await.unwrap();
            outcomes
        }
    };
    let rehearsed = users(true).await;
    assert!(!is_there(&world.ctx, 1).await);
    assert_eq!(rehearsed, users(false).await);
    assert_eq!(rehearsed, [Ok(()), Ok(()), Err(Refusal::IdTaken), Err(Refusal::EmailTaken)]);
    assert!(is_there(&world.ctx, 1).await);
}
