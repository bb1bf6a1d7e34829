//! How people sign up, sign in and ask who they are, in whatever form a peer has given to that.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::harness::http::{self, Answer};
use crate::harness::wrk;

/// The three requests that everything of this kind has.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub sign_up: Request,
    pub login: Request,
    pub me: Request,
    pub signed_in: SignedIn,
}

/// A request with placeholders.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub content_type: Option<String>,
    pub body: Option<String>,
    /// What the answer must contain.
    pub proves: Option<String>,
}

/// How a signed-in person is known again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIn {
    /// By the cookies of the answer to the login.
    #[serde(default)]
    pub cookie: bool,
    /// By a header with a token, which stands in the answer to the login.
    pub token_header: Option<String>,
    /// What stands before the token in the header.
    #[serde(default)]
    pub token_prefix: String,
    pub token_json_pointer: Option<String>,
    /// Where the answer to the login tells the person's id, for paths that need it.
    pub id_json_pointer: Option<String>,
}

impl SignedIn {
    /// Whether it says one thing and says it wholly.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<()> {
        let token = self.token_header.is_some() && self.token_json_pointer.is_some();
        let parts = self.token_header.is_some() || self.token_json_pointer.is_some();
        match (self.cookie, token, parts) {
            (true, _, false) | (false, true, _) => Ok(()),
            _ => bail!(
                "`signed_in` says neither `cookie = true` nor `token_header` with `token_json_pointer`"
            ),
        }
    }
}

/// Somebody who has, or will have, an account.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub email: String,
    pub password: String,
    /// What tells who they are, once they are signed in.
    headers: Vec<(String, String)>,
    id: String,
}

impl Person {
    /// Somebody unknown as yet.
    pub fn new(email: String, password: &str) -> Self {
        Self { email, password: password.to_owned(), ..Self::default() }
    }
}

impl Protocol {
    /// Makes an account.
    ///
    /// # Errors
    /// When the answer is not a success.
    pub fn sign_up(&self, server: &str, person: &Person) -> Result<()> {
        self.sign_up.send(server, person).map(|_| ())
    }

    /// Signs in, and proves that who-am-I is answered with this person.
    ///
    /// # Errors
    /// When an answer is not a success, has not what it must have, or is about somebody else.
    pub fn sign_in(&self, server: &str, mut person: Person) -> Result<Person> {
        let answer = self.login.send(server, &person)?;
        person.headers = self.signed_in.headers(&answer)?;
        if let Some(pointer) = &self.signed_in.id_json_pointer {
            person.id = answer.text_at(pointer)?;
        }
        let answer = self.me.send(server, &person)?;
        let proof = self.me.proves.as_deref().map(|proof| filled(proof, &person, str::to_owned));
        ensure!(
            proof.is_none_or(|proof| answer.body.contains(&proof)),
            "who-am-I of {} is answered with {}",
            person.email,
            answer.body
        );
        Ok(person)
    }
}

impl SignedIn {
    fn headers(&self, answer: &Answer) -> Result<Vec<(String, String)>> {
        if self.cookie {
            ensure!(!answer.cookies.is_empty(), "the answer to a login has set no cookie");
            return Ok(vec![("Cookie".to_owned(), answer.cookies.join("; "))]);
        }
        let (Some(header), Some(pointer)) = (&self.token_header, &self.token_json_pointer) else {
            return Ok(Vec::new());
        };
        let token = answer.text_at(pointer)?;
        Ok(vec![(header.clone(), format!("{}{token}", self.token_prefix))])
    }
}

impl Request {
    /// The call by which `wrk` makes the request.
    pub fn wrk_call(&self, person: &Person) -> String {
        let path = filled(&self.path, person, percent_encoded);
        wrk::call(&self.method, &path, &self.headers(person), self.text(person).as_deref())
    }

    fn send(&self, server: &str, person: &Person) -> Result<Answer> {
        let url = format!("{server}{}", filled(&self.path, person, percent_encoded));
        http::send(&self.method, &url, &self.headers(person), self.text(person).as_deref())
    }

    fn headers(&self, person: &Person) -> Vec<(String, String)> {
        let content_type = self.content_type.iter();
        content_type
            .map(|value| ("Content-Type".to_owned(), value.clone()))
            .chain(person.headers.iter().cloned())
            .collect()
    }

    fn text(&self, person: &Person) -> Option<String> {
        let is_form = self.content_type.as_deref() == Some("application/x-www-form-urlencoded");
        let escape = if is_form { percent_encoded } else { json_escaped };
        self.body.as_deref().map(|body| filled(body, person, escape))
    }
}

fn filled(template: &str, person: &Person, escape: impl Fn(&str) -> String) -> String {
    template
        .replace("{email}", &escape(&person.email))
        .replace("{password}", &escape(&person.password))
        .replace("{name}", &escape("Ada Lovelace"))
        .replace("{id}", &escape(&person.id))
}

fn json_escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn percent_encoded(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| match byte {
        byte if unreserved(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

impl Answer {
    /// A text within the JSON of the answer (RFC 6901).
    fn text_at(&self, pointer: &str) -> Result<String> {
        let json: Value = serde_json::from_str(&self.body)
            .with_context(|| format!("the answer is no JSON: {}", self.body))?;
        let text = json.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned).with_context(|| format!("nothing at {pointer} of {json}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person { id: "7".into(), ..Person::new("a+b@example.com".into(), "a \"b\" & c") }
    }

    #[test]
    fn values_are_written_as_the_body_needs_them() {
        let request = |content_type: &str, body: &str| Request {
            content_type: Some(content_type.into()),
            body: Some(body.into()),
            ..Request::default()
        };
        assert_eq!(
            request("application/json", r#"{"e":"{email}","p":"{password}"}"#).text(&person()),
            Some(r#"{"e":"a+b@example.com","p":"a \"b\" & c"}"#.into())
        );
        assert_eq!(
            request("application/x-www-form-urlencoded", "u={email}&p={password}").text(&person()),
            Some("u=a%2Bb%40example.com&p=a%20%22b%22%20%26%20c".into())
        );
    }

    #[test]
    fn whoever_signed_in_is_known_by_the_token_or_by_the_cookies() {
        let answer = Answer {
            body: r#"{"a":{"token":"t"},"n":1}"#.into(),
            cookies: vec!["s=1%3D".into(), "d=2".into()],
        };
        let by_token = SignedIn {
            token_header: Some("Authorization".into()),
            token_prefix: "Bearer ".into(),
            token_json_pointer: Some("/a/token".into()),
            ..SignedIn::default()
        };
        let headers = by_token.headers(&answer).expect("there is a token");
        assert_eq!(headers, [("Authorization".into(), "Bearer t".into())]);
        let by_cookie = SignedIn { cookie: true, ..SignedIn::default() };
        let headers = by_cookie.headers(&answer).expect("there are cookies");
        assert_eq!(headers, [("Cookie".into(), "s=1%3D; d=2".into())]);
        // A login that failed with 200, or a token that is no text, must not be measured.
        let nowhere = SignedIn { token_json_pointer: Some("/n".into()), ..by_token };
        assert!(nowhere.headers(&answer).is_err());
        assert!(by_cookie.headers(&Answer { cookies: Vec::new(), ..answer }).is_err());
    }
}
