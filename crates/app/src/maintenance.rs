//! Keeping the store small.

use doorward_domain::ports::StoreError;

use crate::Ctx;

/// Forgets what is over: expired sessions, and revocations whose access tokens have all expired.
///
/// # Errors
/// When the store fails; nothing is lost, the next round forgets it.
pub async fn prune(ctx: &Ctx) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    ctx.revocations.forget_expired(now);
    let mut work = ctx.store.begin().await?;
    let rows = work.sessions_prune(now).await?;
    work.commit().await?;
    if rows > 0 {
        tracing::debug!(rows, "expired sessions and revocations pruned");
    }
    Ok(())
}
