//! Slow, silent and too many clients; and the ordinary ones beside them.

use std::time::Duration;

use tokio::time::Instant;

use super::{HUGE, Limits, start, within};

/// Short waits for whoever is to be dropped, and long ones for all others, so that only the limit
/// under test can end a connection within the patience of a test.
fn patient() -> Limits {
    let long = Duration::from_hours(1);
    Limits {
        first_byte: long,
        head: long,
        keep_alive: long,
        write_stall: long,
        ..Limits::default()
    }
}

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_silent_connection_is_dropped() {
    let server = start(Limits { first_byte: SHORT, ..patient() }).await;
    server.client().await.assert_closed().await;
    let mut client = server.client().await;
    client.send("\r\n").await;
    client.assert_closed().await;
}

#[tokio::test]
async fn half_a_head_is_dropped_with_a_problem() {
    let server = start(Limits { head: SHORT, ..patient() }).await;
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: te").await;
    client.answer().await.assert_refusal(408);
    client.assert_closed().await;
}

#[tokio::test]
async fn a_dripping_head_gets_no_more_time_than_a_stalled_one() {
    let server = start(Limits { head: SHORT, ..patient() }).await;
    let mut client = server.client().await;
    let begun = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nX-Endless: ".iter().chain(std::iter::repeat(&b'x')) {
        client.send([*byte]).await;
        let answer =
            tokio::time::timeout(Duration::from_millis(10), client.stream.readable()).await;
        if answer.is_ok() {
            break;
        }
        assert!(begun.elapsed() < super::PATIENCE, "the drip keeps the connection");
    }
    client.answer().await.assert_refusal(408);
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_limit() {
    let server = start(Limits { head: SHORT, ..patient() }).await;
    let mut idle = server.client().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut slow = server.client().await;
    assert_eq!(slow.get("/").await.status, 200);
    slow.send("GET").await;
    slow.answer().await.assert_refusal(408);
    // The slow one was cut after the whole limit; the idle one has rested for longer than that.
    assert_eq!(idle.get("/").await.body, "hello");
}

#[tokio::test]
async fn the_rest_of_a_pipelined_head_is_no_idle_connection() {
    let server = start(Limits { head: SHORT, ..patient() }).await;
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\nGET / HT").await;
    assert_eq!(client.answer().await.status, 200);
    client.answer().await.assert_refusal(408);
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let server = start(Limits { keep_alive: SHORT, ..patient() }).await;
    let mut client = server.client().await;
    assert_eq!(client.get("/").await.status, 200);
    client.assert_closed().await;
}

#[tokio::test]
async fn a_slow_answer_is_no_idle_connection() {
    let limits = Limits { first_byte: SHORT, head: SHORT, keep_alive: SHORT, ..patient() };
    let mut server = start(limits).await;
    let mut client = server.client().await;
    client.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n").await;
    server.held_is_entered().await;
    // Another connection lives and dies meanwhile, by each of the limits.
    server.client().await.assert_closed().await;
    server.release.add_permits(1);
    assert_eq!(client.answer().await.body, "released");
}

#[tokio::test]
async fn a_client_that_does_not_read_frees_its_place() {
    let limits = Limits { write_stall: SHORT, max_connections: 1, ..patient() };
    let server = start(limits).await;
    let mut deaf = server.client().await;
    deaf.send("GET /huge HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(server.client().await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_client_that_reads_gets_a_huge_answer() {
    let server = start(patient()).await;
    let mut client = server.client().await;
    assert_eq!(client.get("/huge").await.body.len(), HUGE);
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn one_client_too_many_waits_until_another_leaves() {
    let mut server = start(Limits { max_connections: 1, ..patient() }).await;
    let mut first = server.client().await;
    first.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n").await;
    server.held_is_entered().await;
    let mut second = server.client().await;
    second.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let early = tokio::time::timeout(SHORT, server.entered.recv()).await;
    assert!(early.is_err(), "the second client has no place yet");
    server.release.add_permits(2);
    assert_eq!(first.answer().await.body, "released");
    drop(first);
    assert_eq!(second.answer().await.body, "released");
}

#[tokio::test]
async fn a_panic_ends_its_connection_and_frees_its_place() {
    let server = start(Limits { max_connections: 1, ..patient() }).await;
    let mut client = server.client().await;
    client.send("GET /panic HTTP/1.1\r\nHost: test\r\n\r\n").await;
    client.assert_closed().await;
    assert_eq!(server.client().await.get("/").await.status, 200);
}

#[tokio::test]
async fn connections_are_kept_and_pipelines_answered_in_order() {
    let server = start(patient()).await;
    let mut client = server.client().await;
    let peer = client.stream.local_addr().unwrap().to_string();
    assert_eq!(client.get("/peer").await.body, peer);
    client
        .send(
            "POST /length HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc\
         GET / HTTP/1.1\r\nHost: test\r\n\r\n\
         HEAD / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.body, "3");
    assert_eq!(client.answer().await.body, "hello");
    let mut rest = Vec::new();
    within(tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest)).await.unwrap();
}
