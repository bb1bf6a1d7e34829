//! Permissions.

use std::fmt;

/// Longest permission in octets.
const MAX_OCTETS: usize = 100;

/// What somebody may do: an area and an action, as in `users:read`. Each half is `a-z`, `0-9`, `_`,
/// `-` and `.`, beginning with a letter; 100 octets in all.
///
/// Doorward's own are constants; applications make up their own, such as `orders:refund`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permission(std::borrow::Cow<'static, str>);

/// Why a text is no permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have the form area:action, each of a-z, 0-9, _, - and ., beginning with a letter")]
pub struct PermissionError;

impl Permission {
    pub const USERS_READ: Self = Self::own("users:read");
    pub const USERS_WRITE: Self = Self::own("users:write");
    pub const SESSIONS_WRITE: Self = Self::own("sessions:write");
    pub const ROLES_READ: Self = Self::own("roles:read");
    pub const ROLES_WRITE: Self = Self::own("roles:write");
    pub const AUDIT_READ: Self = Self::own("audit:read");
    pub const JOBS_READ: Self = Self::own("jobs:read");
    pub const JOBS_WRITE: Self = Self::own("jobs:write");
    pub const KEYS_ROTATE: Self = Self::own("keys:rotate");

    const fn own(name: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(name))
    }

    /// Reads a permission.
    ///
    /// # Errors
    /// When the text breaks the rule above.
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.'))
        };
        match text.split_once(':') {
            Some((area, action))
                if text.len() <= MAX_OCTETS && is_word(area) && is_word(action) =>
            {
                Ok(Self(text.to_owned().into()))
            }
            _ => Err(PermissionError),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_an_area_and_an_action() {
        for good in ["users:read", "orders:refund", "a:b", "billing.eu:issue-credit_note2"] {
            assert_eq!(Permission::parse(good).unwrap().as_str(), good);
        }
        let long = format!("a:{}", "b".repeat(100));
        for bad in [
            "",
            "users",
            "users:",
            ":read",
            "users:read:all",
            "Users:read",
            "users read",
            "users:*",
            "1a:b",
            "a:b\0",
            &long,
        ] {
            assert_eq!(Permission::parse(bad), Err(PermissionError), "{bad:?}");
        }
    }
}
