//! Lists, a page at a time: what is asked for in the query, and the page as it is answered.

use axum::{
    Json,
    extract::{FromRequestParts, OriginalUri},
    http::{HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use doorward_domain::{Page, PageLimit, PageRequest, page::PAGE_LIMIT_MAX};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    HttpState,
    cursor::{self, Key},
    fields::{FieldFault, Fields},
    problem::Problem,
};

/// Which items of a list are asked for.
pub(crate) trait Filter<K>: Sized {
    /// Reads the parameters. `None` means that `fields` has noted a fault.
    fn read(fields: &mut Fields) -> Option<Self>;

    /// Whether a cursor with this key is one of the list.
    fn knows(&self, _key: &K) -> bool {
        true
    }
}

/// All items.
pub(crate) struct Everything;

impl<K> Filter<K> for Everything {
    fn read(_: &mut Fields) -> Option<Self> {
        Some(Self)
    }
}

/// Extracts which page is asked for (`limit` and `after`), and of which items. What is out of range is
/// refused, never cut in silence; so is a parameter that the list does not know, because a filter with
/// a slip of the pen would list everything.
pub(crate) struct Listing<K, F = Everything> {
    pub page: PageRequest<K>,
    pub filter: F,
    address: Uri,
}

impl<K: Key, F: Filter<K>> FromRequestParts<HttpState> for Listing<K, F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, Problem> {
        let Ok(OriginalUri(address)) = OriginalUri::from_request_parts(parts, http).await;
        let mut fields = Fields::from_query(address.query().unwrap_or_default());
        let limit = fields
            .optional("limit", |text| text.parse().ok().and_then(PageLimit::new).ok_or(LimitFault));
        let after = fields.optional("after", |text| cursor::decode(text).ok_or(CursorFault));
        let filter = F::read(&mut fields);
        if let (Some(filter), Some(after)) = (&filter, &after)
            && !filter.knows(after)
        {
            fields.refuse("after", &CursorFault);
        }
        let page = PageRequest { limit: limit.unwrap_or_default(), after };
        fields.finish(filter.map(|filter| Self { page, filter, address }))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("must be a whole number from 1 to {PAGE_LIMIT_MAX}")]
struct LimitFault;

impl FieldFault for LimitFault {
    fn code(&self) -> &'static str {
        "out_of_range"
    }
}

#[derive(Debug, thiserror::Error)]
#[error("must be a next_cursor of an earlier page of the same list")]
struct CursorFault;

impl FieldFault for CursorFault {
    fn code(&self) -> &'static str {
        "invalid_format"
    }
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

impl<K: Key, F> Listing<K, F> {
    /// Answers with the page that was asked for, and with where the next one is (RFC 8288).
    pub fn respond<Item, View: Serialize>(
        &self,
        page: Page<Item, K>,
        view: impl Fn(Item) -> View,
    ) -> Response {
        let next_cursor = page.next.as_ref().map(cursor::encode);
        let link =
            next_cursor.as_ref().map(|after| format!("<{}>; rel=\"next\"", self.with(after)));
        let items = page.items.into_iter().map(view).collect();
        let mut response = Json(PageView { items, next_cursor }).into_response();
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    /// The address of this list from a cursor on.
    fn with(&self, after: &str) -> String {
        let query = self.address.query().unwrap_or_default();
        let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "after");
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(others)
            .append_pair("after", after)
            .finish();
        format!("{}?{query}", self.address.path())
    }
}
