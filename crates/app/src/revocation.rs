//! Revoked sessions, known to every instance without asking the database at each request.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use doorward_domain::{Revocation, SessionId, Timestamp};

use time::Duration;

use crate::Ctx;

/// The revoked sessions that can still hold a live access token.
///
/// It is filled from the store's feed at start and followed from then on ([`catch_up`](crate::change::catch_up)); what this
/// instance revokes itself is added at once. It stays small, because an entry is forgotten when the
/// last access token of its session has expired.
#[derive(Debug, Default)]
pub struct RevocationList {
    until: RwLock<HashMap<SessionId, Timestamp>>,
    caught_up_at: RwLock<Option<Timestamp>>,
}

/// An instance that has not heard of the feed for longer than this says that it is not ready.
const FRESH_FOR: Duration = Duration::seconds(5);

impl RevocationList {
    /// Whether the access tokens of this session must be refused.
    #[must_use]
    pub fn contains(&self, session: SessionId) -> bool {
        self.until.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session)
    }

    /// Takes revocations in; doing so twice is harmless.
    pub fn add(&self, revocations: impl IntoIterator<Item = Revocation>) {
        let mut until = self.until.write().unwrap_or_else(PoisonError::into_inner);
        until.extend(revocations.into_iter().map(|r| (r.session_id, r.until)));
    }

    /// Forgets the revocations whose access tokens have all expired at `now`.
    pub fn forget_expired(&self, now: Timestamp) {
        let mut entries = self.until.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, until| now < *until);
        if entries.capacity() > 4 * entries.len().max(256) {
            entries.shrink_to_fit();
        }
    }

    /// Whether the list held all that the store knew at some moment of the last five seconds.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let caught_up_at = *self.caught_up_at.read().unwrap_or_else(PoisonError::into_inner);
        caught_up_at.is_some_and(|at| now - at < FRESH_FOR)
    }

    /// Notes that everything the store knew at `at` is in the list.
    pub(crate) fn caught_up(&self, at: Timestamp) {
        *self.caught_up_at.write().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// How many sessions are known to be revoked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.until.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Makes what this instance has just committed effective here, without waiting for the feed.
pub(crate) fn apply(ctx: &Ctx, sessions: &[SessionId], until: Timestamp) {
    ctx.revocations.add(sessions.iter().map(|&session_id| Revocation { session_id, until }));
}
