//! All users in one answer, however many there are.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use doorward_app::{
    Ctx,
    grant::{PermitError, Permitted, UsersRead},
    user,
};
use doorward_domain::{User, UserId};
use futures_util::{StreamExt, stream};
use tracing::Instrument;

use super::account::UserView;
use crate::{bearer::Let, client::Asked, problem::Problem};

const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const FILE: HeaderValue = HeaderValue::from_static("attachment; filename=\"users.ndjson\"");

/// Export all users.
///
/// One user a line, in the order of their ids, as many as there are; `doorward users import` reads it.
/// Whoever is there from the beginning to the end is in it once. An answer that ends before its last
/// chunk, as HTTP clients report, is not whole: the database failed, the permission was taken away, or
/// the client was so slow that nothing could be sent for 15 seconds.
#[utoipa::path(
    get, path = "/users/export", operation_id = "export_users", tag = super::user::TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("users:read")), ("x-problems" = json!([]))),
    responses(
        (status = 200, description = "Users, each a line of JSON.", content_type = "application/x-ndjson", body = UserView,
         headers(("Content-Disposition"))),
    ),
)]
pub(crate) async fn users(Asked(ctx): Asked, Let(by): Let<UsersRead>) -> Result<Response, Problem> {
    // Read before the head is sent, so that a database that does not answer is still a problem.
    user::begin_export(&ctx, &by, false).await?;
    let first = user::export(&ctx, &by, None).await?;
    tracing::info!(by = %by.principal(), "users exported");
    let rest = stream::try_unfold(last(&first), move |after| {
        next(Arc::clone(&ctx), by, after).in_current_span()
    });
    let lines = stream::once(async { Ok(first) }).chain(rest).map(|users| users.and_then(lines));
    let headers = [(header::CONTENT_TYPE, NDJSON), (header::CONTENT_DISPOSITION, FILE)];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// The users that follow, and after whom to go on; `None` when there are no more.
async fn next(
    ctx: Arc<Ctx>,
    by: Permitted<UsersRead>,
    after: Option<UserId>,
) -> Result<Option<(Vec<User>, Option<UserId>)>, BoxError> {
    if after.is_none() {
        return Ok(None);
    }
    let users = user::export(&ctx, &by, after).await.map_err(broken_off)?;
    let last = last(&users);
    Ok(last.is_some().then_some((users, last)))
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Only the log can still say why.
fn broken_off(error: PermitError) -> BoxError {
    tracing::warn!(error = &error as &dyn std::error::Error, "export broken off");
    error.into()
}

fn last(users: &[User]) -> Option<UserId> {
    users.last().map(|user| user.id)
}

fn lines(users: Vec<User>) -> Result<Bytes, BoxError> {
    let mut lines = Vec::with_capacity(users.len() * 256);
    for user in users {
        serde_json::to_writer(&mut lines, &UserView::from(user))?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}
