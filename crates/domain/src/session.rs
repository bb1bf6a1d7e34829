//! Sessions: one for each sign-in on a device.

use crate::{SessionId, Timestamp, UserId};

/// Counts the refresh tokens that a session has had. The first one is generation 0.
///
/// **Invariant:** the order of refresh tokens is the order of generations, never of timestamps,
/// because the clocks of two instances may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(i64);

impl Generation {
    pub const FIRST: Self = Self(0);

    /// Takes a generation that was stored or signed before; a negative one cannot have been.
    #[must_use]
    pub const fn from_number(number: i64) -> Option<Self> {
        if number < 0 { None } else { Some(Self(number)) }
    }

    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The device that signed in, as far as it told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// The client's address, textual. Behind a trusted proxy it is the one the proxy saw.
    pub ip: Option<String>,
    /// The `User-Agent` header, cut to 512 octets.
    pub user_agent: Option<String>,
}

/// One sign-in on one device. It lives until it is revoked or expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    /// The generation of the refresh token that may be used next.
    pub generation: Generation,
    /// When that generation was made; the grace window of the one before it starts here.
    pub rotated_at: Timestamp,
    /// When the person proved who they are (`auth_time` of access tokens).
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    /// The session is over *at* this moment, not only after it.
    pub expires_at: Timestamp,
    pub revoked: Option<RevocationCause>,
    pub device: Device,
}

/// Why a session was ended before it expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationCause {
    /// The person signed out.
    SignedOut,
    /// The person ended it from another session.
    Revoked,
    /// The password was changed in another session.
    PasswordChanged,
    /// An operator ended it.
    ByOperator,
    /// A refresh token that had been used was presented again: it was stolen, or its successor was.
    TokenReused,
}

impl RevocationCause {
    /// The word that stands in the databases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Revoked => "revoked",
            Self::PasswordChanged => "password_changed",
            Self::ByOperator => "by_operator",
            Self::TokenReused => "token_reused",
        }
    }

    /// Reads the word for a cause; anything else is `None`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::SignedOut, Self::Revoked, Self::PasswordChanged, Self::ByOperator, Self::TokenReused]
            .into_iter()
            .find(|cause| cause.as_str() == word)
    }
}

impl Session {
    /// Whether the session may be used at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.expires_at
    }
}

/// A session that ended before its access tokens did: until `until`, an access token that names it
/// must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revocation {
    pub session_id: SessionId,
    pub until: Timestamp,
}
