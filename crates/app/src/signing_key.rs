//! The keys that sign access tokens: making them, rotating them, taking them into use.
//!
//! Making the next key is all there is to a rotation: from then on, time moves the keys on by itself
//! ([`doorward_domain::key_life`]).

use doorward_domain::{
    AuditAction, AuditParty, KeyPlan, KeyState, PublicKey, SealedSigningKey, SigningAlgorithm,
    Timestamp,
    key_life::{lives, pending, publication_lead, retired},
    ports::{Constraint, KeyError, StoreError},
};

use crate::{Ctx, Failure, Receipt, audit, failure::failed_from_ports};

#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error(transparent)]
    Failed(Failure),
}

/// A key as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    pub kid: String,
    pub generation: i64,
    pub algorithm: SigningAlgorithm,
    /// Never [`KeyState::Retired`].
    pub state: KeyState,
    pub created_at: Timestamp,
    /// When it begins to sign, or began to.
    pub activates_at: Timestamp,
    /// When it ceases to sign; `None` as long as there is no newer key.
    pub signs_until: Option<Timestamp>,
    /// When it is forgotten; `None` as long as there is no newer key.
    pub retires_at: Option<Timestamp>,
}

/// What asking for a rotation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The key that signs next.
    pub key: ListedKey,
    /// Whether it was there before, because a rotation was under way already.
    pub under_way: bool,
}

/// Sees to it that there is a key of the configured algorithm, and takes all keys into use. An
/// instance calls it before it serves. The first key of an installation signs at once; when the
/// newest one has another algorithm, a rotation is begun.
///
/// # Errors
/// When the keys were encrypted with an unknown `auth.secret`, or the store fails.
pub async fn ensure(ctx: &Ctx) -> Result<(), SigningKeyError> {
    let algorithm = ctx.policy.signing_algorithm;
    loop {
        let now = ctx.clock.now();
        let ring = take_up(ctx, now).await?;
        match ring.last() {
            Some(newest) if newest.algorithm == algorithm => return Ok(()),
            Some(newest) if pending(&ring, now).is_some() => {
                tracing::warn!(
                    kid = newest.kid,
                    algorithm = newest.algorithm.as_str(),
                    "a key of another algorithm is about to sign; rotate again once it does"
                );
                return Ok(());
            }
            _ => {}
        }
        // If another instance was faster, its key is there at the next look.
        make_next(ctx, &ring, AuditParty::system(), now, &Receipt::none()).await?;
    }
}

/// Takes the keys that other instances made into use, and forgets those that are gone.
///
/// # Errors
/// As [`ensure`]; the present keys stay in use.
pub async fn reload(ctx: &Ctx) -> Result<(), SigningKeyError> {
    take_up(ctx, ctx.clock.now()).await?;
    Ok(())
}

/// Reads the keys and takes them into use, after it was written down how long this instance's tokens
/// live: no key may sign a token that it does not outlive.
async fn take_up(ctx: &Ctx, now: Timestamp) -> Result<Vec<SealedSigningKey>, SigningKeyError> {
    let mut ring = ctx.store.signing_keys().await?;
    let life = ctx.policy.access_ttl;
    let signs = |state| matches!(state, KeyState::Published | KeyState::Active);
    let states: Vec<KeyState> = lives(&ring).iter().map(|life| life.state_at(now)).collect();
    let first = states.iter().position(|state| signs(*state)).unwrap_or(ring.len());
    if let Some(from) = ring[first..].iter().find(|key| key.token_life < life) {
        let mut work = ctx.store.begin().await?;
        work.signing_keys_raise_token_life(from.generation, life).await?;
        work.commit().await?;
        ring[first..].iter_mut().for_each(|key| key.token_life = key.token_life.max(life));
    }
    ctx.signer.keys_adopt(&ring)?;
    Ok(ring)
}

/// Begins a rotation for somebody: makes the next key, which is published from now on and signs when no copy of the
/// public keys without it is kept any more. If that was begun before, there is nothing to do.
///
/// # Errors
/// When the store fails or the keys cannot be used; then no key was made.
pub async fn rotate(
    ctx: &Ctx,
    by: AuditParty,
    receipt: Receipt<Rotation>,
) -> Result<Rotation, SigningKeyError> {
    let now = ctx.clock.now();
    let ring = take_up(ctx, now).await?;
    let begun = pending(&ring, now).is_none() && make_next(ctx, &ring, by, now, &receipt).await?;
    // The new key is taken into use here without waiting, whoever made it.
    let ring = take_up(ctx, now).await?;
    let rotation = newest(&ring, now, !begun)?;
    if !begun {
        receipt.keep_alone(ctx, &rotation).await?;
    }
    Ok(rotation)
}

/// Rotates if the newest key has been signing for longer than the policy allows. Of any number of
/// instances that do so at once, one makes the key.
///
/// # Errors
/// As [`rotate`].
pub async fn rotate_when_due(ctx: &Ctx) -> Result<(), SigningKeyError> {
    let Some(most) = ctx.policy.key_rotation else { return Ok(()) };
    let keys = ctx.store.signing_keys().await?;
    if keys.last().is_some_and(|newest| newest.activates_at + most <= ctx.clock.now()) {
        rotate(ctx, AuditParty::system(), Receipt::none()).await?;
    }
    Ok(())
}

/// Replaces all keys by a new one that signs at once, for when a key has come into wrong hands. All
/// access tokens made so far are refused as soon as the instances have noticed; sessions stay, and
/// refreshing gives a new access token. Others who check tokens go on with the old keys, and without
/// the new one, for as long as they keep their copy.
///
/// It needs none of the former keys, so it also helps when `auth.secret` was lost.
///
/// # Errors
/// As [`rotate`].
pub async fn rotate_now(ctx: &Ctx) -> Result<Rotation, SigningKeyError> {
    loop {
        let now = ctx.clock.now();
        let ring = ctx.store.signing_keys().await?;
        let plan = KeyPlan { activates_at: now, ..plan(ctx, &ring, now) };
        let key = ctx.signer.key_generate(plan)?;
        let mut work = ctx.store.begin().await?;
        match work.signing_key_insert(&key).await {
            // A rotation at the same time must not leave its key standing.
            Err(StoreError::Conflict(Constraint::SigningKeyGeneration)) => continue,
            other => other?,
        }
        let removed = work.signing_keys_delete_before(key.generation).await?;
        let replaced = audit::event(ctx, AuditAction::SigningKeysReplaced, now);
        let replaced = replaced.by(AuditParty::console()).on(AuditParty::signing_key(&key.kid));
        work.audit_append(&replaced).await?;
        work.commit().await?;
        tracing::warn!(kid = key.kid, removed, "all signing keys replaced at once");
        let ring = take_up(ctx, now).await?;
        return newest(&ring, now, false);
    }
}

/// The keys that have not retired, oldest first.
///
/// # Errors
/// When the store fails.
pub async fn list(ctx: &Ctx) -> Result<Vec<ListedKey>, SigningKeyError> {
    let ring = ctx.store.signing_keys().await?;
    Ok(listed(&ring, ctx.clock.now()))
}

/// Encrypts all keys anew with the present `auth.secret`, together, and says how many those are.
/// Afterwards the former secret is needed for refresh tokens, and for a day to answer requests that are sent
/// again.
///
/// # Errors
/// When a key was encrypted with a secret that is not known, or the store fails; then nothing has
/// changed.
pub async fn rewrap(ctx: &Ctx) -> Result<usize, SigningKeyError> {
    let keys = ctx.store.signing_keys().await?;
    let resealed =
        keys.iter().map(|key| ctx.signer.key_reseal(key)).collect::<Result<Vec<_>, _>>()?;
    let mut work = ctx.store.begin().await?;
    let mut count = 0;
    for key in &resealed {
        // A key that was retired and forgotten meanwhile is not missed.
        count += usize::from(work.signing_key_reseal(&key.kid, &key.sealed_private_key).await?);
    }
    let rewrapped = audit::event(ctx, AuditAction::SigningKeysRewrapped, ctx.clock.now());
    work.audit_append(&rewrapped.by(AuditParty::console()).with("keys", count)).await?;
    work.commit().await?;
    audit::resign_checkpoint(ctx).await?;
    tracing::info!(keys = count, "signing keys encrypted anew");
    Ok(count)
}

/// Removes the keys that have retired.
///
/// # Errors
/// When the store fails.
pub(crate) async fn forget_retired(ctx: &Ctx, now: Timestamp) -> Result<(), StoreError> {
    let ring = ctx.store.signing_keys().await?;
    let gone = retired(&ring, now);
    if let (Some(oldest), 1..) = (ring.get(gone), gone) {
        let mut work = ctx.store.begin().await?;
        let removed = work.signing_keys_delete_before(oldest.generation).await?;
        work.commit().await?;
        tracing::info!(removed, "retired signing keys removed");
    }
    Ok(())
}

/// The public keys with which anybody can check access tokens.
#[must_use]
pub fn published(ctx: &Ctx) -> Vec<PublicKey> {
    ctx.signer.keys_public(ctx.clock.now())
}

fn plan(ctx: &Ctx, ring: &[SealedSigningKey], now: Timestamp) -> KeyPlan {
    let lead = publication_lead(ctx.policy.public_keys_max_age);
    KeyPlan::after(ring, ctx.policy.signing_algorithm, now, lead, ctx.policy.access_ttl)
}

/// Writes the key that follows the ring. `false` if another instance has written one meanwhile.
async fn make_next(
    ctx: &Ctx,
    ring: &[SealedSigningKey],
    by: AuditParty,
    now: Timestamp,
    receipt: &Receipt<Rotation>,
) -> Result<bool, SigningKeyError> {
    let key = ctx.signer.key_generate(plan(ctx, ring, now))?;
    let mut work = ctx.store.begin().await?;
    match work.signing_key_insert(&key).await {
        Err(StoreError::Conflict(Constraint::SigningKeyGeneration)) => return Ok(false),
        other => other?,
    }
    let rotated = audit::event(ctx, AuditAction::SigningKeyRotated, now).by(by);
    work.audit_append(&rotated.on(AuditParty::signing_key(&key.kid))).await?;
    let begun = newest(&[ring, std::slice::from_ref(&key)].concat(), now, false)?;
    receipt.keep(ctx, &mut *work, &begun).await?;
    work.commit().await?;
    tracing::info!(
        kid = key.kid,
        algorithm = key.algorithm.as_str(),
        activates_at = %key.activates_at,
        "signing key made"
    );
    Ok(true)
}

fn newest(
    ring: &[SealedSigningKey],
    now: Timestamp,
    under_way: bool,
) -> Result<Rotation, SigningKeyError> {
    // A ring that has just been added to is never empty, unless somebody emptied the table by hand.
    let key = listed(ring, now).pop().ok_or(KeyError::NoActiveKey)?;
    Ok(Rotation { key, under_way })
}

fn listed(ring: &[SealedSigningKey], now: Timestamp) -> Vec<ListedKey> {
    let keys = ring.iter().zip(lives(ring)).map(|(key, life)| ListedKey {
        kid: key.kid.clone(),
        generation: key.generation,
        algorithm: key.algorithm,
        state: life.state_at(now),
        created_at: key.created_at,
        activates_at: key.activates_at,
        signs_until: life.signs_until,
        retires_at: life.retires_at,
    });
    keys.filter(|key| key.state != KeyState::Retired).collect()
}

failed_from_ports!(SigningKeyError);
