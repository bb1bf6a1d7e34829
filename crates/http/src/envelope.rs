//! What all requests share, from the outside in:
//!
//! 1. [`envelope`]: request id, span and log line, problems, headers;
//! 2. CORS and compression (`tower-http`);
//! 3. [`limits`]: is the server serving, may this client ask, how long may it take;
//! 4. panics become problems ([`panicked`]).

use std::{any::Any, time::Instant};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;

use crate::{
    HttpState,
    body_drain::DrainedBody,
    client,
    lifecycle::Stage,
    problem::{Code, Problem},
    request_id::{RequestId, X_REQUEST_ID, trace_id},
};

/// Stands for the route in the log when no route matched.
const NO_ROUTE: &str = "(none)";

pub(crate) async fn envelope(
    State(http): State<HttpState>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let ctx = &http.ctx;
    let id = RequestId::of(request.headers(), ctx.clock.as_ref(), ctx.entropy.as_ref());
    let span = tracing::info_span!(
        "request",
        request_id = id.as_str(),
        method = %request.method(),
        route = template(&request),
        trace_id = trace_id(request.headers()),
    );
    request.extensions_mut().insert(id.clone());
    let is_api = request.uri().path().starts_with("/api/");

    async move {
        let mut response = next.run(request).await;
        let problem = take_problem(&mut response);
        let code = problem.as_ref().map(Problem::code);
        let cause = problem.as_ref().and_then(Problem::cause).map(ToString::to_string);
        if let Some(problem) = problem {
            response = render(problem, response.headers(), &http.settings.public_url, &id);
        }
        write_headers(response.headers_mut(), &id, is_api);
        log(response.status(), code, cause.as_deref(), started);
        response
    }
    .instrument(span)
    .await
}

/// The answer to a request that never got as far as the router, for instance because its head could
/// not be read.
#[must_use]
pub fn refusal(
    status: StatusCode,
    detail: &'static str,
    public_url: &str,
    id: &RequestId,
) -> Response {
    let problem = Problem::for_status(status).with_detail(detail);
    let mut response = problem.render(public_url, id.as_str());
    write_headers(response.headers_mut(), id, true);
    response
}

fn template(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str)
}

/// The problem that a handler returned, or the one that stands for a bare error status.
fn take_problem(response: &mut Response) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    is_error.then(|| Problem::for_status(status))
}

/// Renders a problem and keeps what inner layers said in headers: `Allow`, CORS, rate limits.
fn render(problem: Problem, inner: &HeaderMap, public_url: &str, id: &RequestId) -> Response {
    let mut response = problem.render(public_url, id.as_str());
    let own: Vec<HeaderName> = response.headers().keys().cloned().collect();
    for (name, value) in inner {
        let is_about_the_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name);
        if !is_about_the_body && !own.contains(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

fn write_headers(headers: &mut HeaderMap, id: &RequestId, is_api: bool) {
    const DEFAULTS: [(HeaderName, HeaderValue); 3] = [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        ),
    ];
    headers.insert(X_REQUEST_ID, id.to_header());
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
    if is_api {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
}

/// The one line for each request. ERROR means that somebody must look into it; an overloaded or
/// unavailable server is a warning, because whoever must act sees it by its own alarms.
fn log(status: StatusCode, code: Option<Code>, cause: Option<&str>, started: Instant) {
    let latency_ms = started.elapsed().as_secs_f64() * 1e3;
    let (status, code) = (status.as_u16(), code.map(Code::as_str));
    match status {
        500 => tracing::error!(status, code, cause, latency_ms, "request failed"),
        501.. => tracing::warn!(status, code, cause, latency_ms, "request turned away"),
        _ => tracing::info!(status, code, latency_ms, "request"),
    }
}

pub(crate) async fn limits(
    State(http): State<HttpState>,
    request: Request,
    next: Next,
) -> Response {
    if http.lifecycle.stage() == Stage::Starting && request.uri().path().starts_with("/api/") {
        return Problem::unavailable("The server is starting.").into_response();
    }
    let standing = match count(&http, &request) {
        Some(Err(refusal)) => {
            let (problem, standing) = *refusal;
            let mut response = problem.into_response();
            standing.write(response.headers_mut());
            return response;
        }
        Some(Ok(standing)) => Some(standing),
        None => None,
    };
    let (parts, body) = request.into_parts();
    let body = Body::new(DrainedBody::new(body, &parts.headers));
    let request = Request::from_parts(parts, body);
    let answer = tokio::time::timeout(http.settings.request_timeout, next.run(request)).await;
    let mut response = answer.unwrap_or_else(|_| {
        Problem::unavailable("The request took too long and was given up.").into_response()
    });
    if let Some(standing) = standing {
        standing.write(response.headers_mut());
    }
    response
}

fn count(
    http: &HttpState,
    request: &Request,
) -> Option<Result<crate::rate_limit::Standing, Box<(Problem, crate::rate_limit::Standing)>>> {
    let limiter = http.rate_limiter.as_ref()?;
    let trusted = &http.settings.trusted_proxies;
    let client = client::address(request.extensions(), request.headers(), trusted)?;
    limiter.count(request.method(), template(request), client)
}

/// What is answered when a handler panics. The panic itself is logged by the panic hook.
pub(crate) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    Problem::new(Code::InternalError).into_response()
}
