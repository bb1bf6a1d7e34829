//! Schemas in words.

use maud::{Markup, html};
use serde_json::Value;

use crate::{
    document::{Document, members, text},
    layout::markdown,
};

/// The fields of an object.
pub(crate) fn fields(document: &Document, schema: &Value) -> Markup {
    let schema = document.resolved(schema);
    let is_required = |name: &str| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name))
    };
    html! {
        ul.fields {
            @for (name, is) in members(&schema["properties"]) {
                (field(document, name, is, is_required(name), text(&is["description"])))
            }
        }
    }
}

/// A field or a parameter.
pub(crate) fn field(
    document: &Document,
    name: &str,
    schema: &Value,
    is_required: bool,
    description: &str,
) -> Markup {
    let bounds = bounds(schema);
    html! {
        li {
            code.name { (name) }
            " " span.type {
                (kind(document, schema))
                @if !bounds.is_empty() { ", " (bounds.join(", ")) }
                @if !is_required { ", optional" }
            }
            @if !description.is_empty() { (markdown(description)) }
        }
    }
}

/// The type of a value.
fn kind(document: &Document, schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
        return html! { a href={ "#object-" (name) } { (words(name)) } };
    }
    let of_type = |kind: &Value| match text(kind) {
        "array" => html! { "list of " (kind_of_items(document, &schema["items"])) },
        "null" => html! { code { "null" } },
        "string" => html! { (form(text(&schema["format"]))) },
        other => html! { (other) },
    };
    match &schema["type"] {
        Value::Array(kinds) => html! {
            @for (index, kind) in kinds.iter().enumerate() {
                @if index > 0 { " or " }
                (of_type(kind))
            }
        },
        kind => of_type(kind),
    }
}

/// The form of a text.
fn form(format: &str) -> &str {
    match format {
        "" | "password" => "string",
        "idn-email" => "e-mail address",
        "date-time" => "time (RFC 3339)",
        "uuid" => "UUID",
        "uri" => "URI",
        other => other,
    }
}

fn kind_of_items(document: &Document, items: &Value) -> Markup {
    match items["type"].as_str() {
        Some("string") => html! { "strings" },
        _ => kind(document, items),
    }
}

/// What a value must keep to.
fn bounds(schema: &Value) -> Vec<String> {
    let number = |name: &str| schema[name].as_u64();
    let mut bounds = Vec::new();
    let mut range = |least: &str, most: &str, unit: &str| match (number(least), number(most)) {
        (Some(least), Some(most)) => bounds.push(format!("{least} to {most}{unit}")),
        (None, Some(most)) => bounds.push(format!("at most {most}{unit}")),
        (Some(least), None) if least > 0 => bounds.push(format!("at least {least}{unit}")),
        _ => {}
    };
    range("minLength", "maxLength", " characters");
    range("minimum", "maximum", "");
    range("minItems", "maxItems", " items");
    if let Some(pattern) = schema["pattern"].as_str() {
        bounds.push(match alternatives(pattern) {
            Some(words) => words,
            None => format!("as {pattern}"),
        });
    }
    bounds
}

/// `^(a|b)$` in words.
fn alternatives(pattern: &str) -> Option<String> {
    let words = pattern.strip_prefix("^(")?.strip_suffix(")$")?;
    let plain = words.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'|'));
    plain.then(|| words.replace('|', " or "))
}

/// The name of a schema for people.
pub(crate) fn words(name: &str) -> String {
    match name.strip_prefix("Page_") {
        Some(item) => format!("Page of {item}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_and_bounds_are_told_in_words() {
        let document = Document::new(json!({}));
        for (schema, words) in [
            (
                json!({"type": "string", "minLength": 1, "maxLength": 9}),
                "string, 1 to 9 characters",
            ),
            (json!({"type": "string", "pattern": "^(a|b)$"}), "string, a or b"),
            (json!({"type": "string", "pattern": "^x+$"}), "string, as ^x+$"),
            (json!({"type": "integer", "minimum": 0}), "integer"),
            (json!({"type": "string", "format": "uuid"}), "UUID"),
            (
                json!({"type": "array", "items": {"type": "string"}, "maxItems": 5}),
                "list of strings, at most 5 items",
            ),
        ] {
            let field = field(&document, "x", &schema, true, "").into_string();
            let shown = format!("<span class=\"type\">{words}</span>");
            assert!(field.contains(&shown), "{field}");
        }
    }
}
