//! The problems that each operation answers with, an example of each. A handler names those of its
//! own in `x-problems`; the others follow from what the operation is: whether it needs a token or a
//! permission, reads a body or a query.

use std::collections::BTreeMap;

use doorward_app::grant::PermitError;
use doorward_domain::{Permission, page::PAGE_LIMIT_MAX};
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{
        Components, ContentBuilder, Ref, RefOr, Response, ResponseBuilder,
        example::ExampleBuilder,
        path::{Operation, ParameterIn},
        schema::Schema,
    },
};

use super::{example::resolved, header, permission};
use crate::problem::{Code, FieldError, Problem, ProblemView};

/// What any request can be answered with, whatever it asks for.
const ANYWHERE: [Code; 4] =
    [Code::BadRequest, Code::UriTooLong, Code::HeadersTooLarge, Code::InternalError];
/// Stands for the request in the examples.
const REQUEST_ID: &str = "019b76da-a87c-7000-8000-000000000003";

/// Every kind of problem. What bears its code at an operation is an example of it.
pub(super) fn types() -> Value {
    let kind = |code: &Code| {
        json!({
            "code": code,
            "status": code.status().as_u16(),
            "title": code.title(),
            "explanation": code.explanation(),
        })
    };
    Code::ALL.iter().map(kind).collect()
}

/// Adds the answers that are problems.
pub(super) fn complete(
    path: &str,
    operation: &mut Operation,
    public_url: &str,
    components: &mut Components,
) {
    let own = own(operation);
    let mut by_status: BTreeMap<String, Vec<Code>> = BTreeMap::new();
    for code in own.iter().copied().chain(shared(path, operation)) {
        let codes = by_status.entry(code.status().as_str().to_owned()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    for (status, codes) in by_status {
        let occurrence = |code: &Code| occurrence(*code, path, operation, components);
        let occurrences: Vec<_> = codes.iter().map(occurrence).collect();
        let mut response = answer(&occurrences, public_url, components);
        header::complete(path, &mut response, components);
        // What looks the same at every operation is written once.
        let particular = |code| own.contains(code) || depends_on_operation(*code);
        let answer = if codes.iter().any(particular) {
            RefOr::T(response)
        } else {
            let name = codes.iter().map(|code| code.as_str()).collect::<Vec<_>>().join("_or_");
            let reference = Ref::from_response_name(&name);
            components.responses.entry(name).or_insert(RefOr::T(response));
            RefOr::Ref(reference)
        };
        operation.responses.responses.insert(status, answer);
    }
}

/// The problems that the handler names. The list is taken out of the document, which says the same in
/// the answers, unless it names one that is none: a test notices what is left.
fn own(operation: &mut Operation) -> Vec<Code> {
    const LIST: &str = "x-problems";
    let Some(extensions) = &mut operation.extensions else { return Vec::new() };
    let Some(listed) = extensions.remove(LIST) else { return Vec::new() };
    let names = listed.as_array().map_or(&[][..], Vec::as_slice);
    let codes: Vec<Code> = names.iter().filter_map(|name| Code::named(name.as_str()?)).collect();
    if codes.len() < names.len() {
        extensions.insert(LIST.to_owned(), listed);
    } else if extensions.is_empty() {
        operation.extensions = None;
    }
    codes
}

/// The problems that follow from what the operation is.
fn shared(path: &str, operation: &Operation) -> Vec<Code> {
    let mut codes = Vec::from(ANYWHERE);
    if !path.starts_with("/health") {
        codes.extend([Code::RateLimited, Code::Unavailable]);
    }
    if operation.security.as_ref().is_some_and(|schemes| !schemes.is_empty()) {
        codes.extend([Code::AuthenticationRequired, Code::InvalidToken]);
    }
    if permission(operation).is_some() {
        codes.push(Code::Forbidden);
    }
    if takes_idempotency_key(operation) {
        codes.extend([
            Code::InvalidIdempotencyKey,
            Code::IdempotencyKeyInUse,
            Code::IdempotencyKeyReused,
        ]);
    }
    if operation.request_body.is_some() {
        codes.extend([
            Code::MalformedJson,
            Code::RequestTimeout,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::ValidationFailed,
        ]);
    }
    if queried(operation).next().is_some() {
        codes.push(Code::ValidationFailed);
    }
    codes
}

/// Whether the words of the problem differ from operation to operation.
fn depends_on_operation(code: Code) -> bool {
    matches!(code, Code::Forbidden | Code::ValidationFailed)
}

/// A problem as the operation would answer with it.
fn occurrence(
    code: Code,
    path: &str,
    operation: &Operation,
    components: &Components,
) -> (Code, Problem) {
    let problem = match code {
        Code::Forbidden => permission(operation)
            .and_then(|name| Permission::parse(name).ok())
            .map(|permission| PermitError::Forbidden(permission).into()),
        Code::ValidationFailed => fault(operation, components)
            .map(|fault| Problem::new(Code::ValidationFailed).with_errors(vec![fault])),
        Code::Unavailable if path.starts_with("/health") => {
            let checks =
                json!({"server": "ok", "database": "no answer in time", "revocations": "ok"});
            Some(Problem::new(code).with_extension("checks", checks))
        }
        _ => None,
    };
    (code, problem.unwrap_or_else(|| Problem::new(code)))
}

/// Something that can be wrong with the fields or the query of the operation.
fn fault(operation: &Operation, components: &Components) -> Option<FieldError> {
    let fault =
        |name: &str, code, detail: String| FieldError { pointer: format!("/{name}"), code, detail };
    if let Some(RefOr::T(body)) = &operation.request_body {
        let RefOr::T(content) = body.content.values().next()? else { return None };
        let object = match resolved(content.schema.as_ref()?, components)? {
            Schema::Object(object) => object,
            // Of several forms the first one is shown.
            Schema::OneOf(forms) => match resolved(forms.items.first()?, components)? {
                Schema::Object(object) => object,
                _ => return None,
            },
            _ => return None,
        };
        if let Some(name) = object.required.first() {
            return Some(fault(name, "required", "is missing".to_owned()));
        }
        let (name, _) = object.properties.iter().next()?;
        return Some(fault(name, "invalid_type", "must be a string".to_owned()));
    }
    let is_paged = queried(operation).any(|name| name == "limit");
    is_paged.then(|| {
        let detail = format!("must be a whole number from 1 to {PAGE_LIMIT_MAX}");
        fault("limit", "out_of_range", detail)
    })
}

/// Whether the operation may be asked for again with the same key.
pub(super) fn takes_idempotency_key(operation: &Operation) -> bool {
    named(operation, ParameterIn::Header).any(|name| name.eq_ignore_ascii_case("Idempotency-Key"))
}

/// The names of the query parameters.
fn queried(operation: &Operation) -> impl Iterator<Item = &str> {
    named(operation, ParameterIn::Query)
}

fn named(operation: &Operation, place: ParameterIn) -> impl Iterator<Item = &str> {
    let parameters = operation.parameters.iter().flatten();
    parameters.filter_map(move |parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == place => Some(parameter.name.as_str()),
        _ => None,
    })
}

/// One answer for all problems of the same status.
fn answer(
    occurrences: &[(Code, Problem)],
    public_url: &str,
    components: &mut Components,
) -> Response {
    let explained = |(code, _): &(Code, _)| format!("`{}`: {}", code.as_str(), code.explanation());
    let description = match occurrences {
        [only] => explained(only),
        several => {
            let lines = several.iter().map(|it| format!("- {}", explained(it)));
            lines.collect::<Vec<_>>().join("\n")
        }
    };
    let examples = occurrences.iter().map(|(code, problem)| {
        let body = serde_json::from_slice::<Value>(&problem.body(public_url, REQUEST_ID));
        let example = ExampleBuilder::new().summary(code.title()).value(body.ok());
        (code.as_str(), RefOr::T(example.build()))
    });
    let schema = Ref::from_schema_name(ProblemView::name());
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
    let mut response = ResponseBuilder::new().description(description).build();
    response.content.insert("application/problem+json".to_owned(), content.into());
    for (code, _) in occurrences {
        match code.status().as_u16() {
            409 if *code == Code::IdempotencyKeyInUse => {
                header::add(&mut response, "Retry-After", components);
            }
            401 => header::add(&mut response, "WWW-Authenticate", components),
            429 | 503 => header::add(&mut response, "Retry-After", components),
            _ => {}
        }
    }
    response
}
