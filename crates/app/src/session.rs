//! Signing in, staying signed in, signing out.

use doorward_domain::{
    AccessClaims, AuditAction, AuditEvent, AuditParty, Credential, Device, DeviceId, Email,
    KnownDevice, Page, PageRequest, Password, Session, SessionId, Timestamp, TokenId, User, UserId,
    UserStatus,
    ports::{KeyError, Rotation, StoreError},
    refresh::{RefreshDecision, decide},
    session::{Generation, RevocationCause},
};
use secrecy::{ExposeSecret, SecretString};
use time::Duration;

use crate::{
    Actor, Ctx, Failure, audit,
    failure::failed_from_ports,
    guess::{self, Admitted, Guesser, RightPassword, check_password, failed_from_password_check},
    revocation,
};

/// Somebody wants to sign in.
#[derive(Debug, Clone)]
pub struct Login {
    pub email: Email,
    pub password: Password,
    pub device: Device,
    /// What the last sign-in on the device handed out, if it is sent back. One that is not valid is as good
    /// as none.
    pub device_token: Option<SecretString>,
}

/// What a signed-in client holds.
#[derive(Debug)]
pub struct Tokens {
    pub access_token: SecretString,
    pub access_expires_in: Duration,
    pub refresh_token: SecretString,
    pub refresh_expires_in: Duration,
    pub session_id: SessionId,
    /// Only from a sign-in. Sent back with the next one, it keeps the owner apart from strangers who guess.
    pub device_token: Option<SecretString>,
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Before anything was checked; the same for an unknown address.
    #[error("too many guesses")]
    TooManyAttempts { retry_after: Duration },
    /// The address is unknown or the password is wrong: a caller cannot tell which.
    #[error("address or password is wrong")]
    InvalidCredentials,
    /// Only ever told after a right password.
    #[error("the account is disabled")]
    AccountDisabled,
    /// Only ever told after a right password.
    #[error("the address is not verified yet")]
    EmailNotVerified,
    #[error(transparent)]
    Failed(Failure),
}

/// Signs a person in: checks the password and opens a session.
///
/// # Errors
/// [`LoginError::InvalidCredentials`] after the same work, whether the address is known or not;
/// [`LoginError::TooManyAttempts`].
pub async fn login(ctx: &Ctx, command: Login) -> Result<Tokens, LoginError> {
    if command.device_token.is_none() {
        // Whether there is such an account is looked up only by who may go on, or the time would tell.
        guess::refuse_locked(ctx, &Guesser::stranger(ctx, &command.email, None)).await?;
    }
    let found = ctx.store.credential_by_email(&command.email).await?;
    let hash = found.as_ref().map(|(_, credential)| &credential.hash);
    let owner = found.as_ref().map(|(user, _)| user.id);
    let known_device = known_device(ctx, command.device_token.as_ref(), owner);
    let guesser = match known_device {
        Some(device) => Guesser::on_known_device(device, &command.email),
        None => Guesser::stranger(ctx, &command.email, owner),
    };
    // The same writes whether or not there is such an account.
    let reason = if owner.is_some() { "wrong password" } else { "unknown address" };
    let wrong = |now| refusal(ctx, owner, reason, now);
    let right = check_password(ctx, &guesser, &command.password, hash, wrong).await?;
    let RightPassword { admitted, outdated } = right;
    let Some((user, credential)) = found else { return Err(LoginError::InvalidCredentials) };
    if user.status == UserStatus::Disabled {
        refused(ctx, admitted, user.id, "account disabled").await?;
        return Err(LoginError::AccountDisabled);
    }
    if ctx.policy.require_verified_email && !user.email_verified {
        refused(ctx, admitted, user.id, "address not verified").await?;
        return Err(LoginError::EmailNotVerified);
    }
    let rehash = if outdated { Some(ctx.hasher.hash(&command.password).await?) } else { None };

    let now = ctx.clock.now();
    let session = open(ctx, &user, command.device, now);
    let mut work = ctx.store.begin().await?;
    let Credential { user_id, version, .. } = credential;
    let active = work.user_signed_in(user_id, now).await?;
    // A password that was changed meanwhile, or that went with its account, is no longer right.
    if !work.credential_is_current(user_id, version).await? {
        drop(work);
        let reason = "password changed meanwhile";
        audit::record(ctx, &refusal(ctx, owner, reason, ctx.clock.now())).await?;
        return Err(LoginError::InvalidCredentials);
    }
    if !active {
        drop(work);
        refused(ctx, admitted, user_id, "account disabled").await?;
        return Err(LoginError::AccountDisabled);
    }
    if let Some(hash) = rehash {
        work.credential_rehash(user_id, version, &hash, now).await?;
    }
    work.session_insert(&session).await?;
    let id = known_device.map_or(DeviceId::from_uuid(session.id.as_uuid()), |device| device.id);
    let device = KnownDevice { user_id, id, signed_in_at: whole_seconds(now) };
    let tokens = issue(ctx, &user, &session, now)?;
    let tokens = Tokens { device_token: Some(ctx.signer.device_sign(device)), ..tokens };
    let party = AuditParty::user(user_id);
    let created = audit::event(ctx, AuditAction::SessionCreated, now).by(party.clone()).on(party);
    work.audit_append(&created.with_session(session.id)).await?;
    admitted.right(ctx, &mut *work, now).await?;
    work.commit().await?;
    tracing::info!(%user_id, session_id = %session.id, "signed in");
    Ok(tokens)
}

/// The device that the token speaks of, if it is one on which this account's owner signed in.
fn known_device(
    ctx: &Ctx,
    token: Option<&SecretString>,
    owner: Option<UserId>,
) -> Option<KnownDevice> {
    let device = ctx.signer.device_verify(token?.expose_secret())?;
    (Some(device.user_id) == owner && device.is_known(ctx.clock.now())).then_some(device)
}

fn refusal(ctx: &Ctx, owner: Option<UserId>, reason: &'static str, now: Timestamp) -> AuditEvent {
    let failed = audit::event(ctx, AuditAction::LoginFailed, now).with("reason", reason);
    AuditEvent { subject: owner.map(AuditParty::user), ..failed }
}

/// Writes down a refused sign-in whose password was right: that was no wrong guess, however often it comes.
async fn refused(
    ctx: &Ctx,
    admitted: Admitted,
    owner: UserId,
    reason: &'static str,
) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    work.audit_append(&refusal(ctx, Some(owner), reason, now)).await?;
    admitted.right(ctx, &mut *work, now).await?;
    work.commit().await
}

fn open(ctx: &Ctx, user: &User, device: Device, now: Timestamp) -> Session {
    Session {
        id: SessionId::new(now, ctx.entropy.as_ref()),
        user_id: user.id,
        generation: Generation::FIRST,
        rotated_at: now,
        created_at: now,
        last_used_at: now,
        expires_at: ctx.policy.refresh.expiry(now, now),
        revoked: None,
        device,
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Forged, expired, revoked, or of an account that is gone: a caller cannot tell which.
    #[error("the refresh token is not valid")]
    Invalid,
    /// The token was used before. The session is revoked, and with it its access tokens.
    #[error("the refresh token was used before; the session is revoked")]
    Reused,
    #[error(transparent)]
    Failed(Failure),
}

/// Exchanges a refresh token for a new pair. See [`doorward_domain::refresh`] for the rules.
///
/// # Errors
/// [`RefreshError::Reused`] after the session was revoked for it.
pub async fn refresh(ctx: &Ctx, token: &str) -> Result<Tokens, RefreshError> {
    let now = ctx.clock.now();
    let (id, presented) = ctx.signer.refresh_verify(token).ok_or(RefreshError::Invalid)?;
    // A rotation that loses a race has found the session moved on; the second look decides.
    for _ in 0..2 {
        let Some((session, user)) = ctx.store.session_by_id(id).await? else { break };
        if user.status != UserStatus::Active {
            break;
        }
        match decide(&session, presented, now, &ctx.policy.refresh) {
            RefreshDecision::Rotate { next, expires_at } => {
                // Signed first: a session must not move on to a token that cannot be handed out.
                let rotated = Session { generation: next, expires_at, ..session };
                let tokens = issue(ctx, &user, &rotated, now)?;
                let rotation = Rotation { id, from: presented, now, expires_at };
                if ctx.store.session_rotate(rotation).await? {
                    return Ok(tokens);
                }
            }
            RefreshDecision::Replay { .. } => return Ok(issue(ctx, &user, &session, now)?),
            RefreshDecision::Reuse => {
                revoke_reused(ctx, &session, now).await?;
                return Err(RefreshError::Reused);
            }
            RefreshDecision::ReuseKnown => return Err(RefreshError::Reused),
            RefreshDecision::Refuse => break,
        }
    }
    Err(RefreshError::Invalid)
}

async fn revoke_reused(ctx: &Ctx, session: &Session, now: Timestamp) -> Result<(), RefreshError> {
    let (id, user_id, until) = (session.id, session.user_id, tokens_until(ctx, now));
    let mut work = ctx.store.begin().await?;
    let revoked =
        work.session_revoke(id, user_id, RevocationCause::TokenReused, now, until).await?;
    if revoked {
        let reused = audit::event(ctx, AuditAction::RefreshTokenReused, now);
        work.audit_append(&reused.on(AuditParty::user(user_id)).with_session(id)).await?;
    }
    work.commit().await?;
    if revoked {
        revocation::apply(ctx, &[id], until);
        tracing::warn!(%user_id, session_id = %id, "refresh token reused, session revoked");
    }
    Ok(())
}

/// Until when an access token issued before `now` may be valid.
pub(crate) fn tokens_until(ctx: &Ctx, now: Timestamp) -> Timestamp {
    // A token's times are whole seconds and another instance's clock may be a little ahead.
    now + ctx.policy.access_ttl + Duration::seconds(60)
}

fn issue(ctx: &Ctx, user: &User, session: &Session, now: Timestamp) -> Result<Tokens, KeyError> {
    let issued_at = whole_seconds(now);
    let expires_at = whole_seconds(session.expires_at).min(issued_at + ctx.policy.access_ttl);
    let claims = AccessClaims {
        user_id: user.id,
        session_id: session.id,
        token_id: TokenId::new(now, ctx.entropy.as_ref()),
        issued_at,
        expires_at,
        auth_time: whole_seconds(session.created_at),
        auth_methods: vec!["pwd".to_owned()],
        roles: user.roles.clone(),
    };
    Ok(Tokens {
        access_token: ctx.signer.access_sign(&claims)?,
        access_expires_in: expires_at - issued_at,
        refresh_token: ctx.signer.refresh_sign(session.id, session.generation),
        refresh_expires_in: session.expires_at - now,
        session_id: session.id,
        device_token: None,
    })
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    at.truncate_to_second()
}

#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// There is no such session, or it is somebody else's: a caller cannot tell which.
    #[error("there is no such session")]
    NotFound,
    #[error(transparent)]
    Failed(Failure),
}

/// Signs out: ends the present session. Doing so twice is no error.
///
/// # Errors
/// Only when the store fails.
pub async fn logout(ctx: &Ctx, actor: &Actor) -> Result<(), RevokeError> {
    match end(ctx, actor, actor.session_id(), RevocationCause::SignedOut).await {
        Err(RevokeError::NotFound) => Ok(()),
        other => other,
    }
}

/// Ends one of one's own sessions, be it the present one.
///
/// # Errors
/// [`RevokeError::NotFound`].
pub async fn revoke(ctx: &Ctx, actor: &Actor, id: SessionId) -> Result<(), RevokeError> {
    end(ctx, actor, id, RevocationCause::Revoked).await
}

async fn end(
    ctx: &Ctx,
    actor: &Actor,
    id: SessionId,
    cause: RevocationCause,
) -> Result<(), RevokeError> {
    let now = ctx.clock.now();
    let until = tokens_until(ctx, now);
    let mut work = ctx.store.begin().await?;
    if !work.session_revoke(id, actor.user_id(), cause, now, until).await? {
        return Err(RevokeError::NotFound);
    }
    let action = match cause {
        RevocationCause::SignedOut => AuditAction::SessionEnded,
        _ => AuditAction::SessionRevoked,
    };
    work.audit_append(&audit::own(ctx, action, actor, now).with_session(id)).await?;
    work.commit().await?;
    revocation::apply(ctx, &[id], until);
    tracing::info!(user_id = %actor.user_id(), session_id = %id, cause = cause.as_str(), "session ended");
    Ok(())
}

/// Ends all of one's own sessions but the present one.
///
/// # Errors
/// Only when the store fails.
pub async fn revoke_others(ctx: &Ctx, actor: &Actor) -> Result<(), RevokeError> {
    let now = ctx.clock.now();
    let until = tokens_until(ctx, now);
    let mut work = ctx.store.begin().await?;
    let ended = work
        .sessions_revoke(
            actor.user_id(),
            Some(actor.session_id()),
            RevocationCause::Revoked,
            now,
            until,
        )
        .await?;
    if !ended.is_empty() {
        let revoked = audit::own(ctx, AuditAction::SessionRevoked, actor, now);
        work.audit_append(&revoked.with("sessions", ended.len())).await?;
    }
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    tracing::info!(user_id = %actor.user_id(), sessions = ended.len(), "other sessions ended");
    Ok(())
}

#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error(transparent)]
    Failed(Failure),
}

/// One's own live sessions, newest first.
///
/// # Errors
/// Only when the store fails.
pub async fn list(
    ctx: &Ctx,
    actor: &Actor,
    page: PageRequest<SessionId>,
) -> Result<Page<Session, SessionId>, ListError> {
    Ok(ctx.store.sessions_by_user(actor.user_id(), ctx.clock.now(), page).await?)
}

failed_from_password_check!(LoginError::InvalidCredentials);
failed_from_ports!(LoginError, RefreshError, RevokeError, ListError);
