//! Roles and what they permit.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use doorward_app::{
    Policy,
    grant::{RolesRead, RolesWrite},
    role,
};
use doorward_domain::{
    Permission, Role, RoleName,
    role::{ROLE_PERMISSIONS_MAX, RoleDescription},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    HttpState,
    bearer::Let,
    client::Asked,
    detached::detached,
    fields::Fields,
    listing::{Listing, PageQuery, PageView},
    payload::{Payload, Read},
    problem::{Code, Problem},
};

/// The tag of these operations in the document.
const TAG: &str = "roles";

/// A named set of permissions.
#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
pub(crate) struct RoleView {
    #[schema(example = "support")]
    name: String,
    #[schema(example = "Helps people with their accounts")]
    description: String,
    /// In alphabetical order. Empty for `admin`, which permits everything.
    #[schema(example = json!(["orders:refund", "users:read"]))]
    permissions: Vec<String>,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        Self {
            name: role.name.to_string(),
            description: role.description.as_str().to_owned(),
            permissions: role.permissions.iter().map(Permission::to_string).collect(),
        }
    }
}

/// The role that the path names. What is no name names nothing.
fn role_name(name: &str) -> Result<RoleName, Problem> {
    RoleName::parse(name).map_err(|_| Problem::new(Code::NotFound))
}

/// List the roles.
///
/// By name, the built-in ones `admin` and `user` included.
#[utoipa::path(
    get, path = "/roles", operation_id = "list_roles", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("roles:read")), ("x-problems" = json!([]))),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of roles.", body = PageView<RoleView>,
         headers(("Link"))),
    ),
)]
pub(crate) async fn list(
    State(http): State<HttpState>,
    Let(by): Let<RolesRead>,
    listing: Listing<RoleName>,
) -> Result<Response, Problem> {
    let found = role::list(&http.ctx, &by, &listing.page).await?;
    Ok(listing.respond(found, RoleView::from))
}

/// What a role says.
#[derive(ToSchema)]
#[schema(as = PutRole)]
pub(crate) struct PutRoleBody {
    /// At most 200 printable characters.
    #[schema(value_type = String, max_length = 200, example = "Helps people with their accounts")]
    description: RoleDescription,
    /// Doorward's own, such as `users:read`, or the application's; at most 100.
    #[schema(value_type = Vec<String>, max_items = 100, example = json!(["users:read", "orders:refund"]))]
    permissions: Vec<Permission>,
}

impl Read for PutRoleBody {
    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        let description = fields.required("description", RoleDescription::parse);
        let permissions = fields.list("permissions", ROLE_PERMISSIONS_MAX, Permission::parse);
        Some(Self { description: description?, permissions: permissions? })
    }
}

/// Make or change a role.
///
/// Replaces all that the role says. Whoever has it can do the new at once, and the old no more.
#[utoipa::path(
    put, path = "/roles/{name}", operation_id = "put_role", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("roles:write")), ("x-problems" = json!([Code::RoleBuiltIn]))),
    params(("name" = String, Path, max_length = 50, pattern = "^[a-z][a-z0-9_-]*$", description = "The role.", example = "support")),
    request_body = PutRoleBody,
    responses(
        (status = 200, description = "The role was changed.", body = RoleView),
        (status = 201, description = "The role was made.", body = RoleView),
    ),
)]
pub(crate) async fn put(
    Asked(ctx): Asked,
    Let(by): Let<RolesWrite>,
    Path(name): Path<String>,
    Payload(body): Payload<PutRoleBody>,
) -> Result<(StatusCode, Json<RoleView>), Problem> {
    let name = RoleName::parse(&name)
        .map_err(|fault| Problem::invalid("/name", "invalid_format", fault))?;
    let permissions = body.permissions.into_iter().collect();
    let role = Role { name, description: body.description, permissions };
    let (made, role) =
        detached(async move { role::put(&ctx, &by, &role).await.map(|made| (made, role)) }).await?;
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(role.into())))
}

/// Delete a role.
///
/// Everybody who has it loses it.
#[utoipa::path(
    delete, path = "/roles/{name}", operation_id = "delete_role", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("roles:write")), ("x-problems" = json!([Code::NotFound, Code::RoleBuiltIn]))),
    params(("name" = String, Path, max_length = 50, pattern = "^[a-z][a-z0-9_-]*$", description = "The role.", example = "support")),
    responses((status = 204, description = "The role is gone.")),
)]
pub(crate) async fn delete(
    Asked(ctx): Asked,
    Let(by): Let<RolesWrite>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let name = role_name(&name)?;
    detached(async move { role::delete(&ctx, &by, &name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
