//! Users.

use crate::{DisplayName, Email, RoleName, Timestamp, UserId};

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    /// Whether the owner has shown that mail to `email` reaches them.
    pub email_verified: bool,
    pub name: DisplayName,
    /// In alphabetical order, without repetition.
    pub roles: Vec<RoleName>,
    pub status: UserStatus,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserStatus {
    Active,
    /// An operator has locked the account; signing in and refreshing are refused.
    Disabled,
}

impl UserStatus {
    /// The word for the status on the wire and in the databases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// Reads the word for a status; anything else is `None`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "active" => Some(Self::Active),
            "disabled" => Some(Self::Disabled),
            _ => None,
        }
    }
}

impl User {
    /// A new, active account with an unverified address.
    #[must_use]
    pub fn new(
        id: UserId,
        email: Email,
        name: DisplayName,
        mut roles: Vec<RoleName>,
        now: Timestamp,
    ) -> Self {
        roles.sort();
        roles.dedup();
        Self {
            id,
            email,
            email_verified: false,
            name,
            roles,
            status: UserStatus::Active,
            created_at: now,
            updated_at: now,
            last_login_at: None,
        }
    }
}
