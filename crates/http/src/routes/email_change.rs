//! Giving one's account another address.

use std::sync::Arc;

use axum::{http::StatusCode, response::Response};
use doorward_app::{
    Ctx, Policy,
    email_change::{self, ChangeEmail},
};
use doorward_domain::{Email, Password, idempotency::Caller};
use secrecy::SecretString;
use utoipa::ToSchema;

use super::proof::{ProofBody, TAG, token};
use crate::{
    bearer::SignedIn,
    client::Asked,
    detached::detached,
    fields::Fields,
    idempotency::{Answer, IdempotencyHeader, Once},
    payload::{Payload, Read},
    problem::{Code, Problem},
};

/// Somebody wants another address.
#[derive(ToSchema)]
#[schema(as = ChangeEmail)]
pub(crate) struct ChangeEmailBody {
    #[schema(value_type = String, format = "idn-email", max_length = 254, example = "ada@example.org")]
    new_email: Email,
    /// The present password.
    #[schema(value_type = String, format = "password", min_length = 1, max_length = 4096, example = "correct horse battery staple")]
    password: Password,
}

impl Read for ChangeEmailBody {
    const MAX_OCTETS: usize = 16 * 1024;

    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        let new_email = fields.required("new_email", Email::parse);
        let password = fields.required("password", Password::parse);
        Some(Self { new_email: new_email?, password: password? })
    }
}

/// Ask for another address.
///
/// A mail asks at the new address, and another one tells the present one, with a token to stop it. The answer
/// does not tell whether somebody has the new address already: then it gets no mail. At most three of these
/// mails an hour go to an address. Asking again replaces what was asked for before.
#[utoipa::path(
    post, path = "/users/me/email", operation_id = "request_email_change", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-problems" = json!([Code::WrongPassword, Code::TooManyAttempts, Code::Overloaded]))),
    params(IdempotencyHeader),
    request_body = ChangeEmailBody,
    responses((status = 202, description = "Mails are on their way; the address is the same until the new one is confirmed.")),
)]
pub(crate) async fn request(
    Asked(ctx): Asked,
    SignedIn(actor): SignedIn,
    Once { body, repeat }: Once<ChangeEmailBody>,
) -> Result<Response, Problem> {
    let command = ChangeEmail { new: body.new_email, password: body.password };
    let caller = Caller::User(actor.user_id());
    let accepted = |(): &()| Answer::empty(StatusCode::ACCEPTED);
    let use_case = move |ctx: Arc<Ctx>, receipt| async move {
        email_change::request(&ctx, &actor, command, receipt).await
    };
    repeat.run(ctx, caller, accepted, use_case).await
}

/// Confirm another address.
///
/// With the token of the mail to the new address, or its code and that address. It is the verified address of
/// the account from now on; sessions go on.
#[utoipa::path(
    post, path = "/auth/email-change/confirm", operation_id = "confirm_email_change", tag = TAG,
    extensions(("x-problems" = json!([Code::InvalidToken, Code::TooManyAttempts, Code::EmailTaken]))),
    request_body = ProofBody,
    responses((status = 204, description = "The address is changed.")),
)]
pub(crate) async fn confirm(
    Asked(ctx): Asked,
    Payload(ProofBody(presented)): Payload<ProofBody>,
) -> Result<StatusCode, Problem> {
    detached(async move { email_change::confirm(&ctx, &presented).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token of a mail.
#[derive(ToSchema)]
#[schema(as = CancelEmailChange)]
pub(crate) struct CancelBody {
    /// From the link in the mail to the address before; works once.
    #[schema(value_type = String, format = "password", example = "dwp_AZt22qh7d0uAAAAAAAAAAexample-mac-example-mac-example-mac-exam")]
    token: SecretString,
}

impl Read for CancelBody {
    const MAX_OCTETS: usize = 16 * 1024;

    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        Some(Self { token: token(fields)? })
    }
}

/// Stop or undo a change of address.
///
/// With the token of the mail to the address before. A change that was confirmed already is undone, and all
/// sessions end: whoever changed it is signed out. Choose another password then.
#[utoipa::path(
    post, path = "/auth/email-change/cancel", operation_id = "cancel_email_change", tag = TAG,
    extensions(("x-problems" = json!([Code::InvalidToken, Code::EmailTaken]))),
    request_body = CancelBody,
    responses((status = 204, description = "The account has the address to which the mail went.")),
)]
pub(crate) async fn cancel(
    Asked(ctx): Asked,
    Payload(body): Payload<CancelBody>,
) -> Result<StatusCode, Problem> {
    detached(async move { email_change::cancel(&ctx, body.token).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
