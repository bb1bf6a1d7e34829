//! What holds for every operation of the OpenAPI document. The cases are generated from the document,
//! so that a new operation is covered, or fails, without anybody thinking of it.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use doorward_http::document;
use serde_json::Value;

use super::{
    documented::{each_operation, faults, resolved},
    operation::{Operation, operations},
    support::{Api, PUBLIC_URL},
};

/// The operations that need no token, and why.
const PUBLIC: &[(&str, &str)] = &[
    ("register", "whoever has no account yet has no token"),
    ("login", "it is how one gets a token"),
    ("refresh", "the refresh token in the body is the proof"),
    ("verify_email", "the token or code from the mail is the proof"),
    ("resend_verification", "whoever lost the mail may be unable to sign in"),
    ("request_password_reset", "whoever forgot the password cannot sign in"),
    ("reset_password", "the token or code from the mail is the proof"),
    ("confirm_email_change", "the token or code from the mail is the proof"),
    (
        "cancel_email_change",
        "the token from the mail is the proof, also where a thief is signed in",
    ),
    ("get_public_keys", "public by nature"),
    ("get_health", "load balancers have no account"),
    ("get_liveness", "load balancers have no account"),
    ("get_readiness", "load balancers have no account"),
];

/// The operations that POST and take no `Idempotency-Key`, and why.
const REPEATED_AS_IT_IS: &[(&str, &str)] = &[
    ("login", "a sign-in whose answer was lost leaves a session that nobody uses"),
    ("refresh", "the same token gives the same successor within the grace window"),
    ("logout", "signing out twice is signing out"),
    ("retry_job", "a job that is ready is not made ready again"),
    ("verify_email", "what was used once is refused, and the address stays verified"),
    ("resend_verification", "each is one mail more, of which three come in an hour at most"),
    ("request_password_reset", "each is one mail more, of which three come in an hour at most"),
    ("reset_password", "what was used once is refused, and the password is the new one"),
    ("confirm_email_change", "what was used once is refused, and the address is the new one"),
    ("cancel_email_change", "what was used once is refused, and the address is the former one"),
];

fn request(operation: &Operation) -> axum::http::request::Builder {
    Request::builder().method(operation.method.clone()).uri(&operation.path)
}

#[test]
fn an_operation_needs_a_token_or_says_why_not() {
    for operation in operations() {
        let listed = PUBLIC.iter().any(|(id, _)| *id == operation.id);
        assert_ne!(operation.secured, listed, "{}: secured, or in PUBLIC", operation.id);
    }
}

#[test]
fn a_post_can_be_sent_again_or_says_why_not() {
    for (_, method, operation) in each_operation() {
        let id = operation["operationId"].as_str().unwrap();
        let parameters = operation["parameters"].as_array();
        let takes_key = parameters.into_iter().flatten().any(|it| it["name"] == "Idempotency-Key");
        let listed = REPEATED_AS_IT_IS.iter().any(|(listed, _)| *listed == id);
        assert_eq!(method == "post", takes_key || listed, "{id}");
        assert!(!(takes_key && listed), "{id}: it takes a key, so it needs no reason");
    }
}

#[tokio::test]
async fn without_a_token_secured_operations_ask_for_one() {
    let api = Api::new().await;
    for operation in operations().iter().filter(|operation| operation.secured) {
        let answer = api.send(request(operation).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", operation.id);
        assert_eq!(answer.problem(), "authentication_required");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn junk_is_no_token_anywhere() {
    let api = Api::new().await;
    let long = format!("Bearer {}", "a".repeat(20_000));
    let junk = ["Bearer", "Bearer ", "Bearer x", "bearer a.b.c", "Bearer \u{e9}", &long];
    for operation in operations().iter().filter(|operation| operation.secured) {
        for value in junk {
            let value = header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            let request = request(operation).header(header::AUTHORIZATION, value);
            let answer = api.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", operation.id);
            assert_eq!(answer.problem(), "invalid_token");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
        }
        let other = request(operation).header(header::AUTHORIZATION, "Basic YWRhOmFkYQ==");
        let answer = api.send(other.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.problem(), "authentication_required", "{}", operation.id);
        let twice = request(operation)
            .header(header::AUTHORIZATION, "Bearer a")
            .header(header::AUTHORIZATION, "Bearer b");
        let answer = api.send(twice.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.problem(), "bad_request", "{}", operation.id);
    }
}

#[tokio::test]
async fn a_token_in_the_address_is_no_token() {
    let api = Api::new().await;
    let token = api.signed_in("ada@example.com").await;
    let answer = api.get(&format!("/api/v1/users/me?access_token={token}"), None).await;
    assert_eq!(answer.problem(), "authentication_required");
}

#[tokio::test]
async fn bad_bodies_are_refused_before_anything_happens() {
    let api = Api::new().await;
    let token = api.admin().await;
    let calls = api.world.hasher.calls();
    let deep = "[".repeat(50_000);
    let huge = format!("{{\"x\":\"{}\"}}", "y".repeat(70_000));
    let many =
        format!("{{{}}}", (0..2_000).map(|n| format!("\"{n}\":1")).collect::<Vec<_>>().join(","));
    let json = "application/json";
    let cases: [(&str, &[u8], &str); 14] = [
        (json, b"", "malformed_json"),
        (json, b"{", "malformed_json"),
        (json, b"{} {}", "malformed_json"),
        (json, b"{\"a\":1,\"a\":1}", "malformed_json"),
        (json, b"\xff\xfe{\0}\0", "malformed_json"),
        (json, b"{\"email\":\"\\ud800\"}", "malformed_json"),
        (json, b"{\"email\":1e999}", "malformed_json"),
        (json, deep.as_bytes(), "payload_or_json"),
        (json, huge.as_bytes(), "payload_too_large"),
        (json, b"[]", "validation_failed"),
        (json, b"null", "validation_failed"),
        (json, many.as_bytes(), "validation_or_size"),
        ("text/plain", b"{}", "unsupported_media_type"),
        ("application/x-www-form-urlencoded", b"email=a", "unsupported_media_type"),
    ];
    for operation in operations().iter().filter(|operation| operation.has_body) {
        for (content_type, body, expected) in &cases {
            let request = request(operation)
                .header(header::CONTENT_TYPE, *content_type)
                .header(header::AUTHORIZATION, format!("Bearer {token}"));
            let answer = api.send(request.body(Body::from(body.to_vec())).unwrap()).await;
            let code = answer.problem();
            let fits = match *expected {
                "payload_or_json" => code == "payload_too_large" || code == "malformed_json",
                "validation_or_size" => code == "payload_too_large" || code == "validation_failed",
                expected => code == expected,
            };
            assert!(fits, "{}: {:.60} gave {code}", operation.id, String::from_utf8_lossy(body));
            assert!(operation.statuses.contains(&answer.status.as_str().to_owned()), "documented");
        }
        let packed = request(operation)
            .header(header::CONTENT_TYPE, json)
            .header(header::CONTENT_ENCODING, "gzip")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        let answer = api.send(packed.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.problem(), "unsupported_media_type", "{}", operation.id);
    }
    assert_eq!(api.world.hasher.calls(), calls, "nothing was hashed");
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_allowed() {
    let api = Api::new().await;
    let paths: std::collections::BTreeSet<String> =
        operations().into_iter().map(|operation| operation.path).collect();
    for path in paths {
        for method in ["TRACE", "OPTIONS", "BREW"] {
            let request = Request::builder().method(method).uri(&path);
            let answer = api.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.problem(), "method_not_allowed");
            assert!(answer.header("allow").is_some_and(|allow| !allow.is_empty()), "{path}");
        }
    }
}

#[test]
fn every_operation_is_described() {
    let document: Value = serde_json::to_value(document(PUBLIC_URL)).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().collect();
    let mut ids = std::collections::BTreeSet::new();
    for (path, _, operation) in each_operation() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} is there twice");
        for member in ["summary", "description"] {
            assert!(operation[member].as_str().is_some_and(|s| !s.is_empty()), "{id}: {member}");
        }
        let tag = operation["tags"].as_array().filter(|tags| tags.len() == 1).map(|tags| &tags[0]);
        assert!(tags.iter().any(|it| Some(&it["name"]) == tag), "{id}: one tag of TAGS");
        assert!(operation["security"].is_array(), "{id}: security, be it none");
        let unread = operation.get("x-problems");
        assert_eq!(unread, None, "{id}: x-problems names a problem that there is not");
        let placeholders = path.matches('{').count();
        let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let in_path = parameters.iter().filter(|it| it["in"] == "path").count();
        assert_eq!(in_path, placeholders, "{id}: parameters of the path");
        for parameter in parameters {
            let name = &parameter["name"];
            assert!(parameter["description"].is_string(), "{id}: {name}: description");
            let example = parameter.get("example");
            let example = example.unwrap_or_else(|| panic!("{id}: {name}: example"));
            assert_eq!(faults(&parameter["schema"], example), [""; 0], "{id}: {name}");
        }
    }
}

/// A whole example comes of the examples of all fields, so what fails here is a field without one.
#[test]
fn every_body_has_an_example_that_follows_its_schema() {
    for (_, _, operation) in each_operation() {
        let id = operation["operationId"].as_str().unwrap();
        let responses = operation["responses"].as_object().unwrap();
        let bodies = responses.iter().map(|(status, response)| (status.as_str(), response));
        let request = operation.get("requestBody").map(|body| ("request", body));
        for (name, body) in bodies.chain(request) {
            let body = resolved(body);
            for (media_type, content) in body["content"].as_object().into_iter().flatten() {
                let single = content.get("example").into_iter();
                let several = content["examples"].as_object().into_iter().flatten();
                let examples: Vec<&Value> =
                    single.chain(several.map(|(_, example)| &example["value"])).collect();
                assert!(!examples.is_empty(), "{id}: {name}: a field has no example");
                for example in examples {
                    let faults = faults(&content["schema"], example);
                    assert!(faults.is_empty(), "{id}: {name}: {faults:?}");
                    if media_type == "application/problem+json" {
                        assert_eq!(example["status"].to_string(), name, "{id}");
                    }
                }
            }
            for (header, described) in body["headers"].as_object().into_iter().flatten() {
                assert!(resolved(described)["example"] != Value::Null, "{id}: {name}: {header}");
            }
        }
    }
}
