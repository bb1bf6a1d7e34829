//! Signing up, and one's own account.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use doorward_app::{
    Ctx, Policy,
    account::{self, Register},
    password::{self, ChangePassword},
};
use doorward_domain::{DisplayName, Email, Password, RoleName, User, idempotency::Caller};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::BASE;
use crate::{
    HttpState,
    bearer::SignedIn,
    client::Asked,
    detached::detached,
    fields::Fields,
    idempotency::{Answer, IdempotencyHeader, Once},
    payload::{Payload, Read},
    problem::{Code, Problem},
};

/// The tag of these operations in the document.
const TAG: &str = "account";

/// A person with an account, as the API shows them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    #[schema(example = "019b76da-a87b-774b-8000-000000000001")]
    id: Uuid,
    /// As its owner wrote it.
    #[schema(format = "idn-email", example = "ada@example.com")]
    email: String,
    /// Whether the owner has shown that mail to the address reaches them.
    #[schema(example = false)]
    email_verified: bool,
    #[schema(example = "Ada Lovelace")]
    name: String,
    /// In alphabetical order.
    #[schema(example = json!(["user"]))]
    roles: Vec<String>,
    #[schema(example = "active", pattern = "^(active|disabled)$")]
    status: &'static str,
    #[schema(example = "2026-01-01T00:00:00Z")]
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[schema(example = "2026-01-05T08:30:00Z")]
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    /// `null` before the first time.
    #[schema(required, example = "2026-01-09T17:04:11.250318Z")]
    #[serde(with = "time::serde::rfc3339::option")]
    last_login_at: Option<OffsetDateTime>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.as_uuid(),
            email: user.email.as_given().to_owned(),
            email_verified: user.email_verified,
            name: user.name.as_str().to_owned(),
            roles: user.roles.iter().map(RoleName::to_string).collect(),
            status: user.status.as_str(),
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_login_at: user.last_login_at,
        }
    }
}

/// Somebody wants an account.
#[derive(ToSchema)]
#[schema(as = Register)]
pub(crate) struct RegisterBody {
    /// At most 254 octets. Unique whatever its upper and lower case, Unicode form or Punycode.
    #[schema(value_type = String, format = "idn-email", max_length = 254, example = "ada@example.com")]
    email: Email,
    /// 15 to 256 characters unless the operator chose another minimum; any characters; not guessable.
    #[schema(value_type = String, format = "password", min_length = 8, max_length = 256, example = "correct horse battery staple")]
    password: Password,
    /// 1 to 100 printable characters.
    #[schema(value_type = String, min_length = 1, max_length = 100, example = "Ada Lovelace")]
    name: DisplayName,
}

impl Read for RegisterBody {
    const MAX_OCTETS: usize = 16 * 1024;

    fn read(fields: &mut Fields, policy: &Policy) -> Option<Self> {
        let email = fields.required("email", Email::parse);
        let password = fields.required("password", Password::parse);
        let name = fields.required("name", DisplayName::parse);
        // The use case judges the password; when it will not be reached, it is judged here, so that
        // everything that is wrong is told at once.
        if let (true, Some(password)) = (fields.has_faults(), &password) {
            let address = email.as_ref().map_or("", Email::as_given);
            let shown = name.as_ref().map_or("", DisplayName::as_str);
            if let Err(fault) = policy.password.judge(password, &[address, shown]) {
                fields.refuse("password", &fault);
            }
        }
        Some(Self { email: email?, password: password?, name: name? })
    }
}

/// Sign up.
///
/// Makes an active account with the role `user`. The address is not verified yet.
#[utoipa::path(
    post, path = "/users", operation_id = "register", tag = TAG,
    extensions(("x-problems" = json!([Code::EmailTaken, Code::Overloaded]))),
    params(IdempotencyHeader),
    request_body = RegisterBody,
    responses(
        (status = 201, description = "The account was made.", body = UserView,
         headers(("Location"))),
        (status = 202, description = "Instead of 201 and 409, where the operator set `signup.conceal_existing`: the account was made, or there was one with this address already."),
    ),
)]
pub(crate) async fn register(
    Asked(ctx): Asked,
    Once { body, repeat }: Once<RegisterBody>,
) -> Result<Response, Problem> {
    let RegisterBody { email, password, name } = body;
    let command = Register { email, password, name };
    let caller = Caller::Anonymous;
    if ctx.policy.conceal_existing {
        // Without a body: whatever it said would be the same for everybody.
        let accepted = |(): &()| Answer::empty(StatusCode::ACCEPTED);
        let use_case = |ctx: Arc<Ctx>, receipt| async move {
            account::register_concealed(&ctx, command, receipt, tokio::time::sleep).await
        };
        return repeat.run(ctx, caller, accepted, use_case).await;
    }
    let created = |user: &User| {
        let location = format!("{BASE}/users/{}", user.id);
        Answer::json(StatusCode::CREATED, &UserView::from(user.clone())).at(location)
    };
    let use_case =
        |ctx: Arc<Ctx>, receipt| async move { account::register(&ctx, command, receipt).await };
    repeat.run(ctx, caller, created, use_case).await
}

/// Read your own account.
///
/// Shows it as it is now, whatever the access token says about it.
#[utoipa::path(
    get, path = "/users/me", operation_id = "get_my_account", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-problems" = json!([]))),
    responses((status = 200, description = "Your account as it is now.", body = UserView)),
)]
pub(crate) async fn profile(
    State(http): State<HttpState>,
    SignedIn(actor): SignedIn,
) -> Result<Json<UserView>, Problem> {
    let user = account::profile(&http.ctx, &actor).await?;
    Ok(Json(user.into()))
}

/// What to change of one's own account; what is absent stays.
#[derive(ToSchema)]
#[schema(as = UpdateProfile)]
pub(crate) struct UpdateProfileBody {
    /// 1 to 100 printable characters.
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 100, example = "Ada King")]
    name: Option<DisplayName>,
}

impl Read for UpdateProfileBody {
    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        Some(Self { name: fields.optional("name", DisplayName::parse) })
    }
}

/// Change your own account.
///
/// What the body does not mention stays as it is. The password and the sessions have operations of
/// their own.
#[utoipa::path(
    patch, path = "/users/me", operation_id = "update_my_account", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-problems" = json!([]))),
    request_body = UpdateProfileBody,
    responses((status = 200, description = "Your account as it is now.", body = UserView)),
)]
pub(crate) async fn update_profile(
    Asked(ctx): Asked,
    SignedIn(actor): SignedIn,
    Payload(body): Payload<UpdateProfileBody>,
) -> Result<Json<UserView>, Problem> {
    let user =
        detached(async move { account::update_profile(&ctx, &actor, body.name).await }).await?;
    Ok(Json(user.into()))
}

/// Proof that it is the owner who asks.
#[derive(ToSchema)]
#[schema(as = DeleteAccount)]
pub(crate) struct DeleteBody {
    /// The present password.
    #[schema(value_type = String, format = "password", min_length = 1, max_length = 4096, example = "correct horse battery staple")]
    password: Password,
}

impl Read for DeleteBody {
    const MAX_OCTETS: usize = 16 * 1024;

    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        Some(Self { password: fields.required("password", Password::parse)? })
    }
}

/// Delete your own account.
///
/// Everything that belongs to the account is deleted, and all its sessions end.
#[utoipa::path(
    delete, path = "/users/me", operation_id = "delete_my_account", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-problems" = json!([Code::WrongPassword, Code::TooManyAttempts, Code::LastAdmin, Code::Overloaded]))),
    request_body = DeleteBody,
    responses((status = 204, description = "The account is gone.")),
)]
pub(crate) async fn delete(
    Asked(ctx): Asked,
    SignedIn(actor): SignedIn,
    Payload(body): Payload<DeleteBody>,
) -> Result<StatusCode, Problem> {
    detached(async move { account::delete(&ctx, &actor, &body.password).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody wants another password.
#[derive(ToSchema)]
#[schema(as = ChangePassword)]
pub(crate) struct ChangePasswordBody {
    #[schema(value_type = String, format = "password", min_length = 1, max_length = 4096, example = "correct horse battery staple")]
    current_password: Password,
    /// The rules of signing up.
    #[schema(value_type = String, format = "password", min_length = 8, max_length = 256, example = "four other words in a row")]
    new_password: Password,
}

impl Read for ChangePasswordBody {
    const MAX_OCTETS: usize = 16 * 1024;

    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        let current_password = fields.required("current_password", Password::parse);
        let new_password = fields.required("new_password", Password::parse);
        Some(Self { current_password: current_password?, new_password: new_password? })
    }
}

/// Change your own password.
///
/// All other sessions end; the present one stays.
#[utoipa::path(
    put, path = "/users/me/password", operation_id = "change_my_password", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-problems" = json!([Code::WrongPassword, Code::TooManyAttempts, Code::Overloaded]))),
    request_body = ChangePasswordBody,
    responses((status = 204, description = "The new password is in force.")),
)]
pub(crate) async fn change_password(
    Asked(ctx): Asked,
    SignedIn(actor): SignedIn,
    Payload(body): Payload<ChangePasswordBody>,
) -> Result<StatusCode, Problem> {
    let command = ChangePassword { current: body.current_password, new: body.new_password };
    detached(async move { password::change(&ctx, &actor, command).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
