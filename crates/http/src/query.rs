//! Query parameters of lists.

use std::borrow::Cow;

use axum::{extract::FromRequestParts, http::request::Parts};
use doorward_domain::{PageLimit, PageRequest, SessionId, page::PAGE_LIMIT_MAX};

use crate::{
    HttpState, cursor,
    problem::{Code, FieldError, Problem},
};

/// Extracts `limit` and `after`. What is out of range is refused, never cut in silence.
pub(crate) struct Paging(pub PageRequest<SessionId>);

impl FromRequestParts<HttpState> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        let (mut request, mut errors) = (PageRequest::default(), Vec::new());
        let mut seen = (false, false);
        let mut refuse = |name: &str, code, detail: String| {
            errors.push(FieldError { pointer: format!("/{name}"), code, detail });
        };
        for (name, value) in form_pairs(parts.uri.query().unwrap_or_default()) {
            match name.as_ref() {
                "limit" if std::mem::replace(&mut seen.0, true) => {
                    refuse("limit", "repeated", "is given more than once".to_owned());
                }
                "limit" => match value.parse().ok().and_then(PageLimit::new) {
                    Some(limit) => request.limit = limit,
                    None => refuse(
                        "limit",
                        "out_of_range",
                        format!("must be a whole number from 1 to {PAGE_LIMIT_MAX}"),
                    ),
                },
                "after" if std::mem::replace(&mut seen.1, true) => {
                    refuse("after", "repeated", "is given more than once".to_owned());
                }
                "after" => match cursor::decode(&value) {
                    Some(after) => request.after = Some(after),
                    None => refuse(
                        "after",
                        "invalid_format",
                        "must be a next_cursor of an earlier page".to_owned(),
                    ),
                },
                _ => {}
            }
        }
        if errors.is_empty() {
            Ok(Self(request))
        } else {
            Err(Problem::new(Code::ValidationFailed).with_errors(errors))
        }
    }
}

fn form_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(query.as_bytes())
}
