use std::collections::{BTreeMap, BTreeSet};

use doorward_domain::{
    AuditEvent, AuditEventId, Credential, Email, GuessCounter, GuessKey, JobId, JobKind, KeptMail,
    ProofId, Revocation, Role, RoleName, SealedSigningKey, Session, SessionId, Timestamp, User,
    UserId,
    audit::chain::{Checkpoint, Seal},
    idempotency::RequestName,
    ports::{Change, ImportDigest},
    role::RoleDescription,
    session::RevocationCause,
};

use uuid::Uuid;

use super::{email_proof::KeptProof, idempotency::KeptRequest, job::KeptJob};

/// Everything the store holds.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub roles: BTreeMap<RoleName, Role>,
    pub users: BTreeMap<UserId, User>,
    pub credentials: BTreeMap<UserId, Credential>,
    pub sessions: BTreeMap<SessionId, Session>,
    /// In the order in which they were recorded.
    pub changes: Vec<Recorded>,
    pub change_seq: i64,
    pub signing_keys: BTreeMap<i64, SealedSigningKey>,
    pub imports: BTreeMap<ImportDigest, u64>,
    pub jobs: BTreeMap<JobId, KeptJob>,
    pub job_ticks: BTreeMap<JobKind, Timestamp>,
    pub proofs: BTreeMap<ProofId, KeptProof>,
    /// Each with the number of its seal.
    pub audit_events: BTreeMap<AuditEventId, (AuditEvent, Option<i64>)>,
    pub audit_seals: BTreeMap<i64, Seal>,
    pub audit_checkpoint: Option<Checkpoint>,
    pub requests: BTreeMap<RequestName, KeptRequest>,
    /// By when they arrived.
    pub mailbox: BTreeMap<(Timestamp, Uuid), KeptMail>,
    /// Each with the time from which on it means nothing any more.
    pub guesses: BTreeMap<GuessKey, (GuessCounter, Timestamp)>,
}

/// A change as it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    pub seq: i64,
    pub change: Change,
    pub until: Timestamp,
}

/// What is there at first: the built-in roles.
impl Default for State {
    fn default() -> Self {
        let built_in =
            [(RoleName::admin(), "Everything"), (RoleName::user(), "Everybody who signed up")];
        let role = |(name, description): (RoleName, &str)| {
            let description = RoleDescription::parse(description)
                .expect("a built-in role's description is valid");
            (name.clone(), Role { name, description, permissions: BTreeSet::new() })
        };
        Self {
            roles: built_in.map(role).into(),
            users: BTreeMap::new(),
            credentials: BTreeMap::new(),
            sessions: BTreeMap::new(),
            changes: Vec::new(),
            change_seq: 0,
            signing_keys: BTreeMap::new(),
            imports: BTreeMap::new(),
            jobs: BTreeMap::new(),
            job_ticks: BTreeMap::new(),
            proofs: BTreeMap::new(),
            audit_events: BTreeMap::new(),
            audit_seals: BTreeMap::new(),
            audit_checkpoint: None,
            requests: BTreeMap::new(),
            mailbox: BTreeMap::new(),
            guesses: BTreeMap::new(),
        }
    }
}

impl State {
    pub fn record(&mut self, change: Change, until: Timestamp) {
        self.change_seq += 1;
        self.changes.push(Recorded { seq: self.change_seq, change, until });
    }

    pub fn has_roles(&self, names: &[RoleName]) -> bool {
        names.iter().all(|name| self.roles.contains_key(name))
    }

    pub fn with_credential(&self, user: &User) -> Option<(User, Credential)> {
        Some((user.clone(), self.credentials.get(&user.id)?.clone()))
    }

    pub fn revoke(&mut self, sessions: &[SessionId], cause: RevocationCause, until: Timestamp) {
        for id in sessions {
            if let Some(session) = self.sessions.get_mut(id) {
                session.revoked = Some(cause);
            }
            self.record(Change::Revoked(Revocation { session_id: *id, until }), until);
        }
    }

    pub fn inconsistencies(&self) -> Vec<String> {
        let mut found = Vec::new();
        for user in self.users.values() {
            if !self.has_roles(&user.roles) {
                found.push(format!("user {} has a role that does not exist", user.id));
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
