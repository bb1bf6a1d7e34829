use secrecy::SecretString;

use crate::{
    AccessClaims, PublicKey, SealedSigningKey, SessionId, SigningAlgorithm, Timestamp,
    session::Generation,
};

/// Makes and checks the tokens of an installation.
///
/// Access tokens are signed JWTs (RFC 9068). Refresh tokens are opaque to clients: a session id
/// and a generation under a MAC, so that a forged one is refused without touching the database.
/// Neither kind is ever taken for the other.
pub trait TokenSigner: Send + Sync {
    /// Makes a new signing key and encrypts its private half.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    fn key_generate(
        &self,
        algorithm: SigningAlgorithm,
        generation: i64,
        created_at: Timestamp,
        activates_at: Timestamp,
    ) -> Result<SealedSigningKey, KeyError>;

    /// Replaces the set of keys that sign and verify. Of the keys that are active, the newest of the
    /// configured algorithm signs; if there is none of it, the newest one. A key is active from the
    /// whole second of its `activates_at` on, because tokens know whole seconds only.
    ///
    /// # Errors
    /// [`KeyError::WrongSecret`] when a key was encrypted with another `auth.secret`. The present
    /// set stays in force then.
    fn keys_adopt(&self, keys: &[SealedSigningKey]) -> Result<(), KeyError>;

    /// The public halves of all adopted keys, oldest first.
    fn keys_public(&self) -> Vec<PublicKey>;

    /// Signs an access token with the key that is active at `claims.issued_at`.
    ///
    /// # Errors
    /// [`KeyError::NoActiveKey`] before any key was adopted.
    fn access_sign(&self, claims: &AccessClaims) -> Result<SecretString, KeyError>;

    /// Checks an access token: form, type, algorithm, signature, issuer, audience and times.
    ///
    /// # Errors
    /// [`TokenError`] for each token that must be refused.
    fn access_verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError>;

    /// The refresh token of a generation. The same arguments always give the same token: that is
    /// what makes a retried refresh idempotent.
    fn refresh_sign(&self, session: SessionId, generation: Generation) -> SecretString;

    /// Reads a refresh token; `None` when it was not made with this installation's secret.
    fn refresh_verify(&self, token: &str) -> Option<(SessionId, Generation)>;
}

/// Why a signing key could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "signing key {kid} was encrypted with another auth.secret; start with the secret this \
         database was first used with"
    )]
    WrongSecret { kid: String },
    #[error("there is no signing key that is active yet")]
    NoActiveKey,
    #[error("signing key {kid} is damaged: {reason}")]
    Damaged { kid: String, reason: String },
    #[error("the cryptographic library failed: {0}")]
    Library(String),
}

/// Why an access token is refused. The reason is for the log; a client is told no more than that
/// the token is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("not a token of the expected form")]
    Malformed,
    #[error("signed with a key that is not known here")]
    UnknownKey,
    #[error("the signature does not match")]
    Signature,
    #[error("made for somebody or something else")]
    WrongUse,
    #[error("expired")]
    Expired,
    #[error("not valid yet")]
    NotYetValid,
}
