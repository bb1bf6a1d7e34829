//! Other people's accounts, for operators.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use doorward_app::{
    Policy,
    grant::{RolesWrite, SessionsWrite, UsersRead, UsersWrite},
    user::{self, UpdateUser},
};
use doorward_domain::{
    DisplayName, Email, RoleName, SearchPrefix, SessionId, UserFilter, UserId, UserKey, UserStatus,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{account::UserView, session::SessionView};
use crate::{
    HttpState,
    bearer::Let,
    client::Asked,
    detached::detached,
    fields::{FieldFault, Fields},
    listing::{Filter, Listing, PageQuery, PageView},
    payload::{Payload, Read},
    problem::{Code, Problem},
};

/// The tag of these operations in the document.
pub(super) const TAG: &str = "users";
/// The most roles that one user can be given at once.
const ROLES_MAX: usize = 50;

/// The user that the path names. What is no id names nobody.
pub(crate) struct Named(UserId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<Uuid>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(UserId::from_uuid(id))),
            Err(_) => Err(Problem::new(Code::NotFound)),
        }
    }
}

impl Filter<UserKey> for UserFilter {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            email: fields.optional("email", Email::parse),
            prefix: fields.optional("q", SearchPrefix::parse),
            status: fields.optional("status", read_status),
            role: fields.optional("role", RoleName::parse),
        })
    }

    fn knows(&self, key: &UserKey) -> bool {
        Self::knows(self, key)
    }
}

/// List users.
///
/// Those that fit all of the filters that are given. The order is that of ids, the last first: whoever
/// signed up last, and whoever was imported without an id as if they had signed up then. With `q` it is
/// that of the name or address that begins so, and whoever is found by both stands where the name does.
#[utoipa::path(
    get, path = "/users", operation_id = "list_users", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("users:read")), ("x-problems" = json!([]))),
    params(
        ("email" = Option<String>, Query, description = "The one with this address, in upper or lower case.", example = "ada@example.com"),
        ("q" = Option<String>, Query, min_length = 1, max_length = 254, description = "Those whose address or name begins so, in upper or lower case.", example = "ada"),
        ("status" = Option<String>, Query, pattern = "^(active|disabled)$", description = "Those with this status.", example = "active"),
        ("role" = Option<String>, Query, description = "Those who have this role.", example = "admin"),
        PageQuery,
    ),
    responses(
        (status = 200, description = "A page of users.", body = PageView<UserView>,
         headers(("Link"))),
    ),
)]
pub(crate) async fn list(
    State(http): State<HttpState>,
    Let(by): Let<UsersRead>,
    listing: Listing<UserKey, UserFilter>,
) -> Result<Response, Problem> {
    let found = user::list(&http.ctx, &by, &listing.filter, &listing.page).await?;
    Ok(listing.respond(found, UserView::from))
}

/// Read a user.
///
/// Shows the account as it is now.
#[utoipa::path(
    get, path = "/users/{id}", operation_id = "get_user", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("users:read")), ("x-problems" = json!([Code::NotFound]))),
    params(("id" = Uuid, Path, description = "The user.", example = "019b76da-a87b-774b-8000-000000000001")),
    responses((status = 200, description = "The user as they are now.", body = UserView)),
)]
pub(crate) async fn get(
    State(http): State<HttpState>,
    Let(by): Let<UsersRead>,
    Named(id): Named,
) -> Result<Json<UserView>, Problem> {
    let found = user::get(&http.ctx, &by, id).await?;
    Ok(Json(found.into()))
}

/// What to change of a user; what is absent stays.
#[derive(ToSchema)]
#[schema(as = UpdateUser)]
pub(crate) struct UpdateUserBody {
    /// 1 to 100 printable characters.
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 100, example = "Ada King")]
    name: Option<DisplayName>,
    /// Disabling ends all sessions of the user.
    #[schema(value_type = Option<String>, nullable = false, pattern = "^(active|disabled)$", example = "disabled")]
    status: Option<UserStatus>,
}

#[derive(Debug, thiserror::Error)]
#[error("must be active or disabled")]
struct StatusFault;

impl FieldFault for StatusFault {
    fn code(&self) -> &'static str {
        "unknown_value"
    }
}

fn read_status(word: &str) -> Result<UserStatus, StatusFault> {
    UserStatus::from_word(word).ok_or(StatusFault)
}

impl Read for UpdateUserBody {
    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        Some(Self {
            name: fields.optional("name", DisplayName::parse),
            status: fields.optional("status", read_status),
        })
    }
}

/// Change, disable or enable a user.
///
/// What the body does not mention stays as it is.
#[utoipa::path(
    patch, path = "/users/{id}", operation_id = "update_user", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("users:write")), ("x-problems" = json!([Code::NotFound, Code::LastAdmin]))),
    params(("id" = Uuid, Path, description = "The user.", example = "019b76da-a87b-774b-8000-000000000001")),
    request_body = UpdateUserBody,
    responses((status = 200, description = "The user as they are now.", body = UserView)),
)]
pub(crate) async fn update(
    Asked(ctx): Asked,
    Let(by): Let<UsersWrite>,
    Named(id): Named,
    Payload(body): Payload<UpdateUserBody>,
) -> Result<Json<UserView>, Problem> {
    let command = UpdateUser { name: body.name, status: body.status };
    let changed = detached(async move { user::update(&ctx, &by, id, command).await }).await?;
    Ok(Json(changed.into()))
}

/// Delete a user.
///
/// Everything that belongs to the user is deleted, and all their sessions end.
#[utoipa::path(
    delete, path = "/users/{id}", operation_id = "delete_user", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("users:write")), ("x-problems" = json!([Code::NotFound, Code::LastAdmin]))),
    params(("id" = Uuid, Path, description = "The user.", example = "019b76da-a87b-774b-8000-000000000001")),
    responses((status = 204, description = "The user is gone.")),
)]
pub(crate) async fn delete(
    Asked(ctx): Asked,
    Let(by): Let<UsersWrite>,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    detached(async move { user::delete(&ctx, &by, id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The roles that a user shall have.
#[derive(ToSchema)]
#[schema(as = SetRoles)]
pub(crate) struct SetRolesBody {
    /// All of them; those that are missing here are taken away.
    #[schema(value_type = Vec<String>, max_items = 50, example = json!(["support", "user"]))]
    roles: Vec<RoleName>,
}

impl Read for SetRolesBody {
    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        Some(Self { roles: fields.list("roles", ROLES_MAX, RoleName::parse)? })
    }
}

/// Set the roles of a user.
///
/// Doorward itself goes by the new roles at once; they reach access tokens at the next refresh.
/// Whoever may do this can give themselves every role, so it is as much as being administrator.
#[utoipa::path(
    put, path = "/users/{id}/roles", operation_id = "set_user_roles", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("roles:write")), ("x-problems" = json!([Code::NotFound, Code::LastAdmin]))),
    params(("id" = Uuid, Path, description = "The user.", example = "019b76da-a87b-774b-8000-000000000001")),
    request_body = SetRolesBody,
    responses((status = 200, description = "The user as they are now.", body = UserView)),
)]
pub(crate) async fn set_roles(
    Asked(ctx): Asked,
    Let(by): Let<RolesWrite>,
    Named(id): Named,
    Payload(body): Payload<SetRolesBody>,
) -> Result<Json<UserView>, Problem> {
    let changed =
        detached(async move { user::set_roles(&ctx, &by, id, &body.roles).await }).await?;
    Ok(Json(changed.into()))
}

/// List the sessions of a user.
///
/// Those that are live, newest first.
#[utoipa::path(
    get, path = "/users/{id}/sessions", operation_id = "list_user_sessions", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("users:read")), ("x-problems" = json!([Code::NotFound]))),
    params(
        ("id" = Uuid, Path, description = "The user.", example = "019b76da-a87b-774b-8000-000000000001"),
        PageQuery,
    ),
    responses(
        (status = 200, description = "A page of sessions.", body = PageView<SessionView>,
         headers(("Link"))),
    ),
)]
pub(crate) async fn sessions(
    State(http): State<HttpState>,
    Let(by): Let<UsersRead>,
    Named(id): Named,
    listing: Listing<SessionId>,
) -> Result<Response, Problem> {
    let found = user::sessions(&http.ctx, &by, id, listing.page).await?;
    Ok(listing.respond(found, |session| SessionView::new(session, by.session_id())))
}

/// End all sessions of a user.
///
/// They are signed out everywhere, within a second on all instances. Having none is no error.
#[utoipa::path(
    delete, path = "/users/{id}/sessions", operation_id = "revoke_user_sessions", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("sessions:write")), ("x-problems" = json!([Code::NotFound]))),
    params(("id" = Uuid, Path, description = "The user.", example = "019b76da-a87b-774b-8000-000000000001")),
    responses((status = 204, description = "The user is signed out everywhere.")),
)]
pub(crate) async fn revoke_sessions(
    Asked(ctx): Asked,
    Let(by): Let<SessionsWrite>,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    detached(async move { user::revoke_sessions(&ctx, &by, id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
