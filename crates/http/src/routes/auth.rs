//! Signing in, staying signed in, signing out.

use axum::{Json, http::StatusCode};
use doorward_app::{
    Policy,
    session::{self, Login, Tokens},
};
use doorward_domain::{Email, Password, email::EmailError};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    bearer::SignedIn,
    client::{Asked, FromDevice, FromKnownDevice},
    detached::detached,
    fields::Fields,
    payload::{Payload, Read},
    problem::{Code, Problem},
    uncompressed::Uncompressed,
};

/// The tag of these operations in the document.
const TAG: &str = "authentication";

/// What a signed-in client holds.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenPair)]
pub(crate) struct TokenPairView {
    /// A signed JWT (RFC 9068) to send in `Authorization: Bearer`.
    #[schema(value_type = String, example = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsifQ.eyJpc3MiOiJodHRwOi8vMTI3LjAuMC4xOjMwMDAiLCJhdWQiOiJkb29yd2FyZCIsInN1YiI6IjAxOWI3NmRhLWE4N2ItNzc0Yi04MDAwLTAwMDAwMDAwMDAwMSIsInNpZCI6IjAxOWI3NmRhLWE4N2ItNzc0Yi04MDAwLTAwMDAwMDAwMDAwMiIsImp0aSI6IjAxOWI3NmRhLWE4N2MtNzAwMC04MDAwLTAwMDAwMDAwMDAwMyIsImlhdCI6MTc2NzIyNTYwMCwiZXhwIjoxNzY3MjI2NTAwLCJyb2xlcyI6WyJ1c2VyIl0sImF1dGhfdGltZSI6MTc2NzIyNTYwMCwiYW1yIjpbInB3ZCJdfQ.example-signature-example-signature-example-signature-example-signature-example-signaA")]
    #[serde(serialize_with = "expose")]
    access_token: SecretString,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 900)]
    expires_in: i64,
    /// Opaque; works once, and gives the next pair.
    #[schema(value_type = String, example = "dwr_AZt22qh7d0uAAAAAAAAAAgAAAAAAAAABexample-mac-example-mac-example-mac-examplA")]
    #[serde(serialize_with = "expose")]
    refresh_token: SecretString,
    /// Seconds until the refresh token expires.
    #[schema(example = 2_592_000)]
    refresh_expires_in: i64,
    #[schema(example = "019b76da-a87b-774b-8000-000000000002")]
    session_id: Uuid,
    /// Only from a sign-in; works for a year. It has no power of its own: sent back with the next sign-in, it
    /// marks a device of the account's owner, who is then not locked out when strangers guess the password.
    #[schema(value_type = Option<String>, nullable = false, example = "dwd_AZt22qh7d0uAAAAAAAAAAQGbdtqoe3dLgAAAAAAAAAIAAAAAaVW5AExample-mac-example-mac-example-mac-examplA")]
    #[serde(serialize_with = "expose_if_any", skip_serializing_if = "Option::is_none")]
    device_token: Option<SecretString>,
}

/// The one place where tokens leave the server.
fn expose<S: Serializer>(token: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose_secret())
}

#[expect(clippy::ref_option, reason = "this is what serde hands over")]
fn expose_if_any<S: Serializer>(
    token: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match token {
        Some(token) => expose(token, serializer),
        None => serializer.serialize_none(),
    }
}

impl From<Tokens> for TokenPairView {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.access_expires_in.whole_seconds(),
            refresh_token: tokens.refresh_token,
            refresh_expires_in: tokens.refresh_expires_in.whole_seconds(),
            session_id: tokens.session_id.as_uuid(),
            device_token: tokens.device_token,
        }
    }
}

/// Somebody wants to sign in.
#[derive(ToSchema)]
#[schema(as = Login)]
pub(crate) struct LoginBody {
    #[schema(value_type = String, format = "idn-email", max_length = 254, example = "ada@example.com")]
    email: Email,
    #[schema(value_type = String, format = "password", min_length = 1, max_length = 4096, example = "correct horse battery staple")]
    password: Password,
}

impl Read for LoginBody {
    const MAX_OCTETS: usize = 16 * 1024;

    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        let email = fields.required("email", Email::parse);
        let password = fields.required("password", Password::parse);
        Some(Self { email: email?, password: password? })
    }
}

/// Sign in.
///
/// Opens a session. An unknown address and a wrong password get the same answer in the same time.
///
/// After five wrong passwords for an address the next try has to wait, twice as long after each further one.
/// Send the device token of the last sign-in along, and only what is guessed with this very token counts.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "login", tag = TAG,
    extensions(("x-problems" = json!([Code::InvalidCredentials, Code::AccountDisabled, Code::EmailNotVerified, Code::TooManyAttempts, Code::Overloaded]))),
    params(
        ("X-Device-Token" = Option<String>, Header, description = "The `device_token` of the last sign-in on this device. It may come as a cookie named `device_token` instead. One that is not valid is as good as none.", example = "dwd_AZt22qh7d0uAAAAAAAAAAQGbdtqoe3dLgAAAAAAAAAIAAAAAaVW5AExample-mac-example-mac-example-mac-examplA"),
    ),
    request_body = LoginBody,
    responses((status = 200, description = "Signed in.", body = TokenPairView)),
)]
pub(crate) async fn login(
    Asked(ctx): Asked,
    FromDevice(device): FromDevice,
    FromKnownDevice(device_token): FromKnownDevice,
    Payload(body): Payload<LoginBody>,
) -> Result<Uncompressed<Json<TokenPairView>>, Problem> {
    let command = Login { email: body.email, password: body.password, device, device_token };
    let tokens = detached(async move { session::login(&ctx, command).await }).await?;
    Ok(Uncompressed(Json(tokens.into())))
}

/// A refresh token to exchange.
#[derive(ToSchema)]
#[schema(as = Refresh)]
pub(crate) struct RefreshBody {
    #[schema(value_type = String, format = "password", example = "dwr_AZt22qh7d0uAAAAAAAAAAgAAAAAAAAAAexample-mac-example-mac-example-mac-examplA")]
    refresh_token: SecretString,
}

impl Read for RefreshBody {
    const MAX_OCTETS: usize = 16 * 1024;

    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        // Any string will do: whether it is a token, the use case finds out.
        let any = |text: &str| Ok::<_, EmailError>(text.into());
        Some(Self { refresh_token: fields.required("refresh_token", any)? })
    }
}

/// Exchange a refresh token.
///
/// Each refresh token works once and gives a new pair. Within a short grace window after that
/// (10 seconds by default) it gives the same successor again, so that a lost answer or a second tab
/// signs nobody out. Used later, or again after its successor was used, it counts as stolen: the
/// session is revoked, and its access tokens with it.
#[utoipa::path(
    post, path = "/auth/refresh", operation_id = "refresh", tag = TAG,
    extensions(("x-problems" = json!([Code::InvalidRefreshToken, Code::RefreshTokenReused]))),
    request_body = RefreshBody,
    responses((status = 200, description = "The next pair.", body = TokenPairView)),
)]
pub(crate) async fn refresh(
    Asked(ctx): Asked,
    Payload(body): Payload<RefreshBody>,
) -> Result<Uncompressed<Json<TokenPairView>>, Problem> {
    let token = body.refresh_token;
    let tokens =
        detached(async move { session::refresh(&ctx, token.expose_secret()).await }).await?;
    Ok(Uncompressed(Json(tokens.into())))
}

/// Sign out.
///
/// The session ends; its refresh token and its access tokens are refused from now on.
#[utoipa::path(
    post, path = "/auth/logout", operation_id = "logout", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-problems" = json!([]))),
    responses((status = 204, description = "Signed out.")),
)]
pub(crate) async fn logout(
    Asked(ctx): Asked,
    SignedIn(actor): SignedIn,
) -> Result<StatusCode, Problem> {
    detached(async move { session::logout(&ctx, &actor).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
