//! The pages to which the links in mails lead, for applications that have none of their own. They exist only
//! where [`HttpSettings::mail_pages`](crate::HttpSettings) says so, and are no part of the API: what they send,
//! they send to it.
//!
//! **Invariant:** to fetch a page changes nothing, and asks the database nothing: mail is read by machines that
//! follow every link.

mod page;

use std::collections::BTreeMap;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use doorward_domain::ProofPurpose;

use crate::HttpState;

/// What the paths of Doorward's own begin with.
const OWN: [&str; 6] = ["api", ".well-known", "docs", "openapi.json", "health", "dev"];

/// It runs the one script that it holds, and speaks to no other server. The token in its address goes nowhere.
const POLICY: HeaderValue = HeaderValue::from_static(concat!(
    "default-src 'none'; script-src '",
    env!("MAIL_PAGE_SCRIPT_HASH"),
    "'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'"
));

/// The pages to which the links in mails lead: where each of them is, and what they call the application.
#[derive(Debug, Clone)]
pub struct MailPages {
    product: String,
    at: BTreeMap<String, ProofPurpose>,
}

/// Why there can be no page at a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PagePathError {
    #[error(
        "no page can be at `{path}`, which is more than / and letters, digits, `-`, `.`, `_`, `~`"
    )]
    NotPlain { path: String },
    #[error("`{path}` cannot be a page: what begins with /{own} is Doorward's own")]
    Own { path: String, own: &'static str },
    #[error("`{path}` is the page of another kind of mail already")]
    Taken { path: String },
}

impl MailPages {
    /// No pages yet, for the application of this name.
    #[must_use]
    pub fn of(product: impl Into<String>) -> Self {
        Self { product: product.into(), at: BTreeMap::new() }
    }

    /// Adds the page of what these mails are for, at a path as browsers send it.
    ///
    /// # Errors
    /// When the path is anything but plain, one of Doorward's own addresses, or taken by another page.
    pub fn add(&mut self, purpose: ProofPurpose, path: &str) -> Result<(), PagePathError> {
        let path = path.to_owned();
        let mut segments = path.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/'));
        let first = segments.clone().next();
        let is_plain = |segment: &str| {
            let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
            // Browsers make something else of dots alone.
            segment.bytes().all(plain) && segment != "." && segment != ".."
        };
        if first.is_none() || !segments.all(is_plain) {
            return Err(PagePathError::NotPlain { path });
        }
        if let Some(own) = OWN.into_iter().find(|own| first == Some(*own)) {
            return Err(PagePathError::Own { path, own });
        }
        if self.at.contains_key(&path) {
            return Err(PagePathError::Taken { path });
        }
        self.at.insert(path, purpose);
        Ok(())
    }

    pub(super) fn router(&self, http: &HttpState) -> Router<HttpState> {
        let base = base(&http.settings.public_url);
        let least = http.ctx.policy.password.min_length;
        self.at.iter().fold(Router::new(), |router, (path, purpose)| {
            let page = Bytes::from(page::page(*purpose, &self.product, base, least));
            router.route(path, get(async || html(page)))
        })
    }
}

/// The path under which a proxy shows this server, without a slash at the end; empty for most.
fn base(public_url: &str) -> &str {
    let (_, authority_and_path) = public_url.split_once("://").unwrap_or_default();
    authority_and_path.find('/').map_or("", |start| &authority_and_path[start..])
}

fn html(page: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, page).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_at_a_plain_path_or_nowhere() {
        let mut pages = MailPages::of("Example");
        let mut add = |path: &str| pages.add(ProofPurpose::VerifyEmail, path);
        for path in ["/", "/verify-email", "/app/v1.2/~me_/", "/API", "/documents", "/.."] {
            assert_eq!(add(path).is_ok(), path != "/..", "{path}");
        }
        for path in ["", "x", "/a b", "/a?b", "/:a", "/*a", "/{a}", "/a%62", "/a/./b", "/ä", "/a#b"]
        {
            assert_eq!(add(path), Err(PagePathError::NotPlain { path: path.to_owned() }));
        }
        assert_eq!(add("/API"), Err(PagePathError::Taken { path: "/API".to_owned() }));
    }

    #[test]
    fn no_page_is_where_doorward_has_something_else() {
        let document = crate::document("https://example.org");
        let others = ["/docs", "/docs/assets/page.css", "/openapi.json", "/dev/mailbox", "/api"];
        for path in document.paths.paths.keys().map(String::as_str).chain(others) {
            let path = path.split_once("/{").map_or(path, |(before, _)| before);
            let added = MailPages::of("Example").add(ProofPurpose::ResetPassword, path);
            assert!(matches!(added, Err(PagePathError::Own { .. })), "{path}");
        }
    }

    #[test]
    fn behind_a_proxy_all_addresses_begin_as_the_public_one() {
        assert_eq!(base("http://localhost:3000"), "");
        assert_eq!(base("https://example.org/accounts/eu"), "/accounts/eu");
    }
}
