//! The keys that sign access tokens.

use doorward_domain::{
    PublicKey,
    ports::{Constraint, StoreError},
};
use time::Duration;

use crate::{Ctx, Failure, failure::failed_from_ports};

/// How long anybody may keep the published keys without asking again.
pub const PUBLIC_KEYS_MAX_AGE: Duration = Duration::minutes(10);

/// A new key is published for this long before it signs: until every copy of the keys without it has
/// been given up. The minute on top is for the time in which instances take the key up, and for what
/// their clocks differ.
pub const PUBLICATION_LEAD: Duration = Duration::minutes(11);

#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error(transparent)]
    Failed(Failure),
}

/// Sees to it that there is a key of the configured algorithm, and takes all keys into use. An
/// instance calls it before it serves. The first key of an installation signs at once; a key of
/// another algorithm signs after [`PUBLICATION_LEAD`].
///
/// # Errors
/// When the keys were encrypted with another `auth.secret`, or the store fails.
pub async fn ensure(ctx: &Ctx) -> Result<(), SigningKeyError> {
    let algorithm = ctx.policy.signing_algorithm;
    loop {
        let keys = ctx.store.signing_keys().await?;
        ctx.signer.keys_adopt(&keys)?;
        if keys.iter().any(|key| key.algorithm == algorithm) {
            return Ok(());
        }
        let now = ctx.clock.now();
        let activates_at = if keys.is_empty() { now } else { now + PUBLICATION_LEAD };
        let generation = keys.iter().map(|key| key.generation).max().unwrap_or(0) + 1;
        let key = ctx.signer.key_generate(algorithm, generation, now, activates_at)?;
        let mut work = ctx.store.begin().await?;
        match work.signing_key_insert(&key).await {
            Ok(()) => {
                work.commit().await?;
                tracing::info!(kid = key.kid, algorithm = algorithm.as_str(), %activates_at, "signing key made");
            }
            // Another instance was faster; its key is there at the next look.
            Err(StoreError::Conflict(Constraint::SigningKeyGeneration)) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes the keys that other instances made into use.
///
/// # Errors
/// As [`ensure`]; the present keys stay in use.
pub async fn reload(ctx: &Ctx) -> Result<(), SigningKeyError> {
    let keys = ctx.store.signing_keys().await?;
    ctx.signer.keys_adopt(&keys)?;
    Ok(())
}

/// The public keys with which anybody can check access tokens.
#[must_use]
pub fn published(ctx: &Ctx) -> Vec<PublicKey> {
    ctx.signer.keys_public()
}

failed_from_ports!(SigningKeyError);
