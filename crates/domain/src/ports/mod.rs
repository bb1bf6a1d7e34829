//! The ports: what the use cases need of the outside world. Adapters implement them, `testkit` has
//! doubles of them.
//!
//! Ports are `dyn`-compatible and `Send + Sync`; a use case gets them in its context.

mod ambient;
mod audit;
mod email_proof;
mod email_service;
mod guess_counters;
mod idempotency;
mod job_queue;
mod mailbox;
mod password_hasher;
mod store;
mod token_signer;

pub use ambient::{Clock, Entropy};
pub use audit::{AuditLog, AuditQueries, AuditSealer, SealedEvents};
pub use email_proof::{ProofInserted, ProofQueries, ProofRepository};
pub use email_service::{EmailService, MailError};
pub use guess_counters::{GuessQueries, GuessRepository};
pub use idempotency::{AnswerRepository, AnswerSealer, RequestClaims};
pub use job_queue::{Claim, JobQueries, JobQueue};
pub use mailbox::{MailboxQueries, MailboxRepository};
pub use password_hasher::{HashError, HashingTurn, PasswordHasher, Verdict};
pub use store::{
    CHANGE_KEPT_FOR, Change, ChangeFeed, Constraint, CredentialQueries, CredentialRepository,
    FeedCursor, ImportDigest, ImportRepository, Imported, ImportedUser, RoleQueries,
    RoleRepository, Rotation, SessionQueries, SessionRepository, SessionRotations,
    SigningKeyQueries, SigningKeyRepository, Store, StoreError, UnitOfWork, UserQueries,
    UserRepository,
};
pub use token_signer::{KeyError, TokenError, TokenSigner};
