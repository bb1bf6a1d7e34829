//! A store that forgets everything at the end of the test.

mod audit;
mod email_proof;
mod guess;
mod idempotency;
mod job;
mod mailbox;
mod state;
mod unit_of_work;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use doorward_domain::{
    Credential, Email, Page, PageRequest, Role, SealedSigningKey, Session, SessionId, Timestamp,
    User, UserFilter, UserId, UserKey,
    ports::{
        Change, ChangeFeed, CredentialQueries, FeedCursor, RoleQueries, Rotation, SessionQueries,
        SessionRotations, SigningKeyQueries, Store, StoreError, UnitOfWork, UserQueries,
    },
};
use state::State;
use tokio::sync::Notify;
use unit_of_work::MemoryUnitOfWork;

/// Keeps the same contract as the databases. One unit of work runs at a time, on a copy of the state
/// that replaces the original at commit; reads see what was committed last.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    committed: Mutex<Arc<State>>,
    writer: Arc<tokio::sync::Mutex<()>>,
    changed: Notify,
    job_added: Notify,
}

impl Shared {
    fn read(&self) -> Arc<State> {
        Arc::clone(&self.committed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, state: State) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

impl MemoryStore {
    async fn write(&self) -> Box<MemoryUnitOfWork> {
        let turn = Arc::clone(&self.shared.writer).lock_owned().await;
        Box::new(MemoryUnitOfWork::new(Arc::clone(&self.shared), turn))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(self.write().await)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn inconsistencies(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.shared.read().inconsistencies())
    }
}

#[async_trait]
impl UserQueries for MemoryStore {
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.shared.read().users.get(&id).cloned())
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        Ok(self.shared.read().users.values().find(|user| user.email == *email).cloned())
    }

    async fn user_exists(&self) -> Result<bool, StoreError> {
        Ok(!self.shared.read().users.is_empty())
    }

    async fn users(
        &self,
        filter: &UserFilter,
        page: &PageRequest<UserKey>,
    ) -> Result<Page<User, UserKey>, StoreError> {
        let state = self.shared.read();
        let after = page.after.as_ref().filter(|after| filter.knows(after));
        let mut users: Vec<&User> = state
            .users
            .values()
            .filter(|user| filter.fits(user))
            .filter(|user| after.is_none_or(|after| filter.key_of(user) > *after))
            .collect();
        users.sort_by_key(|user| filter.key_of(user));
        let rows = users.into_iter().take(usize::from(page.limit.get()) + 1).cloned().collect();
        Ok(Page::from_surplus(rows, page.limit, |user| filter.key_of(user)))
    }

    async fn users_after(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        let state = self.shared.read();
        let users = state.users.values().filter(|user| after.is_none_or(|after| user.id > after));
        Ok(users.take(limit as usize).cloned().collect())
    }
}

#[async_trait]
impl RoleQueries for MemoryStore {
    async fn roles(&self) -> Result<Vec<Role>, StoreError> {
        Ok(self.shared.read().roles.values().cloned().collect())
    }
}

#[async_trait]
impl CredentialQueries for MemoryStore {
    async fn credential_by_email(
        &self,
        email: &Email,
    ) -> Result<Option<(User, Credential)>, StoreError> {
        let state = self.shared.read();
        let user = state.users.values().find(|user| user.email == *email);
        Ok(user.and_then(|user| state.with_credential(user)))
    }

    async fn credential_by_user(
        &self,
        user_id: UserId,
    ) -> Result<Option<(User, Credential)>, StoreError> {
        let state = self.shared.read();
        Ok(state.users.get(&user_id).and_then(|user| state.with_credential(user)))
    }

    async fn credentials_by_users(
        &self,
        user_ids: &[UserId],
    ) -> Result<Vec<Credential>, StoreError> {
        let state = self.shared.read();
        Ok(user_ids.iter().filter_map(|id| state.credentials.get(id)).cloned().collect())
    }
}

#[async_trait]
impl SessionQueries for MemoryStore {
    async fn session_by_id(&self, id: SessionId) -> Result<Option<(Session, User)>, StoreError> {
        let state = self.shared.read();
        let session = state.sessions.get(&id);
        Ok(session.and_then(|s| Some((s.clone(), state.users.get(&s.user_id)?.clone()))))
    }

    async fn sessions_by_user(
        &self,
        user_id: UserId,
        now: Timestamp,
        page: PageRequest<SessionId>,
    ) -> Result<Page<Session, SessionId>, StoreError> {
        let state = self.shared.read();
        let rows = state
            .sessions
            .values()
            .rev()
            .filter(|s| s.user_id == user_id && s.is_live(now))
            .filter(|s| page.after.is_none_or(|after| s.id < after))
            .take(usize::from(page.limit.get()) + 1)
            .cloned()
            .collect();
        Ok(Page::from_surplus(rows, page.limit, |session| session.id))
    }
}

#[async_trait]
impl SessionRotations for MemoryStore {
    async fn session_rotate(&self, rotation: Rotation) -> Result<bool, StoreError> {
        let mut work = self.write().await;
        let rotated = work.rotate(rotation);
        work.commit().await?;
        Ok(rotated)
    }
}

#[async_trait]
impl SigningKeyQueries for MemoryStore {
    async fn signing_keys(&self) -> Result<Vec<SealedSigningKey>, StoreError> {
        Ok(self.shared.read().signing_keys.values().cloned().collect())
    }
}

#[async_trait]
impl ChangeFeed for MemoryStore {
    async fn changes_since(
        &self,
        cursor: FeedCursor,
    ) -> Result<(Vec<Change>, FeedCursor), StoreError> {
        let state = self.shared.read();
        let news = state.changes.iter().filter(|recorded| recorded.seq > cursor.0);
        let changes = news.map(|recorded| recorded.change).collect();
        Ok((changes, FeedCursor(state.change_seq)))
    }

    async fn change_hint(&self) {
        self.shared.changed.notified().await;
    }
}
