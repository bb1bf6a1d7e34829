//! What a person proves their identity with.

use std::fmt;

use crate::UserId;

/// A user's password credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub user_id: UserId,
    pub hash: PasswordHash,
    /// Counts the passwords this user has had. A hash is checked outside any transaction; the
    /// transaction that follows compares the version, and so notices a password that was changed
    /// in between.
    pub version: i64,
}

/// A password hash: a PHC string, or what the [hasher](crate::ports::PasswordHasher::adopt) made of a
/// hash from elsewhere until its owner signs in. It is not a secret by itself, but it is kept out of
/// logs all the same.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes the text that was stored; the hasher that reads it reports one that it cannot use.
    #[must_use]
    pub fn from_phc(text: String) -> Self {
        Self(text)
    }

    #[must_use]
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}
