//! One operation: who may, what to send, what comes back.

use maud::{Markup, html};
use serde_json::Value;

use crate::{
    document::{Answer, Operation, ProblemType, text},
    layout::{code, markdown},
    schema,
};

/// Headers that every answer bears; the guide explains them.
const EVERYWHERE: [&str; 3] = ["RateLimit", "RateLimit-Policy", "X-Request-Id"];

pub(crate) fn article(operation: Operation) -> Markup {
    html! {
        article.operation #(operation.id()) {
            h3 {
                a href={ "#" (operation.id()) } { (operation.summary()) }
            }
            p.address {
                span.method.(operation.method) { (operation.method.to_uppercase()) }
                " " code { (operation.path) }
            }
            div.sides {
                div {
                    p.who { (who(operation)) }
                    (markdown(description(operation)))
                    (parameters(operation))
                    (body(operation))
                }
                div {
                    h4 { "Request" }
                    (code(&curl(operation)))
                    @for answer in operation.answers().filter(|answer| !answer.is_problem()) {
                        (success(&answer))
                    }
                    p {
                        a href={ "/docs/try#/" (operation.tag()) "/" (operation.id()) } {
                            "Try it" span.hidden { ": " (operation.summary()) }
                        }
                    }
                }
            }
            (problems(operation))
        }
    }
}

fn who(operation: Operation) -> Markup {
    html! {
        @match (operation.permission(), operation.needs_token()) {
            (Some(permission), _) => { "For whoever has the permission " code { (permission) } "." }
            (None, true) => { "For whoever is signed in." }
            (None, false) => { "For anybody; no token is needed." }
        }
    }
}

/// Without the sentence on the permission, which stands above.
fn description(operation: Operation<'_>) -> &str {
    let whole = text(&operation.is["description"]);
    whole.rsplit_once("\n\nNeeds the permission ").map_or(whole, |(before, _)| before)
}

fn parameters(operation: Operation) -> Markup {
    html! {
        @for (place, heading) in [("path", "In the path"), ("query", "In the query")] {
            @if operation.parameters(place).next().is_some() {
                h4 { (heading) }
                ul.fields {
                    @for it in operation.parameters(place) {
                        @let is_required = it["required"] == true;
                        (schema::field(
                            operation.document, text(&it["name"]), &it["schema"], is_required,
                            text(&it["description"]),
                        ))
                    }
                }
            }
        }
    }
}

fn body(operation: Operation) -> Markup {
    html! {
        @if let Some(body) = operation.body() {
            h4 { "In the body" }
            (schema::fields(operation.document, &body["schema"]))
        }
    }
}

fn success(answer: &Answer) -> Markup {
    let named: Vec<_> = answer.headers().filter(|name| !EVERYWHERE.contains(name)).collect();
    html! {
        h4 { "Answer " span.status { (answer.status) } }
        p {
            (text(&answer.is["description"]))
            @for name in named { " With the header " code { (name) } "." }
            @if let Some((_, content)) = answer.content() { " " (made_of(content)) }
        }
        @if let Some((media_type, content)) = answer.content() {
            (code(&example(media_type, content)))
        }
    }
}

/// The objects of a body.
fn made_of(content: &Value) -> Markup {
    let Some(name) = content["schema"]["$ref"].as_str().and_then(|it| it.rsplit('/').next()) else {
        return html! {};
    };
    html! { "See " a href={ "#object-" (name) } { (schema::words(name)) } "." }
}

/// The example as people read it: over several lines, unless a line is what the form is about.
fn example(media_type: &str, content: &Value) -> String {
    let example = &content["example"];
    if media_type == "application/x-ndjson" { example.to_string() } else { format!("{example:#}") }
}

/// What this operation has of its own is told in full, what it shares with the others is named.
fn problems(operation: Operation) -> Markup {
    let answers: Vec<Answer> = operation.answers().filter(Answer::is_problem).collect();
    let of = |is_shared: bool| {
        let answers = answers.iter().filter(move |answer| answer.is_shared == is_shared);
        answers.flat_map(Answer::problems).collect::<Vec<_>>()
    };
    html! {
        h4 { "Problems" }
        @for (kind, example) in of(false) { (problem(kind, example)) }
        p.shared {
            "Shared with other operations: "
            @for (index, (kind, _)) in of(true).into_iter().enumerate() {
                @if index > 0 { ", " }
                (kind.status) " "
                a href={ "/docs/problems#" (kind.code) } { code { (kind.code) } }
            }
            "."
        }
    }
}

fn problem(kind: ProblemType, example: &Value) -> Markup {
    html! {
        details.problem {
            summary {
                span.status { (kind.status) } " " code { (kind.code) }
                " " span.explanation { (kind.explanation) }
            }
            (code(&format!("{example:#}")))
            p { a href={ "/docs/problems#" (kind.code) } { "About " code { (kind.code) } } }
        }
    }
}

/// The request as it can be typed.
fn curl(operation: Operation) -> String {
    let mut address = format!("{}{}", operation.document.url(), operation.path);
    for parameter in operation.parameters("path") {
        let placeholder = format!("{{{}}}", text(&parameter["name"]));
        address = address.replace(&placeholder, text(&parameter["example"]));
    }
    let query = query(operation);
    if !query.is_empty() {
        address = format!("'{address}?{query}'");
    }
    let usual = if operation.body().is_some() { "post" } else { "get" };
    let method = match operation.method {
        method if method == usual => String::new(),
        method => format!("-X {} ", method.to_uppercase()),
    };
    let mut command = format!("curl {method}{address}");
    if operation.needs_token() {
        command.push_str(" \\\n  -H \"Authorization: Bearer $ACCESS_TOKEN\"");
    }
    if let Some(body) = operation.body() {
        let json = body["example"].to_string().replace('\'', "'\\''");
        command.push_str(" \\\n  --json '");
        command.push_str(&json);
        command.push('\'');
    }
    command
}

/// The query, with an example of each parameter. Where a list goes on is known only after its
/// beginning.
fn query(operation: Operation) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for parameter in operation.parameters("query").filter(|it| it["name"] != "after") {
        match &parameter["example"] {
            Value::String(example) => query.append_pair(text(&parameter["name"]), example),
            example => query.append_pair(text(&parameter["name"]), &example.to_string()),
        };
    }
    query.finish()
}
