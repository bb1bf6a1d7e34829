use async_trait::async_trait;

use crate::mail::Mail;

/// Sends mail.
#[async_trait]
pub trait EmailService: Send + Sync {
    /// Hands a mail over to whoever carries it on. That it was handed over is known; that it arrived
    /// is not.
    ///
    /// # Errors
    /// [`MailError`]. After one that is temporary the same mail may be sent again; it may then come
    /// twice, with the same id.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// Why a mail was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server cannot be reached, or not now (RFC 5321 §4.2.1, 4yz).
    #[error("the mail server cannot take the mail now")]
    Temporary(#[source] BoxError),
    /// The server refused it for good (5yz): trying again is of no use.
    #[error("the mail server refused the mail")]
    Refused(#[source] BoxError),
    /// The mail could not be written.
    #[error("the mail cannot be written")]
    Unwritable(#[source] BoxError),
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
