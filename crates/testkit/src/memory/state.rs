use std::collections::BTreeMap;

use doorward_domain::{
    Credential, Email, Revocation, SealedSigningKey, Session, SessionId, Timestamp, User, UserId,
    session::RevocationCause,
};

/// Everything the store holds.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub users: BTreeMap<UserId, User>,
    pub credentials: BTreeMap<UserId, Credential>,
    pub sessions: BTreeMap<SessionId, Session>,
    /// In the order in which they were recorded.
    pub revocations: Vec<(i64, Revocation)>,
    pub revocation_seq: i64,
    pub signing_keys: BTreeMap<i64, SealedSigningKey>,
}

impl State {
    pub fn with_credential(&self, user: &User) -> Option<(User, Credential)> {
        Some((user.clone(), self.credentials.get(&user.id)?.clone()))
    }

    pub fn revoke(&mut self, sessions: &[SessionId], cause: RevocationCause, until: Timestamp) {
        for id in sessions {
            if let Some(session) = self.sessions.get_mut(id) {
                session.revoked = Some(cause);
            }
            self.revocation_seq += 1;
            let revocation = Revocation { session_id: *id, until };
            self.revocations.push((self.revocation_seq, revocation));
        }
    }

    pub fn inconsistencies(&self) -> Vec<String> {
        let mut found = Vec::new();
        for user in self.users.values() {
            if !self.credentials.contains_key(&user.id) {
                found.push(format!("user {} has no credential", user.id));
            }
            let email = Email::parse(user.email.as_given());
            if email.as_ref().map(Email::canonical) != Ok(user.email.canonical()) {
                found.push(format!("user {}: the canonical address does not fit", user.id));
            }
        }
        for user_id in self.credentials.keys() {
            if !self.users.contains_key(user_id) {
                found.push(format!("credential of nobody: {user_id}"));
            }
        }
        for session in self.sessions.values() {
            if !self.users.contains_key(&session.user_id) {
                found.push(format!("session {} of nobody", session.id));
            }
            let first = session.created_at;
            if session.rotated_at < first
                || session.last_used_at < first
                || session.expires_at < first
            {
                found.push(format!("session {} was used before it was created", session.id));
            }
        }
        found
    }
}
