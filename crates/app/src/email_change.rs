//! Giving one's account another address.
//!
//! The new address must be confirmed before anything changes. The present one is told, with a token that
//! stops the change, or undoes it for as long as the token lives: whoever took over an account cannot take
//! the address along so quickly that its owner has no say.

use doorward_domain::{
    AuditAction, Email, LetterKind, NewJob, Password, ProofId, ProofPurpose, Timestamp, User,
    UserStatus,
    ports::{Constraint, ProofInserted, StoreError, UnitOfWork},
    session::RevocationCause,
};
use secrecy::SecretString;
use time::Duration;

use crate::{
    Actor, Ctx, Failure, Receipt, audit,
    failure::failed_from_ports,
    guess::{Guesser, check_password, failed_from_password_check},
    mailing,
    proof::{self, Presented, failed_from_proof_check},
    revocation, session,
};

/// Somebody wants another address.
#[derive(Debug, Clone)]
pub struct ChangeEmail {
    pub new: Email,
    pub password: Password,
}

#[derive(Debug, thiserror::Error)]
pub enum ChangeEmailError {
    #[error("the password is wrong")]
    WrongPassword,
    /// Before anything was checked.
    #[error("too many guesses")]
    TooManyAttempts { retry_after: Duration },
    /// The account was deleted or disabled after the access token was checked.
    #[error("the account is gone")]
    Gone,
    #[error(transparent)]
    Failed(Failure),
}

/// Asks at the new address, and tells the present one. It replaces what was asked for before. Whether
/// somebody has the new address already is told nobody: then it gets no mail. Neither does it when enough
/// went to one of the two addresses within an hour.
///
/// # Errors
/// [`ChangeEmailError::WrongPassword`], also when the password was changed meanwhile;
/// [`ChangeEmailError::TooManyAttempts`].
pub async fn request(
    ctx: &Ctx,
    actor: &Actor,
    command: ChangeEmail,
    receipt: Receipt<()>,
) -> Result<(), ChangeEmailError> {
    let user_id = actor.user_id();
    let found = ctx.store.credential_by_user(user_id).await?;
    let (user, credential) = found.ok_or(ChangeEmailError::Gone)?;
    let refused = |now| {
        audit::own(ctx, AuditAction::PasswordRefused, actor, now).with("for", "change of address")
    };
    let guesser = Guesser::signed_in(actor, &user.email);
    let hash = Some(&credential.hash);
    let right = check_password(ctx, &guesser, &command.password, hash, refused).await?;

    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    let user = work.user_lock(user_id).await?;
    let user = user.filter(|user| user.status == UserStatus::Active);
    let user = user.ok_or(ChangeEmailError::Gone)?;
    if !work.credential_is_current(user_id, credential.version).await? {
        work.audit_append(&refused(now)).await?;
        work.commit().await?;
        return Err(ChangeEmailError::WrongPassword);
    }
    let confirm = ProofPurpose::ConfirmEmailChange;
    work.proofs_void(user_id, confirm, Timestamp::UNIX_EPOCH, now).await?;
    let job = mailing::job(ctx, LetterKind::ConfirmEmailChange, &command.new, Some(user_id), now);
    let notice =
        mailing::job(ctx, LetterKind::EmailChangeRequested, &user.email, Some(user_id), now);
    // Nothing goes to the new address of which the present one is not told.
    let asked = mail(ctx, &mut *work, &job, confirm, &user, &command.new).await?
        && mail(ctx, &mut *work, &notice, ProofPurpose::CancelEmailChange, &user, &user.email)
            .await?;
    if !asked {
        drop(work);
        tracing::info!(%user_id, "a change of address was asked for too often");
        let mut work = ctx.store.begin().await?;
        receipt.keep(ctx, &mut *work, &()).await?;
        right.admitted.right(ctx, &mut *work, now).await?;
        work.commit().await?;
        return Ok(());
    }
    work.audit_append(&audit::own(ctx, AuditAction::EmailChangeRequested, actor, now)).await?;
    receipt.keep(ctx, &mut *work, &()).await?;
    right.admitted.right(ctx, &mut *work, now).await?;
    work.commit().await?;
    tracing::info!(%user_id, "change of address requested");
    Ok(())
}

/// Adds a proof with the job that mails it; `false` if enough went to the address.
async fn mail(
    ctx: &Ctx,
    work: &mut dyn UnitOfWork,
    job: &NewJob,
    purpose: ProofPurpose,
    user: &User,
    to: &Email,
) -> Result<bool, StoreError> {
    let id = ProofId::from_uuid(job.id.as_uuid());
    let proof = mailing::proof(ctx, id, purpose, user.id, to, job.created_at);
    if work.proof_insert(&proof).await? == ProofInserted::TooMany {
        return Ok(false);
    }
    work.job_enqueue(job).await
}

#[derive(Debug, thiserror::Error)]
pub enum SettleChangeError {
    /// As [`ProofError::Invalid`](proof::ProofError::Invalid).
    #[error("the token or code is not valid")]
    Invalid,
    /// As [`ProofError::TooManyAttempts`](proof::ProofError::TooManyAttempts).
    #[error("too many guesses")]
    TooManyAttempts { retry_after: Duration },
    /// Somebody else has the address by now, or may take it back. The proof is not used up.
    #[error("there is an account with this address")]
    EmailTaken,
    #[error(transparent)]
    Failed(Failure),
}

/// Gives the account the address that the mail went to, as a verified one. Sessions go on: nobody knows
/// anything about the account who did not before.
///
/// # Errors
/// [`SettleChangeError::Invalid`], also when the account is disabled; [`SettleChangeError::EmailTaken`].
pub async fn confirm(ctx: &Ctx, presented: &Presented) -> Result<(), SettleChangeError> {
    let purpose = ProofPurpose::ConfirmEmailChange;
    let proof = proof::check(ctx, purpose, presented).await?;
    let now = ctx.clock.now();
    let consumed = proof::consume(ctx, &proof, now).await?;
    let (mut work, user) = consumed.ok_or(SettleChangeError::Invalid)?;
    if user.status != UserStatus::Active {
        return Err(SettleChangeError::Invalid);
    }
    readdress(&mut *work, &user, &proof.address, now).await?;
    work.user_verify_email(user.id, now).await?;
    work.audit_append(&proof::event(ctx, AuditAction::EmailChanged, &user, now)).await?;
    work.commit().await?;
    tracing::info!(user_id = %user.id, "address changed");
    Ok(())
}

/// Stops a change of address. If it was confirmed already, the account gets the address back that the mail
/// went to, and all its sessions end. That address counts as verified no more: who says that they know nothing
/// of a change does not say that the account is theirs. The tokens of later changes are void then; those of earlier ones are
/// not, so who holds the oldest address has the last word.
///
/// # Errors
/// [`SettleChangeError::Invalid`], [`SettleChangeError::EmailTaken`].
pub async fn cancel(ctx: &Ctx, token: SecretString) -> Result<(), SettleChangeError> {
    let purpose = ProofPurpose::CancelEmailChange;
    let presented = Presented::Token(token);
    let proof = proof::check(ctx, purpose, &presented).await?;
    let now = ctx.clock.now();
    let until = session::tokens_until(ctx, now);
    let consumed = proof::consume(ctx, &proof, now).await?;
    let (mut work, user) = consumed.ok_or(SettleChangeError::Invalid)?;
    let confirm = ProofPurpose::ConfirmEmailChange;
    work.proofs_void(user.id, confirm, Timestamp::UNIX_EPOCH, now).await?;
    let mut ended = Vec::new();
    let undone = user.email != proof.address;
    if undone {
        work.proofs_void(user.id, purpose, proof.created_at, now).await?;
        let cause = RevocationCause::Revoked;
        ended = work.sessions_revoke(user.id, None, cause, now, until).await?;
        readdress(&mut *work, &user, &proof.address, now).await?;
    }
    let cancelled = proof::event(ctx, AuditAction::EmailChangeCancelled, &user, now);
    work.audit_append(&cancelled.with("undone", undone)).await?;
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    tracing::info!(user_id = %user.id, undone, "change of address cancelled");
    Ok(())
}

/// Gives a user another address. What was mailed to the one before opens nothing any more.
async fn readdress(
    work: &mut dyn UnitOfWork,
    user: &User,
    address: &Email,
    now: Timestamp,
) -> Result<(), SettleChangeError> {
    match work.user_set_email(user.id, address, now).await {
        Err(StoreError::Conflict(Constraint::UserEmail)) => {
            return Err(SettleChangeError::EmailTaken);
        }
        changed => changed?.ok_or(SettleChangeError::Invalid)?,
    };
    if work.proofs_reserve(address, user.id, now).await? {
        return Err(SettleChangeError::EmailTaken);
    }
    for purpose in
        [ProofPurpose::VerifyEmail, ProofPurpose::ResetPassword, ProofPurpose::ConfirmEmailChange]
    {
        work.proofs_void(user.id, purpose, Timestamp::UNIX_EPOCH, now).await?;
    }
    Ok(())
}

failed_from_password_check!(ChangeEmailError::WrongPassword);
failed_from_proof_check!(SettleChangeError);
failed_from_ports!(ChangeEmailError, SettleChangeError);
