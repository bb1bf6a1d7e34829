//! One line of an import: what it may say, and everything that can be wrong with it.

use std::{borrow::Cow, fmt::Display, sync::Arc};

use doorward_app::Ctx;
use doorward_domain::{
    DisplayName, Email, RoleName, Timestamp, User, UserId, UserStatus, ports::ImportedUser,
};
use serde::Deserialize;
use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use uuid::Uuid;

/// The most roles that one user can be given at once.
const ROLES_MAX: usize = 50;
/// How far clocks of other machines may be ahead.
const CLOCK_SKEW: Duration = Duration::minutes(5);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'a> {
    #[serde(borrow)]
    email: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    email_verified: Option<bool>,
    #[serde(borrow)]
    roles: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    created_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    updated_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    last_login_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    password_hash: Option<Cow<'a, str>>,
}

/// Makes users of lines.
pub(super) struct Reader(Arc<Ctx>);

impl Reader {
    pub fn new(ctx: Arc<Ctx>) -> Self {
        Self(ctx)
    }

    /// The user of a line, or everything that is wrong with it.
    pub fn read(&self, line: &[u8]) -> Result<ImportedUser, Vec<String>> {
        let record = parse_record(line).map_err(|fault| vec![fault])?;
        // Read for each line, so that the ids made of it come in the order of the lines. Then they lie
        // together in every index, whenever the accounts were made.
        let now = self.0.clock.now();
        let mut faults = Faults::default();
        let email = faults.required("email", record.email.as_deref(), Email::parse);
        let name = faults.required("name", record.name.as_deref(), DisplayName::parse);
        let id = faults.optional("id", record.id.as_deref(), parse_id);
        let status = faults.optional("status", record.status.as_deref(), |word| {
            UserStatus::from_word(word).ok_or("must be active or disabled")
        });
        let mut moment = |name, text: &Option<Cow<'_, str>>| {
            faults.optional(name, text.as_deref(), |text| parse_moment(text, now))
        };
        let created_at = moment("created_at", &record.created_at);
        let updated_at = moment("updated_at", &record.updated_at);
        let last_login_at = moment("last_login_at", &record.last_login_at);
        let roles = faults.roles(record.roles);
        let password_hash =
            faults.optional("password_hash", record.password_hash.as_deref(), |text| {
                self.0.hasher.adopt(text)
            });
        // An account is as old as the oldest thing that is known of it.
        let known = [updated_at, last_login_at, Some(now)].into_iter().flatten();
        let created_at = created_at.or(known.min()).unwrap_or(now);
        let updated_at = updated_at.unwrap_or(created_at);
        for (name, later) in [("updated_at", Some(updated_at)), ("last_login_at", last_login_at)] {
            if later.is_some_and(|later| later < created_at) {
                faults.note(name, "lies before created_at");
            }
        }
        let (Some(email), Some(name), true) = (email, name, faults.0.is_empty()) else {
            return Err(faults.0);
        };
        let id = id.unwrap_or_else(|| UserId::new(now, self.0.entropy.as_ref()));
        let user = User {
            email_verified: record.email_verified.unwrap_or(false),
            status: status.unwrap_or(UserStatus::Active),
            updated_at,
            last_login_at,
            ..User::new(id, email, name, roles, created_at)
        };
        Ok(ImportedUser { user, password_hash })
    }
}

fn parse_moment(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    let moment = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "must be a time by RFC 3339, such as 2026-01-31T12:00:00Z")?
        // In UTC it may lie in a year that RFC 3339 cannot write, so that nobody could be shown it.
        .checked_to_offset(UtcOffset::UTC)
        .filter(|moment| moment.year() >= 0)
        .ok_or("is out of range")?;
    if moment > now + CLOCK_SKEW {
        return Err("lies in the future");
    }
    // Finer than the databases keep.
    moment.replace_microsecond(moment.microsecond()).map_err(|_| "is out of range")
}

fn parse_id(text: &str) -> Result<UserId, &'static str> {
    match Uuid::parse_str(text) {
        Ok(id) if !id.is_nil() && !id.is_max() => Ok(UserId::from_uuid(id)),
        _ => Err("must be a UUID, neither all zeros nor all ones"),
    }
}

fn parse_record(line: &[u8]) -> Result<Record<'_>, String> {
    // Of a list the members would be taken by their places; a mere text, which may be a hash that
    // somebody cut out of a file, would be told in full.
    if line.trim_ascii_start().first().is_some_and(|first| b"[\"".contains(first)) {
        return Err("is not a JSON object".to_owned());
    }
    serde_json::from_slice(line).map_err(|error| not_a_user(&error))
}

/// What is wrong with a line that does not even have the members of a user.
fn not_a_user(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // The line within the line says nothing; the column is worth keeping.
    let text = text.replace(" at line 1 column ", " at column ").replace(" at line 0 column 0", "");
    if error.is_data() { text } else { format!("is not a line of JSON: {text}") }
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn note(&mut self, name: &str, fault: impl Display) {
        self.0.push(format!("{name} {fault}"));
    }

    fn required<T, E: Display>(
        &mut self,
        name: &str,
        text: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if text.is_none() {
            self.note(name, "is missing");
        }
        self.optional(name, text, parse)
    }

    fn optional<T, E: Display>(
        &mut self,
        name: &str,
        text: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(text?) {
            Ok(parsed) => Some(parsed),
            Err(fault) => {
                self.note(name, fault);
                None
            }
        }
    }

    /// The roles that are named; those of somebody who signs up when none are.
    fn roles(&mut self, names: Option<Vec<Cow<'_, str>>>) -> Vec<RoleName> {
        let Some(names) = names else { return vec![RoleName::user()] };
        if names.len() > ROLES_MAX {
            self.note("roles", format_args!("must be at most {ROLES_MAX}"));
            return Vec::new();
        }
        names
            .iter()
            .filter_map(|name| self.optional("roles", Some(name), RoleName::parse))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_time_that_cannot_be_shown_in_utc_is_refused() {
        let now = datetime!(2026-11-20 12:00 UTC);
        for text in ["9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+00:01"] {
            assert_eq!(parse_moment(text, now), Err("is out of range"), "{text}");
        }
        let first = parse_moment("0000-01-01T00:00:00Z", now).unwrap();
        assert_eq!(first.format(&Rfc3339).unwrap(), "0000-01-01T00:00:00Z");
    }

    #[test]
    fn a_line_that_is_no_object_is_refused_and_not_repeated() {
        for line in [
            r#"["ada@example.com", "Ada", null, null, null, null, null, null, null, null]"#,
            r#" "$2b$12$secret""#,
        ] {
            let fault = parse_record(line.as_bytes()).err();
            assert_eq!(fault.as_deref(), Some("is not a JSON object"), "{line}");
        }
    }
}
