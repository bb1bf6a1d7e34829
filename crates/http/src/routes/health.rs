//! Signs of life, for load balancers and people.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use doorward_domain::ports::Store;
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use utoipa::ToSchema;

use crate::{
    HttpState,
    lifecycle::Stage,
    problem::{Code, Problem},
};

/// The tag of these operations in the document.
const TAG: &str = "health";
/// A dependency that has not answered after this long is down.
const PATIENCE: Duration = Duration::from_secs(3);
/// For how long an answer of a dependency stands.
const FRESH_FOR: Duration = Duration::from_millis(100);

/// The server can do its work.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthView {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// The server can do its work, and so can each of its dependencies.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(crate) struct ReadinessView {
    #[schema(example = "ok")]
    status: &'static str,
    checks: Checks,
}

/// `ok`, or in a few words what is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Checks {
    #[schema(example = "ok")]
    server: &'static str,
    #[schema(example = "ok")]
    database: &'static str,
    /// Whether revocations made on other instances are known here.
    #[schema(example = "ok")]
    revocations: &'static str,
}

const OK: &str = "ok";

/// Asks the database for a sign of life, once for all who want to know at about the same time: probes are not
/// limited, so they must not cost a query each.
#[derive(Default)]
pub(crate) struct DatabaseProbe(Mutex<Option<(Instant, &'static str)>>);

impl DatabaseProbe {
    async fn state(&self, store: &dyn Store) -> &'static str {
        let mut latest = self.0.lock().await;
        if let Some((at, state)) = *latest
            && at.elapsed() < FRESH_FOR
        {
            return state;
        }
        let state = match timeout(PATIENCE, store.ping()).await {
            Ok(Ok(())) => OK,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database gives no sign of life");
                "unavailable"
            }
            Err(_) => "no answer in time",
        };
        *latest = Some((Instant::now(), state));
        state
    }
}

async fn check(http: &HttpState) -> Result<Checks, Problem> {
    let server = match http.lifecycle.stage() {
        Stage::Starting => "starting",
        Stage::Serving => OK,
        Stage::Draining => "shutting down",
    };
    let database = http.database_probe.state(http.ctx.store.as_ref()).await;
    let revocations =
        if http.ctx.revocations.is_fresh(http.ctx.clock.now()) { OK } else { "stale" };
    let checks = Checks { server, database, revocations };
    if [server, database, revocations].iter().all(|state| *state == OK) {
        return Ok(checks);
    }
    Err(Problem::new(Code::Unavailable)
        .with_detail("The server is not ready; checks says what is missing.")
        .with_retry_after(Duration::from_secs(1))
        .with_extension("checks", json!(checks)))
}

/// Is all well?
///
/// As readiness, with the version in place of the single checks: for people and dashboards.
#[utoipa::path(
    get, path = "/health", operation_id = "get_health", tag = TAG,
    extensions(("x-problems" = json!([Code::Unavailable]))),
    responses((status = 200, description = "All is well.", body = HealthView)),
)]
pub(crate) async fn health(State(http): State<HttpState>) -> Result<Json<HealthView>, Problem> {
    check(&http).await?;
    Ok(Json(HealthView { status: OK, version: env!("CARGO_PKG_VERSION") }))
}

/// Does the process serve?
///
/// Touches nothing else: a failing database is no reason to restart the server.
#[utoipa::path(
    get, path = "/health/live", operation_id = "get_liveness", tag = TAG,
    extensions(("x-problems" = json!([]))),
    responses((status = 200, description = "It does.")),
)]
pub(crate) async fn live() -> StatusCode {
    StatusCode::OK
}

/// May requests be sent here?
///
/// 503 while starting, while a dependency is missing, and from the moment of shutdown on.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "get_readiness", tag = TAG,
    extensions(("x-problems" = json!([Code::Unavailable]))),
    responses((status = 200, description = "They may.", body = ReadinessView)),
)]
pub(crate) async fn ready(State(http): State<HttpState>) -> Result<Json<ReadinessView>, Problem> {
    let checks = check(&http).await?;
    Ok(Json(ReadinessView { status: OK, checks }))
}
