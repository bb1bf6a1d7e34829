//! Rows for the adapters' own tests, and futures that are given up half-way.

#![expect(clippy::missing_panics_doc, reason = "what it makes is constant and valid")]

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use doorward_domain::{
    DisplayName, Email, Generation, PasswordHash, RoleName, Session, SessionId, Timestamp, User,
    UserId,
    ports::{Store, StoreError},
};
use time::macros::datetime;
use uuid::Uuid;

pub const NOW: Timestamp = datetime!(2026-11-20 12:00:00.123456 UTC);
pub const LATER: Timestamp = datetime!(2026-11-20 12:15:00 UTC);
pub const EXPIRY: Timestamp = datetime!(2026-12-20 12:00:00 UTC);

pub fn user(number: u128) -> User {
    User::new(
        UserId::from_uuid(Uuid::from_u128(number)),
        Email::parse(&format!("ada{number}@example.com")).unwrap(),
        DisplayName::parse("Ada").unwrap(),
        vec![RoleName::user(), RoleName::admin()],
        NOW,
    )
}

pub fn session(number: u128, user: &User) -> Session {
    Session {
        id: SessionId::from_uuid(Uuid::from_u128(number)),
        user_id: user.id,
        generation: Generation::FIRST,
        rotated_at: NOW,
        created_at: NOW,
        last_used_at: NOW,
        expires_at: EXPIRY,
        revoked: None,
        device: doorward_domain::Device::default(),
    }
}

pub fn hash() -> PasswordHash {
    PasswordHash::from_text("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA".to_owned())
}

/// Writes a user with a credential in one unit of work.
pub async fn register(store: &dyn Store, user: &User) -> Result<(), StoreError> {
    let mut work = store.begin().await?;
    work.user_insert(user).await?;
    work.credential_insert(user.id, &hash(), NOW).await?;
    work.commit().await
}

/// Writes a session of a user who is there.
pub async fn sign_in(store: &dyn Store, session: &Session) -> Result<(), StoreError> {
    let mut work = store.begin().await?;
    work.session_insert(session).await?;
    work.commit().await
}

/// A future that is dropped when it has been polled so many times without being ready.
pub struct GivenUp<F> {
    future: Option<Pin<Box<F>>>,
    polls: usize,
}

impl<F: Future> Future for GivenUp<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polls = self.polls;
        let Some(future) = self.future.as_mut().filter(|_| polls > 0) else {
            self.future = None;
            return Poll::Ready(None);
        };
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == 1 => {
                self.future = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                self.polls -= 1;
                Poll::Pending
            }
        }
    }
}

/// Runs a future until it has been polled so many times, then drops it.
pub fn give_up_after<F: Future>(polls: usize, future: F) -> GivenUp<F> {
    GivenUp { future: Some(Box::pin(future)), polls }
}
