//! Lockout: what every check of a secret goes through, so that guessing does not work and locking others out
//! does not either.
//!
//! A password is checked by [`check_password`] and nothing else. Whoever checks another secret that could be
//! guessed, such as a short code, is [admitted](admit) before, and says afterwards whether the guess was
//! [right](Admitted::right) or [wrong](Admitted::wrong). See [`doorward_domain::guess`] for the rules.

use std::net::IpAddr;

use doorward_domain::{
    AuditAction, AuditEvent, AuditParty, Email, GuessCounter, GuessSubject, KnownDevice, Password,
    PasswordHash, Timestamp, UserId,
    ports::{HashError, StoreError, UnitOfWork, Verdict},
};
use time::Duration;

use crate::{Actor, Ctx, audit};

/// Somebody who may be guessing, by what is counted of them.
#[derive(Debug, Clone)]
pub struct Guesser {
    /// Any of these makes the guess wait.
    gates: Vec<GuessSubject>,
    /// Whose guesses these are too, though nobody waits for them here.
    besides: Vec<GuessSubject>,
    /// Whom the audit trail names when they are locked out.
    user_id: Option<UserId>,
}

impl Guesser {
    /// Somebody of whom no more is known than where they are and which address they gave. `user_id` is whose
    /// address that is.
    #[must_use]
    pub fn stranger(ctx: &Ctx, email: &Email, user_id: Option<UserId>) -> Self {
        let ip = ctx.origin.device.ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
        let account = GuessSubject::Account(email.clone());
        let gates = [account].into_iter().chain(ip.map(GuessSubject::block_of)).collect();
        Self { gates, besides: Vec::new(), user_id }
    }

    /// Somebody on a device on which the owner of the address signed in before.
    #[must_use]
    pub fn on_known_device(device: KnownDevice, email: &Email) -> Self {
        Self {
            gates: vec![GuessSubject::Device(device.user_id, device.id)],
            besides: vec![GuessSubject::Account(email.clone())],
            user_id: Some(device.user_id),
        }
    }

    /// Somebody who is signed in, to the account with this address.
    #[must_use]
    pub fn signed_in(actor: &Actor, email: &Email) -> Self {
        Self {
            gates: vec![GuessSubject::Session(actor.session_id())],
            besides: vec![GuessSubject::Account(email.clone())],
            user_id: Some(actor.user_id()),
        }
    }
}

/// Why a guess was not looked at.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// The same for whom there is no account.
    #[error("too many guesses")]
    TooMany { retry_after: Duration },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The permission to evaluate one guess. If it is dropped, because evaluating failed, the guess stays counted
/// as one of the day.
#[derive(Debug)]
#[must_use = "say whether the guess was right or wrong, or nobody counts it"]
pub struct Admitted {
    guesser: Guesser,
    /// The gate at which the guess was claimed beforehand, if it was.
    claimed: Option<GuessSubject>,
}

/// Lets a guess be evaluated, unless there were too many. To be called with no unit of work open.
///
/// # Errors
/// [`AdmitError::TooMany`].
pub async fn admit(ctx: &Ctx, guesser: &Guesser) -> Result<Admitted, AdmitError> {
    let now = ctx.clock.now();
    let counters = look(ctx, guesser, now).await?;
    let mut with_counters = guesser.gates.iter().zip(counters);
    let claimed = with_counters
        .find(|(gate, counter)| counter.is_some_and(|it| it.needs_claim(gate.rule(), now)))
        .map(|(gate, _)| gate.clone());
    if let Some(gate) = &claimed {
        claim(ctx, gate, now).await?;
    }
    Ok(Admitted { guesser: guesser.clone(), claimed })
}

/// Refuses a guess that has to wait. One that is let through is not admitted yet.
///
/// # Errors
/// [`PasswordCheckError::TooMany`].
pub async fn refuse_locked(ctx: &Ctx, guesser: &Guesser) -> Result<(), PasswordCheckError> {
    look(ctx, guesser, ctx.clock.now()).await?;
    Ok(())
}

/// Reads the counters of the gates, and refuses if the guess has to wait.
async fn look(
    ctx: &Ctx,
    guesser: &Guesser,
    now: Timestamp,
) -> Result<Vec<Option<GuessCounter>>, AdmitError> {
    let keys: Vec<_> = guesser.gates.iter().map(|gate| ctx.signer.guess_key(gate)).collect();
    let counters = ctx.store.guess_counters(&keys).await?;
    let waits =
        guesser.gates.iter().zip(&counters).filter_map(|(gate, counter)| {
            counter.and_then(|counter| counter.wait(gate.rule(), now))
        });
    match waits.max() {
        Some(retry_after) => Err(AdmitError::TooMany { retry_after }),
        None => Ok(counters),
    }
}

async fn claim(ctx: &Ctx, gate: &GuessSubject, now: Timestamp) -> Result<(), AdmitError> {
    let (key, rule) = (ctx.signer.guess_key(gate), gate.rule());
    let mut work = ctx.store.begin().await?;
    let counter = work.guess_hold(key, now).await?;
    let claimed =
        counter.claim(rule, now).map_err(|retry_after| AdmitError::TooMany { retry_after })?;
    work.guess_put(key, claimed, rule).await?;
    work.commit().await?;
    Ok(())
}

impl Admitted {
    /// Forgives earlier failures, as part of what the right guess leads to. Last in the unit of work, see
    /// [`GuessRepository`](doorward_domain::ports::GuessRepository).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn right(
        self,
        ctx: &Ctx,
        work: &mut dyn UnitOfWork,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Where nothing was claimed there was nothing to forgive.
        let Some(gate) = self.claimed else { return Ok(()) };
        let (key, rule) = (ctx.signer.guess_key(&gate), gate.rule());
        let counter = work.guess_hold(key, now).await?;
        work.guess_put(key, counter.right(rule, now), rule).await
    }

    /// Counts the guess. The unit of work must be committed although the answer is a refusal. Last in the unit
    /// of work, see [`GuessRepository`](doorward_domain::ports::GuessRepository).
    ///
    /// # Errors
    /// When the store fails; then the caller fails too, so that no guess is free.
    pub async fn wrong(
        self,
        ctx: &Ctx,
        work: &mut dyn UnitOfWork,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Self { guesser, claimed } = self;
        // The address block comes last among the gates and there is none where something is besides, so that
        // all take their rows in one order.
        for subject in guesser.gates.iter().chain(&guesser.besides) {
            let (key, rule) = (ctx.signer.guess_key(subject), subject.rule());
            let before = work.guess_hold(key, now).await?;
            let is_claimed = claimed.as_ref() == Some(subject);
            let after = before.failed(rule, is_claimed, ctx.policy.lockout_max, now);
            work.guess_put(key, after, rule).await?;
            // Once for each lock and not for what is refused under it, or an attacker could fill the trail.
            if !before.is_locked(now) && after.is_locked(now) {
                let event = lockout(ctx, subject, after, guesser.user_id, now);
                work.audit_append(&event).await?;
            }
        }
        Ok(())
    }
}

/// Begins anew for whoever tries this address, because its secret is another one now: what was guessed at the
/// one before says nothing about it. Last in the unit of work, see
/// [`GuessRepository`](doorward_domain::ports::GuessRepository).
///
/// # Errors
/// When the store fails.
pub(crate) async fn begin_anew(
    ctx: &Ctx,
    work: &mut dyn UnitOfWork,
    email: &Email,
    now: Timestamp,
) -> Result<(), StoreError> {
    let account = GuessSubject::Account(email.clone());
    let key = ctx.signer.guess_key(&account);
    work.guess_hold(key, now).await?;
    work.guess_put(key, GuessCounter::blank(now), account.rule()).await
}

fn lockout(
    ctx: &Ctx,
    subject: &GuessSubject,
    counter: GuessCounter,
    user_id: Option<UserId>,
    now: Timestamp,
) -> AuditEvent {
    let seconds = counter.locked_until.map_or(0, |until| (until - now).whole_seconds());
    let event = audit::event(ctx, AuditAction::LockoutBegun, now)
        .with("of", subject.kind())
        .with("seconds", seconds)
        .with("failures", counter.failures);
    AuditEvent { subject: user_id.map(AuditParty::user), ..event }
}

/// Why a password was not found right.
#[derive(Debug, thiserror::Error)]
pub enum PasswordCheckError {
    /// Counted and written down.
    #[error("the password is wrong")]
    Wrong,
    #[error("too many guesses")]
    TooMany { retry_after: Duration },
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AdmitError> for PasswordCheckError {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::TooMany { retry_after } => Self::TooMany { retry_after },
            AdmitError::Store(error) => Self::Store(error),
        }
    }
}

/// A password that was right.
#[derive(Debug)]
pub struct RightPassword {
    /// To be told it was [right](Admitted::right), in the unit of work that follows from it.
    pub admitted: Admitted,
    /// Whether the hash should be renewed.
    pub outdated: bool,
}

/// Checks a password; without a hash (there is no account) it does the same and finds it wrong. A wrong one is
/// counted, and `refused` written down, before this returns. To be called with no unit of work open.
///
/// # Errors
/// [`PasswordCheckError::TooMany`] before any hashing.
pub async fn check_password(
    ctx: &Ctx,
    guesser: &Guesser,
    password: &Password,
    hash: Option<&PasswordHash>,
    refused: impl FnOnce(Timestamp) -> AuditEvent + Send,
) -> Result<RightPassword, PasswordCheckError> {
    // Whoever is locked out does not even wait for a turn, nor keep others from theirs.
    look(ctx, guesser, ctx.clock.now()).await?;
    let mut turn = ctx.hasher.turn().await?;
    // Those whose turn came before may have guessed wrong meanwhile.
    let admitted = admit(ctx, guesser).await?;
    match turn.verify(password, hash).await? {
        Verdict::Match { outdated } => Ok(RightPassword { admitted, outdated }),
        Verdict::Mismatch => {
            let now = ctx.clock.now();
            let mut work = ctx.store.begin().await?;
            work.audit_append(&refused(now)).await?;
            admitted.wrong(ctx, &mut *work, now).await?;
            work.commit().await?;
            // Not before: whoever comes next must see this failure.
            drop(turn);
            Err(PasswordCheckError::Wrong)
        }
    }
}

/// Lets `?` turn a password that was not found right into the variants of a use case's error: what it calls a
/// wrong password, `TooManyAttempts` and `Failed`.
macro_rules! failed_from_password_check {
    ($($error:ident::$wrong:ident),+ $(,)?) => {$(
        impl From<crate::guess::PasswordCheckError> for $error {
            fn from(error: crate::guess::PasswordCheckError) -> Self {
                use crate::guess::PasswordCheckError;
                match error {
                    PasswordCheckError::Wrong => Self::$wrong,
                    PasswordCheckError::TooMany { retry_after } => {
                        Self::TooManyAttempts { retry_after }
                    }
                    PasswordCheckError::Hash(error) => Self::Failed(error.into()),
                    PasswordCheckError::Store(error) => Self::Failed(error.into()),
                }
            }
        }
    )+};
}
pub(crate) use failed_from_password_check;
