//! The life of one connection, from the accept to the farewell.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::exchange::{Exchange, Farewell};
use super::socket::Socket;
use super::{Limits, Refusals, refusal};

/// What all connections of a listener share.
pub(super) struct Host {
    pub(super) app: Router,
    pub(super) refusals: Refusals,
    pub(super) limits: Limits,
    /// The end has begun: make each answer the last of its connection, so that clients leave by
    /// themselves before [`closing`](Self::closing).
    pub(super) draining: CancellationToken,
    /// Accepting has ended: rest no more, and make each answer the last.
    pub(super) closing: CancellationToken,
    /// The grace is over: stop at once.
    pub(super) cut: CancellationToken,
    /// The requests that the end of the grace left unanswered.
    pub(super) unanswered: AtomicUsize,
}

/// Why hyper no longer drives a connection.
#[derive(Debug)]
pub(super) enum Ending {
    Finished(hyper::Result<()>),
    Late,
    Cut,
}

/// Serves one client until it leaves, errs, idles, or the listener ends.
pub(super) async fn serve(host: Arc<Host>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    // A dual-stack socket shows IPv4 clients as mapped IPv6 ones; limits and logs want the address
    // that the client really has.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let exchange = Exchange::new();
    let service = service_fn(|request| answer(&host, &exchange, peer, request));
    let io = TokioIo::new(Socket::new(stream, exchange.clone()));
    let mut connection = http1::Builder::new()
        // The exchange keeps the time: hyper's timer cannot tell an idle client from a slow one.
        .header_read_timeout(None)
        // A client may end its side once it has asked (RFC 9112 §9.6); it still wants the answer.
        .half_close(true)
        .max_buf_size(host.limits.head_bytes.max(8 * 1024))
        .serve_connection(io, service);
    let ending = drive(&mut connection, &exchange, &host).await;
    let stream = connection.into_parts().io.into_inner().into_stream();
    let farewell = exchange.farewell(&ending);
    tracing::debug!(%peer, ?ending, ?farewell, "connection ended");
    if matches!(ending, Ending::Cut) && exchange.is_unanswered() {
        host.unanswered.fetch_add(1, Ordering::Relaxed);
    }
    tokio::select! {
        biased;
        () = part(stream, farewell, &host) => {}
        () = host.cut.cancelled() => {}
    }
}

/// Hands a request to the application, unless its framing is ambiguous: then hyper waits for an
/// answer in vain, and [`drive`] ends the connection with a refusal.
fn answer(
    host: &Host,
    exchange: &Exchange,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<AnswerBody>, Infallible>> + use<> {
    exchange.begin_request(request.version());
    request.extensions_mut().insert(ConnectInfo(peer));
    let (app, draining) = (host.app.clone(), host.draining.clone());
    let exchange = exchange.clone();
    async move {
        if exchange.is_refused() {
            return std::future::pending().await;
        }
        let mut response = app.oneshot(request.map(Body::new)).await?;
        if draining.is_cancelled() || exchange.is_last() {
            refusal::announce_close(&mut response);
        }
        Ok(response.map(|body| AnswerBody { body, exchange }))
    }
}

/// Polls hyper until the connection ends or one of its waits becomes too long.
async fn drive<S>(
    connection: &mut http1::Connection<TokioIo<Socket>, S>,
    exchange: &Exchange,
    host: &Host,
) -> Ending
where
    S: HttpService<Incoming, ResBody = AnswerBody, Error = Infallible>,
{
    // Child tokens, because each poll locks its token and the parents are everybody's.
    let (closing, cut) = (host.closing.child_token(), host.cut.child_token());
    let (mut closing, mut cut) = (pin!(closing.cancelled()), pin!(cut.cancelled()));
    let mut alarm = pin!(sleep_until(Instant::now() + host.limits.first_byte));
    std::future::poll_fn(|cx| {
        if cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ending::Cut);
        }
        if closing.as_mut().poll(cx).is_ready() {
            exchange.begin_closing();
        }
        if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
            return Poll::Ready(Ending::Finished(result));
        }
        if exchange.is_refused() {
            return Poll::Ready(Ending::Finished(Ok(())));
        }
        if exchange.is_done() {
            Pin::new(&mut *connection).graceful_shutdown();
            if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
                return Poll::Ready(Ending::Finished(result));
            }
        }
        let Some(deadline) = exchange.deadline(&host.limits) else {
            return Poll::Pending;
        };
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).map(|()| Ending::Late)
    })
    .await
}

/// Takes leave of the client; takes at most a write stall and a linger.
async fn part(mut stream: TcpStream, farewell: Farewell, host: &Host) {
    let limits = &host.limits;
    match farewell {
        Farewell::Refuse(reason) => {
            let answer = refusal::send(&mut stream, &host.refusals, reason);
            let sent = timeout(limits.write_stall, answer).await;
            if matches!(sent, Ok(Ok(()))) {
                refusal::linger(&mut stream, limits.linger).await;
            }
        }
        Farewell::Linger => refusal::linger(&mut stream, limits.linger).await,
        Farewell::Abort => {
            if let Err(error) = stream.set_zero_linger() {
                tracing::debug!(%error, "cannot discard the unsent part of an answer");
            }
        }
        Farewell::Close => {}
    }
}

/// The body of an answer; its drop tells the exchange that hyper is through with it.
pub(super) struct AnswerBody {
    body: Body,
    exchange: Exchange,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.exchange.end_answer();
    }
}
