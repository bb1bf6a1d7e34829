//! Requests that may be sent again without being carried out again
//! (draft-ietf-httpapi-idempotency-key-header).

use std::fmt;

use time::Duration;

use crate::{ClaimId, UserId};

/// Longest key, in characters.
const KEY_MAX_LENGTH: usize = 255;

/// How long an answer is kept, and so how long a request may be sent again.
pub const ANSWER_KEPT_FOR: Duration = Duration::DAY;

/// What a client chose to know one of its requests by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// Why a text is no [`IdempotencyKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {KEY_MAX_LENGTH} visible ASCII characters")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// Takes 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// For anything else.
    pub fn parse(text: &str) -> Result<Self, IdempotencyKeyError> {
        let fits = (1..=KEY_MAX_LENGTH).contains(&text.len());
        if fits && text.bytes().all(|octet| octet.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdempotencyKeyError)
        }
    }
}

/// Whose request it is. Keys of one caller mean nothing for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Whoever is not signed in: they all share their keys, and only the payload tells them apart.
    Anonymous,
    User(UserId),
    /// Whoever runs `doorward` with the settings of this installation.
    Console,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(id) => id.fmt(f),
            Self::Console => f.write_str("console"),
        }
    }
}

/// Names a request for as long as its answer is kept: the caller, the operation and the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestName(String);

impl RequestName {
    /// `operation` tells the operations apart, such as `POST /api/v1/users`.
    #[must_use]
    pub fn new(caller: Caller, operation: &str, key: &IdempotencyKey) -> Self {
        // Neither a caller nor a key holds a space, so two names are equal only if their parts are.
        Self(format!("{caller} {operation} {}", key.0))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells payloads apart without showing them, since they hold passwords: a MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// The right to carry a request out. It is good until its lease is over and somebody else has taken it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestClaim {
    pub id: ClaimId,
    pub request: RequestName,
}

/// What became of the attempt to claim a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is the caller's to carry out.
    Granted,
    /// It was claimed before.
    Before {
        fingerprint: Fingerprint,
        /// Encrypted; `None` as long as there is nothing to tell.
        answer: Option<Vec<u8>>,
    },
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::parse(text).expect("a valid key")
    }

    #[test]
    fn a_key_is_visible_ascii_of_a_bounded_length() {
        for bad in ["", " ", "a b", "a\t", "\u{7f}", "schlüssel", "a\0", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(bad), Err(IdempotencyKeyError), "{bad:?}");
        }
        for good in ["1", "8e03978e-40d5-43dd-bc93-6894a57f9324", "a\"\\~!", &"k".repeat(255)] {
            assert!(IdempotencyKey::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_name_is_that_of_one_caller_one_operation_and_one_key() {
        let ada = Caller::User(UserId::from_uuid(Uuid::from_u128(1)));
        let bob = Caller::User(UserId::from_uuid(Uuid::from_u128(2)));
        let names = [
            RequestName::new(Caller::Anonymous, "POST /a", &key("k")),
            RequestName::new(ada, "POST /a", &key("k")),
            RequestName::new(bob, "POST /a", &key("k")),
            RequestName::new(bob, "POST /b", &key("k")),
            RequestName::new(bob, "POST /a", &key("l")),
        ];
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert_eq!(names[0].as_str(), "anonymous POST /a k");
    }
}
