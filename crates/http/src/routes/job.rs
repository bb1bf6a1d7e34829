//! What the server does afterwards: the jobs, for operators.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use doorward_app::{
    grant::{JobsRead, JobsWrite},
    job,
};
use doorward_domain::{Job, JobFilter, JobId, JobKind, JobState, job::JobKindError};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    HttpState,
    bearer::Let,
    client::Asked,
    detached::detached,
    fields::{FieldFault, Fields},
    listing::{Filter, Listing, PageQuery, PageView},
    problem::{Code, Problem},
};

/// The tag of these operations in the document.
const TAG: &str = "jobs";

/// Something that the server does, or did, after it was asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobView {
    #[schema(example = "019b76da-a87b-774b-8000-000000000004")]
    id: Uuid,
    /// What it does.
    #[schema(example = "jobs.prune")]
    kind: String,
    /// `ready` waits for its first attempt, `retrying` for another one; `dead` was given up.
    #[schema(pattern = "^(ready|running|succeeded|retrying|dead)$", example = "dead")]
    state: &'static str,
    /// How often it was begun.
    #[schema(example = 20)]
    attempts: u32,
    /// After so many it is given up.
    #[schema(minimum = 1, example = 20)]
    max_attempts: u32,
    /// It does not begin before.
    #[schema(example = "2026-01-01T00:00:00Z")]
    #[serde(with = "time::serde::rfc3339")]
    run_at: OffsetDateTime,
    #[schema(example = "2026-01-01T00:00:00Z")]
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Why the last attempt that failed did.
    #[schema(required, example = "the store failed")]
    last_error: Option<String>,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            id: job.id.as_uuid(),
            kind: job.kind.to_string(),
            state: job.state.as_str(),
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            run_at: job.run_at,
            created_at: job.created_at,
            last_error: job.last_error.map(|error| error.to_string()),
        }
    }
}

/// The job that the path names. What is no id names none.
pub(crate) struct Named(JobId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<Uuid>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(JobId::from_uuid(id))),
            Err(_) => Err(Problem::new(Code::NotFound)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("must be ready, running, succeeded, retrying or dead")]
struct StateFault;

impl FieldFault for StateFault {
    fn code(&self) -> &'static str {
        "unknown_value"
    }
}

impl FieldFault for JobKindError {
    fn code(&self) -> &'static str {
        "invalid_format"
    }
}

impl Filter<JobId> for JobFilter {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            state: fields.optional("state", |word| JobState::from_word(word).ok_or(StateFault)),
            kind: fields.optional("kind", JobKind::parse),
        })
    }
}

/// List the jobs.
///
/// Those that fit all of the filters that are given, newest first. Jobs that succeeded are kept for a day,
/// dead ones for thirty.
#[utoipa::path(
    get, path = "/jobs", operation_id = "list_jobs", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("jobs:read")), ("x-problems" = json!([]))),
    params(
        ("state" = Option<String>, Query, pattern = "^(ready|running|succeeded|retrying|dead)$", description = "Those in this state.", example = "dead"),
        ("kind" = Option<String>, Query, description = "Those of this kind.", example = "jobs.prune"),
        PageQuery,
    ),
    responses(
        (status = 200, description = "A page of jobs.", body = PageView<JobView>,
         headers(("Link"))),
    ),
)]
pub(crate) async fn list(
    State(http): State<HttpState>,
    Let(by): Let<JobsRead>,
    listing: Listing<JobId, JobFilter>,
) -> Result<Response, Problem> {
    let found = job::list(&http.ctx, &by, &listing.filter, listing.page).await?;
    Ok(listing.respond(found, JobView::from))
}

/// Read a job.
///
/// Shows how far it has come.
#[utoipa::path(
    get, path = "/jobs/{id}", operation_id = "get_job", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("jobs:read")), ("x-problems" = json!([Code::NotFound]))),
    params(("id" = Uuid, Path, description = "The job.", example = "019b76da-a87b-774b-8000-000000000004")),
    responses((status = 200, description = "The job as it is now.", body = JobView)),
)]
pub(crate) async fn get(
    State(http): State<HttpState>,
    Let(by): Let<JobsRead>,
    Named(id): Named,
) -> Result<Json<JobView>, Problem> {
    let found = job::get(&http.ctx, &by, id).await?;
    Ok(Json(found.into()))
}

/// Try a job again.
///
/// One that is dead, or waits for its next attempt, begins at once, with as many attempts as a new one.
#[utoipa::path(
    post, path = "/jobs/{id}/retry", operation_id = "retry_job", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("jobs:write")), ("x-problems" = json!([Code::NotFound, Code::JobNotRetryable]))),
    params(("id" = Uuid, Path, description = "The job.", example = "019b76da-a87b-774b-8000-000000000004")),
    responses((status = 202, description = "The job, which is going to be done.", body = JobView)),
)]
pub(crate) async fn retry(
    Asked(ctx): Asked,
    Let(by): Let<JobsWrite>,
    Named(id): Named,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let retried = detached(async move { job::retry(&ctx, &by, id).await }).await?;
    Ok((StatusCode::ACCEPTED, Json(retried.into())))
}

/// Delete a job.
///
/// Whatever its state; if it is just being done, what it does comes to nothing.
#[utoipa::path(
    delete, path = "/jobs/{id}", operation_id = "delete_job", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("jobs:write")), ("x-problems" = json!([Code::NotFound]))),
    params(("id" = Uuid, Path, description = "The job.", example = "019b76da-a87b-774b-8000-000000000004")),
    responses((status = 204, description = "The job is gone.")),
)]
pub(crate) async fn delete(
    Asked(ctx): Asked,
    Let(by): Let<JobsWrite>,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    detached(async move { job::delete(&ctx, &by, id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
