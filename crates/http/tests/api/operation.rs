//! The operations as the OpenAPI document lists them.

use axum::http::Method;
use doorward_http::document;
use serde_json::Value;

use super::support::{PUBLIC_URL, text};

#[derive(Debug)]
pub struct Operation {
    pub id: String,
    pub method: Method,
    /// With names of things that do not exist, so that asking changes nothing.
    pub path: String,
    pub secured: bool,
    pub permission: Option<String>,
    pub has_body: bool,
    pub statuses: Vec<String>,
}

pub fn operations() -> Vec<Operation> {
    let document: Value = serde_json::to_value(document(PUBLIC_URL)).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            found.push(Operation {
                id: text(&operation["operationId"]),
                method,
                path: path
                    .replace("{id}", "019b76da-a87b-774b-8000-00000000ffff")
                    .replace("{name}", "nobodys-role"),
                secured: operation["security"].as_array().is_some_and(|it| !it.is_empty()),
                permission: operation["x-permission"].as_str().map(str::to_owned),
                has_body: operation.get("requestBody").is_some(),
                statuses: operation["responses"].as_object().unwrap().keys().cloned().collect(),
            });
        }
    }
    assert!(found.len() >= 15, "the document lists the operations");
    found
}
