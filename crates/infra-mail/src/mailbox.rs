use std::sync::Arc;

use async_trait::async_trait;
use doorward_domain::{
    KeptMail, Mail,
    mail::MAILBOX_CAPACITY,
    ports::{Clock, EmailService, MailError, Store, StoreError},
};

use crate::templates::{Rendered, Templates};

/// Keeps mails for developers to see, in place of sending them. One that comes again is kept once.
pub struct MailboxMailer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    templates: Arc<Templates>,
}

impl MailboxMailer {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, templates: Arc<Templates>) -> Self {
        Self { store, clock, templates }
    }

    async fn keep(&self, mail: &KeptMail) -> Result<(), StoreError> {
        let mut work = self.store.begin().await?;
        if work.mailbox_put(mail, MAILBOX_CAPACITY).await? {
            work.commit().await?;
        }
        Ok(())
    }
}

#[async_trait]
impl EmailService for MailboxMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let rendered = self.templates.render(mail);
        let Rendered { subject, text, html } =
            rendered.map_err(|error| MailError::Unwritable(error.into()))?;
        let (id, to, at) = (mail.id, mail.to.clone(), self.clock.now());
        let kept = KeptMail { id, to, subject, text, html, at };
        self.keep(&kept).await.map_err(|error| MailError::Temporary(error.into()))
    }
}
