//! Choosing another password without the one before.

use doorward_domain::{
    AuditAction, Email, LetterKind, Password, ProofPurpose, Timestamp, password::PasswordError,
    session::RevocationCause,
};
use time::Duration;

use crate::{
    Ctx, Failure,
    failure::failed_from_ports,
    guess, mailing,
    proof::{self, Presented, failed_from_proof_check},
    revocation, session,
    verification::{self, RequestError},
};

/// Has a mail sent by which another password can be chosen. What is done here is the same whether or not
/// there is an account with the address; a job finds out.
///
/// # Errors
/// Only when the store fails.
pub async fn request(ctx: &Ctx, email: &Email) -> Result<(), RequestError> {
    let action = AuditAction::PasswordResetRequested;
    verification::ask(ctx, LetterKind::ResetPassword, action, email).await
}

/// Somebody who got the mail chooses another password.
#[derive(Debug)]
pub struct ResetPassword {
    pub presented: Presented,
    pub new: Password,
}

#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// As [`ProofError::Invalid`](proof::ProofError::Invalid).
    #[error("the token or code is not valid")]
    Invalid,
    /// As [`ProofError::TooManyAttempts`](proof::ProofError::TooManyAttempts).
    #[error("too many guesses")]
    TooManyAttempts { retry_after: Duration },
    #[error("the new password {0}")]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Failed(Failure),
}

/// Sets another password and ends all sessions. The address counts as verified from now on, because its mail
/// was read. Whom strangers kept waiting by guessing at the password before can sign in at once. An account
/// that is disabled stays so.
///
/// # Errors
/// [`ResetPasswordError::Password`] before the proof is used up, so that it serves for a better one;
/// [`ResetPasswordError::Invalid`] before any hashing, unless somebody else was faster.
pub async fn confirm(ctx: &Ctx, command: ResetPassword) -> Result<(), ResetPasswordError> {
    let ResetPassword { presented, new } = command;
    // Before a code is counted: what is wrong whoever they are can be said to anybody.
    ctx.policy.password.judge(&new, &[])?;
    let purpose = ProofPurpose::ResetPassword;
    let proof = proof::check(ctx, purpose, &presented).await?;
    let user = ctx.store.user_by_id(proof.user_id).await?;
    let user = user.filter(|user| user.email == proof.address);
    let user = user.ok_or(ResetPasswordError::Invalid)?;
    ctx.policy.password.judge(&new, &[user.email.as_given(), user.name.as_str()])?;
    let hash = ctx.hasher.hash(&new).await?;

    let now = ctx.clock.now();
    let until = session::tokens_until(ctx, now);
    let consumed = proof::consume(ctx, &proof, now).await?;
    let (mut work, user) = consumed.ok_or(ResetPasswordError::Invalid)?;
    if user.email != proof.address {
        return Err(ResetPasswordError::Invalid);
    }
    work.credential_put(user.id, &hash, now).await?;
    let cause = RevocationCause::PasswordChanged;
    let ended = work.sessions_revoke(user.id, None, cause, now, until).await?;
    if !user.email_verified {
        work.user_verify_email(user.id, now).await?;
    }
    // Whoever knew the old password may have begun a change of address.
    for purpose in [purpose, ProofPurpose::ConfirmEmailChange] {
        work.proofs_void(user.id, purpose, Timestamp::UNIX_EPOCH, now).await?;
    }
    mailing::enqueue(ctx, &mut *work, LetterKind::PasswordChanged, &user, now).await?;
    let reset = proof::event(ctx, AuditAction::PasswordReset, &user, now);
    work.audit_append(&reset.with("sessions_ended", ended.len())).await?;
    guess::begin_anew(ctx, &mut *work, &user.email, now).await?;
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    tracing::info!(user_id = %user.id, sessions = ended.len(), "password reset");
    Ok(())
}

failed_from_proof_check!(ResetPasswordError);
failed_from_ports!(ResetPasswordError);
