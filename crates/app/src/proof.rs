//! Checking what somebody presents to show that they read the mail of an address.

use doorward_domain::{
    AuditAction, AuditEvent, AuditParty, Email, EmailProof, ProofPurpose, Timestamp, User, UserId,
    ports::{StoreError, UnitOfWork},
};
use secrecy::{ExposeSecret, SecretString};
use time::Duration;

use crate::{
    Ctx, Failure, audit,
    failure::failed_from_ports,
    guess::{self, AdmitError, Guesser},
};

/// One of the two things that a mail carries.
#[derive(Debug)]
pub enum Presented {
    Token(SecretString),
    /// The code, with the address that the mail went to.
    Code {
        email: Email,
        code: SecretString,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Forged, expired, used, made for something else, or of an account that is gone: a caller cannot tell
    /// which.
    #[error("the token or code is not valid")]
    Invalid,
    /// Codes were guessed, or passwords of the same account; before anything was checked. A token cannot be
    /// guessed, so it works even then.
    #[error("too many guesses")]
    TooManyAttempts { retry_after: Duration },
    #[error(transparent)]
    Failed(Failure),
}

/// The live proof that was presented, which is not used up yet. A wrong code has counted when this
/// returns: as a try at the proof, and as a guess at a secret of the account.
///
/// # Errors
/// [`ProofError::Invalid`], [`ProofError::TooManyAttempts`].
pub(crate) async fn check(
    ctx: &Ctx,
    purpose: ProofPurpose,
    presented: &Presented,
) -> Result<EmailProof, ProofError> {
    match presented {
        Presented::Token(token) => check_token(ctx, purpose, token.expose_secret()).await,
        Presented::Code { email, code } => {
            check_code(ctx, purpose, email, code.expose_secret()).await
        }
    }
}

async fn check_token(
    ctx: &Ctx,
    purpose: ProofPurpose,
    token: &str,
) -> Result<EmailProof, ProofError> {
    let now = ctx.clock.now();
    let verified = ctx.signer.proof_verify(purpose, token);
    let (id, digest) = verified.ok_or(ProofError::Invalid)?;
    let proof = ctx.store.proof_by_id(id).await?.ok_or(ProofError::Invalid)?;
    if proof.purpose == purpose && proof.token_digest == digest && proof.is_live(now) {
        return Ok(proof);
    }
    audit::record(ctx, &refused(ctx, purpose, Some(proof.user_id), now)).await?;
    Err(ProofError::Invalid)
}

/// Every refusal is written down, so that an address that has a mail under way is not told from one that has
/// none by the time that the write takes.
async fn check_code(
    ctx: &Ctx,
    purpose: ProofPurpose,
    email: &Email,
    code: &str,
) -> Result<EmailProof, ProofError> {
    let now = ctx.clock.now();
    let is = |id| ctx.signer.proof_code_verify(purpose, id, code);
    let is_known = ctx.store.proofs_with_code(purpose, email, now).await?.into_iter().any(is);
    let admitted = guess::admit(ctx, &Guesser::stranger(ctx, email, None)).await?;
    let mut work = ctx.store.begin().await?;
    let tried = work.proofs_try_code(purpose, email, now).await?;
    let owner = tried.first().map(|proof| proof.user_id);
    let right = tried.into_iter().find(|proof| is(proof.id));
    if right.is_some() {
        admitted.right(ctx, &mut *work, now).await?;
    } else {
        work.audit_append(&refused(ctx, purpose, owner, now)).await?;
        // Who knows the code does not guess: they pressed the button twice, and must not be locked out.
        if !is_known {
            admitted.wrong(ctx, &mut *work, now).await?;
        }
    }
    work.commit().await?;
    right.ok_or(ProofError::Invalid)
}

/// Uses a proof up, in a unit of work that has taken nothing yet; the user, whose row it then has. `None` if
/// somebody else was faster, which is written down.
pub(crate) async fn consume(
    ctx: &Ctx,
    proof: &EmailProof,
    now: Timestamp,
) -> Result<Option<(Box<dyn UnitOfWork>, User)>, StoreError> {
    let mut work = ctx.store.begin().await?;
    if let Some(user) = work.user_lock(proof.user_id).await?
        && work.proof_use(proof.id, now).await?
    {
        return Ok(Some((work, user)));
    }
    work.audit_append(&refused(ctx, proof.purpose, Some(proof.user_id), now)).await?;
    work.commit().await?;
    Ok(None)
}

fn refused(ctx: &Ctx, purpose: ProofPurpose, owner: Option<UserId>, now: Timestamp) -> AuditEvent {
    let refused = audit::event(ctx, AuditAction::ProofRefused, now);
    let subject = owner.map(AuditParty::user);
    AuditEvent { subject, ..refused.with("purpose", purpose.as_str()) }
}

/// Something that the owner of an account does by a proof.
pub(crate) fn event(ctx: &Ctx, action: AuditAction, user: &User, now: Timestamp) -> AuditEvent {
    let party = AuditParty::user(user.id);
    audit::event(ctx, action, now).by(party.clone()).on(party)
}

impl From<AdmitError> for ProofError {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::TooMany { retry_after } => Self::TooManyAttempts { retry_after },
            AdmitError::Store(error) => error.into(),
        }
    }
}

/// Lets `?` turn a proof that does not hold into the same variants of a use case's error.
macro_rules! failed_from_proof_check {
    ($($error:ident),+ $(,)?) => {$(
        impl From<crate::proof::ProofError> for $error {
            fn from(error: crate::proof::ProofError) -> Self {
                use crate::proof::ProofError;
                match error {
                    ProofError::Invalid => Self::Invalid,
                    ProofError::TooManyAttempts { retry_after } => {
                        Self::TooManyAttempts { retry_after }
                    }
                    ProofError::Failed(failure) => Self::Failed(failure),
                }
            }
        }
    )+};
}
pub(crate) use failed_from_proof_check;

failed_from_ports!(ProofError);
