//! Changing one's password.

use doorward_domain::{
    AuditAction, LetterKind, Password, ProofPurpose, Timestamp, UserStatus,
    password::PasswordError, session::RevocationCause,
};

use crate::{
    Actor, Ctx, Failure, audit,
    failure::failed_from_ports,
    guess::{Guesser, check_password, failed_from_password_check},
    mailing, revocation, session,
};

/// Somebody wants another password.
#[derive(Debug, Clone)]
pub struct ChangePassword {
    pub current: Password,
    pub new: Password,
}

#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("the current password is wrong")]
    WrongPassword,
    /// Before anything was checked.
    #[error("too many guesses")]
    TooManyAttempts { retry_after: time::Duration },
    #[error("the new password {0}")]
    Password(#[from] PasswordError),
    /// The account was deleted or disabled after the access token was checked.
    #[error("the account is gone")]
    Gone,
    #[error(transparent)]
    Failed(Failure),
}

/// Changes one's own password and ends all sessions but the present one: whoever knew the old
/// password is signed out. Mails by which it could be reset or the address be changed are void, and a
/// notice goes out.
///
/// # Errors
/// [`ChangePasswordError::Password`] before any hashing; [`ChangePasswordError::WrongPassword`],
/// also when the password was changed meanwhile; [`ChangePasswordError::TooManyAttempts`].
pub async fn change(
    ctx: &Ctx,
    actor: &Actor,
    command: ChangePassword,
) -> Result<(), ChangePasswordError> {
    let user_id = actor.user_id();
    let (user, credential) =
        ctx.store.credential_by_user(user_id).await?.ok_or(ChangePasswordError::Gone)?;
    ctx.policy.password.judge(&command.new, &[user.email.as_given(), user.name.as_str()])?;
    let refused = |now| {
        audit::own(ctx, AuditAction::PasswordRefused, actor, now).with("for", "change of password")
    };
    let guesser = Guesser::signed_in(actor, &user.email);
    let hash = Some(&credential.hash);
    let right = check_password(ctx, &guesser, &command.current, hash, refused).await?;
    let hash = ctx.hasher.hash(&command.new).await?;

    let now = ctx.clock.now();
    let until = session::tokens_until(ctx, now);
    let mut work = ctx.store.begin().await?;
    let user = work.user_lock(user_id).await?;
    let user = user.filter(|user| user.status == UserStatus::Active);
    let user = user.ok_or(ChangePasswordError::Gone)?;
    if !work.credential_replace(user_id, credential.version, &hash, now).await? {
        work.audit_append(&refused(now)).await?;
        work.commit().await?;
        return Err(ChangePasswordError::WrongPassword);
    }
    let ended = work
        .sessions_revoke(
            user_id,
            Some(actor.session_id()),
            RevocationCause::PasswordChanged,
            now,
            until,
        )
        .await?;
    // Whoever knew the old password may have begun either.
    for purpose in [ProofPurpose::ResetPassword, ProofPurpose::ConfirmEmailChange] {
        work.proofs_void(user_id, purpose, Timestamp::UNIX_EPOCH, now).await?;
    }
    mailing::enqueue(ctx, &mut *work, LetterKind::PasswordChanged, &user, now).await?;
    let changed = audit::own(ctx, AuditAction::PasswordChanged, actor, now);
    work.audit_append(&changed.with("sessions_ended", ended.len())).await?;
    right.admitted.right(ctx, &mut *work, now).await?;
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    tracing::info!(%user_id, sessions = ended.len(), "password changed, other sessions ended");
    Ok(())
}

failed_from_password_check!(ChangePasswordError::WrongPassword);
failed_from_ports!(ChangePasswordError);
