//! The keys that sign access tokens.

use time::Duration;

use crate::Timestamp;

/// How access tokens are signed (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and a key of 2048 bits.
    Rs256,
}

impl SigningAlgorithm {
    /// The JOSE name, which also stands in the databases and the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// Reads the JOSE name; anything else is `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::EdDsa, Self::Es256, Self::Rs256].into_iter().find(|a| a.as_str() == name)
    }
}

/// A signing key as the database keeps it: the private half is encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSigningKey {
    /// The `kid` in token headers: the JWK thumbprint (RFC 7638).
    pub kid: String,
    /// Numbers the keys of an installation from 1. It is unique, so when two instances make the
    /// next key at the same time, one of them finds that it is there already.
    pub generation: i64,
    pub algorithm: SigningAlgorithm,
    /// The private key, encrypted with a key derived from `auth.secret`.
    pub sealed_private_key: Vec<u8>,
    pub created_at: Timestamp,
    /// It is published from `created_at` on and signs from `activates_at` on, so that whoever caches
    /// the public keys has it before the first token that needs it. See [`key_life`](crate::key_life).
    pub activates_at: Timestamp,
    /// The longest life that any instance gives to the tokens that it signs with this key, in whole
    /// seconds. An instance raises it to its own setting before it signs, so changing the setting
    /// never retires a key before its last token has expired.
    pub token_life: Duration,
}

impl std::fmt::Debug for SealedSigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedSigningKey")
            .field("kid", &self.kid)
            .field("generation", &self.generation)
            .field("algorithm", &self.algorithm)
            .field("created_at", &self.created_at)
            .field("activates_at", &self.activates_at)
            .field("token_life", &self.token_life)
            .finish_non_exhaustive()
    }
}

/// The public half of a signing key, as a JWK publishes it (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub parameters: PublicKeyParameters,
}

/// The numbers of a public key, each in unpadded base64url (RFC 7518 §6, RFC 8037 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKeyParameters {
    Ed25519 { x: String },
    P256 { x: String, y: String },
    Rsa { n: String, e: String },
}
