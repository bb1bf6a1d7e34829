//! Signing up, and one's own account.

use std::time::Duration;

use doorward_domain::{
    AuditAction, AuditEvent, AuditParty, DisplayName, Email, LetterKind, Password, PasswordHash,
    RoleName, User, UserId, UserStatus,
    password::PasswordError,
    ports::{Constraint, StoreError, UnitOfWork},
    session::RevocationCause,
};

use crate::{
    Actor, Ctx, Failure, Receipt, audit,
    failure::failed_from_ports,
    guess::{Guesser, check_password, failed_from_password_check},
    mailing, revocation, session,
    user::is_last_admin,
};

/// Somebody wants an account.
#[derive(Debug, Clone)]
pub struct Register {
    pub email: Email,
    pub password: Password,
    pub name: DisplayName,
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("there is an account with this address")]
    EmailTaken,
    #[error("the password {0}")]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Failed(Failure),
}

/// Signs a person up: an active account with the role `user` and an unverified address, to which
/// a mail goes by which it can be verified.
///
/// # Errors
/// [`RegisterError::Password`] before any hashing; [`RegisterError::EmailTaken`].
pub async fn register(
    ctx: &Ctx,
    command: Register,
    receipt: Receipt<User>,
) -> Result<User, RegisterError> {
    let newcomer = prepare(ctx, command).await?;
    insert(ctx, newcomer, vec![RoleName::user()], None, Telling::WhoWasMade(receipt)).await
}

/// How long after its write began a concealed sign-up is answered at the earliest. Far more than a commit
/// takes on an ordinary day, also on a disk that turns, and little beside the patience of somebody who
/// signs up.
pub const CONCEALED_WRITE: Duration = Duration::from_millis(250);

/// Signs a person up as [`register`] does, but tells nobody whether there was an account with the address
/// already: either way the outcome is the same, after the same hash and at the same time. Who has one is
/// told by mail.
///
/// The write is what differs, because a new account has to reach the disk. So the outcome, be it a
/// failure, is held back until `pause` is over, which counts from the moment when it is called: when the
/// write begins. A write that takes longer than [`CONCEALED_WRITE`] is not waited out any further.
///
/// # Errors
/// Never [`RegisterError::EmailTaken`]. [`RegisterError::Password`] at once and before any hashing, since
/// it does not depend on who has an account.
pub async fn register_concealed<P: Future<Output = ()>>(
    ctx: &Ctx,
    command: Register,
    receipt: Receipt<()>,
    pause: impl FnOnce(Duration) -> P,
) -> Result<(), RegisterError> {
    let newcomer = prepare(ctx, command).await?;
    let pause = pause(CONCEALED_WRITE);
    let telling = Telling::Nothing(receipt);
    let outcome = match insert(ctx, newcomer, vec![RoleName::user()], None, telling).await {
        Err(RegisterError::EmailTaken) => {
            tracing::info!("sign-up with the address of an account");
            Ok(())
        }
        other => other.map(drop),
    };
    pause.await;
    outcome
}

/// Makes an account with the given roles for an administrator; `maker` says who made it. Not to be called
/// with roles that a client chose.
pub(crate) async fn create(
    ctx: &Ctx,
    command: Register,
    roles: Vec<RoleName>,
    maker: AuditParty,
) -> Result<User, RegisterError> {
    let newcomer = prepare(ctx, command).await?;
    insert(ctx, newcomer, roles, Some(maker), Telling::WhoWasMade(Receipt::none())).await
}

/// What whoever signs up gets to know, and gets to know again when they send the request again.
enum Telling {
    WhoWasMade(Receipt<User>),
    /// Not even whether somebody was made.
    Nothing(Receipt<()>),
}

impl Telling {
    /// Keeps the answer, if there is one to keep; `None` made nobody, because the address is taken.
    ///
    /// A concealed answer is withheld for as long as the outcome is: who sends the request over and over
    /// meanwhile would see when the write was through.
    async fn keep(
        &self,
        ctx: &Ctx,
        work: &mut dyn UnitOfWork,
        made: Option<&User>,
    ) -> Result<(), Failure> {
        match (self, made) {
            (Self::WhoWasMade(receipt), Some(user)) => receipt.keep(ctx, work, user).await,
            (Self::WhoWasMade(_), None) => Ok(()),
            (Self::Nothing(receipt), _) => {
                let withheld = CONCEALED_WRITE.try_into().unwrap_or_default();
                receipt.keep_withheld(ctx, work, &(), withheld).await
            }
        }
    }
}

/// Somebody whose password was accepted and hashed.
struct Newcomer {
    email: Email,
    name: DisplayName,
    hash: PasswordHash,
}

/// Everything that is done without looking at who has an account.
async fn prepare(ctx: &Ctx, command: Register) -> Result<Newcomer, RegisterError> {
    let Register { email, password, name } = command;
    ctx.policy.password.judge(&password, &[email.as_given(), name.as_str()])?;
    let hash = ctx.hasher.hash(&password).await?;
    Ok(Newcomer { email, name, hash })
}

async fn insert(
    ctx: &Ctx,
    newcomer: Newcomer,
    roles: Vec<RoleName>,
    maker: Option<AuditParty>,
    telling: Telling,
) -> Result<User, RegisterError> {
    let Newcomer { email, name, hash } = newcomer;
    let now = ctx.clock.now();
    let id = UserId::new(now, ctx.entropy.as_ref());
    // Whoever makes an account at the console vouches for its address.
    let user = User { email_verified: maker.is_some(), ..User::new(id, email, name, roles, now) };
    let mut work = ctx.store.begin().await?;
    let mut taken = match work.user_insert(&user).await {
        Err(StoreError::Conflict(Constraint::UserEmail)) => true,
        inserted => inserted.map(|()| false)?,
    };
    // Looked at only now: whoever gave the address up at the same time has committed.
    if !taken && work.proofs_reserve(&user.email, user.id, now).await? {
        taken = true;
        drop(work);
        work = ctx.store.begin().await?;
    }
    if taken {
        if ctx.policy.conceal_existing && maker.is_none() {
            let told = LetterKind::AlreadySignedUp;
            work.job_enqueue(&mailing::job(ctx, told, &user.email, None, now)).await?;
        }
        let refused = audit::event(ctx, AuditAction::SignUpRefused, now);
        work.audit_append(&AuditEvent { actor: maker, ..refused }).await?;
        telling.keep(ctx, &mut *work, None).await?;
        work.commit().await?;
        return Err(RegisterError::EmailTaken);
    }
    work.credential_insert(user.id, &hash, now).await?;
    if maker.is_none() {
        mailing::enqueue(ctx, &mut *work, LetterKind::VerifyEmail, &user, now).await?;
    }
    let party = AuditParty::user(user.id);
    let event = match maker {
        Some(maker) => audit::event(ctx, AuditAction::AdminCreated, now).by(maker),
        None => audit::event(ctx, AuditAction::UserRegistered, now).by(party.clone()),
    };
    work.audit_append(&event.on(party)).await?;
    telling.keep(ctx, &mut *work, Some(&user)).await?;
    work.commit().await?;
    tracing::info!(user_id = %user.id, "user registered");
    Ok(user)
}

#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The account was deleted or disabled after the access token was checked.
    #[error("the account is gone")]
    Gone,
    #[error(transparent)]
    Failed(Failure),
}

/// One's own account as it is now.
///
/// # Errors
/// [`ProfileError::Gone`].
pub async fn profile(ctx: &Ctx, actor: &Actor) -> Result<User, ProfileError> {
    let user = ctx.store.user_by_id(actor.user_id()).await?;
    user.filter(|user| user.status == UserStatus::Active).ok_or(ProfileError::Gone)
}

/// Changes one's own account; what is `None` stays.
///
/// # Errors
/// [`ProfileError::Gone`].
pub async fn update_profile(
    ctx: &Ctx,
    actor: &Actor,
    name: Option<DisplayName>,
) -> Result<User, ProfileError> {
    let Some(name) = name else { return profile(ctx, actor).await };
    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    let user = work
        .user_rename(actor.user_id(), &name, now)
        .await?
        .filter(|user| user.status == UserStatus::Active)
        .ok_or(ProfileError::Gone)?;
    work.audit_append(&audit::own(ctx, AuditAction::UserRenamed, actor, now)).await?;
    work.commit().await?;
    Ok(user)
}

#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    #[error("the password is wrong")]
    WrongPassword,
    /// Before anything was checked.
    #[error("too many guesses")]
    TooManyAttempts { retry_after: time::Duration },
    /// The account was deleted or disabled after the access token was checked.
    #[error("the account is gone")]
    Gone,
    /// Nobody could undo it.
    #[error("it would leave no active administrator")]
    LastAdmin,
    #[error(transparent)]
    Failed(Failure),
}

/// Deletes one's own account with everything that belongs to it, and ends all its sessions.
///
/// # Errors
/// [`DeleteError::WrongPassword`], also when the password was changed meanwhile;
/// [`DeleteError::TooManyAttempts`].
pub async fn delete(ctx: &Ctx, actor: &Actor, password: &Password) -> Result<(), DeleteError> {
    let user_id = actor.user_id();
    let (user, credential) =
        ctx.store.credential_by_user(user_id).await?.ok_or(DeleteError::Gone)?;
    let refused =
        |now| audit::own(ctx, AuditAction::PasswordRefused, actor, now).with("for", "deletion");
    let guesser = Guesser::signed_in(actor, &user.email);
    let right = check_password(ctx, &guesser, password, Some(&credential.hash), refused).await?;

    let now = ctx.clock.now();
    let until = session::tokens_until(ctx, now);
    let mut work = ctx.store.begin().await?;
    let user = work.user_lock(user_id).await?;
    let user = user.filter(|user| user.status == UserStatus::Active).ok_or(DeleteError::Gone)?;
    if !work.credential_is_current(user_id, credential.version).await? {
        work.audit_append(&refused(now)).await?;
        work.commit().await?;
        return Err(DeleteError::WrongPassword);
    }
    if is_last_admin(&mut *work, &user).await? {
        right.admitted.right(ctx, &mut *work, now).await?;
        work.commit().await?;
        return Err(DeleteError::LastAdmin);
    }
    let ended = work.sessions_revoke(user_id, None, RevocationCause::Revoked, now, until).await?;
    work.user_delete(user_id).await?;
    work.audit_append(&audit::own(ctx, AuditAction::UserDeleted, actor, now)).await?;
    right.admitted.right(ctx, &mut *work, now).await?;
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    tracing::info!(%user_id, sessions = ended.len(), "user deleted");
    Ok(())
}

failed_from_password_check!(DeleteError::WrongPassword);
failed_from_ports!(RegisterError, ProfileError, DeleteError);
