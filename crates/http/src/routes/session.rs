//! One's own sessions.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use doorward_app::session;
use doorward_domain::{Session, SessionId};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::BASE;
use crate::{
    HttpState,
    bearer::SignedIn,
    cursor,
    detached::detached,
    problem::{Code, Problem},
    query::Paging,
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
    fn new(session: Session, current: SessionId) -> Self {
        Self {
            id: session.id.as_uuid(),
            current: session.id == current,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
            ip: session.device.ip,
            user_agent: session.device.user_agent,
        }
    }
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionPage)]
pub(crate) struct SessionPageView {
    items: Vec<SessionView>,
    /// Ask the next page with it; `null` on the last page.
    #[schema(example = "AZt22qh7d0uAAAAAAAAAAg")]
    next_cursor: Option<String>,
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
        (status = 200, description = "A page of sessions.", body = SessionPageView,
         headers(("Link" = String, description = "`rel=\"next\"`: the next page, if there is one."))),
        (status = 422, description = "`validation_failed`: a parameter is out of range."),
    ),
)]
pub(crate) async fn list(
    State(http): State<HttpState>,
    SignedIn(actor): SignedIn,
    Paging(page): Paging,
) -> Result<Response, Problem> {
    let found = session::list(&http.ctx, &actor, page).await?;
    let next_cursor = found.next.map(cursor::encode);
    let link = next_cursor.as_ref().map(|after| {
        let limit = page.limit.get();
        format!("<{BASE}/users/me/sessions?limit={limit}&after={after}>; rel=\"next\"")
    });
    let view = |session| SessionView::new(session, actor.session_id());
    let items = found.items.into_iter().map(view).collect();
    let mut response = Json(SessionPageView { items, next_cursor }).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
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
