//! The headers of answers, described once.

use serde_json::{Value, json};
use utoipa::openapi::{
    Components, HeaderBuilder, Ref, RefOr, Response,
    schema::{ObjectBuilder, Type},
};

/// A header by its name, the type of its value, an example, and what it says.
type Described = (&'static str, Type, Value, &'static str);

fn described() -> [Described; 10] {
    [
        (
            "Cache-Control",
            Type::String,
            json!("public, max-age=600"),
            "For how long the answer may be kept, in seconds.",
        ),
        (
            "Content-Disposition",
            Type::String,
            json!("attachment; filename=\"users.ndjson\""),
            "Suggests a name for the file (RFC 6266).",
        ),
        (
            "Idempotency-Replayed",
            Type::String,
            json!("true"),
            "`true` if this is the answer that the request got before. Absent at the first time.",
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

/// Adds the headers that every answer of an operation bears, and describes those that its handler
/// names.
pub(super) fn complete(path: &str, response: &mut Response, components: &mut Components) {
    add(response, "X-Request-Id", components);
    // Probes are not counted.
    if !path.starts_with("/health") {
        add(response, "RateLimit", components);
        add(response, "RateLimit-Policy", components);
    }
    let named: Vec<String> = response.headers.keys().cloned().collect();
    for name in named {
        add(response, &name, components);
    }
}

/// Refers to the description of a header. One that is not described above stays as it is.
pub(super) fn add(response: &mut Response, name: &str, components: &mut Components) {
    let Some((_, kind, example, text)) = described().into_iter().find(|it| it.0 == name) else {
        return;
    };
    let describe = || {
        let schema = ObjectBuilder::new().schema_type(kind).build();
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(text));
        header.example(Some(example)).build().into()
    };
    components.headers.entry(name.to_owned()).or_insert_with(describe);
    let reference = Ref::new(format!("#/components/headers/{name}"));
    response.headers.insert(name.to_owned(), RefOr::Ref(reference));
}
