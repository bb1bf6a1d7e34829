//! The OpenAPI document, and pages to read and try it. They load nothing from elsewhere.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{HttpState, openapi::Written, packed::Packed};

const TRY: &str = include_str!("../../assets/try.html");
const START: &str = include_str!("../../assets/start.js");
const STYLE: &str = include_str!("../../assets/page.css");
static SWAGGER_STYLE: Packed =
    Packed::new(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz")));
static SWAGGER_SCRIPT: Packed =
    Packed::new(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz")));

/// A page to read: no scripts, no requests.
const READ: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
/// A page to try: scripts, styles and requests only to this server itself.
const ACT: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600");

pub(super) fn router() -> Router<HttpState> {
    // Most instances are never asked, so it is unpacked when somebody asks for it first.
    let shelf: Arc<OnceLock<Written>> = Arc::default();
    let show = |answer: fn(&Written) -> Response| {
        let shelf = Arc::clone(&shelf);
        get(async move |State(http): State<HttpState>| {
            answer(shelf.get_or_init(|| Written::about(&http.settings.public_url)))
        })
    };
    Router::new()
        .route("/openapi.json", show(|it| typed("application/json", it.openapi.clone())))
        .route("/docs", show(|it| html(READ, it.reference.clone())))
        .route("/docs/problems", show(|it| html(READ, it.problems.clone())))
        .route("/docs/try", get(async || html(ACT, TRY)))
        .route(
            "/docs/assets/start.js",
            get(async || typed("text/javascript; charset=utf-8", START)),
        )
        .route("/docs/assets/page.css", get(async || typed("text/css; charset=utf-8", STYLE)))
        .route(
            "/docs/assets/swagger-ui.css",
            get(async |headers| packed("text/css; charset=utf-8", &SWAGGER_STYLE, &headers)),
        )
        .route(
            "/docs/assets/swagger-ui.js",
            get(async |headers| {
                packed("text/javascript; charset=utf-8", &SWAGGER_SCRIPT, &headers)
            }),
        )
}

fn html(policy: HeaderValue, page: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, page).into_response()
}

fn typed(content_type: &'static str, content: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, CACHE),
    ];
    (headers, content).into_response()
}

/// Sends what is kept compressed as it is, or unpacked to a client that does not take gzip.
fn packed(content_type: &'static str, content: &'static Packed, headers: &HeaderMap) -> Response {
    const VARY: (HeaderName, HeaderValue) =
        (header::VARY, HeaderValue::from_static("accept-encoding"));
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    if accepted.is_some_and(|list| list.split(',').any(is_gzip)) {
        let gzip = [VARY, (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
        return (gzip, typed(content_type, content.gzip)).into_response();
    }
    ([VARY], typed(content_type, content.plain())).into_response()
}

fn is_gzip(coding: &str) -> bool {
    let mut parts = coding.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let refused = parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
    name.eq_ignore_ascii_case("gzip") && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_only_to_those_who_take_it() {
        for (list, takes) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br, deflate", false),
            ("", false),
        ] {
            assert_eq!(list.split(',').any(is_gzip), takes, "{list}");
        }
    }

    #[test]
    fn both_forms_are_the_same_script() {
        let plain = SWAGGER_SCRIPT.plain();
        assert!(String::from_utf8_lossy(&plain).contains("SwaggerUIBundle"));
        // It is unpacked once and shared.
        assert_eq!(plain.as_ptr(), SWAGGER_SCRIPT.plain().as_ptr());
    }
}
