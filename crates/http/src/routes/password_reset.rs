//! Choosing another password without the one before.

use axum::http::StatusCode;
use doorward_app::{
    Policy,
    password_reset::{self, ResetPassword},
};
use doorward_domain::Password;
use utoipa::ToSchema;

use super::proof::{AddressBody, TAG, presented};
use crate::{
    client::Asked,
    detached::detached,
    fields::Fields,
    payload::{Payload, Read},
    problem::{Code, Problem},
};

/// Ask for a mail to choose another password.
///
/// The answer is the same, and comes in the same time, whether or not there is an account with the address.
/// At most three of these mails an hour go to an address.
#[utoipa::path(
    post, path = "/auth/password-reset", operation_id = "request_password_reset", tag = TAG,
    extensions(("x-problems" = json!([]))),
    request_body = AddressBody,
    responses((status = 202, description = "If there is such an account, a mail is on its way.")),
)]
pub(crate) async fn request(
    Asked(ctx): Asked,
    Payload(body): Payload<AddressBody>,
) -> Result<StatusCode, Problem> {
    detached(async move { password_reset::request(&ctx, &body.email).await }).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The token of a mail, or its code with the address that it went to, and another password.
#[derive(ToSchema)]
#[schema(as = ResetPassword)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is the schema of what `ResetPasswordBody` reads")]
enum ResetPasswordSchema {
    Token {
        /// From the link in the mail; works once.
        #[schema(
            format = "password",
            example = "dwp_AZt22qh7d0uAAAAAAAAAAexample-mac-example-mac-example-mac-exam"
        )]
        token: String,
        /// 15 to 256 characters unless the operator chose another minimum; any characters; not guessable.
        #[schema(
            format = "password",
            min_length = 8,
            max_length = 256,
            example = "four other words in a row"
        )]
        new_password: String,
    },
    Code {
        /// The address that the mail went to.
        #[schema(format = "idn-email", max_length = 254, example = "ada@example.com")]
        email: String,
        /// The eight digits in the mail. It works for ten minutes, and can be tried five times.
        #[schema(pattern = "^[0-9]{8}$", example = "01234567")]
        code: String,
        /// 15 to 256 characters unless the operator chose another minimum; any characters; not guessable.
        #[schema(
            format = "password",
            min_length = 8,
            max_length = 256,
            example = "four other words in a row"
        )]
        new_password: String,
    },
}

pub(crate) struct ResetPasswordBody(ResetPassword);

impl utoipa::PartialSchema for ResetPasswordBody {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        ResetPasswordSchema::schema()
    }
}

impl ToSchema for ResetPasswordBody {
    fn name() -> std::borrow::Cow<'static, str> {
        ResetPasswordSchema::name()
    }
}

impl Read for ResetPasswordBody {
    const MAX_OCTETS: usize = 16 * 1024;

    fn read(fields: &mut Fields, policy: &Policy) -> Option<Self> {
        let presented = presented(fields);
        let new = fields.required("new_password", Password::parse);
        // As at sign-up: what the use case will not come to judge is judged here.
        if let (true, Some(new)) = (fields.has_faults(), &new)
            && let Err(fault) = policy.password.judge(new, &[])
        {
            fields.refuse("new_password", &fault);
        }
        Some(Self(ResetPassword { presented: presented?, new: new? }))
    }
}

/// Choose another password.
///
/// With the token of the mail, or its code and the address. All sessions end, and the address counts as
/// verified. Whatever does not fit gets the same answer; a password that is refused uses nothing up.
#[utoipa::path(
    post, path = "/auth/password-reset/confirm", operation_id = "reset_password", tag = TAG,
    extensions(("x-problems" = json!([Code::InvalidToken, Code::Overloaded]))),
    request_body = ResetPasswordBody,
    responses((status = 204, description = "The password is set; everybody is signed out.")),
)]
pub(crate) async fn confirm(
    Asked(ctx): Asked,
    Payload(ResetPasswordBody(command)): Payload<ResetPasswordBody>,
) -> Result<StatusCode, Problem> {
    detached(async move { password_reset::confirm(&ctx, command).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
