//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that creates something may be
//! sent again, and is answered as before.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, MatchedPath, OriginalUri, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use doorward_app::{
    Ctx, Receipt,
    idempotency::{self, Outcome, once},
};
use doorward_domain::{
    IdempotencyKey,
    idempotency::{Caller, IdempotencyKeyError},
};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::{
    HttpState,
    detached::detached,
    payload::{self, Read},
    problem::{Code, Problem},
};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What [`Once`] reads beside the body, for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it only describes the header in the OpenAPI document")]
pub(crate) struct IdempotencyHeader {
    /// Names the request, so that it can be sent again for a day when its answer was lost: it is then
    /// answered as before, with `Idempotency-Replayed: true`, and not carried out again. A text that
    /// nobody can guess, such as a random UUID; bare, or in quotation marks.
    #[param(
        rename = "Idempotency-Key",
        pattern = "^[!-~]+$",
        min_length = 1,
        max_length = 257,
        example = "8e03978e-40d5-43dd-bc93-6894a57f9324"
    )]
    idempotency_key: Option<String>,
}

/// Extracts a request that creates something: its body, as [`Payload`](crate::payload::Payload) does, and
/// how it may be repeated. `Once<()>` is for operations without a body.
pub(crate) struct Once<T> {
    pub body: T,
    pub repeat: Repeat,
}

impl<T: Read> FromRequest<HttpState> for Once<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, http: &HttpState) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let mut repeat = Repeat::read(&parts)?;
        let (body, octets) = payload::read(Request::from_parts(parts, body), http).await?;
        if let Some(named) = &mut repeat.0 {
            named.payload.extend_from_slice(&octets);
        }
        Ok(Self { body, repeat })
    }
}

impl FromRequestParts<HttpState> for Once<()> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        Ok(Self { body: (), repeat: Repeat::read(parts)? })
    }
}

/// What a request says about being repeated: nothing, unless it bears a key.
pub(crate) struct Repeat(Option<Named>);

struct Named {
    key: IdempotencyKey,
    /// The method and the template of the path.
    operation: String,
    /// The whole target, and behind it the body.
    payload: Vec<u8>,
}

impl Repeat {
    fn read(parts: &Parts) -> Result<Self, Problem> {
        let Some(key) = key(&parts.headers)? else { return Ok(Self(None)) };
        let template = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let operation = format!("{} {template}", parts.method);
        let target = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |it| &it.0);
        let payload = format!("{target}\n").into_bytes();
        Ok(Self(Some(Named { key, operation, payload })))
    }

    /// Carries the request out, unless it was before, to its end even when the client hangs up. `answer`
    /// must make the same of the same, whenever it is called.
    ///
    /// # Errors
    /// The use case's own; a key that was used for another payload, or whose request is under way.
    pub(crate) async fn run<T, E, F>(
        self,
        ctx: Arc<Ctx>,
        caller: Caller,
        answer: fn(&T) -> Answer,
        use_case: impl FnOnce(Arc<Ctx>, Receipt<T>) -> F + Send + 'static,
    ) -> Result<Response, Problem>
    where
        T: Send + Sync + 'static,
        E: Into<Problem> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let request = self.0.map(|Named { key, operation, payload }| idempotency::Request {
            caller,
            operation,
            key,
            payload,
        });
        let outcome = detached(async move {
            let use_case = |receipt| use_case(Arc::clone(&ctx), receipt);
            once(&ctx, request, move |done| answer(done).to_octets(), use_case).await
        });
        match outcome.await? {
            Outcome::Done(done) => Ok(answer(&done).into_response()),
            Outcome::DoneBefore(octets) => {
                let mut response = Answer::read(&octets)?.into_response();
                let replayed = HeaderValue::from_static("true");
                response.headers_mut().insert(IDEMPOTENCY_REPLAYED, replayed);
                Ok(response)
            }
        }
    }
}

/// The key of a request. The draft has a string by RFC 8941 §3.3.3, in quotation marks; most clients send
/// the bare text. Both are the same key.
fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let refuse = |fault: IdempotencyKeyError| {
        Problem::new(Code::InvalidIdempotencyKey)
            .with_detail(format!("The header Idempotency-Key {fault}."))
    };
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::new(Code::InvalidIdempotencyKey)
            .with_detail("There is more than one Idempotency-Key header."));
    }
    let text = value.to_str().map_err(|_| refuse(IdempotencyKeyError))?.trim();
    let text = if text.starts_with('"') { unquoted(text) } else { Some(text.to_owned()) };
    let key = text.ok_or(IdempotencyKeyError).and_then(|text| IdempotencyKey::parse(&text));
    key.map(Some).map_err(refuse)
}

/// The text of a string by RFC 8941 §4.2.5.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?,
            '"' => return None,
            other => other,
        });
    }
    Some(plain)
}

/// An answer that can be kept: what the client is told, but for headers that belong to the moment.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    status: u16,
    location: Option<String>,
    /// JSON, octet by octet.
    body: Option<String>,
}

impl Answer {
    /// Without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status: status.as_u16(), location: None, body: None }
    }

    pub(crate) fn json(status: StatusCode, view: &impl Serialize) -> Self {
        // A view of texts, numbers and times always serialises; an empty body would still bear the
        // right status.
        let body = serde_json::to_string(view).unwrap_or_default();
        Self { body: Some(body), ..Self::empty(status) }
    }

    /// Says where the new thing is.
    pub(crate) fn at(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }

    fn to_octets(&self) -> Vec<u8> {
        // Numbers and texts always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn read(octets: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(octets)
            .map_err(|error| Problem::new(Code::InternalError).with_cause(error))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut response = Response::default();
        if let Ok(status) = StatusCode::from_u16(self.status) {
            *response.status_mut() = status;
        }
        if let Some(location) = self.location.and_then(|it| HeaderValue::try_from(it).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if let Some(body) = self.body {
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            *response.body_mut() = body.into();
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static [u8]]) -> Result<Option<IdempotencyKey>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        }
        key(&headers)
    }

    #[test]
    fn what_is_no_key_is_refused() {
        const LONG: &[u8] = &[b'k'; 256];
        let refused: [&[&[u8]]; 14] = [
            &[b""],
            &[b"  "],
            &[b"a b"],
            &[b"schl\xc3\xbcssel"],
            &[LONG],
            &[b"a", b"a"],
            &[b"\""],
            &[b"\"\""],
            &[b"\"a"],
            &[b"\"a\"b\""],
            &[b"\"a\\b\""],
            &[b"\"a\\"],
            &[b"\"a b\""],
            &[b"\"a\";p=1"],
        ];
        for values in refused {
            let refusal = read(values).unwrap_err();
            assert_eq!(refusal.code(), Code::InvalidIdempotencyKey, "{values:?}");
        }
    }

    #[test]
    fn a_key_is_the_same_bare_and_in_quotation_marks() {
        const LONGEST: &[u8] = &[b'k'; 255];
        assert_eq!(read(&[]).unwrap(), None);
        for (bare, quoted) in [
            (&b"8e03978e-40d5"[..], &b"\"8e03978e-40d5\""[..]),
            (b"a\"b\\c", b"\"a\\\"b\\\\c\""),
            (b" k ", b"\t\"k\""),
        ] {
            let key = read(&[bare]).unwrap();
            assert!(key.is_some());
            assert_eq!(key, read(&[quoted]).unwrap());
        }
        assert!(read(&[LONGEST]).is_ok());
    }

    #[test]
    fn an_answer_is_read_back_as_kept() {
        let view = serde_json::json!({"name": "Ada \"Løvelace\"\u{0}"});
        let answers = [
            Answer::empty(StatusCode::ACCEPTED),
            Answer::json(StatusCode::CREATED, &view).at("/users/1".to_owned()),
        ];
        for answer in answers {
            assert_eq!(Answer::read(&answer.to_octets()).unwrap(), answer);
        }
        assert_eq!(Answer::read(b"{").unwrap_err().code(), Code::InternalError);
    }
}
