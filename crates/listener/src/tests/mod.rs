//! The listener over real sockets: first what goes wrong, then what goes on working.

mod client;
mod ends;
mod limits;
mod refusals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Limits, Outcome, Refusal, Refusals, Shutdown, bind, serve};
use client::Client;

/// Longer than anything here should take; whoever waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A size that no pair of socket buffers holds.
const HUGE: usize = 64 * 1024 * 1024;

struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    serving: JoinHandle<Outcome>,
    /// Receives a value whenever `/held` is entered.
    entered: mpsc::UnboundedReceiver<()>,
    /// Lets one request to `/held` go on.
    release: Arc<tokio::sync::Semaphore>,
}

impl Running {
    async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    async fn held_is_entered(&mut self) {
        within(self.entered.recv()).await.expect("the handler runs");
    }

    async fn end(self) -> Outcome {
        self.shutdown.begin();
        within(self.serving).await.expect("serving does not panic")
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

fn problem(refusal: Refusal) -> Response {
    let body = format!(r#"{{"status":{},"detail":"{}"}}"#, refusal.status.as_u16(), refusal.detail);
    (
        refusal.status,
        [("content-type", "application/problem+json"), ("x-request-id", "made-up")],
        body,
    )
        .into_response()
}

async fn start(limits: Limits) -> Running {
    let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::default();
    let release = Arc::new(tokio::sync::Semaphore::new(0));
    let (enter, entered) = mpsc::unbounded_channel();
    let gate = Arc::clone(&release);
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/peer",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        )
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/ignore", post(|| async { http::StatusCode::PAYLOAD_TOO_LARGE }))
        .route("/huge", get(|| async { Body::from(vec![b'x'; HUGE]) }))
        .route("/panic", get(|| async { panic!("as the test wants it") as () }))
        .route(
            "/held",
            get(move || async move {
                let _ = enter.send(());
                gate.acquire().await.unwrap().forget();
                "released"
            }),
        );
    let refusals: Refusals = Arc::new(problem);
    let serving = tokio::spawn(serve(listener, app, limits, refusals, shutdown.clone()));
    Running { address, shutdown, serving, entered, release }
}
