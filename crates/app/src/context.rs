use std::sync::Arc;

use doorward_domain::{
    PasswordPolicy, SigningAlgorithm,
    ports::{Clock, Entropy, PasswordHasher, Store, TokenSigner},
    refresh::RefreshPolicy,
};
use time::Duration;

use crate::{grant::GrantCache, revocation::RevocationList};

/// What every use case is given: the ports, the policy, and what this instance keeps in memory.
#[derive(Clone)]
pub struct Ctx {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub hasher: Arc<dyn PasswordHasher>,
    pub signer: Arc<dyn TokenSigner>,
    pub revocations: Arc<RevocationList>,
    pub grants: Arc<GrantCache>,
    pub policy: Policy,
}

/// What an operator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub password: PasswordPolicy,
    pub refresh: RefreshPolicy,
    /// How long an access token lives, unless its session ends before.
    pub access_ttl: Duration,
    pub signing_algorithm: SigningAlgorithm,
}
