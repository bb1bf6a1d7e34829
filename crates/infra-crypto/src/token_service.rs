//! The tokens of an installation.

use std::sync::{Arc, PoisonError, RwLock};

use doorward_domain::{
    AccessClaims, GuessKey, GuessSubject, KeyPlan, KnownDevice, ProofId, ProofPurpose,
    ProofSecrets, PublicKey, SealedSigningKey, SessionId, Timestamp, TokenDigest,
    ports::{KeyError, TokenError, TokenSigner},
    session::Generation,
};
use secrecy::SecretString;

use crate::{
    access_token::AccessTokens,
    device_token::DeviceTokens,
    guess_key::GuessKeys,
    key_derivation::KeyUse,
    keyring::{self, Keyring},
    proof_token::ProofTokens,
    refresh_token::RefreshTokens,
    sealing::Sealer,
    verified_tokens::VerifiedTokens,
};

#[cfg(test)]
mod hostile_tokens;
#[cfg(test)]
mod tests;

/// What the tokens of an installation have in common.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// `auth.secret`. All keys go back to it, so it must be as hard to guess as a key: at least 32
    /// random octets. Whoever makes the settings sees to that.
    pub secret: SecretString,
    /// `auth.previous_secrets`. What was made with one of them is still read; nothing new is made.
    pub previous_secrets: Vec<SecretString>,
    /// The `iss` of access tokens.
    pub issuer: String,
    /// The `aud` of access tokens.
    pub audience: String,
}

/// Makes and checks access, refresh and device tokens.
///
/// Access tokens are signed with keys that the database keeps, encrypted under a key derived from
/// `auth.secret`; they come in by [`keys_adopt`](TokenSigner::keys_adopt). Refresh tokens and proofs
/// carry a MAC under other derived keys, and need none of them.
pub struct TokenService {
    sealer: Sealer,
    refresh: RefreshTokens,
    proofs: ProofTokens,
    device: DeviceTokens,
    guess: GuessKeys,
    access: AccessTokens,
    /// Readers hold the lock just long enough to take the present keyring, so a token is always
    /// checked against one whole set of keys.
    keyring: RwLock<Arc<Keyring>>,
}

impl TokenService {
    /// Makes a service without signing keys.
    ///
    /// # Errors
    /// [`KeyError::Library`] when the cryptographic library fails.
    pub fn new(settings: TokenSettings) -> Result<Self, KeyError> {
        // An application that mounts Doorward may have built the JWT library with both of its
        // backends, and then it panics unless one is chosen. If one was chosen already, it stays.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let TokenSettings { secret, previous_secrets, issuer, audience } = settings;
        Ok(Self {
            sealer: Sealer::new(KeyUse::Sealing, &secret, &previous_secrets)?,
            refresh: RefreshTokens::new(&secret, &previous_secrets)?,
            proofs: ProofTokens::new(&secret, &previous_secrets)?,
            device: DeviceTokens::new(&secret, &previous_secrets)?,
            guess: GuessKeys::new(&secret)?,
            access: AccessTokens { issuer, audience, verified: VerifiedTokens::default() },
            keyring: RwLock::default(),
        })
    }

    fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TokenSigner for TokenService {
    fn key_generate(&self, plan: KeyPlan) -> Result<SealedSigningKey, KeyError> {
        keyring::generate(&self.sealer, plan)
    }

    fn key_reseal(&self, key: &SealedSigningKey) -> Result<SealedSigningKey, KeyError> {
        keyring::reseal(&self.sealer, key)
    }

    fn keys_adopt(&self, keys: &[SealedSigningKey]) -> Result<(), KeyError> {
        let adopted = Arc::new(self.keyring().adopt(keys, &self.sealer)?);
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = adopted;
        Ok(())
    }

    fn keys_public(&self, now: Timestamp) -> Vec<PublicKey> {
        self.keyring().public(now).cloned().collect()
    }

    fn access_sign(&self, claims: &AccessClaims) -> Result<SecretString, KeyError> {
        let keyring = self.keyring();
        let key = keyring.signing_at(claims.issued_at).ok_or(KeyError::NoActiveKey)?;
        self.access.sign(key, claims).map(SecretString::from)
    }

    fn access_verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError> {
        self.access.verify(&self.keyring(), token, now)
    }

    fn refresh_sign(&self, session: SessionId, generation: Generation) -> SecretString {
        self.refresh.sign(session, generation)
    }

    fn refresh_verify(&self, token: &str) -> Option<(SessionId, Generation)> {
        self.refresh.verify(token)
    }

    fn proof_sign(&self, purpose: ProofPurpose, id: ProofId) -> ProofSecrets {
        self.proofs.sign(purpose, id)
    }

    fn proof_verify(&self, purpose: ProofPurpose, token: &str) -> Option<(ProofId, TokenDigest)> {
        self.proofs.verify(purpose, token)
    }

    fn proof_code_verify(&self, purpose: ProofPurpose, id: ProofId, code: &str) -> bool {
        self.proofs.code_verify(purpose, id, code)
    }

    fn device_sign(&self, device: KnownDevice) -> SecretString {
        self.device.sign(device)
    }

    fn device_verify(&self, token: &str) -> Option<KnownDevice> {
        self.device.verify(token)
    }

    fn guess_key(&self, subject: &GuessSubject) -> GuessKey {
        self.guess.name(subject)
    }
}

impl std::fmt::Debug for TokenService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keyring = self.keyring();
        let kids: Vec<_> = keyring.kids().collect();
        f.debug_struct("TokenService")
            .field("issuer", &self.access.issuer)
            .field("audience", &self.access.audience)
            .field("kids", &kids)
            .finish_non_exhaustive()
    }
}
