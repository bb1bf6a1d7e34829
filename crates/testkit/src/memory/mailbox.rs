use async_trait::async_trait;
use doorward_domain::{
    KeptMail,
    ports::{MailboxQueries, MailboxRepository, StoreError},
};
use uuid::Uuid;

use super::{MemoryStore, unit_of_work::MemoryUnitOfWork};

#[async_trait]
impl MailboxQueries for MemoryStore {
    async fn mailbox(&self, limit: u32) -> Result<Vec<KeptMail>, StoreError> {
        let state = self.shared.read();
        Ok(state.mailbox.values().rev().take(limit as usize).cloned().collect())
    }

    async fn mailbox_mail(&self, id: Uuid) -> Result<Option<KeptMail>, StoreError> {
        Ok(self.shared.read().mailbox.values().find(|mail| mail.id == id).cloned())
    }
}

#[async_trait]
impl MailboxRepository for MemoryUnitOfWork {
    async fn mailbox_put(&mut self, mail: &KeptMail, keep: u32) -> Result<bool, StoreError> {
        let mailbox = &mut self.state.mailbox;
        if mailbox.values().any(|kept| kept.id == mail.id) {
            return Ok(false);
        }
        mailbox.insert((mail.at, mail.id), mail.clone());
        while mailbox.len() > keep as usize {
            mailbox.pop_first();
        }
        Ok(true)
    }
}
