use std::sync::Arc;

use doorward_domain::{
    Origin, PasswordPolicy, SigningAlgorithm,
    ports::{AuditSealer, Clock, EmailService, Entropy, PasswordHasher, Store, TokenSigner},
    refresh::RefreshPolicy,
};
use time::Duration;

use crate::{grant::GrantCache, revocation::RevocationList};

/// What every use case is given: the ports, the policy, what this instance keeps in memory, and where
/// it was asked from.
#[derive(Clone)]
pub struct Ctx {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub hasher: Arc<dyn PasswordHasher>,
    pub signer: Arc<dyn TokenSigner>,
    pub revocations: Arc<RevocationList>,
    pub grants: Arc<GrantCache>,
    pub sealer: Arc<dyn AuditSealer>,
    pub mailer: Arc<dyn EmailService>,
    pub policy: Policy,
    /// Where the request came from that is being answered: what the audit trail says of it.
    pub origin: Origin,
}

impl Ctx {
    /// The same, for a request from there.
    #[must_use]
    pub fn asked_from(&self, origin: Origin) -> Self {
        Self { origin, ..self.clone() }
    }
}

/// What an operator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub password: PasswordPolicy,
    /// Whether signing up tells nobody that there is an account with the address already.
    pub conceal_existing: bool,
    pub refresh: RefreshPolicy,
    /// How long an access token lives, unless its session ends before.
    pub access_ttl: Duration,
    /// How new signing keys sign.
    pub signing_algorithm: SigningAlgorithm,
    /// How long anybody may keep the published keys without asking again.
    pub public_keys_max_age: Duration,
    /// How long a key signs before the next one is made; `None` is until somebody asks for it.
    pub key_rotation: Option<Duration>,
    /// How long somebody has to wait at most before they may guess again.
    pub lockout_max: Duration,
    /// How long the audit trail is kept; `None` is for ever.
    pub audit_retention: Option<Duration>,
}
