//! What arrives at the listener and is not quite HTTP.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    support::{Server, folder},
    wire::{Reply, Wire, request},
};

/// Sends everything before it reads anything, as a simple client does.
async fn exchange(server: &Server, bytes: impl AsRef<[u8]>) -> Reply {
    let mut wire = Wire::connect(server.address).await;
    wire.send(bytes).await;
    wire.reply().await
}

#[tokio::test]
async fn what_is_no_http_is_refused_with_a_problem_that_can_be_read() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    for (bytes, status, code) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], 400, "bad_request"),
        (b"hello\r\n\r\n", 400, "bad_request"),
        (b"GET /health\r\n\r\n", 400, "bad_request"),
        (b"GET /health HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400, "bad_request"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400, "bad_request"),
        (b"POST /api/v1/users HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400, "bad_request"),
        (b"POST /api/v1/users HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, "bad_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http_version_not_supported"),
        (b"FROB /health HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method_not_allowed"),
        (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"),
    ] {
        let reply = exchange(&server, bytes).await;
        eprintln!("{} <- {:?}", reply.status, String::from_utf8_lossy(bytes));
        reply.expect_problem(status, code);
    }
    assert_eq!(server.api().get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn heads_and_bodies_without_measure_get_an_answer_that_can_be_read() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    let long = "x".repeat(1_000_000);
    let head = format!("GET /health HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n");
    exchange(&server, head).await.expect_problem(431, "headers_too_large");
    let target = format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n");
    exchange(&server, target).await.expect_problem(414, "uri_too_long");

    let mut whole = b"POST /api/v1/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Content-Length: 20000000\r\n\r\n"
        .to_vec();
    whole.resize(whole.len() + 20_000_000, b' ');
    exchange(&server, whole).await.expect_problem(413, "payload_too_large");

    let mut chunked =
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    for _ in 0..200 {
        chunked.extend_from_slice(b"186A0\r\n");
        chunked.resize(chunked.len() + 100_000, b' ');
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    exchange(&server, chunked).await.expect_problem(413, "payload_too_large");
    assert_eq!(server.api().get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn an_oversized_body_to_any_address_gets_its_answer() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    for (target, status, code) in [
        ("POST /nowhere", 404, "not_found"),
        ("PUT /health", 405, "method_not_allowed"),
        ("PATCH /api/v1/users/me", 401, "authentication_required"),
        ("POST /api/v1/auth/logout", 401, "authentication_required"),
    ] {
        let mut bytes = format!(
            "{target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: 5000000\r\n\r\n"
        )
        .into_bytes();
        bytes.resize(bytes.len() + 5_000_000, b' ');
        exchange(&server, bytes).await.expect_problem(status, code);
    }
}

#[tokio::test]
async fn who_takes_too_long_over_a_head_is_dropped() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    let since = Instant::now();
    let silent = async {
        Wire::connect(server.address).await.end().await;
        since.elapsed()
    };
    let slow = async {
        let mut wire = Wire::connect(server.address).await;
        wire.send("GET /health/live HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
        let reply = wire.reply().await;
        reply.expect_problem(408, "request_timeout");
        assert_eq!(reply.header("connection"), Some("close"));
        wire.end().await;
        since.elapsed()
    };
    let slow_body = async {
        let mut wire = Wire::connect(server.address).await;
        let whole = request("POST", "/api/v1/users", None, &json!({ "email": "a@example.org" }));
        wire.send(&whole[..whole.len() - 5]).await;
        wire.reply().await.expect_problem(408, "request_timeout");
        since.elapsed()
    };
    let (silent, slow, slow_body) = tokio::join!(silent, slow, slow_body);
    eprintln!("dropped after {silent:?} of silence, {slow:?} of a head, {slow_body:?} of a body");
    for took in [silent, slow, slow_body] {
        assert!(took > Duration::from_secs(9) && took < Duration::from_secs(18), "{took:?}");
    }
}

#[tokio::test]
async fn http_1_0_needs_no_host_and_pipelined_requests_are_answered_in_order() {
    let folder = folder();
    let server = Server::start(folder.path(), &[]).await;
    let mut old = Wire::connect(server.address).await;
    old.send("GET /health/live HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.reply().await.status, 200);
    old.end().await;

    let mut pipeline = Wire::connect(server.address).await;
    let numbered = |number| {
        let body = "{\"email\":7}";
        let id = format!("Host: a\r\nX-Request-Id: pipelined-{number}\r\n");
        if number % 2 == 0 {
            return format!("GET /health/live HTTP/1.1\r\n{id}\r\n");
        }
        format!(
            "POST /api/v1/users HTTP/1.1\r\n{id}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let bytes: String = (0..20).map(numbered).collect();
    pipeline.send(bytes).await;
    for number in 0..20 {
        let reply = pipeline.reply().await;
        assert_eq!(reply.header("x-request-id"), Some(format!("pipelined-{number}").as_str()));
        assert_eq!(reply.status, if number % 2 == 0 { 200 } else { 422 });
    }
}
