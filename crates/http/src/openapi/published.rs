//! What is written about the API, as parts of the program: the document as it stands in the repository, and the
//! pages that the build wrote from it.
//!
//! What [makes](super::document) the document from the handlers, and the pages from the document, is about a
//! megabyte of code, which no server needs to carry about. A test holds the document against the handlers, so that
//! neither says what the other does not.

use bytes::Bytes;
use maud::html;

use crate::packed::unpacked;

/// The installation that the document in the repository is about: one with the default settings.
pub const DEFAULT_URL: &str = "http://127.0.0.1:3000";

static DOCUMENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.gz"));
static REFERENCE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/reference.html.gz"));
static PROBLEMS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/problems.html.gz"));

/// The OpenAPI document as it stands in the repository.
#[must_use]
pub fn published() -> String {
    text(DOCUMENT)
}

/// What is written about the API of one installation.
pub(crate) struct Written {
    /// The OpenAPI document, as JSON.
    pub openapi: Bytes,
    /// The page with every operation, as HTML.
    pub reference: Bytes,
    /// The page with every kind of problem, as HTML.
    pub problems: Bytes,
}

impl Written {
    /// What is written about the installation that is reached at `public_url`. It takes some milliseconds.
    pub fn about(public_url: &str) -> Self {
        let in_json = serde_json::Value::from(public_url).to_string();
        let in_html = html! { (public_url) }.into_string();
        Self {
            openapi: published().replace(DEFAULT_URL, in_json.trim_matches('"')).into(),
            reference: text(REFERENCE).replace(DEFAULT_URL, &in_html).into(),
            problems: text(PROBLEMS).replace(DEFAULT_URL, &in_html).into(),
        }
    }
}

fn text(gzip: &[u8]) -> String {
    // The build packed texts.
    String::from_utf8(unpacked(gzip)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_published_is_what_the_handlers_say() {
        for url in [DEFAULT_URL, "https://accounts.example.org/a'b&c"] {
            let published: Value = serde_json::from_slice(&Written::about(url).openapi).unwrap();
            let described = serde_json::to_value(crate::document(url)).unwrap();
            let hint = "openapi.json is out of date: run `cargo xtask openapi`";
            assert!(published == described, "{url}: {hint}");
        }
    }

    #[test]
    fn the_pages_are_about_the_installation() {
        let written = Written::about("https://accounts.example.org/a&b");
        let [reference, problems] = [written.reference, written.problems]
            .map(|page| String::from_utf8(page.into()).unwrap());
        for page in [&reference, &problems] {
            assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
            assert!(!page.contains(DEFAULT_URL) && !page.contains("a&b"));
        }
        assert!(reference.contains("curl https://accounts.example.org/a&amp;b/api/v1/"));
    }
}
