//! The OpenAPI document, and pages to read and try it. They load nothing from elsewhere.

mod document;
mod layout;
mod operation;
mod problems;
mod reference;
mod schema;

use std::{
    io::Read,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use flate2::read::GzDecoder;
use tokio::{sync::OnceCell, task::spawn_blocking};

use self::document::Document;
use crate::{
    HttpState, openapi,
    problem::{Code, Problem},
};

const TRY: &str = include_str!("../../../assets/try.html");
const START: &str = include_str!("../../../assets/start.js");
const STYLE: &str = include_str!("../../../assets/page.css");
static SWAGGER_STYLE: Packed =
    Packed::new(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz")));
static SWAGGER_SCRIPT: Packed =
    Packed::new(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz")));

/// A file that is kept compressed. It is unpacked once, when the first client asks that does not take
/// gzip, and shared by all of them.
struct Packed {
    gzip: &'static [u8],
    plain: OnceLock<Bytes>,
}

impl Packed {
    const fn new(gzip: &'static [u8]) -> Self {
        Self { gzip, plain: OnceLock::new() }
    }

    fn plain(&self) -> Bytes {
        let unpack = || {
            let mut plain = Vec::new();
            // What the build packed can be unpacked.
            let _ = GzDecoder::new(self.gzip).read_to_end(&mut plain);
            plain.into()
        };
        self.plain.get_or_init(unpack).clone()
    }
}

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

/// What is written about the API of one installation. It takes several megabytes for a moment, and a good
/// part of the time in which an instance starts, so it is made when somebody asks for it first: most
/// instances are never asked.
struct Written {
    openapi: Bytes,
    reference: Bytes,
    problems: Bytes,
}

impl Written {
    fn of(public_url: &str) -> Self {
        // The document is a tree of strings and numbers, which always serialises.
        let value = serde_json::to_value(openapi::document(public_url)).unwrap_or_default();
        let openapi = Bytes::from(value.to_string());
        let document = Document::new(value);
        let reference = Bytes::from(reference::page(&document));
        let problems = Bytes::from(problems::page(&document));
        Self { openapi, reference, problems }
    }
}

/// Where what is written is kept once it is made.
type Shelf = Arc<OnceCell<Written>>;

/// Answers with a part of what is written. Making it takes too long for a thread that others wait for, and goes
/// on when whoever asked hangs up: the next one then waits for it, and does not have it made again.
async fn written(shelf: Shelf, http: HttpState, answer: fn(&Written) -> Response) -> Response {
    let making = tokio::spawn(async move {
        let write = || spawn_blocking(move || Written::of(&http.settings.public_url));
        shelf.get_or_try_init(write).await.map(answer)
    });
    match making.await.flatten() {
        Ok(response) => response,
        Err(failure) => Problem::new(Code::InternalError).with_cause(failure).into_response(),
    }
}

pub(super) fn router() -> Router<HttpState> {
    let shelf = Shelf::default();
    let show = |answer: fn(&Written) -> Response| {
        let shelf = Arc::clone(&shelf);
        get(async move |State(http): State<HttpState>| written(shelf, http, answer).await)
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
