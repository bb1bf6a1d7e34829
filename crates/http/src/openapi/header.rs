//! The headers of answers, described once.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::{
    Components, Header, HeaderBuilder, Ref, RefOr, Response,
    schema::{ObjectBuilder, Type},
};

/// A header by its name, the type of its value, an example, and what it says.
type Described = (&'static str, Type, Value, &'static str);

fn described() -> [Described; 8] {
    [
        (
            "Cache-Control",
            Type::String,
            json!("public, max-age=600"),
            "For how long the answer may be kept, in seconds.",
        ),
        (
            "Link",
            Type::String,
            json!("</api/v1/roles?limit=50&after=AZt22qh7d0uAAAAAAAAAAg>; rel=\"next\""),
            "The next page (RFC 8288), if there is one.",
        ),
        (
            "Location",
            Type::String,
            json!("/api/v1/users/019b76da-a87b-774b-8000-000000000001"),
            "Where the new thing is.",
        ),
        (
            "RateLimit",
            Type::String,
            json!("\"login\";r=7;t=18"),
            "The requests that are left (`r`), and the seconds until all are there again (`t`). \
             Absent where nothing is counted.",
        ),
        (
            "RateLimit-Policy",
            Type::String,
            json!("\"login\";q=10;w=60"),
            "The requests (`q`) that a client has in so many seconds (`w`). Absent where nothing \
             is counted.",
        ),
        ("Retry-After", Type::Integer, json!(2), "The seconds to wait."),
        (
            "WWW-Authenticate",
            Type::String,
            json!("Bearer error=\"invalid_token\""),
            "How to authenticate (RFC 6750).",
        ),
        (
            "X-Request-Id",
            Type::String,
            json!("019b76da-a87c-7000-8000-000000000003"),
            "Names the request in the server's log.",
        ),
    ]
}

pub(super) fn components() -> BTreeMap<String, RefOr<Header>> {
    let header = |(name, kind, example, text): Described| {
        let schema = ObjectBuilder::new().schema_type(kind).build();
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(text));
        (name.to_owned(), header.example(Some(example)).build().into())
    };
    described().into_iter().map(header).collect()
}

/// Adds the headers that every answer of an operation bears, and describes those that its handler
/// names.
pub(super) fn complete(path: &str, response: &mut Response, components: &Components) {
    add(response, "X-Request-Id");
    // Probes are not counted.
    if !path.starts_with("/health") {
        add(response, "RateLimit");
        add(response, "RateLimit-Policy");
    }
    let named: Vec<String> = response.headers.keys().cloned().collect();
    for name in named.iter().filter(|name| components.headers.contains_key(*name)) {
        add(response, name);
    }
}

pub(super) fn add(response: &mut Response, name: &str) {
    let reference = Ref::new(format!("#/components/headers/{name}"));
    response.headers.insert(name.to_owned(), RefOr::Ref(reference));
}
