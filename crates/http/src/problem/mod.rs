//! Errors on the wire: RFC 9457 problem details, for every error the server sends.
//!
//! A handler returns a [`Problem`]. The envelope renders it, because only there the request id is
//! known.

mod code;
mod from_use_case;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::routes::Checks;

pub use code::Code;

/// What went wrong with a request, as its client is told, and, for the log only, why.
#[derive(Debug, Clone)]
pub struct Problem(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    extension: Option<(&'static str, Value)>,
    headers: HeaderMap,
    cause: Option<Cause>,
}

/// An error that the log should tell and the client should not.
#[derive(Clone)]
pub(crate) struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The whole chain, outermost first.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// One thing that is wrong with a request's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: a JSON Pointer (RFC 6901) into the body, or `/name` for the query parameter `name`.
    #[schema(example = "/email")]
    pub pointer: String,
    /// What clients switch on.
    #[schema(example = "invalid_format")]
    pub code: &'static str,
    /// What is wrong, for people.
    #[schema(example = "must have the form name@example.com")]
    pub detail: String,
}

impl Problem {
    /// A problem with its usual words.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Details {
            code,
            detail: Cow::Borrowed(code.explanation()),
            errors: Vec::new(),
            retry_after: None,
            extension: None,
            headers: HeaderMap::new(),
            cause: None,
        }))
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Rounded up to whole seconds, at least one.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// An extension member (RFC 9457 §3.2).
    #[must_use]
    pub fn with_extension(mut self, name: &'static str, value: Value) -> Self {
        self.0.extension = Some((name, value));
        self
    }

    /// Why it happened, for the log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Cause(Arc::new(cause)));
        self
    }

    /// 503: trying again soon may succeed.
    #[must_use]
    pub fn unavailable(detail: &'static str) -> Self {
        Self::new(Code::Unavailable).with_detail(detail).with_retry_after(Duration::from_secs(1))
    }

    /// 422 for one field.
    #[must_use]
    pub fn invalid(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl fmt::Display,
    ) -> Self {
        let error = FieldError { pointer: pointer.into(), code, detail: detail.to_string() };
        Self::new(Code::ValidationFailed).with_errors(vec![error])
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    pub(crate) fn cause(&self) -> Option<&Cause> {
        self.0.cause.as_ref()
    }

    /// The problem that stands for a bare status that a library or another layer answered with.
    pub(crate) fn for_status(status: StatusCode) -> Self {
        let code = Code::for_status(status);
        let problem = Self::new(code);
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                problem.with_retry_after(Duration::from_secs(1))
            }
            _ => problem,
        }
    }

    /// The whole response. `public_url` says where the problem types are explained.
    pub(crate) fn render(self, public_url: &str, request_id: &str) -> Response {
        let status = self.0.code.status();
        let body = self.body(public_url, request_id);
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.extend(self.0.headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        if status == StatusCode::UNAUTHORIZED && !headers.contains_key(header::WWW_AUTHENTICATE) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// The body as it is sent.
    pub(crate) fn body(&self, public_url: &str, request_id: &str) -> Bytes {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(rename = "type")]
            kind: String,
            title: &'a str,
            status: u16,
            code: &'a str,
            detail: &'a str,
            request_id: &'a str,
            #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
            errors: &'a [FieldError],
            #[serde(flatten)]
            extension: Option<std::collections::BTreeMap<&'static str, &'a Value>>,
        }
        let body = Body {
            kind: self.0.code.type_uri(public_url),
            title: self.0.code.title(),
            status: self.0.code.status().as_u16(),
            code: self.0.code.as_str(),
            detail: &self.0.detail,
            request_id,
            errors: &self.0.errors,
            extension: self
                .0
                .extension
                .as_ref()
                .map(|(name, value)| std::iter::once((*name, value)).collect()),
        };
        // A struct of strings always serialises; an empty body would still bear the right status.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

/// Marks the response; the envelope replaces it by the rendered problem.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    let rounded_up = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    rounded_up.max(1)
}

/// How a problem looks on the wire (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it only describes the wire format in the OpenAPI document")]
pub(crate) struct ProblemView {
    /// Where this kind of problem is explained.
    #[schema(
        rename = "type",
        format = "uri",
        example = "http://localhost:3000/docs/problems#email_taken"
    )]
    r#type: String,
    #[schema(example = "The address is taken")]
    title: String,
    /// The HTTP status.
    #[schema(example = 409)]
    status: u16,
    /// What clients switch on; it never changes its meaning.
    #[schema(example = "email_taken")]
    code: String,
    #[schema(example = "There is an account with this e-mail address already.")]
    detail: String,
    /// Names the request in the server's log.
    #[schema(example = "019b76da-a800-7000-8000-000000000001")]
    request_id: String,
    /// All that is wrong with the fields, for `validation_failed`.
    #[schema(nullable = false)]
    errors: Option<Vec<FieldError>>,
    /// What is missing, for `unavailable` from a probe of health.
    #[schema(nullable = false)]
    checks: Option<Checks>,
}

#[cfg(test)]
pub(crate) fn body_of(problem: &Problem) -> Bytes {
    problem.body("http://localhost", "id")
}
