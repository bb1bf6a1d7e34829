//! Cryptography for Doorward: the adapters behind the ports [`Clock`](doorward_domain::ports::Clock),
//! [`Entropy`](doorward_domain::ports::Entropy),
//! [`PasswordHasher`](doorward_domain::ports::PasswordHasher) and
//! [`TokenSigner`](doorward_domain::ports::TokenSigner).
//!
//! - [`SystemClock`] and [`SystemEntropy`] are the only places where the time and randomness of the
//!   machine enter.
//! - [`Argon2Hasher`] hashes passwords with Argon2id (RFC 9106), a bounded number at a time, and
//!   checks them against the hashes of other systems too.
//! - [`TokenService`] makes and checks access tokens (JWTs by RFC 9068), refresh tokens and the
//!   proofs that are mailed, and keeps the signing keys encrypted.
//! - [`HmacAuditSealer`] digests and signs the audit trail.
//! - [`KeptAnswerSealer`] protects what is kept of requests that may be sent again.
//!
//! **Invariant:** everything secret that is kept at rest or signed goes back to one secret of the
//! installation, `auth.secret`, from which a key is derived for each use (RFC 5869). No derived key
//! has two uses.

mod access_token;
mod ambient;
mod answer_sealer;
mod argon2_hash;
mod argon2_hasher;
mod argon2_memory;
mod audit_sealer;
mod content_digest;
mod device_token;
mod foreign_hash;
mod guess_key;
mod hashing_pool;
mod key_derivation;
mod keyring;
mod mac;
mod proof_token;
mod refresh_token;
mod sealing;
mod signing_key;
mod stored_hash;
mod token_form;
mod token_service;
mod verified_tokens;

pub use ambient::{SystemClock, SystemEntropy};
pub use answer_sealer::KeptAnswerSealer;
/// The cost of a password hash: memory in KiB, passes, lanes. The default is the one Doorward uses:
/// 19456 KiB, 2 passes, 1 lane.
pub use argon2::Params as HashParameters;
pub use argon2_hasher::{Argon2Hasher, HasherSettings};
pub use audit_sealer::HmacAuditSealer;
pub use content_digest::content_digest;
pub use token_service::{TokenService, TokenSettings};
