//! Roles.

use std::{collections::BTreeSet, fmt};

use crate::Permission;

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

    /// Whether the role is part of Doorward: it can be neither changed nor deleted.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        *self == Self::admin() || *self == Self::user()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A named set of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub name: RoleName,
    pub description: RoleDescription,
    pub permissions: BTreeSet<Permission>,
}

/// The most permissions of one role.
pub const ROLE_PERMISSIONS_MAX: usize = 100;

impl Role {
    /// Whether whoever has this role may do what the permission names. The role `admin` allows
    /// everything, also permissions that an application made up after it.
    #[must_use]
    pub fn permits(&self, permission: &Permission) -> bool {
        self.name == RoleName::admin() || self.permissions.contains(permission)
    }
}

/// What a role is for, in at most 200 printable characters; may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleDescription(String);

/// Why a text cannot describe a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoleDescriptionError {
    #[error("must be at most 200 characters")]
    TooLong,
    #[error("must not hold control, line-break, invisible or direction-changing characters")]
    Unprintable,
}

impl RoleDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, RoleDescriptionError> {
        if text.chars().count() > 200 {
            return Err(RoleDescriptionError::TooLong);
        }
        if text.chars().any(crate::display_name::is_unprintable) {
            return Err(RoleDescriptionError::Unprintable);
        }
        Ok(Self(text.to_owned()))
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
    fn admin_permits_everything_and_others_what_they_list() {
        let role = |name: &str, permissions: &[Permission]| Role {
            name: RoleName::parse(name).unwrap(),
            description: RoleDescription::default(),
            permissions: permissions.iter().cloned().collect(),
        };
        let made_up = Permission::parse("orders:refund").unwrap();
        assert!(role("admin", &[]).permits(&made_up));
        assert!(role("support", &[Permission::USERS_READ]).permits(&Permission::USERS_READ));
        assert!(!role("support", &[Permission::USERS_READ]).permits(&Permission::USERS_WRITE));
        assert!(!role("user", &[]).permits(&Permission::USERS_READ));
    }

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
