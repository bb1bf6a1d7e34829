//! The domain of Doorward: what an account is, and what may happen to it.
//!
//! This crate holds values that cannot be invalid ([`Email`], [`DisplayName`], [`Password`]),
//! entities ([`User`], [`Session`]), the decisions that need no outside world ([`refresh`]) and the
//! ports through which the outside world is reached ([`ports`]).
//!
//! **Invariant:** nothing here does I/O, reads a clock or makes a random number. `now` is always an
//! argument.

pub mod access;
pub mod audit;
mod case_folding;
pub mod credential;
pub mod display_name;
pub mod email;
pub mod email_proof;
pub mod foreign_hash;
pub mod guess;
pub mod id;
pub mod idempotency;
pub mod job;
pub mod key_life;
mod known_device;
pub mod mail;
pub mod page;
pub mod password;
pub mod permission;
pub mod ports;
pub mod refresh;
pub mod role;
pub mod session;
pub mod signing_key;
pub mod user;
pub mod user_list;

pub use access::AccessClaims;
pub use audit::{AuditAction, AuditEvent, AuditFilter, AuditParty, Origin};
pub use credential::{Credential, PasswordHash};
pub use display_name::DisplayName;
pub use email::Email;
pub use email_proof::{EmailProof, ProofLives, ProofPurpose, ProofSecrets, TokenDigest};
pub use foreign_hash::ForeignHashError;
pub use guess::{GuessCounter, GuessKey, GuessRule, GuessSubject};
pub use id::{AuditEventId, ClaimId, DeviceId, JobId, ProofId, SessionId, TokenId, UserId};
pub use idempotency::IdempotencyKey;
pub use job::{
    ClaimedJob, Job, JobError, JobFilter, JobKey, JobKind, JobLease, JobPayload, JobState, NewJob,
    RetryPolicy,
};
pub use key_life::{KeyLife, KeyPlan, KeyState};
pub use known_device::KnownDevice;
pub use mail::{KeptMail, Letter, LetterKind, Mail, Proof};
pub use page::{Page, PageLimit, PageRequest};
pub use password::{Password, PasswordPolicy};
pub use permission::Permission;
pub use role::{Role, RoleName};
pub use session::{Device, Generation, Revocation, Session};
pub use signing_key::{PublicKey, SealedSigningKey, SigningAlgorithm};
pub use user::{User, UserStatus};
pub use user_list::{SearchPrefix, UserFilter, UserKey};

/// A moment in UTC, in whole microseconds: the finest that both databases keep, so that what was
/// written and what is read back are equal.
pub type Timestamp = time::OffsetDateTime;
