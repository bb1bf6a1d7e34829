//! Keeping the store small.

use doorward_domain::{email_proof::MAILS_WINDOW, idempotency::ANSWER_KEPT_FOR, ports::StoreError};

use crate::{Ctx, audit, signing_key};

/// How much is forgotten at once, so that others get their turn in between.
const BATCH: u32 = 1000;

/// Forgets what is over: expired sessions and proofs, revocations whose access tokens have all expired, signing keys
/// that have retired, the answers to requests that may not be sent again any more, guess counters that
/// mean nothing any more, and the part of the audit trail that was kept long enough.
///
/// # Errors
/// When the store fails; nothing is lost, the next round forgets it.
pub async fn prune(ctx: &Ctx) -> Result<(), StoreError> {
    let now = ctx.clock.now();
    ctx.revocations.forget_expired(now);
    loop {
        let mut work = ctx.store.begin().await?;
        // Mails that went to an address are counted for as long as they count.
        let rows = work.sessions_prune(now, BATCH).await?
            + work.proofs_prune(now - MAILS_WINDOW, BATCH).await?
            + work.answers_prune(now - ANSWER_KEPT_FOR, BATCH).await?
            + work.guesses_prune(now, BATCH).await?;
        work.commit().await?;
        if rows == 0 {
            signing_key::forget_retired(ctx, now).await?;
            return audit::prune(ctx, now).await;
        }
        tracing::debug!(rows, "what was over was pruned");
    }
}
