use secrecy::SecretString;

use crate::{
    AccessClaims, GuessKey, GuessSubject, KeyPlan, KnownDevice, ProofId, ProofPurpose,
    ProofSecrets, PublicKey, SealedSigningKey, SessionId, Timestamp, TokenDigest,
    session::Generation,
};

/// Makes and checks the tokens of an installation.
///
/// Access tokens are signed JWTs (RFC 9068). Refresh tokens are opaque to clients: a session id
/// and a generation under a MAC, so that a forged one is refused without touching the database.
/// Proofs are mailed as a token, the proof's id under a MAC, and as a code.
/// Device tokens are like refresh tokens, and open nothing. No kind is ever taken for another.
pub trait TokenSigner: Send + Sync {
    /// Makes a new signing key and encrypts its private half.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    fn key_generate(&self, plan: KeyPlan) -> Result<SealedSigningKey, KeyError>;

    /// Encrypts the private half of a key anew, with the present `auth.secret`.
    ///
    /// # Errors
    /// [`KeyError::WrongSecret`] when it was encrypted with neither the present `auth.secret` nor one
    /// of `auth.previous_secrets`.
    fn key_reseal(&self, key: &SealedSigningKey) -> Result<SealedSigningKey, KeyError>;

    /// Replaces the ring of keys that sign and verify, as [`key_life`](crate::key_life) says.
    ///
    /// # Errors
    /// [`KeyError::WrongSecret`] when a key was encrypted with an unknown `auth.secret`. The present
    /// ring stays in force then.
    fn keys_adopt(&self, keys: &[SealedSigningKey]) -> Result<(), KeyError>;

    /// The public halves of the adopted keys that have not retired at `now`, oldest first.
    fn keys_public(&self, now: Timestamp) -> Vec<PublicKey>;

    /// Signs an access token with the key that is active at `claims.issued_at`.
    ///
    /// # Errors
    /// [`KeyError::NoActiveKey`] before any key was adopted.
    fn access_sign(&self, claims: &AccessClaims) -> Result<SecretString, KeyError>;

    /// Checks an access token: form, type, algorithm, signature, issuer, audience and times. A key
    /// that has retired at `now` is no key any more; one that is not active yet is, because the clock
    /// of the instance that signed may be ahead.
    ///
    /// # Errors
    /// [`TokenError`] for each token that must be refused.
    fn access_verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError>;

    /// The refresh token of a generation. The same arguments always give the same token: that is
    /// what makes a retried refresh idempotent.
    fn refresh_sign(&self, session: SessionId, generation: Generation) -> SecretString;

    /// Reads a refresh token; `None` when it was made neither with the present `auth.secret` nor with
    /// one of `auth.previous_secrets`.
    fn refresh_verify(&self, token: &str) -> Option<(SessionId, Generation)>;

    /// What is mailed of a proof. The same arguments always give the same token, of 256 bits that nobody
    /// can guess, and the same code.
    fn proof_sign(&self, purpose: ProofPurpose, id: ProofId) -> ProofSecrets;

    /// Reads a token that was made for this purpose; `None` when it was made neither with the present
    /// `auth.secret` nor with one of `auth.previous_secrets`.
    fn proof_verify(&self, purpose: ProofPurpose, token: &str) -> Option<(ProofId, TokenDigest)>;

    /// Whether this is the code of the proof, by the present `auth.secret` or one of
    /// `auth.previous_secrets`. It takes the same time whatever the code.
    fn proof_code_verify(&self, purpose: ProofPurpose, id: ProofId, code: &str) -> bool;
    /// The token of a device on which somebody signed in.
    fn device_sign(&self, device: KnownDevice) -> SecretString;

    /// Reads a device token, however old; `None` when it was made neither with the present `auth.secret`
    /// nor with one of `auth.previous_secrets`.
    fn device_verify(&self, token: &str) -> Option<KnownDevice>;

    /// Names the counter of a subject. Another `auth.secret` gives another name: the counters begin anew.
    fn guess_key(&self, subject: &GuessSubject) -> GuessKey;
}

/// Why a signing key could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "signing key {kid} was encrypted with another auth.secret; give that one in \
         auth.previous_secrets, or as auth.secret"
    )]
    WrongSecret { kid: String },
    #[error("there is no signing key yet")]
    NoActiveKey,
    #[error("signing key {kid} is damaged: {reason}")]
    Damaged { kid: String, reason: String },
    #[error("a kept answer cannot be decrypted: auth.secret was changed, or the row was")]
    AnswerUnreadable,
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
