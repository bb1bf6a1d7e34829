//! One's own sessions.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::Response,
};
use doorward_app::session;
use doorward_domain::{Session, SessionId};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    HttpState,
    bearer::SignedIn,
    client::Asked,
    detached::detached,
    listing::{Listing, PageQuery, PageView},
    problem::{Code, Problem},
};

/// The tag of these operations in the document.
const TAG: &str = "sessions";

/// One sign-in on one device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    #[schema(example = "019b76da-a87b-774b-8000-000000000002")]
    id: Uuid,
    /// Whether this request was made in it.
    #[schema(example = true)]
    current: bool,
    #[schema(example = "2026-01-01T00:00:00Z")]
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was opened or last refreshed.
    #[schema(example = "2026-01-01T00:14:03Z")]
    #[serde(with = "time::serde::rfc3339")]
    last_used_at: OffsetDateTime,
    /// When it ends unless it is used before; each refresh moves it.
    #[schema(example = "2026-01-31T00:14:03Z")]
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// The client's address at sign-in.
    #[schema(required, example = "2001:db8::1")]
    ip: Option<String>,
    /// The client's `User-Agent` at sign-in, at most 512 octets of it.
    #[schema(required, example = "curl/8.12.1")]
    user_agent: Option<String>,
}

impl SessionView {
    pub(super) fn new(session: Session, current: Option<SessionId>) -> Self {
        Self {
            id: session.id.as_uuid(),
            current: Some(session.id) == current,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
            ip: session.device.ip,
            user_agent: session.device.user_agent,
        }
    }
}

/// List your own sessions.
///
/// Those that are live, newest first.
#[utoipa::path(
    get, path = "/users/me/sessions", operation_id = "list_my_sessions", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-problems" = json!([]))),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of sessions.", body = PageView<SessionView>,
         headers(("Link"))),
    ),
)]
pub(crate) async fn list(
    State(http): State<HttpState>,
    SignedIn(actor): SignedIn,
    listing: Listing<SessionId>,
) -> Result<Response, Problem> {
    let found = session::list(&http.ctx, &actor, listing.page).await?;
    Ok(listing.respond(found, |session| SessionView::new(session, Some(actor.session_id()))))
}

/// End all your other sessions.
///
/// Signs you out everywhere but here. Having no other is no error.
#[utoipa::path(
    delete, path = "/users/me/sessions", operation_id = "revoke_my_other_sessions", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-problems" = json!([]))),
    responses((status = 204, description = "Only the present session is left.")),
)]
pub(crate) async fn revoke_others(
    Asked(ctx): Asked,
    SignedIn(actor): SignedIn,
) -> Result<StatusCode, Problem> {
    detached(async move { session::revoke_others(&ctx, &actor).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End one of your own sessions.
///
/// Its refresh token and its access tokens are refused from now on. It may be the present one.
#[utoipa::path(
    delete, path = "/users/me/sessions/{id}", operation_id = "revoke_my_session", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-problems" = json!([Code::NotFound]))),
    params(("id" = Uuid, Path, description = "The session.", example = "019b76da-a87b-774b-8000-000000000002")),
    responses((status = 204, description = "The session is over.")),
)]
pub(crate) async fn revoke(
    Asked(ctx): Asked,
    SignedIn(actor): SignedIn,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<StatusCode, Problem> {
    // What is no id names nothing.
    let Path(id) = id.map_err(|_| Problem::new(Code::NotFound))?;
    detached(async move { session::revoke(&ctx, &actor, SessionId::from_uuid(id)).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
