//! The audit trail: writing it, sealing it, proving it, reading it.

use doorward_domain::{
    AuditAction, AuditEvent, AuditEventId, AuditFilter, AuditParty, Page, PageRequest, Timestamp,
    audit::chain::{ChainLink, Checkpoint, Seal, Tampering},
    ports::StoreError,
};

use crate::{
    Actor, Ctx, Failure,
    failure::failed_from_ports,
    grant::{AuditRead, Permitted, Principal},
};

/// How many events one seal holds at most, so that others get their turn in between.
const EVENTS_OF_A_SEAL: u32 = 1000;
/// How many seals are read at once.
const SEALS_AT_ONCE: u32 = 100;
/// With how many events no further seal is read along with those before.
const EVENTS_AT_ONCE: usize = 2000;

impl Principal {
    /// How the audit trail names them.
    #[must_use]
    pub fn party(&self) -> AuditParty {
        match self {
            Self::User(actor) => AuditParty::user(actor.user_id()),
            Self::Console => AuditParty::console(),
        }
    }
}

/// An event that happens now, in the request that is being answered.
pub(crate) fn event(ctx: &Ctx, action: AuditAction, now: Timestamp) -> AuditEvent {
    AuditEvent::new(action, &ctx.origin, now, ctx.entropy.as_ref())
}

/// Something that people do to their own account.
pub(crate) fn own(ctx: &Ctx, action: AuditAction, actor: &Actor, now: Timestamp) -> AuditEvent {
    let party = AuditParty::user(actor.user_id());
    event(ctx, action, now).by(party.clone()).on(party)
}

/// Writes down what was refused, and so belongs to no other write.
pub(crate) async fn record(ctx: &Ctx, event: &AuditEvent) -> Result<(), StoreError> {
    let mut work = ctx.store.begin().await?;
    work.audit_append(event).await?;
    work.commit().await
}

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Failed(Failure),
}

/// A page of the events that fit the filter, newest first.
///
/// # Errors
/// Only when the store fails.
pub async fn list(
    ctx: &Ctx,
    _by: &Permitted<AuditRead>,
    filter: &AuditFilter,
    page: PageRequest<AuditEventId>,
) -> Result<Page<AuditEvent, AuditEventId>, AuditError> {
    Ok(ctx.store.audit_events(filter, page).await?)
}

/// A page of what was done to one's own account, newest first. Where it was somebody else who did it,
/// where they did it from is their business and left out.
///
/// # Errors
/// Only when the store fails.
pub async fn list_own(
    ctx: &Ctx,
    actor: &Actor,
    page: PageRequest<AuditEventId>,
) -> Result<Page<AuditEvent, AuditEventId>, AuditError> {
    let own = AuditParty::user(actor.user_id());
    let filter = AuditFilter { subject: Some(own.id.clone()), ..AuditFilter::default() };
    let mut found = ctx.store.audit_events(&filter, page).await?;
    for event in &mut found.items {
        if event.actor.as_ref().is_some_and(|actor| *actor != own) {
            event.origin.device = doorward_domain::Device::default();
            event.origin.request_id = None;
        }
    }
    Ok(found)
}

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// To seal what comes after it would be to vouch for it.
    #[error(
        "seal {seal}, the last one, is signed neither with auth.secret nor with one of \
         auth.previous_secrets: somebody has tampered with the audit trail, or the secret was changed. \
         Give the former one in auth.previous_secrets; if it is lost, see `doorward audit vouch`"
    )]
    Forged { seal: i64 },
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Seals what was written since the last seal, and says how many events those were: none while another
/// instance does. Nobody who writes waits for it.
///
/// # Errors
/// [`SealError::Forged`]; when the store fails, and then the next round seals what was left.
pub async fn seal(ctx: &Ctx) -> Result<u64, SealError> {
    let mut sealed = 0;
    // To look costs no unit of work, and most of the time there is nothing to seal.
    if ctx.store.audit_count_unsealed().await? == 0 {
        return Ok(sealed);
    }
    // When everything before was pruned, the checkpoint says that what it names was signed.
    let checkpoint = ctx.store.audit_checkpoint().await?;
    let vouched = checkpoint.filter(|it| it.check(ctx.sealer.as_ref()).is_ok()).map(|it| it.link);
    loop {
        let mut work = ctx.store.begin().await?;
        let Some(end) = work.audit_chain_hold().await? else { return Ok(sealed) };
        if !end.is_signed(ctx.sealer.as_ref()) && vouched != Some(end) {
            return Err(SealError::Forged { seal: end.number });
        }
        let events = work.audit_unsealed(EVENTS_OF_A_SEAL).await?;
        if events.is_empty() {
            return Ok(sealed);
        }
        let seal = Seal::make(end, &events, ctx.clock.now(), ctx.sealer.as_ref());
        work.audit_seal(&seal).await?;
        work.commit().await?;
        sealed += events.len() as u64;
        if events.len() < EVENTS_OF_A_SEAL as usize {
            return Ok(sealed);
        }
    }
}

/// What was proved of a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Events whose seal holds.
    pub events: u64,
    pub seals: u64,
    /// Events of the last moments, on which there is no seal yet: nothing can be said about them.
    pub unsealed: u64,
    /// Events that were removed because they were kept long enough.
    pub pruned: u64,
    /// The last seal. Whoever keeps it elsewhere can notice when the end of the trail is cut off.
    pub end: ChainLink,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Tampered(Tampering),
    #[error(transparent)]
    Failed(Failure),
}

/// Proves every sealed event, oldest first, also beside servers that go on writing. `progress` is told
/// how many events were proved so far.
///
/// # Errors
/// [`VerifyError::Tampered`] names the first thing that was changed, removed or put in.
pub async fn verify(
    ctx: &Ctx,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Verified, VerifyError> {
    loop {
        let checkpoint = ctx.store.audit_checkpoint().await?;
        if let Some(checkpoint) = &checkpoint {
            checkpoint.check(ctx.sealer.as_ref()).map_err(VerifyError::Tampered)?;
        }
        let outcome = verify_from(ctx, checkpoint.as_ref(), &mut progress).await;
        // What a server has pruned meanwhile was not removed by anybody else.
        let pruned = matches!(outcome, Err(VerifyError::Tampered(_)))
            && ctx.store.audit_checkpoint().await? != checkpoint;
        if !pruned {
            return outcome;
        }
    }
}

async fn verify_from(
    ctx: &Ctx,
    checkpoint: Option<&Checkpoint>,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<Verified, VerifyError> {
    let (mut proved, forged) = walk(ctx, checkpoint, progress).await?;
    if let Some(seal) = forged {
        return Err(VerifyError::Tampered(Tampering::SealForged { seal }));
    }
    if let Some(event) = ctx.store.audit_stray().await? {
        return Err(VerifyError::Tampered(Tampering::EventPutIn { event }));
    }
    proved.unsealed = ctx.store.audit_count_unsealed().await?;
    Ok(proved)
}

/// Goes along the chain from the checkpoint to its end, and says how far it is sound in itself; and which seal
/// is the first that neither its own signature nor a later one proves.
async fn walk(
    ctx: &Ctx,
    checkpoint: Option<&Checkpoint>,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<(Verified, Option<i64>), VerifyError> {
    let mut proved = Verified {
        end: checkpoint.map(|it| it.link).unwrap_or_default(),
        pruned: checkpoint.map(|it| it.events).unwrap_or_default(),
        ..Verified::default()
    };
    let mut forged = None;
    loop {
        let seals = ctx.store.audit_seals(proved.end.number, SEALS_AT_ONCE).await?;
        let mut count = 0;
        let few = seals.iter().take_while(|seal| {
            let goes = count < EVENTS_AT_ONCE;
            count += seal.events.len();
            goes
        });
        let seals: Vec<&Seal> = few.collect();
        let (Some(first), Some(last)) = (seals.first(), seals.last()) else { break };
        let mut events = ctx.store.audit_events_of_seals(first.number, last.number).await?;
        for seal in seals {
            let held = events.remove(&seal.number).unwrap_or_default();
            seal.check(proved.end, &held, ctx.sealer.as_ref()).map_err(VerifyError::Tampered)?;
            forged = match forged {
                _ if seal.link().is_signed(ctx.sealer.as_ref()) => None,
                None => Some(seal.number),
                first => first,
            };
            proved.end = seal.link();
            proved.seals += 1;
            proved.events += held.len() as u64;
        }
        progress(proved.events);
    }
    Ok((proved, forged))
}

/// Puts the signature of the present secret on a trail whose own secret is lost, so that it goes on. What it
/// says is sound in itself, and nobody can prove any more that it was not written anew as a whole; so this
/// is for an operator to decide. Nothing is done to a trail whose signatures hold.
///
/// The number of the last seal, if it was signed. `None` if there was no need, or a server sealed meanwhile.
///
/// # Errors
/// [`VerifyError::Tampered`] when more is wrong with the trail than its signatures; then nothing is signed.
pub async fn vouch(ctx: &Ctx) -> Result<Option<i64>, VerifyError> {
    let sealer = ctx.sealer.as_ref();
    let checkpoint = ctx.store.audit_checkpoint().await?;
    let (Verified { end, .. }, forged) = walk(ctx, checkpoint.as_ref(), &mut |_| {}).await?;
    let unsigned = checkpoint.filter(|it| it.check(sealer).is_err());
    if forged.is_none() && unsigned.is_none() {
        return Ok(None);
    }
    let now = ctx.clock.now();
    let resigned = unsigned.map(|it| Checkpoint::make(it.link, it.events, it.at, sealer));
    let mut work = ctx.store.begin().await?;
    // What another instance has sealed or pruned meanwhile it has signed.
    if work.audit_chain_hold().await? != Some(end)
        || ctx.store.audit_checkpoint().await? != checkpoint
    {
        return Ok(None);
    }
    work.audit_resign(&end.signed(sealer), resigned).await?;
    let vouched = event(ctx, AuditAction::AuditVouched, now).by(AuditParty::console());
    work.audit_append(&vouched.with("last_seal", end.number)).await?;
    work.commit().await?;
    tracing::warn!(last_seal = end.number, "the audit trail was signed with another secret");
    Ok(Some(end.number))
}

/// Signs the checkpoint with the present secret, so that the former one need not be kept to prove it. Seals
/// need no such thing.
///
/// # Errors
/// When the store fails.
pub(crate) async fn resign_checkpoint(ctx: &Ctx) -> Result<(), StoreError> {
    let sealer = ctx.sealer.as_ref();
    let checkpoint = ctx.store.audit_checkpoint().await?;
    // One by a secret that is not known is for an operator to vouch for.
    let Some(known) = checkpoint.filter(|it| it.check(sealer).is_ok()) else { return Ok(()) };
    let mut work = ctx.store.begin().await?;
    let Some(end) = work.audit_chain_hold().await? else { return Ok(()) };
    // A server that pruned meanwhile has made another one.
    if ctx.store.audit_checkpoint().await? == checkpoint {
        let resigned = Checkpoint::make(known.link, known.events, known.at, sealer);
        work.audit_resign(&end, Some(resigned)).await?;
        work.commit().await?;
    }
    Ok(())
}

/// Whether the seal, which is to be pruned, or a later one that follows on it, is signed with a secret that
/// is still known.
async fn is_proved(ctx: &Ctx, mut end: ChainLink) -> Result<bool, StoreError> {
    while !end.is_signed(ctx.sealer.as_ref()) {
        let seals = ctx.store.audit_seals(end.number, SEALS_AT_ONCE).await?;
        if seals.is_empty() {
            return Ok(false);
        }
        for seal in seals {
            if seal.follows(end, ctx.sealer.as_ref()).is_err() {
                return Ok(false);
            }
            end = seal.link();
        }
    }
    Ok(true)
}

/// Removes whole seals with their events when the youngest of these was kept as long as the policy says.
///
/// # Errors
/// When the store fails; nothing is lost, the next round goes on.
pub(crate) async fn prune(ctx: &Ctx, now: Timestamp) -> Result<(), StoreError> {
    let Some(kept_for) = ctx.policy.audit_retention else { return Ok(()) };
    loop {
        let before = ctx.store.audit_checkpoint().await?;
        let link = before.map(|it| it.link).unwrap_or_default();
        let seals = ctx.store.audit_seals(link.number, SEALS_AT_ONCE).await?;
        let mut count = 0;
        let over = seals.iter().take_while(|seal| {
            let goes = seal.at + kept_for <= now && count < EVENTS_AT_ONCE;
            count += seal.events.len();
            goes
        });
        let over: Vec<&Seal> = over.collect();
        let Some(last) = over.last() else { return Ok(()) };
        // A checkpoint vouches for what it replaces.
        let mut end = link;
        let follows = over.iter().all(|seal| {
            let follows = seal.follows(end, ctx.sealer.as_ref()).is_ok();
            end = seal.link();
            follows
        });
        if !follows || !is_proved(ctx, end).await? {
            tracing::error!(
                last_seal = last.number,
                "the audit trail is not pruned, because it was tampered with: see `doorward audit verify`"
            );
            return Ok(());
        }
        let events: u64 = over.iter().map(|seal| seal.events.len() as u64).sum();
        let total = before.map_or(0, |it| it.events) + events;
        let checkpoint = Checkpoint::make(last.link(), total, now, ctx.sealer.as_ref());
        let mut work = ctx.store.begin().await?;
        if work.audit_chain_hold().await?.is_none() || !work.audit_prune(&checkpoint).await? {
            return Ok(());
        }
        let pruned = event(ctx, AuditAction::AuditPruned, now).by(AuditParty::system());
        work.audit_append(&pruned.with("events", events).with("last_seal", last.number)).await?;
        work.commit().await?;
        tracing::info!(events, last_seal = last.number, "audit events pruned");
    }
}

failed_from_ports!(AuditError, VerifyError);
