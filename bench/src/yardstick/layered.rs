//! The framework with the ready-made layers that Doorward cannot do without: request ids, a log line for
//! each request, panics, deadlines, limits of bodies, headers. They come from `tower-http` as they are.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use super::plain;
use crate::cases::LIVE;

/// Lives as long as the log is written.
static LOG: OnceLock<WorkerGuard> = OnceLock::new();

/// Says that the server lives, with everything around it.
pub fn live() -> Result<Router> {
    start_log()?;
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    // The layer added last is the outermost. The answer has the same headers as Doorward's; the fourth
    // is the request id.
    Ok(Router::new()
        .route(LIVE, get(plain::alive))
        .layer(RequestBodyLimitLayer::new(64 * 1024))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(30),
        ))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(log)
                .on_body_chunk(())
                .on_eos(())
                .on_failure(()),
        )
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid)))
}

fn span(request: &Request) -> Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str);
    tracing::info_span!("request", request_id = id, method = %request.method(), route)
}

fn log(response: &Response, latency: Duration, _: &Span) {
    let latency_ms = latency.as_secs_f64() * 1e3;
    tracing::info!(status = response.status().as_u16(), latency_ms, "request");
}

/// Doorward's log in production: JSON, one line for each request, written by a thread of its own.
fn start_log() -> Result<()> {
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(8 * 1024).finish(io::stderr());
    let json = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(EnvFilter::try_new("info")?).with(json).try_init()?;
    // Nobody starts the log twice.
    let _ = LOG.set(guard);
    Ok(())
}
