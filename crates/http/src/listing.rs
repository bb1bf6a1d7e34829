//! Lists, a page at a time: what is asked for in the query, and the page as it is answered.

use std::borrow::Cow;

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use doorward_domain::{Page, PageLimit, PageRequest, page::PAGE_LIMIT_MAX};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    HttpState,
    cursor::{self, Key},
    problem::{Code, FieldError, Problem},
};

/// Extracts `limit` and `after`. What is out of range is refused, never cut in silence.
pub(crate) struct Paging<K>(pub PageRequest<K>);

impl<K: Key> FromRequestParts<HttpState> for Paging<K> {
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

/// What [`Paging`] reads, for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it only describes the query in the OpenAPI document")]
pub(crate) struct PageQuery {
    /// The most items on the page; 50 unless told.
    #[param(minimum = 1, maximum = 200, example = 50)]
    limit: Option<u16>,
    /// `next_cursor` of the page before; without it the list begins.
    #[param(example = "AZt22qh7d0uAAAAAAAAAAg")]
    after: Option<String>,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Page)]
pub(crate) struct PageView<T> {
    items: Vec<T>,
    /// Ask the next page with it; `null` on the last page.
    #[schema(required, example = "AZt22qh7d0uAAAAAAAAAAg")]
    next_cursor: Option<String>,
}

/// Answers with a page, and with where the next one is (RFC 8288).
pub(crate) fn respond<Item, K: Key, View: Serialize>(
    path: &str,
    limit: PageLimit,
    page: Page<Item, K>,
    view: impl Fn(Item) -> View,
) -> Response {
    let next_cursor = page.next.as_ref().map(cursor::encode);
    let link = next_cursor
        .as_ref()
        .map(|after| format!("<{path}?limit={}&after={after}>; rel=\"next\"", limit.get()));
    let items = page.items.into_iter().map(view).collect();
    let mut response = Json(PageView { items, next_cursor }).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}
