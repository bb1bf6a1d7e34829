//! Values that the cases write.

use std::{sync::Arc, time::Duration as StdDuration};

use doorward_domain::{
    Device, DisplayName, Email, PasswordHash, Permission, Role, RoleName, Session, SessionId,
    Timestamp, User, UserId,
    ports::{Change, FeedCursor, Store, UnitOfWork},
    role::RoleDescription,
    session::Generation,
};
use time::{Duration, macros::datetime};
use uuid::Uuid;

/// When everything in the suite happens, to the microsecond.
pub(super) const NOW: Timestamp = datetime!(2026-01-01 12:00:00.123456 UTC);

/// Until when the access tokens of sessions that are revoked at [`NOW`] live.
pub(super) const UNTIL: Timestamp = datetime!(2026-01-01 12:16:00.123456 UTC);

pub(super) fn user_id(number: u128) -> UserId {
    UserId::from_uuid(Uuid::from_u128(number))
}

pub(super) fn session_id(number: u128) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(number))
}

pub(super) fn email(text: &str) -> Email {
    Email::parse(text).expect("a valid address")
}

pub(super) fn name(text: &str) -> DisplayName {
    DisplayName::parse(text).expect("a valid name")
}

pub(super) fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_text(text.to_owned())
}

pub(super) fn role_name(text: &str) -> RoleName {
    RoleName::parse(text).expect("a valid name of a role")
}

pub(super) fn role(name: &str, permissions: &[&str]) -> Role {
    let permission = |text: &&str| Permission::parse(text).expect("a valid permission");
    Role {
        name: role_name(name),
        description: RoleDescription::parse("For a test").expect("a valid description"),
        permissions: permissions.iter().map(permission).collect(),
    }
}

pub(super) fn user(number: u128, address: &str) -> User {
    let roles = vec![RoleName::user(), RoleName::admin()];
    User::new(user_id(number), email(address), name("Ada Lovelace"), roles, NOW)
}

pub(super) fn session(number: u128, user: &User) -> Session {
    Session {
        id: session_id(number),
        user_id: user.id,
        generation: Generation::FIRST,
        rotated_at: NOW,
        created_at: NOW,
        last_used_at: NOW,
        expires_at: NOW + Duration::days(30),
        revoked: None,
        device: Device {
            ip: Some("2001:db8::1".to_owned()),
            user_agent: Some("curl/8.0 (Ünïcode)".to_owned()),
        },
    }
}

pub(super) async fn begin(store: &Arc<dyn Store>) -> Box<dyn UnitOfWork> {
    store.begin().await.expect("a unit of work begins")
}

/// Adds a user with a credential, in a unit of work of its own.
pub(super) async fn add_user(store: &Arc<dyn Store>, number: u128, address: &str) -> User {
    let user = user(number, address);
    let mut work = begin(store).await;
    work.user_insert(&user).await.expect("the user is added");
    work.credential_insert(user.id, &hash("hash-0"), NOW).await.expect("the credential is added");
    work.commit().await.expect("the unit of work commits");
    user
}

/// Adds live sessions of a user, in a unit of work of their own.
pub(super) async fn add_sessions(store: &Arc<dyn Store>, user: &User, numbers: &[u128]) {
    let mut work = begin(store).await;
    for number in numbers {
        work.session_insert(&session(*number, user)).await.expect("the session is added");
    }
    work.commit().await.expect("the unit of work commits");
}

/// Adds a role that permits nothing, in a unit of work of its own.
pub(super) async fn add_role(store: &Arc<dyn Store>, name: &str) -> RoleName {
    let mut work = begin(store).await;
    assert!(work.role_put(&role(name, &[]), NOW).await.expect("the role is added"));
    work.commit().await.expect("the unit of work commits");
    role_name(name)
}

/// Everything that the feed still tells.
pub(super) async fn told(store: &Arc<dyn Store>) -> Vec<Change> {
    store.changes_since(FeedCursor::default()).await.expect("the feed can be read").0
}

/// Runs `count` tasks at once and returns what they return.
pub(super) async fn at_once<T, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|number| {
            let (start, work) = (Arc::clone(&start), task(number));
            tokio::spawn(async move {
                start.wait().await;
                work.await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(count);
    for task in tasks {
        results.push(task.await.expect("the task does not panic"));
    }
    results
}

/// Fails the test when `future` takes longer than any store may.
pub(super) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(StdDuration::from_secs(10), future).await.expect("it happens in time")
}
