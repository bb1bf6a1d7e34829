use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use doorward_domain::{
    Credential, DisplayName, Email, PasswordHash, Role, RoleName, SealedSigningKey, Session,
    SessionId, Timestamp, User, UserId, UserStatus,
    ports::{
        CHANGE_KEPT_FOR, Change, Constraint, CredentialRepository, ImportDigest, ImportRepository,
        Imported, ImportedUser, RoleRepository, Rotation, SessionRepository, SigningKeyRepository,
        StoreError, UnitOfWork, UserRepository,
    },
    session::RevocationCause,
};
use time::Duration;
use tokio::sync::OwnedMutexGuard;

use super::{Shared, state::State};

/// A copy of the state, and the turn to write it back.
pub(super) struct MemoryUnitOfWork {
    pub(super) state: State,
    /// Whether there is something for the workers.
    pub(super) has_job: bool,
    shared: Arc<Shared>,
    _turn: OwnedMutexGuard<()>,
}

impl MemoryUnitOfWork {
    pub fn new(shared: Arc<Shared>, turn: OwnedMutexGuard<()>) -> Self {
        Self { state: State::clone(&shared.read()), has_job: false, shared, _turn: turn }
    }

    pub(super) fn rotate(&mut self, rotation: Rotation) -> bool {
        let Rotation { id, from, now, expires_at } = rotation;
        let users = &self.state.users;
        let session = self.state.sessions.get_mut(&id).filter(|s| {
            let user = users.get(&s.user_id);
            s.generation == from
                && s.is_live(now)
                && user.is_some_and(|user| user.status == UserStatus::Active)
        });
        session.is_some_and(|session| {
            session.generation = from.next();
            session.rotated_at = now;
            session.last_used_at = now;
            session.expires_at = expires_at;
            true
        })
    }

    fn credential(&mut self, user_id: UserId, version: i64) -> Option<&mut Credential> {
        self.state.credentials.get_mut(&user_id).filter(|c| c.version == version)
    }

    /// Changes what others keep in memory of a user, if there is such a user, and records that.
    fn change_user(
        &mut self,
        id: UserId,
        now: Timestamp,
        change: impl FnOnce(&mut User),
    ) -> Option<User> {
        let user = self.state.users.get_mut(&id)?;
        change(user);
        user.updated_at = now;
        let user = user.clone();
        self.state.record(Change::User(id), now + CHANGE_KEPT_FOR);
        Some(user)
    }
}

#[async_trait]
impl UnitOfWork for MemoryUnitOfWork {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let changed = self.state.change_seq > self.shared.read().change_seq;
        self.shared.replace(self.state);
        if changed {
            self.shared.changed.notify_waiters();
        }
        if self.has_job {
            self.shared.job_added.notify_one();
        }
        Ok(())
    }
}

#[async_trait]
impl UserRepository for MemoryUnitOfWork {
    async fn user_lock(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.state.users.get(&id).cloned())
    }

    async fn user_insert(&mut self, user: &User) -> Result<(), StoreError> {
        if !self.state.has_roles(&user.roles) {
            return Err(StoreError::Conflict(Constraint::RoleUnknown));
        }
        if self.state.users.values().any(|other| other.email == user.email) {
            return Err(StoreError::Conflict(Constraint::UserEmail));
        }
        self.state.users.insert(user.id, user.clone());
        Ok(())
    }

    async fn user_rename(
        &mut self,
        id: UserId,
        name: &DisplayName,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let Some(user) = self.state.users.get_mut(&id) else { return Ok(None) };
        user.name = name.clone();
        user.updated_at = now;
        Ok(Some(user.clone()))
    }

    async fn user_verify_email(&mut self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.state.users.get_mut(&id).is_some_and(|user| {
            user.email_verified = true;
            user.updated_at = now;
            true
        }))
    }

    async fn user_set_email(
        &mut self,
        id: UserId,
        email: &Email,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        if self.state.users.values().any(|other| other.id != id && other.email == *email) {
            return Err(StoreError::Conflict(Constraint::UserEmail));
        }
        let Some(user) = self.state.users.get_mut(&id) else { return Ok(None) };
        user.email = email.clone();
        user.email_verified = false;
        user.updated_at = now;
        Ok(Some(user.clone()))
    }

    async fn user_set_status(
        &mut self,
        id: UserId,
        status: UserStatus,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        Ok(self.change_user(id, now, |user| user.status = status))
    }

    async fn user_set_roles(
        &mut self,
        id: UserId,
        roles: &[RoleName],
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        if !self.state.has_roles(roles) {
            return Err(StoreError::Conflict(Constraint::RoleUnknown));
        }
        let roles: BTreeSet<RoleName> = roles.iter().cloned().collect();
        Ok(self.change_user(id, now, |user| user.roles = roles.into_iter().collect()))
    }

    async fn user_count_admins(&mut self) -> Result<u64, StoreError> {
        let admins = self.state.users.values().filter(|user| {
            user.status == UserStatus::Active && user.roles.contains(&RoleName::admin())
        });
        Ok(admins.count() as u64)
    }

    async fn user_signed_in(&mut self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        let user = self.state.users.get_mut(&id).filter(|u| u.status == UserStatus::Active);
        Ok(user.is_some_and(|user| {
            user.last_login_at = Some(now);
            true
        }))
    }

    async fn user_delete(&mut self, id: UserId) -> Result<bool, StoreError> {
        self.state.credentials.remove(&id);
        self.state.sessions.retain(|_, session| session.user_id != id);
        Ok(self.state.users.remove(&id).is_some())
    }
}

#[async_trait]
impl ImportRepository for MemoryUnitOfWork {
    async fn users_import(&mut self, users: &[ImportedUser]) -> Result<Vec<Imported>, StoreError> {
        if !users.iter().all(|new| self.state.has_roles(&new.user.roles)) {
            return Err(StoreError::Conflict(Constraint::RoleUnknown));
        }
        let mut outcomes = Vec::with_capacity(users.len());
        for ImportedUser { user, password_hash } in users {
            let outcome = if self.state.users.contains_key(&user.id) {
                Imported::IdTaken
            } else if self.state.users.values().any(|other| other.email == user.email) {
                Imported::EmailTaken
            } else {
                self.state.users.insert(user.id, user.clone());
                if let Some(hash) = password_hash {
                    self.credential_insert(user.id, hash, user.updated_at).await?;
                }
                Imported::Added
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn import_lines(
        &mut self,
        digest: ImportDigest,
        _now: Timestamp,
    ) -> Result<u64, StoreError> {
        Ok(*self.state.imports.entry(digest).or_default())
    }

    async fn import_advance(
        &mut self,
        digest: ImportDigest,
        lines: u64,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        self.state.imports.insert(digest, lines);
        Ok(())
    }

    async fn import_finish(&mut self, digest: ImportDigest) -> Result<(), StoreError> {
        self.state.imports.remove(&digest);
        Ok(())
    }
}

#[async_trait]
impl RoleRepository for MemoryUnitOfWork {
    async fn role_put(&mut self, role: &Role, now: Timestamp) -> Result<bool, StoreError> {
        let before = self.state.roles.insert(role.name.clone(), role.clone());
        self.state.record(Change::Roles, now + CHANGE_KEPT_FOR);
        Ok(before.is_none())
    }

    async fn role_delete(&mut self, name: &RoleName, now: Timestamp) -> Result<bool, StoreError> {
        if self.state.roles.remove(name).is_none() {
            return Ok(false);
        }
        for user in self.state.users.values_mut() {
            user.roles.retain(|role| role != name);
        }
        self.state.record(Change::Roles, now + CHANGE_KEPT_FOR);
        Ok(true)
    }
}

#[async_trait]
impl CredentialRepository for MemoryUnitOfWork {
    async fn credential_insert(
        &mut self,
        user_id: UserId,
        hash: &PasswordHash,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        let credential = Credential { user_id, hash: hash.clone(), version: 0 };
        self.state.credentials.insert(user_id, credential);
        Ok(())
    }

    async fn credential_put(
        &mut self,
        user_id: UserId,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.state.credentials.get_mut(&user_id) {
            Some(credential) => {
                credential.hash = hash.clone();
                credential.version += 1;
                Ok(())
            }
            None => self.credential_insert(user_id, hash, now).await,
        }
    }

    async fn credential_is_current(
        &mut self,
        user_id: UserId,
        version: i64,
    ) -> Result<bool, StoreError> {
        Ok(self.credential(user_id, version).is_some())
    }

    async fn credential_replace(
        &mut self,
        user_id: UserId,
        expected_version: i64,
        hash: &PasswordHash,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.credential(user_id, expected_version).is_some_and(|credential| {
            credential.hash = hash.clone();
            credential.version += 1;
            true
        }))
    }

    async fn credential_rehash(
        &mut self,
        user_id: UserId,
        expected_version: i64,
        hash: &PasswordHash,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(credential) = self.credential(user_id, expected_version) {
            credential.hash = hash.clone();
        }
        Ok(())
    }
}

#[async_trait]
impl SessionRepository for MemoryUnitOfWork {
    async fn session_insert(&mut self, session: &Session) -> Result<(), StoreError> {
        self.state.sessions.insert(session.id, session.clone());
        Ok(())
    }

    async fn session_revoke(
        &mut self,
        id: SessionId,
        user_id: UserId,
        cause: RevocationCause,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let session = self.state.sessions.get(&id);
        if !session.is_some_and(|s| s.user_id == user_id && s.is_live(now)) {
            return Ok(false);
        }
        self.state.revoke(&[id], cause, until);
        Ok(true)
    }

    async fn sessions_revoke(
        &mut self,
        user_id: UserId,
        except: Option<SessionId>,
        cause: RevocationCause,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<SessionId>, StoreError> {
        let ids: Vec<SessionId> = self
            .state
            .sessions
            .values()
            .filter(|s| s.user_id == user_id && s.is_live(now) && Some(s.id) != except)
            .map(|s| s.id)
            .collect();
        self.state.revoke(&ids, cause, until);
        Ok(ids)
    }

    async fn sessions_prune(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let count = |state: &State| state.sessions.len() + state.changes.len();
        let before = count(&self.state);
        let mut left = limit;
        let mut goes = |over: bool| over && left.checked_sub(1).map(|rest| left = rest).is_some();
        self.state.sessions.retain(|_, session| !goes(session.expires_at <= now));
        let mut left = limit;
        let mut goes = |over: bool| over && left.checked_sub(1).map(|rest| left = rest).is_some();
        self.state.changes.retain(|recorded| !goes(recorded.until <= now));
        Ok((before - count(&self.state)) as u64)
    }
}

#[async_trait]
impl SigningKeyRepository for MemoryUnitOfWork {
    async fn signing_key_insert(&mut self, key: &SealedSigningKey) -> Result<(), StoreError> {
        if self.state.signing_keys.contains_key(&key.generation) {
            return Err(StoreError::Conflict(Constraint::SigningKeyGeneration));
        }
        self.state.signing_keys.insert(key.generation, key.clone());
        Ok(())
    }

    async fn signing_keys_raise_token_life(
        &mut self,
        generation: i64,
        token_life: Duration,
    ) -> Result<(), StoreError> {
        for (_, key) in self.state.signing_keys.range_mut(generation..) {
            key.token_life = key.token_life.max(token_life);
        }
        Ok(())
    }

    async fn signing_key_reseal(
        &mut self,
        kid: &str,
        sealed_private_key: &[u8],
    ) -> Result<bool, StoreError> {
        let key = self.state.signing_keys.values_mut().find(|key| key.kid == kid);
        Ok(key.map(|key| key.sealed_private_key = sealed_private_key.to_vec()).is_some())
    }

    async fn signing_keys_delete_before(&mut self, generation: i64) -> Result<u64, StoreError> {
        let kept = self.state.signing_keys.split_off(&generation);
        Ok(std::mem::replace(&mut self.state.signing_keys, kept).len() as u64)
    }
}
