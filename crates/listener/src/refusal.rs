//! Answers to what never became a request of the application.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most that is read and discarded after an early answer.
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// Why the protocol layer refuses a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400 malformed, 408 slow, 414 or 431 too large, 505 another version of HTTP.
    pub status: StatusCode,
    /// What was wrong, in a sentence for the client's developer.
    pub detail: &'static str,
}

/// Makes the complete answer to a refusal: a problem (RFC 9457) with the status of the refusal and
/// the same header fields as any other problem, a fresh `x-request-id` included, because no
/// middleware sees it. The listener adds `connection: close`.
pub type Refusals = Arc<dyn Fn(Refusal) -> Response + Send + Sync>;

/// Makes `response` announce that it is the last of its connection.
pub(super) fn announce_close<B>(response: &mut http::Response<B>) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Sends the answer to a refusal and ends the sending side.
///
/// hyper encodes it, as the answer to a stand-in for the request that could not be read, so that
/// refusals leave with the same fields as every other response.
pub(super) async fn send(
    stream: &mut TcpStream,
    refusals: &Refusals,
    reason: Refusal,
) -> hyper::Result<()> {
    const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
    let service = service_fn(|_: Request<Incoming>| {
        let mut response = refusals(reason);
        announce_close(&mut response);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    http1::Builder::new()
        // The stand-in ends right after its head, which is no reason not to answer it.
        .half_close(true)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(tokio::io::join(STAND_IN, stream)), service)
        .await
}

/// Ends the sending side and discards what the client is still sending, until it ends its own or
/// `patience` is over: closing a socket with unread bytes resets the connection, and a reset takes
/// the answer away from a client that has not read it yet (RFC 9112 §9.6).
pub(super) async fn linger(stream: &mut TcpStream, patience: Duration) {
    let discard = async {
        stream.shutdown().await?;
        let mut scratch = vec![0; 16 * 1024];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut scratch).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        io::Result::Ok(())
    };
    // The client has its answer or has gone: neither outcome asks for anything more.
    let _ = tokio::time::timeout(patience, discard).await;
}
