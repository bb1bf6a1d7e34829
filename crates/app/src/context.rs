use std::sync::Arc;

use doorward_domain::{
    Origin, PasswordPolicy, ProofLives, ProofPurpose, SigningAlgorithm,
    ports::{
        AnswerSealer, AuditSealer, Clock, EmailService, Entropy, PasswordHasher, Store, TokenSigner,
    },
    refresh::RefreshPolicy,
};
use secrecy::{ExposeSecret, SecretString};
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
    pub answers: Arc<dyn AnswerSealer>,
    pub mailer: Arc<dyn EmailService>,
    pub links: Arc<Links>,
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

/// Where the links in mails lead: absolute URLs of the application's pages, without a query. A page takes the
/// token out of the query and sends it back when the person says so; to look at it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    pub verify_email: String,
    pub reset_password: String,
    pub confirm_email_change: String,
    pub cancel_email_change: String,
}

impl Links {
    /// The link to mail with a token.
    pub(crate) fn with_token(&self, purpose: ProofPurpose, token: &SecretString) -> SecretString {
        let page = match purpose {
            ProofPurpose::VerifyEmail => &self.verify_email,
            ProofPurpose::ResetPassword => &self.reset_password,
            ProofPurpose::ConfirmEmailChange => &self.confirm_email_change,
            ProofPurpose::CancelEmailChange => &self.cancel_email_change,
        };
        // Nothing in a token means anything else in a query.
        format!("{page}?token={}", token.expose_secret()).into()
    }
}

/// What an operator decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub password: PasswordPolicy,
    /// Whether signing up tells nobody that there is an account with the address already.
    pub conceal_existing: bool,
    /// Whether nobody signs in before they have shown that their address is their own.
    pub require_verified_email: bool,
    /// How long what is mailed works.
    pub proofs: ProofLives,
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
