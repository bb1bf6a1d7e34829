//! Checking what somebody presents to show that they read the mail of an address.

use doorward_domain::{
    AuditAction, AuditEvent, AuditParty, Email, EmailProof, ProofPurpose, Timestamp, User, UserId,
    ports::{StoreError, UnitOfWork},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{Ctx, Failure, audit, failure::failed_from_ports};

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
    #[error(transparent)]
    Failed(Failure),
}

/// The live proof that was presented, which is not used up yet. A wrong code has counted when this
/// returns.
pub(crate) async fn check(
    ctx: &Ctx,
    purpose: ProofPurpose,
    presented: &Presented,
) -> Result<Option<EmailProof>, StoreError> {
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
) -> Result<Option<EmailProof>, StoreError> {
    let now = ctx.clock.now();
    let Some((id, digest)) = ctx.signer.proof_verify(purpose, token) else { return Ok(None) };
    let Some(proof) = ctx.store.proof_by_id(id).await? else { return Ok(None) };
    if proof.purpose == purpose && proof.token_digest == digest && proof.is_live(now) {
        return Ok(Some(proof));
    }
    audit::record(ctx, &refused(ctx, purpose, Some(proof.user_id), now)).await?;
    Ok(None)
}

/// Every refusal is written down, so that an address that has a mail under way is not told from one that has
/// none by the time that the write takes.
async fn check_code(
    ctx: &Ctx,
    purpose: ProofPurpose,
    email: &Email,
    code: &str,
) -> Result<Option<EmailProof>, StoreError> {
    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    let tried = work.proofs_try_code(purpose, email, now).await?;
    let owner = tried.first().map(|proof| proof.user_id);
    let right = tried.into_iter().find(|it| ctx.signer.proof_code_verify(purpose, it.id, code));
    if right.is_none() {
        work.audit_append(&refused(ctx, purpose, owner, now)).await?;
    }
    work.commit().await?;
    Ok(right)
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

failed_from_ports!(ProofError);
