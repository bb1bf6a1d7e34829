//! Holds every answer of these tests against the OpenAPI document: what an operation answers with and
//! does not promise fails the test that asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use axum::http::Method;
use doorward_http::document;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::support::{Answer, PUBLIC_URL, text};

/// The headers that mean something to clients of single operations; the document names them.
const MEANT: [&str; 8] = [
    "idempotency-replayed",
    "link",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(document(PUBLIC_URL)).unwrap());
static PROMISES: LazyLock<Vec<Promises>> = LazyLock::new(promises);

/// What the document says about one operation.
struct Promises {
    id: String,
    method: Method,
    segments: Vec<String>,
    answers: BTreeMap<String, Promised>,
}

/// What the document says about the answers of one status.
struct Promised {
    codes: BTreeSet<String>,
    headers: BTreeSet<String>,
    body: Option<(String, Validator)>,
}

/// Fails if the document does not promise the answer. Returns the operation and the code of its
/// problem, if it is one.
pub fn check(method: &Method, path: &str, answer: &Answer) -> Option<(String, String)> {
    let operation = named(method, path)?;
    let id = &operation.id;
    let status = answer.status.as_str();
    let promised = operation.answers.get(status);
    let promised = promised.unwrap_or_else(|| panic!("{id} does not promise {status}: {answer:?}"));
    for name in MEANT.iter().filter(|name| answer.headers.contains_key(**name)) {
        assert!(promised.headers.contains(*name), "{id}: {status} does not promise {name}");
    }
    match &promised.body {
        None => assert!(answer.octets.is_empty(), "{id}: {status} promises no body: {answer:?}"),
        Some((media_type, schema)) => {
            assert_eq!(answer.header("content-type"), Some(media_type.as_str()), "{id} {status}");
            // Of newline-delimited JSON each line follows the schema.
            let is_lines = media_type == "application/x-ndjson";
            let lines = answer.octets.split(|octet| is_lines && *octet == b'\n');
            let lines = lines.filter(|line| !line.is_empty());
            let bodies: Vec<Value> = lines.map(|it| serde_json::from_slice(it).unwrap()).collect();
            assert!(is_lines || bodies.len() == 1, "{id}: {status} promises a body");
            let faults = bodies.iter().flat_map(|body| schema.iter_errors(body));
            let faults: Vec<String> = faults.map(|fault| fault.to_string()).collect();
            assert!(
                faults.is_empty(),
                "{id}: {status} breaks its schema: {faults:?} in {bodies:?}"
            );
        }
    }
    let is_error = answer.status.is_client_error() || answer.status.is_server_error();
    is_error.then(|| {
        let code = answer.problem();
        let lists = "list it in x-problems of the handler";
        assert!(promised.codes.contains(&code), "{id} does not promise {code}: {lists}");
        (id.clone(), code)
    })
}

/// All problems that the document promises: the operation and the code.
pub fn problems() -> BTreeSet<(String, String)> {
    let of = |promises: &'static Promises| {
        let codes = promises.answers.values().flat_map(|promised| &promised.codes);
        codes.map(|code| (promises.id.clone(), code.clone()))
    };
    PROMISES.iter().flat_map(of).collect()
}

/// The value itself, wherever it is written.
pub fn resolved(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(&reference[1..]).expect("a reference leads somewhere"),
        None => value,
    }
}

/// Whether a value follows a schema of the document.
pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    validator(schema).iter_errors(value).map(|fault| fault.to_string()).collect()
}

/// The operations as the document has them, with their paths.
pub fn each_operation() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    DOCUMENT["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// The operation that a request asks for. Of several the one with the fewest placeholders.
fn named(method: &Method, path: &str) -> Option<&'static Promises> {
    let segments: Vec<&str> = path.split('/').collect();
    let is_placeholder = |segment: &String| segment.starts_with('{');
    let fits = |promises: &&Promises| {
        promises.method == *method
            && promises.segments.len() == segments.len()
            && promises.segments.iter().zip(&segments).all(|(promised, given)| {
                promised == given || is_placeholder(promised) && !given.is_empty()
            })
    };
    let placeholders =
        |promises: &&Promises| promises.segments.iter().filter(|s| is_placeholder(s)).count();
    PROMISES.iter().filter(fits).min_by_key(placeholders)
}

fn promises() -> Vec<Promises> {
    let one = |(path, method, operation): (&str, &str, &Value)| Promises {
        id: text(&operation["operationId"]),
        method: method.to_uppercase().parse().unwrap(),
        segments: path.split('/').map(str::to_owned).collect(),
        answers: operation["responses"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(status, response)| (status.clone(), promised(resolved(response))))
            .collect(),
    };
    each_operation().map(one).collect()
}

fn promised(response: &Value) -> Promised {
    let content = response["content"].as_object().and_then(|content| content.iter().next());
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    Promised {
        codes: content.map(|(_, content)| names(&content["examples"])).unwrap_or_default(),
        headers: names(&response["headers"]).iter().map(|name| name.to_lowercase()).collect(),
        body: content.map(|(kind, content)| (kind.clone(), validator(&content["schema"]))),
    }
}

fn validator(schema: &Value) -> Validator {
    let mut root = schema.clone();
    root["components"] = json!({"schemas": DOCUMENT["components"]["schemas"]});
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&root)
        .expect("the document holds valid schemas")
}
