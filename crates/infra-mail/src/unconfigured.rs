use async_trait::async_trait;
use doorward_domain::{
    Mail,
    ports::{EmailService, MailError},
};

/// Stands where no mail server is configured. Mails are not lost: they are tried again until there
/// is one, as long as they are of use.
#[derive(Debug, Default, Clone, Copy)]
pub struct UnconfiguredMailer;

#[async_trait]
impl EmailService for UnconfiguredMailer {
    async fn send(&self, _mail: &Mail) -> Result<(), MailError> {
        Err(MailError::Temporary("no mail server is configured: set mail.smtp_url".into()))
    }
}
