//! Graceful ends.

use std::time::Duration;

use tokio::net::TcpStream;

use super::{Limits, Outcome, start, within};

#[tokio::test]
async fn what_does_not_end_by_itself_is_cut_at_the_deadline() {
    let grace = Duration::from_millis(300);
    let mut server = start(Limits { grace, ..Limits::default() }).await;
    let mut idle = server.client().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut half = server.client().await;
    half.send("GET / HTTP/1.1\r\nHo").await;
    let mut deaf = server.client().await;
    deaf.send("GET /huge HTTP/1.1\r\nHost: test\r\n\r\n").await;
    within(deaf.stream.readable()).await.unwrap();
    let mut endless = server.client().await;
    endless.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n").await;
    server.held_is_entered().await;

    server.shutdown.begin();
    idle.assert_closed().await;
    let outcome = within(server.serving).await.unwrap();
    assert_eq!(outcome, Outcome { cut: 2 }, "the unread answer and the unanswered request");
}

#[tokio::test]
async fn requests_in_flight_are_answered_and_the_exit_waits_for_nothing_else() {
    let grace = Duration::from_hours(1);
    let mut server = start(Limits { grace, ..Limits::default() }).await;
    let mut idle = server.client().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut silent = server.client().await;
    let mut busy = server.client().await;
    busy.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n").await;
    server.held_is_entered().await;
    let mut half = server.client().await;
    half.send("GET / HTTP/1.1\r\nHo").await;

    server.shutdown.begin();
    idle.assert_closed().await;
    silent.assert_closed().await;
    half.send("st: test\r\n\r\n").await;
    let answer = half.answer().await;
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    server.release.add_permits(1);
    let answer = busy.answer().await;
    assert_eq!((answer.body.as_str(), answer.field("connection")), ("released", Some("close")));
    busy.assert_closed().await;
    assert_eq!(within(server.serving).await.unwrap(), Outcome { cut: 0 });
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn clients_still_in_the_backlog_are_answered() {
    let server = start(Limits::default()).await;
    let mut client = server.client().await;
    assert_eq!(client.get("/").await.status, 200);
    // On this single-threaded runtime the listener runs at the next wait only: the client is
    // connected, and not accepted, when the end begins.
    let late = std::net::TcpStream::connect(server.address).unwrap();
    server.shutdown.begin();
    late.set_nonblocking(true).unwrap();
    let mut late = super::Client::from(TcpStream::from_std(late).unwrap());
    let answer = late.get("/").await;
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    assert_eq!(within(server.serving).await.unwrap(), Outcome { cut: 0 });
}

#[tokio::test]
async fn accepting_goes_on_for_the_drain_delay() {
    let drain_delay = Duration::from_secs(1);
    let server = start(Limits { drain_delay, ..Limits::default() }).await;
    server.shutdown.begin();
    let answer = server.client().await.get("/").await;
    // Clients that are busy leave by themselves while others are still let in.
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    assert_eq!(server.end().await, Outcome { cut: 0 });
}
