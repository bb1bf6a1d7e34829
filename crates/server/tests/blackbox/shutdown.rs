//! A signal ends the server without ending anybody's request.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::{
    api::{Api, Person, sign_up_body},
    support::{PATIENCE, Server, Signal, folder, until},
    wire::Wire,
};

/// Begins to sign somebody up: the server has the head, and says so by asking for the body. Returns
/// the connection and the body that is still to be sent.
async fn begin_sign_up(server: &Server) -> (Wire, String) {
    let body = sign_up_body(&Person::new("Slow Poke")).to_string();
    let mut wire = Wire::connect(server.address).await;
    wire.send(format!(
        "POST /api/v1/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ))
    .await;
    assert_eq!(wire.reply().await.status, 100);
    (wire, body)
}

/// Waits until probes hear that the server is about to go.
async fn draining(server: &Server) {
    until("readiness turns to 503", PATIENCE, async || {
        // Each time anew, as a load balancer may.
        let answer = Api::new(server.address).get("/health/ready").await;
        (answer.status == 503).then(|| {
            let problem = answer.expect_problem(503, "unavailable");
            assert_eq!(problem["checks"]["server"], "shutting down");
        })
    })
    .await;
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_end() {
    let folder = folder();
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start(folder.path(), &[]).await;
        // A client that stays connected and says nothing holds nobody up.
        let resting = server.api();
        resting.get("/health/live").await;
        let (mut wire, body) = begin_sign_up(&server).await;
        let (first, second) = body.split_at(body.len() / 2);
        wire.send(first).await;
        server.program.signal(signal);
        draining(&server).await;
        // A little later nobody else is let in, and still the request goes on.
        until("connections are refused", PATIENCE, async || {
            TcpStream::connect(server.address).await.err()
        })
        .await;
        wire.send(second).await;
        let reply = wire.reply().await;
        let expected = if signal == Signal::TERM { 201 } else { 409 };
        assert_eq!((reply.status, reply.header("connection")), (expected, Some("close")));
        wire.end().await;
        assert_eq!(server.program.exit_code(Duration::from_secs(5)).await, 0);
        assert!(server.program.log().contains("stopped"));
    }
}

#[tokio::test]
async fn an_idle_server_is_gone_soon_after_the_signal() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &[]).await;
    let since = Instant::now();
    server.program.signal(Signal::TERM);
    assert_eq!(server.program.exit_code(PATIENCE).await, 0);
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &[]).await;
    let (_wire, _) = begin_sign_up(&server).await;
    server.program.signal(Signal::TERM);
    draining(&server).await;
    let since = Instant::now();
    server.program.signal(Signal::TERM);
    assert_eq!(server.program.exit_code(PATIENCE).await, 1);
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_client_that_never_finishes_is_cut_at_the_end_of_the_grace() {
    let folder = folder();
    let grace = [("APP_SERVER_SHUTDOWN_GRACE_SECONDS", "2")];
    let mut server = Server::start(folder.path(), &grace).await;
    let (mut wire, body) = begin_sign_up(&server).await;
    wire.send(&body[..5]).await;
    let since = Instant::now();
    server.program.signal(Signal::TERM);
    assert_eq!(server.program.exit_code(PATIENCE).await, 0);
    let took = since.elapsed();
    eprintln!("gone {took:?} after the signal, with a grace of 2 s");
    assert!(took >= Duration::from_millis(1900) && took < Duration::from_secs(4), "{took:?}");
    assert!(server.program.log().contains("requests were cut"), "the operator is told");
    wire.end().await;
}
