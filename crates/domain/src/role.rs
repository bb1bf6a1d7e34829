//! Roles.

use std::fmt;

/// Longest role name in octets.
const MAX_OCTETS: usize = 50;

/// The name of a role: 1 to 50 of `a-z`, `0-9`, `_` and `-`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleName(String);

/// Why a text cannot name a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_OCTETS} of a-z, 0-9, _ and -, beginning with a letter")]
pub struct RoleNameError;

impl RoleName {
    /// Reads a role's name.
    ///
    /// # Errors
    /// When the text breaks the rule above.
    pub fn parse(text: &str) -> Result<Self, RoleNameError> {
        let well_formed = text.len() <= MAX_OCTETS
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if well_formed { Ok(Self(text.to_owned())) } else { Err(RoleNameError) }
    }

    /// The built-in role with every permission.
    #[must_use]
    pub fn admin() -> Self {
        Self("admin".to_owned())
    }

    /// The built-in role that every sign-up gets; it has no permission of its own.
    #[must_use]
    pub fn user() -> Self {
        Self("user".to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words() {
        for good in ["admin", "user", "support-2nd_line", "a"] {
            assert_eq!(RoleName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "Admin", "2nd", "-a", "a b", "a,b", "a\0", "ä", &"a".repeat(51)] {
            assert_eq!(RoleName::parse(bad), Err(RoleNameError), "{bad:?}");
        }
    }
}
