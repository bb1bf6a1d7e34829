//! Showing that the address of an account is one's own.

use axum::http::StatusCode;
use doorward_app::verification;

use super::proof::{AddressBody, ProofBody, TAG};
use crate::{
    client::Asked,
    detached::detached,
    payload::Payload,
    problem::{Code, Problem},
};

/// Verify an address.
///
/// With the token of the mail that was sent at sign-up, or its code and the address. Whatever does not fit
/// gets the same answer.
#[utoipa::path(
    post, path = "/auth/verify-email", operation_id = "verify_email", tag = TAG,
    extensions(("x-problems" = json!([Code::InvalidToken, Code::TooManyAttempts]))),
    request_body = ProofBody,
    responses((status = 204, description = "The address is verified.")),
)]
pub(crate) async fn verify(
    Asked(ctx): Asked,
    Payload(ProofBody(presented)): Payload<ProofBody>,
) -> Result<StatusCode, Problem> {
    detached(async move { verification::verify(&ctx, &presented).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for the verification mail once more.
///
/// The answer is the same, and comes in the same time, whether or not there is an account with the address
/// that is not verified yet. At most three of these mails an hour go to an address.
#[utoipa::path(
    post, path = "/auth/verify-email/resend", operation_id = "resend_verification", tag = TAG,
    extensions(("x-problems" = json!([]))),
    request_body = AddressBody,
    responses((status = 202, description = "If there is such an account, a mail is on its way.")),
)]
pub(crate) async fn resend(
    Asked(ctx): Asked,
    Payload(body): Payload<AddressBody>,
) -> Result<StatusCode, Problem> {
    detached(async move { verification::request(&ctx, &body.email).await }).await?;
    Ok(StatusCode::ACCEPTED)
}
