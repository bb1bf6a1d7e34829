//! Handing mails over by SMTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use doorward_domain::{
    Mail,
    ports::{EmailService, MailError},
};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart, header::HeaderName, header::HeaderValue},
    transport::smtp::{
        Error as SmtpError, PoolConfig,
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use crate::templates::{Rendered, Templates};

/// How the connection to the server is kept from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first octet (RFC 8314).
    Tls,
    /// TLS before anything else is said, or no mail (RFC 3207).
    StartTls,
    /// None at all: for a server on the same machine.
    None,
}

/// Where mails are handed over, and for whom.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// Who the mails are from, such as `Example <no-reply@example.org>`.
    pub from: String,
    /// How long handing over one mail may take, connecting included.
    pub patience: Duration,
    /// How many connections may be open.
    pub max_connections: u32,
}

/// Hands mails over to a server, over connections that it keeps for the next ones.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    patience: Duration,
    templates: Arc<Templates>,
}

/// Why mail cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error("the sender is not an address such as `Example <no-reply@example.org>`")]
    From(#[from] lettre::address::AddressError),
    #[error("TLS cannot be set up")]
    Tls(#[source] SmtpError),
}

impl SmtpMailer {
    /// Prepares to send. Nothing is connected yet.
    ///
    /// # Errors
    /// When the sender is no address, or TLS cannot be set up.
    pub fn new(settings: &SmtpSettings, templates: Arc<Templates>) -> Result<Self, SetUpError> {
        let from = settings.from.parse()?;
        let tls = || TlsParameters::new(settings.host.clone()).map_err(SetUpError::Tls);
        let tls = match settings.security {
            Security::Tls => Tls::Wrapper(tls()?),
            Security::StartTls => Tls::Required(tls()?),
            Security::None => Tls::None,
        };
        let pool = PoolConfig::new()
            .max_size(settings.max_connections)
            .idle_timeout(Duration::from_secs(30));
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(settings.patience))
            .hello_name(ClientId::default())
            .pool_config(pool);
        if let (Some(username), Some(password)) = (&settings.username, &settings.password) {
            let password = password.expose_secret().to_owned();
            transport = transport.credentials(Credentials::new(username.clone(), password));
        }
        let transport = transport.build();
        Ok(Self { transport, from, patience: settings.patience, templates })
    }

    fn message(&self, mail: &Mail) -> Result<Message, MailError> {
        let unwritable = |error: BoxError| MailError::Unwritable(error);
        let Rendered { subject, text, html } =
            self.templates.render(mail).map_err(|error| unwritable(error.into()))?;
        let address = mail
            .to
            .as_given()
            .parse()
            .map_err(|error: lettre::address::AddressError| unwritable(error.into()))?;
        let host = self.from.email.domain();
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(Some(mail.name.as_str().to_owned()), address))
            .subject(subject)
            // The same each time the mail is sent (RFC 5322 §3.6.4).
            .message_id(Some(format!("<{}@{host}>", mail.id)))
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|error| unwritable(error.into()))?;
        // So that no out-of-office note answers (RFC 3834).
        message.headers_mut().insert_raw(automatic);
        Ok(message)
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[async_trait]
impl EmailService for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = self.message(mail)?;
        // Lettre's own time-out is for connecting; a server that then says nothing would be waited for.
        match timeout(self.patience, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => Err(MailError::Refused(error.into())),
            Ok(Err(error)) => Err(MailError::Temporary(error.into())),
            Err(elapsed) => Err(MailError::Temporary(elapsed.into())),
        }
    }
}
