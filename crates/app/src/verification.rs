//! Showing that the address of an account is one's own.

use doorward_domain::{AuditAction, Email, LetterKind, ProofPurpose, Timestamp};

use crate::{
    Ctx, Failure, audit,
    failure::failed_from_ports,
    mailing,
    proof::{self, Presented, ProofError},
};

#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Failed(Failure),
}

/// Has the mail sent once more by which an address is verified. What is done here is the same whether or
/// not there is an account with the address; a job finds out.
///
/// # Errors
/// Only when the store fails.
pub async fn request(ctx: &Ctx, email: &Email) -> Result<(), RequestError> {
    ask(ctx, LetterKind::VerifyEmail, AuditAction::VerificationRequested, email).await
}

/// Writes down that a mail is wanted at an address. Both writes are always made, so the time that it takes
/// tells nothing.
pub(crate) async fn ask(
    ctx: &Ctx,
    letter: LetterKind,
    action: AuditAction,
    email: &Email,
) -> Result<(), RequestError> {
    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    work.job_enqueue(&mailing::job(ctx, letter, email, None, now)).await?;
    work.audit_append(&audit::event(ctx, action, now)).await?;
    work.commit().await?;
    Ok(())
}

/// Marks the address as verified that a mail went to, and has a welcome sent the first time.
///
/// # Errors
/// [`ProofError::Invalid`], also when the account has another address by now;
/// [`ProofError::TooManyAttempts`].
pub async fn verify(ctx: &Ctx, presented: &Presented) -> Result<(), ProofError> {
    let purpose = ProofPurpose::VerifyEmail;
    let proof = proof::check(ctx, purpose, presented).await?;
    let now = ctx.clock.now();
    let consumed = proof::consume(ctx, &proof, now).await?;
    let (mut work, user) = consumed.ok_or(ProofError::Invalid)?;
    if user.email != proof.address {
        return Err(ProofError::Invalid);
    }
    work.proofs_void(user.id, purpose, Timestamp::UNIX_EPOCH, now).await?;
    if !user.email_verified {
        work.user_verify_email(user.id, now).await?;
        work.audit_append(&proof::event(ctx, AuditAction::EmailVerified, &user, now)).await?;
        mailing::enqueue(ctx, &mut *work, LetterKind::Welcome, &user, now).await?;
    }
    work.commit().await?;
    tracing::info!(user_id = %user.id, "address verified");
    Ok(())
}

failed_from_ports!(RequestError);
