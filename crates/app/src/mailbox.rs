//! The development mailbox, as whoever develops sees it. It is open to everybody, so it must not be where
//! anybody else can reach it.

use doorward_domain::{KeptMail, ports::StoreError};
use uuid::Uuid;

use crate::Ctx;

/// The mails that arrived last, at most so many, the newest first.
///
/// # Errors
/// When the store fails.
pub async fn newest(ctx: &Ctx, limit: u32) -> Result<Vec<KeptMail>, StoreError> {
    ctx.store.mailbox(limit).await
}

/// One mail, if it is still kept.
///
/// # Errors
/// When the store fails.
pub async fn mail(ctx: &Ctx, id: Uuid) -> Result<Option<KeptMail>, StoreError> {
    ctx.store.mailbox_mail(id).await
}
