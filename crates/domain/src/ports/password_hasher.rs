use std::time::Duration;

use async_trait::async_trait;

use crate::{ForeignHashError, Password, PasswordHash};

/// Hashes passwords, a bounded number at a time.
///
/// **Invariant:** it is never called while a transaction or a pooled connection is held, because a
/// hash takes longer than most transactions and waits for its turn. The other way round is allowed: a
/// turn may wait for a connection.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Hashes a password with the current parameters and a fresh salt.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] when too many are waiting already.
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError>;

    /// Waits for its turn to check passwords. As long as it is held, others have one turn less.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] as above.
    async fn turn(&self) -> Result<Box<dyn HashingTurn + '_>, HashError>;

    /// Takes over a hash that another system made, as that system wrote it, without hashing anything.
    /// [`verify`](HashingTurn::verify) checks passwords against it as they were typed and in NFKC, because
    /// it is not known which of the two was hashed, and finds it outdated always: the first sign-in
    /// replaces it.
    ///
    /// # Errors
    /// [`ForeignHashError`] when `verify` could not check it, or not at a reasonable cost.
    fn adopt(&self, foreign: &str) -> Result<PasswordHash, ForeignHashError>;
}

/// The turn to check passwords, one after the other.
///
/// It is apart from the check because what is known of earlier guesses is looked at in between: of many
/// guesses that come at once, those that wait must learn what became of those before them. And it is held
/// until the outcome is written down, so no more guesses go unnoticed than there are turns.
#[async_trait]
pub trait HashingTurn: Send {
    /// Checks a password. With no hash to check against (the account does not exist) it does the
    /// same work against a dummy and answers [`Verdict::Mismatch`], so that the time taken does not
    /// tell whether there is an account.
    ///
    /// # Errors
    /// [`HashError::Unusable`] when the stored hash cannot be read or asks for more work than is
    /// allowed.
    async fn verify(
        &mut self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, HashError>;
}

/// What checking a password found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Match {
        /// The hash was made with weaker parameters than the current ones, by another method, or
        /// elsewhere.
        outdated: bool,
    },
    Mismatch,
}

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error("too many passwords are being hashed")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    #[error("the stored password hash cannot be used: {0}")]
    Unusable(String),
    #[error("hashing failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}
