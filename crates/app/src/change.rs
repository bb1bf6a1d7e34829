//! Hearing of what other instances changed.

use doorward_domain::ports::{Change, FeedCursor, StoreError};

use crate::Ctx;

/// Takes in what changed since `cursor`, on whichever instance, and returns the cursor to go on with.
/// An instance calls it before it serves, and again at each hint and at least every half second.
///
/// # Errors
/// When the store cannot be read; see [`lost_touch`].
pub async fn catch_up(ctx: &Ctx, cursor: FeedCursor) -> Result<FeedCursor, StoreError> {
    let now = ctx.clock.now();
    let (changes, next) = ctx.store.changes_since(cursor).await?;
    for change in changes {
        match change {
            Change::Revoked(revocation) => ctx.revocations.add([revocation]),
            Change::User(id) => ctx.grants.forget(id),
            Change::Roles => ctx.grants.forget_all(),
        }
    }
    ctx.revocations.caught_up(now);
    Ok(next)
}

/// To be called when the changes could not be read, in whatever way. What was kept in memory of people's
/// roles is forgotten, because nobody says any more when it changes; revocations stay.
pub fn lost_touch(ctx: &Ctx) {
    ctx.grants.forget_all();
}
