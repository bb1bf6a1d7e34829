//! Looking for users.

use std::cmp::Ordering;

use crate::{
    Email, RoleName, User, UserId, UserStatus, case_folding::fold_case,
    display_name::is_unprintable,
};

/// The longest text to look for, in code points.
const PREFIX_MAX_CHARACTERS: usize = 254;

/// Which users are meant: those that fit everything that is given, so everybody by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserFilter {
    /// The one with this address, in whatever case it is written.
    pub email: Option<Email>,
    /// Those whose address or name begins so.
    pub prefix: Option<SearchPrefix>,
    pub status: Option<UserStatus>,
    pub role: Option<RoleName>,
}

impl UserFilter {
    /// Whether a user is meant. Stores answer the same by means of their indexes.
    #[must_use]
    pub fn fits(&self, user: &User) -> bool {
        self.email.as_ref().is_none_or(|email| user.email == *email)
            && self.prefix.as_ref().is_none_or(|prefix| prefix.term_of(user).is_some())
            && self.status.is_none_or(|status| user.status == status)
            && self.role.as_ref().is_none_or(|role| user.roles.contains(role))
    }

    /// Whether the key is one of this list.
    #[must_use]
    pub const fn knows(&self, key: &UserKey) -> bool {
        matches!(key, UserKey::Term { .. }) == self.prefix.is_some()
    }

    /// Where a user that fits stands in the list.
    ///
    /// **Invariant:** without a prefix the order is that of ids, the last made first. With one, it is that
    /// of the text that begins with it: then the list can be read from an index, a page at a time, however many
    /// fit.
    #[must_use]
    pub fn key_of(&self, user: &User) -> UserKey {
        let term = self.prefix.as_ref().and_then(|prefix| prefix.term_of(user));
        match term {
            Some(term) => UserKey::Term { term, id: user.id },
            None => UserKey::Newest(user.id),
        }
    }
}

/// The place of a user in a list; see [`UserFilter::key_of`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserKey {
    /// Ids sort by the time when they were made, which for imported users is that of the import, unless
    /// they brought one.
    Newest(UserId),
    /// By the code points of what was found, then by id.
    Term { term: String, id: UserId },
}

/// Earlier in the list is less.
impl Ord for UserKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Newest(one), Self::Newest(other)) => other.cmp(one),
            (Self::Term { term, id }, Self::Term { term: other_term, id: other_id }) => {
                (term, id).cmp(&(other_term, other_id))
            }
            (Self::Newest(_), Self::Term { .. }) => Ordering::Less,
            (Self::Term { .. }, Self::Newest(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for UserKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The beginning of an address or a name, in the form in which both are looked up: Unicode case
/// folding in NFC. 1 to 254 code points, none of them unprintable; white space before it is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPrefix(String);

/// Why there is nothing to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchPrefixError {
    #[error("must not be empty")]
    Empty,
    #[error("must be at most {PREFIX_MAX_CHARACTERS} characters")]
    TooLong,
    #[error("must not hold control, line-break, invisible or direction-changing characters")]
    Unprintable,
}

impl SearchPrefix {
    /// Reads what somebody looks for.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, SearchPrefixError> {
        let text = text.trim_start();
        if text.is_empty() {
            return Err(SearchPrefixError::Empty);
        }
        if text.chars().count() > PREFIX_MAX_CHARACTERS {
            return Err(SearchPrefixError::TooLong);
        }
        if text.chars().any(is_unprintable) {
            return Err(SearchPrefixError::Unprintable);
        }
        Ok(Self(fold_case(text)))
    }

    /// The first text, by code points, that begins so.
    #[must_use]
    pub fn first(&self) -> &str {
        &self.0
    }

    /// A text behind all names and addresses that begin so, and before all others that follow: no
    /// name and no address holds U+10FFFF, which is never a character.
    #[must_use]
    pub fn end(&self) -> String {
        format!("{}\u{10ffff}", self.0)
    }

    /// What of a user begins so: the name if it does, otherwise the address.
    fn term_of(&self, user: &User) -> Option<String> {
        let name = user.name.folded();
        if name.starts_with(&self.0) {
            return Some(name);
        }
        let address = user.email.canonical();
        address.starts_with(&self.0).then(|| address.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::DisplayName;

    fn ada() -> User {
        User::new(
            UserId::from_uuid(Uuid::from_u128(7)),
            Email::parse("Lovelace@Example.com").unwrap(),
            DisplayName::parse("Ada Lovelace").unwrap(),
            vec![RoleName::user()],
            datetime!(2026-01-01 00:00 UTC),
        )
    }

    fn prefix(text: &str) -> UserFilter {
        UserFilter { prefix: Some(SearchPrefix::parse(text).unwrap()), ..UserFilter::default() }
    }

    #[test]
    fn what_cannot_begin_an_address_or_a_name_is_refused() {
        for (text, error) in [
            ("", SearchPrefixError::Empty),
            (" \t", SearchPrefixError::Empty),
            (&"a".repeat(255), SearchPrefixError::TooLong),
            ("a\0", SearchPrefixError::Unprintable),
            ("a\u{202e}", SearchPrefixError::Unprintable),
            ("\u{10ffff}", SearchPrefixError::Unprintable),
        ] {
            assert_eq!(SearchPrefix::parse(text), Err(error), "{}", text.escape_debug());
        }
    }

    #[test]
    fn everything_given_has_to_fit() {
        let everybody = UserFilter::default();
        assert!(everybody.fits(&ada()));
        for (filter, fits) in [
            (prefix(" aDA"), true),
            (prefix("ada l"), true),
            (prefix("love"), true),
            (prefix("lovelace@example.com"), true),
            (prefix("lovelace@example.com2"), false),
            (prefix("example"), false),
            (UserFilter { email: Email::parse("LOVELACE@example.com").ok(), ..prefix("a") }, true),
            (UserFilter { email: Email::parse("ada@example.com").ok(), ..prefix("a") }, false),
            (UserFilter { status: Some(UserStatus::Active), ..prefix("a") }, true),
            (UserFilter { status: Some(UserStatus::Disabled), ..prefix("a") }, false),
            (UserFilter { role: Some(RoleName::user()), ..prefix("a") }, true),
            (UserFilter { role: Some(RoleName::admin()), ..prefix("a") }, false),
        ] {
            assert_eq!(filter.fits(&ada()), fits, "{filter:?}");
        }
    }

    #[test]
    fn a_user_stands_where_the_name_does_if_it_fits() {
        let id = ada().id;
        assert_eq!(UserFilter::default().key_of(&ada()), UserKey::Newest(id));
        let term = |term: &str| UserKey::Term { term: term.to_owned(), id };
        assert_eq!(prefix("A").key_of(&ada()), term("ada lovelace"));
        assert_eq!(prefix("L").key_of(&ada()), term("lovelace@example.com"));
    }

    #[test]
    fn the_end_lies_behind_all_that_begin_so_and_nothing_else() {
        let prefix = SearchPrefix::parse("Ada").unwrap();
        for inside in ["ada", "ada\u{1f600}", "adaz", "ada \u{fffd}"] {
            assert!((prefix.first()..prefix.end().as_str()).contains(&inside), "{inside}");
        }
        for outside in ["ad", "adb", "aeb", "acz"] {
            assert!(!(prefix.first()..prefix.end().as_str()).contains(&outside), "{outside}");
        }
    }
}
