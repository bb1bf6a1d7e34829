//! One's own sessions.

use std::sync::Arc;

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
    detached::detached,
    listing::{Listing, PageView},
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
    current: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_used_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    #[schema(example = "2001:db8::1")]
    ip: Option<String>,
    #[schema(example = "curl/8.12.1")]
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
    params(
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "Sessions on a page; 50 unless told."),
        ("after" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of sessions.", body = inline(PageView<SessionView>),
         headers(("Link" = String, description = "`rel=\"next\"`: the next page, if there is one."))),
        (status = 422, description = "`validation_failed`: a parameter is out of range."),
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
#[utoipa::path(
    delete, path = "/users/me/sessions", operation_id = "revoke_my_other_sessions", tag = TAG,
    security(("bearer" = [])),
    responses((status = 204, description = "Only the present session is left.")),
)]
pub(crate) async fn revoke_others(
    State(http): State<HttpState>,
    SignedIn(actor): SignedIn,
) -> Result<StatusCode, Problem> {
    let ctx = Arc::clone(&http.ctx);
    detached(async move { session::revoke_others(&ctx, &actor).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End one of your own sessions.
#[utoipa::path(
    delete, path = "/users/me/sessions/{id}", operation_id = "revoke_my_session", tag = TAG,
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The session.")),
    responses(
        (status = 204, description = "The session is over."),
        (status = 404, description = "`not_found`: you have no such session."),
    ),
)]
pub(crate) async fn revoke(
    State(http): State<HttpState>,
    SignedIn(actor): SignedIn,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<StatusCode, Problem> {
    // What is no id names nothing.
    let Path(id) = id.map_err(|_| Problem::new(Code::NotFound))?;
    let ctx = Arc::clone(&http.ctx);
    detached(async move { session::revoke(&ctx, &actor, SessionId::from_uuid(id)).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
