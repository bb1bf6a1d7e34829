//! Mailing people, by jobs: what a mail needs is written down together with what makes it necessary.
//!
//! A job says to whom and since when, and holds no secret. The proof that a mail carries has the id of its
//! job, and token and code follow from that id; so an attempt that follows one whose outcome nobody knows
//! sends the same mail again, and counts nothing twice. A proof lives from when it was asked for, and when
//! it is over, its mail is not sent any more.
//!
//! **Invariant:** no mail is sent while a unit of work is open.

use std::{error::Error, sync::Arc};

use doorward_domain::{
    AuditAction, AuditParty, DisplayName, Email, EmailProof, JobError, JobKind, JobPayload, Letter,
    LetterKind, Mail, NewJob, Proof, ProofId, ProofPurpose, RetryPolicy, Timestamp, User, UserId,
    UserStatus,
    ports::{MailError, ProofInserted, StoreError, UnitOfWork},
};
use serde::{Deserialize, Serialize};
use time::Duration;
use uuid::Uuid;

use crate::{
    Ctx, audit,
    job::{Attempt, AttemptError, Completed, JobRegistry},
};

/// A server refuses mails for good also while it is set up wrongly, and nobody is to lose theirs by that; so
/// it is believed only when it still says so after this time.
const REFUSALS_BELIEVED_AFTER: Duration = Duration::HOUR;
/// Somebody sits and waits for a mail: it is there within a minute of the server's recovery, however long that
/// took.
const LONGEST_WAIT: Duration = Duration::seconds(45);
/// After this time a mail without a proof is of no use any more either.
const TRIED_FOR: Duration = Duration::DAY;

/// What a job that mails knows.
#[derive(Serialize, Deserialize)]
struct Note {
    /// An address as somebody typed it, or as it was stored when the job was made.
    email: String,
    /// Unless nobody knew when the job was made whether there is such a user.
    user_id: Option<Uuid>,
    /// When there came to be a reason for the mail: microseconds since the beginning of 1970.
    at: i64,
}

/// A job that mails, to be enqueued.
pub(crate) fn job(
    ctx: &Ctx,
    letter: LetterKind,
    email: &Email,
    user_id: Option<UserId>,
    now: Timestamp,
) -> NewJob {
    let at = i64::try_from(now.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
    let user_id = user_id.map(UserId::as_uuid);
    let note = Note { email: email.as_given().to_owned(), user_id, at };
    let json = serde_json::to_string(&note).unwrap_or_default();
    // An address is far from being as long as a payload may be.
    let payload = JobPayload::new(json).unwrap_or_else(|_| JobPayload::empty());
    NewJob::new(JobKind::mail(letter), payload, now, ctx.entropy.as_ref())
}

/// Has a mail sent to this address, about a user who is known.
pub(crate) async fn enqueue(
    ctx: &Ctx,
    work: &mut dyn UnitOfWork,
    letter: LetterKind,
    user: &User,
    now: Timestamp,
) -> Result<(), StoreError> {
    work.job_enqueue(&job(ctx, letter, &user.email, Some(user.id), now)).await?;
    Ok(())
}

/// The proof that a job is going to mail.
pub(crate) fn proof(
    ctx: &Ctx,
    id: ProofId,
    purpose: ProofPurpose,
    user_id: UserId,
    address: &Email,
    at: Timestamp,
) -> EmailProof {
    EmailProof {
        id,
        user_id,
        purpose,
        address: address.clone(),
        token_digest: ctx.signer.proof_sign(purpose, id).token_digest,
        created_at: at,
        expires_at: at.saturating_add(ctx.policy.proofs.of(purpose)),
        used_at: None,
    }
}

/// Has a worker send mails.
pub(crate) fn register(registry: &mut JobRegistry) {
    registry.handle(JobKind::mail(LetterKind::VerifyEmail), verify_email);
    registry.handle(JobKind::mail(LetterKind::ResetPassword), reset_password);
    registry.handle(JobKind::mail(LetterKind::AlreadySignedUp), already_signed_up);
    registry.handle(JobKind::mail(LetterKind::ConfirmEmailChange), confirm_email_change);
    registry.handle(JobKind::mail(LetterKind::EmailChangeRequested), email_change_requested);
    registry.handle(JobKind::mail(LetterKind::Welcome), welcome);
    registry.handle(JobKind::mail(LetterKind::PasswordChanged), password_changed);
}

/// What the job of an attempt says.
struct Occasion {
    email: Email,
    user_id: Option<UserId>,
    at: Timestamp,
}

fn occasion(attempt: &Attempt) -> Result<Occasion, AttemptError> {
    let unreadable = || AttemptError::Hopeless(JobError::new("the payload cannot be read"));
    let note: Note = serde_json::from_str(attempt.payload().expose()).map_err(|_| unreadable())?;
    let at = Timestamp::from_unix_timestamp_nanos(i128::from(note.at) * 1_000);
    Ok(Occasion {
        email: Email::parse(&note.email).map_err(|_| unreadable())?,
        user_id: note.user_id.map(UserId::from_uuid),
        at: at.map_err(|_| unreadable())?,
    })
}

async fn verify_email(ctx: Arc<Ctx>, attempt: Attempt) -> Result<Completed, AttemptError> {
    by_address(&ctx, attempt, ProofPurpose::VerifyEmail).await
}

async fn reset_password(ctx: Arc<Ctx>, attempt: Attempt) -> Result<Completed, AttemptError> {
    by_address(&ctx, attempt, ProofPurpose::ResetPassword).await
}

/// Whether a mail that was asked for by an address is of use to the user who has it.
fn is_wanted(user: &User, purpose: ProofPurpose) -> bool {
    let is_active = user.status == UserStatus::Active;
    is_active && (purpose != ProofPurpose::VerifyEmail || !user.email_verified)
}

/// Mails a proof to the user with this address, if there is one. The mail goes to the address as it is
/// stored.
async fn by_address(
    ctx: &Ctx,
    attempt: Attempt,
    purpose: ProofPurpose,
) -> Result<Completed, AttemptError> {
    let Occasion { email, at, .. } = occasion(&attempt)?;
    let Some(user) = ctx.store.user_by_email(&email).await? else {
        return Ok(nothing(attempt, "nobody has the address"));
    };
    let mut work = ctx.store.begin().await?;
    let user = work.user_lock(user.id).await?.filter(|it| it.email == email);
    let Some(user) = user.filter(|user| is_wanted(user, purpose)) else {
        drop(work);
        return Ok(nothing(attempt, "it is of no use to the user"));
    };
    let id = ProofId::from_uuid(attempt.id().as_uuid());
    let proof = proof(ctx, id, purpose, user.id, &user.email, at);
    if work.proof_insert(&proof).await? == ProofInserted::TooMany {
        drop(work);
        return Ok(nothing(attempt, "enough went to the address"));
    }
    work.commit().await?;
    deliver(ctx, attempt, &user, &proof).await
}

/// Tells somebody who signed up once more that they have an account. It counts as a mail of the sign-up, so
/// that nobody is sent any number of them.
async fn already_signed_up(ctx: Arc<Ctx>, attempt: Attempt) -> Result<Completed, AttemptError> {
    let Occasion { email, at, .. } = occasion(&attempt)?;
    let Some(user) = ctx.store.user_by_email(&email).await? else {
        return Ok(nothing(attempt, "nobody has the address"));
    };
    let mut work = ctx.store.begin().await?;
    let Some(user) = work.user_lock(user.id).await?.filter(|it| it.email == email) else {
        drop(work);
        return Ok(nothing(attempt, "nobody has the address"));
    };
    let id = ProofId::from_uuid(attempt.id().as_uuid());
    let counted = proof(&ctx, id, ProofPurpose::VerifyEmail, user.id, &user.email, at);
    if work.proof_insert(&counted).await? == ProofInserted::TooMany {
        drop(work);
        return Ok(nothing(attempt, "enough went to the address"));
    }
    work.commit().await?;
    notify(&ctx, attempt, user.email.clone(), &user, Letter::AlreadySignedUp, at).await
}

/// Asks at the new address, unless somebody else has it: they are not concerned.
async fn confirm_email_change(ctx: Arc<Ctx>, attempt: Attempt) -> Result<Completed, AttemptError> {
    let Some((user, proof)) = made_before(&ctx, &attempt).await? else {
        return Ok(nothing(attempt, "the change is off"));
    };
    let holder = ctx.store.user_by_email(&proof.address).await?;
    if holder.is_some_and(|holder| holder.id != user.id) {
        return Ok(nothing(attempt, "the address is taken"));
    }
    deliver(&ctx, attempt, &user, &proof).await
}

async fn email_change_requested(
    ctx: Arc<Ctx>,
    attempt: Attempt,
) -> Result<Completed, AttemptError> {
    match made_before(&ctx, &attempt).await? {
        Some((user, proof)) => deliver(&ctx, attempt, &user, &proof).await,
        None => Ok(nothing(attempt, "the change is off")),
    }
}

/// The proof of a job that was made together with it, and its user.
async fn made_before(
    ctx: &Ctx,
    attempt: &Attempt,
) -> Result<Option<(User, EmailProof)>, AttemptError> {
    let id = ProofId::from_uuid(attempt.id().as_uuid());
    let Some(proof) = ctx.store.proof_by_id(id).await? else { return Ok(None) };
    let user = ctx.store.user_by_id(proof.user_id).await?;
    Ok(user.map(|user| (user, proof)))
}

async fn welcome(ctx: Arc<Ctx>, attempt: Attempt) -> Result<Completed, AttemptError> {
    notice(&ctx, attempt, Letter::Welcome).await
}

async fn password_changed(ctx: Arc<Ctx>, attempt: Attempt) -> Result<Completed, AttemptError> {
    notice(&ctx, attempt, Letter::PasswordChanged).await
}

/// Tells something to a user at the address that they had when it happened.
async fn notice(ctx: &Ctx, attempt: Attempt, letter: Letter) -> Result<Completed, AttemptError> {
    let Occasion { email, user_id, at } = occasion(&attempt)?;
    let user = match user_id {
        Some(id) => ctx.store.user_by_id(id).await?,
        None => None,
    };
    match user {
        Some(user) => notify(ctx, attempt, email, &user, letter, at).await,
        None => Ok(nothing(attempt, "the user is gone")),
    }
}

async fn notify(
    ctx: &Ctx,
    attempt: Attempt,
    to: Email,
    user: &User,
    letter: Letter,
    at: Timestamp,
) -> Result<Completed, AttemptError> {
    let name = name_at(user, &to);
    let mail = Mail { id: attempt.id().as_uuid(), to, name, letter, at };
    hand_over(ctx, &mail).await?;
    Ok(attempt.complete_alone())
}

/// Mails a proof that is kept already.
async fn deliver(
    ctx: &Ctx,
    attempt: Attempt,
    user: &User,
    proof: &EmailProof,
) -> Result<Completed, AttemptError> {
    let now = ctx.clock.now();
    let secrets = ctx.signer.proof_sign(proof.purpose, proof.id);
    let code_expires_at = proof.code_expires_at(now);
    let mut work = ctx.store.begin().await?;
    // Its time may be over, because the mail server could not be reached, or it was used or made void.
    if !work.proof_mailed(proof.id, &secrets.token_digest, code_expires_at, now).await? {
        drop(work);
        return Ok(nothing(attempt, "its proof is over"));
    }
    work.commit().await?;

    let link = ctx.links.with_token(proof.purpose, &secrets.token);
    let proved = |link| Proof {
        link,
        link_lives: minutes(proof.expires_at - now),
        code: secrets.code,
        code_lives: minutes(code_expires_at - now),
    };
    let letter = match proof.purpose {
        ProofPurpose::VerifyEmail => Letter::VerifyEmail(proved(link)),
        ProofPurpose::ResetPassword => Letter::ResetPassword(proved(link)),
        ProofPurpose::ConfirmEmailChange => Letter::ConfirmEmailChange(proved(link)),
        ProofPurpose::CancelEmailChange => Letter::EmailChangeRequested { cancel_link: link },
    };
    let (id, to) = (proof.id.as_uuid(), proof.address.clone());
    let name = name_at(user, &to);
    hand_over(ctx, &Mail { id, to, name, letter, at: proof.created_at }).await?;

    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    let mailed = audit::event(ctx, AuditAction::ProofMailed, now)
        .by(AuditParty::system())
        .on(AuditParty::user(user.id))
        .with("purpose", proof.purpose.as_str());
    work.audit_append(&mailed).await?;
    attempt.complete(work, now).await
}

/// How a user is addressed in a mail to this address. See [`Mail::name`].
fn name_at(user: &User, to: &Email) -> Option<DisplayName> {
    (user.email_verified && user.email == *to).then(|| user.name.clone())
}

/// Whole minutes, as people are told them; what was begun counts.
fn minutes(span: Duration) -> Duration {
    Duration::minutes((span.whole_seconds() + 59) / 60)
}

/// Ends a job that has nothing to send.
fn nothing(attempt: Attempt, reason: &'static str) -> Completed {
    tracing::info!(job = %attempt.id(), reason, "a mail was not sent");
    attempt.complete_alone()
}

async fn hand_over(ctx: &Ctx, mail: &Mail) -> Result<(), AttemptError> {
    ctx.mailer.send(mail).await.map_err(|failure| {
        let reason = JobError::new(&words(&failure, &mail.to));
        let now = ctx.clock.now();
        let tried_for = match failure {
            MailError::Temporary(_) => TRIED_FOR,
            MailError::Refused(_) => REFUSALS_BELIEVED_AFTER,
            MailError::Unwritable(_) => Duration::ZERO,
        };
        let age = now - mail.at;
        if age >= tried_for {
            return AttemptError::Hopeless(reason);
        }
        // The longer it took so far, the longer it may take.
        let so_far: Duration = age / 2;
        let wait = so_far.clamp(Duration::seconds(2), LONGEST_WAIT);
        let policy = RetryPolicy { first: wait, limit: wait };
        let until = policy.next(1, u32::MAX, now, ctx.entropy.as_ref()).unwrap_or(now + wait);
        AttemptError::Postponed { reason, until }
    })
}

/// What went wrong, with its causes. Mail servers like to repeat the address, which does not belong in logs.
fn words(error: &MailError, to: &Email) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words.replace(to.as_given(), "…")
}
