//! Reading the members of a request body, or the parameters of a query, into domain values, and
//! collecting everything that is wrong with them before answering.

use std::fmt::Display;

use doorward_domain::{
    display_name::DisplayNameError,
    email::EmailError,
    password::PasswordError,
    permission::PermissionError,
    role::{RoleDescriptionError, RoleNameError},
    user_list::SearchPrefixError,
};
use serde_json::{Map, Value};

use crate::problem::{Code, FieldError, Problem};

/// How many unknown or repeated members are listed one by one, so that an answer is not much larger
/// than the request that asked for it.
const LISTED_MAX: usize = 20;

/// What a parser of the domain found wrong, with the word for it that clients switch on.
pub(crate) trait FieldFault: Display {
    fn code(&self) -> &'static str;
}

impl FieldFault for EmailError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Malformed | Self::LocalPart | Self::Domain => "invalid_format",
        }
    }
}

impl FieldFault for DisplayNameError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Unprintable => "invalid_character",
        }
    }
}

impl FieldFault for PasswordError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooShort { .. } => "too_short",
            Self::TooLong { .. } => "too_long",
            Self::Nul => "invalid_character",
            Self::Guessable { .. } => "too_guessable",
        }
    }
}

impl FieldFault for RoleNameError {
    fn code(&self) -> &'static str {
        "invalid_format"
    }
}

impl FieldFault for PermissionError {
    fn code(&self) -> &'static str {
        "invalid_format"
    }
}

impl FieldFault for SearchPrefixError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Unprintable => "invalid_character",
        }
    }
}

impl FieldFault for RoleDescriptionError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Unprintable => "invalid_character",
        }
    }
}

/// The members of a body that have not been read yet, and the faults found so far.
pub(crate) struct Fields {
    members: Map<String, Value>,
    faults: Vec<FieldError>,
}

impl Fields {
    pub fn new(members: Map<String, Value>) -> Self {
        Self { members, faults: Vec::new() }
    }

    /// The parameters of a query, each of which may be there once.
    pub fn from_query(query: &str) -> Self {
        let mut fields = Self::new(Map::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let repeated = fields.members.insert(name.to_string(), value.into()).is_some();
            if repeated && fields.faults.len() < LISTED_MAX {
                fields.fault::<()>(&name, "repeated", "is given more than once");
            }
        }
        fields
    }

    /// Reads a string member that must be there. `None` means that a fault was noted.
    pub fn required<T, E: FieldFault>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.members.remove(name) {
            None => self.fault(name, "required", "is missing"),
            Some(value) => self.parse(name, &value, parse),
        }
    }

    /// Reads a string member that may be absent. `None` means that it is, or that a fault was noted
    /// and [`finish`](Self::finish) will refuse; `null` is a fault, because nothing that can be sent
    /// can be unset.
    pub fn optional<T, E: FieldFault>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.members.remove(name)?;
        self.parse(name, &value, parse)
    }

    /// Reads a member that must be a list of strings, each of which is parsed; at most `max` of them.
    /// `None` means that a fault was noted.
    pub fn list<T, E: FieldFault>(
        &mut self,
        name: &'static str,
        max: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let items = match self.members.remove(name) {
            None => return self.fault(name, "required", "is missing"),
            Some(Value::Array(items)) => items,
            Some(_) => return self.fault(name, "invalid_type", "must be a list of strings"),
        };
        if items.len() > max {
            return self.fault(name, "too_long", format!("must have at most {max} items"));
        }
        let mut parsed = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let item = match item {
                Value::String(text) => {
                    parse(text).map_err(|fault| (fault.code(), fault.to_string()))
                }
                _ => Err(("invalid_type", "must be a string".to_owned())),
            };
            match item {
                Ok(item) => parsed.push(item),
                Err((code, detail)) => {
                    let pointer = format!("{}/{index}", pointer(name));
                    self.faults.push(FieldError { pointer, code, detail });
                }
            }
        }
        (parsed.len() == items.len()).then_some(parsed)
    }

    /// Whether a member is there that was not read yet.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Notes a fault that shows only when members are looked at together.
    pub fn refuse(&mut self, name: &'static str, fault: &impl FieldFault) {
        self.fault::<()>(name, fault.code(), fault);
    }

    /// Gives the finished body, unless anything was wrong or is left over.
    pub fn finish<T>(mut self, body: Option<T>) -> Result<T, Problem> {
        let unknown = self.members.keys().take(LISTED_MAX).map(|name| FieldError {
            pointer: pointer(name),
            code: "unknown_field",
            detail: "is not a field of this request".to_owned(),
        });
        self.faults.extend(unknown);
        if self.members.len() > LISTED_MAX {
            let more = self.members.len() - LISTED_MAX;
            self.fault::<()>("", "unknown_field", format!("{more} more are not fields of it"));
        }
        match body {
            Some(body) if self.faults.is_empty() => Ok(body),
            _ => Err(Problem::new(Code::ValidationFailed).with_errors(self.faults)),
        }
    }

    fn parse<T, E: FieldFault>(
        &mut self,
        name: &'static str,
        value: &Value,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Value::String(text) = value else {
            return self.fault(name, "invalid_type", "must be a string");
        };
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(fault) => self.fault(name, fault.code(), fault),
        }
    }

    fn fault<T>(&mut self, name: &str, code: &'static str, detail: impl Display) -> Option<T> {
        self.faults.push(FieldError { pointer: pointer(name), code, detail: detail.to_string() });
        None
    }
}

/// A JSON Pointer to a member of the body (RFC 6901 §3). A name that a client made up is cut, so that
/// the answer stays small.
fn pointer(name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    let shown: String = name.chars().take(64).collect();
    format!("/{}", shown.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use doorward_domain::{DisplayName, Email};
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        let Value::Object(members) = value else { panic!("an object") };
        Fields::new(members)
    }

    fn faults(problem: Result<(), Problem>) -> Vec<(String, String)> {
        let problem = problem.unwrap_err();
        let body = serde_json::from_slice::<Value>(&crate::problem::body_of(&problem)).unwrap();
        let errors = body["errors"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        errors.iter().map(|e| (text(&e["pointer"]), text(&e["code"]))).collect()
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let mut fields =
            fields(json!({"email": "x", "name": 7, "a/b~c": true, "roles": ["admin"]}));
        let email = fields.required("email", Email::parse);
        let name = fields.required("name", DisplayName::parse);
        let missing = fields.required("password", Email::parse);
        assert!(email.is_none() && name.is_none() && missing.is_none());
        let found = faults(fields.finish(Some(())));
        let expected = [
            ("/email", "invalid_format"),
            ("/name", "invalid_type"),
            ("/password", "required"),
            ("/a~1b~0c", "unknown_field"),
            ("/roles", "unknown_field"),
        ];
        assert_eq!(found, expected.map(|(p, c)| (p.to_owned(), c.to_owned())));
    }

    #[test]
    fn very_many_unknown_members_are_counted_instead_of_listed() {
        let members = (0..500).map(|n| (format!("x{n}"), Value::Null)).collect();
        let found = faults(fields(Value::Object(members)).finish(Some(())));
        assert_eq!(found.len(), LISTED_MAX + 1);
        assert_eq!(found.last().unwrap().0, "");
    }

    #[test]
    fn very_many_repeated_parameters_are_not_all_listed() {
        let found = faults(Fields::from_query(&"a&".repeat(30_000)).finish(Some(())));
        assert_eq!(found.len(), LISTED_MAX + 1);
        assert_eq!(found[0], ("/a".to_owned(), "repeated".to_owned()));
    }

    #[test]
    fn an_absent_optional_member_is_no_fault_but_null_is() {
        let mut absent = fields(json!({}));
        assert_eq!(absent.optional("name", DisplayName::parse), None);
        assert!(absent.finish(Some(())).is_ok());
        let mut null = fields(json!({"name": null}));
        assert_eq!(null.optional("name", DisplayName::parse), None);
        assert!(null.finish(Some(())).is_err());
    }
}
