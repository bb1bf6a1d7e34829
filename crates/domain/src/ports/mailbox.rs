use async_trait::async_trait;
use uuid::Uuid;

use super::StoreError;
use crate::mail::KeptMail;

/// Reads the development mailbox: mails that were kept in place of being sent.
#[async_trait]
pub trait MailboxQueries: Send + Sync {
    /// The mails that arrived last, at most so many, the newest first; of those that arrived at the same
    /// moment, the one with the highest id first.
    async fn mailbox(&self, limit: u32) -> Result<Vec<KeptMail>, StoreError>;

    async fn mailbox_mail(&self, id: Uuid) -> Result<Option<KeptMail>, StoreError>;
}

/// Writes the development mailbox.
#[async_trait]
pub trait MailboxRepository: Send {
    /// Keeps a mail, and of all of them the newest so many. `false`, and nothing is changed, if one with
    /// this id is there.
    async fn mailbox_put(&mut self, mail: &KeptMail, keep: u32) -> Result<bool, StoreError>;
}
