//! Handing mails over by SMTP.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use doorward_domain::{
    Mail,
    ports::{EmailService, MailError},
};
use lettre::{
    Message,
    address::Envelope,
    message::{Mailbox, MultiPart, header::HeaderName, header::HeaderValue},
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout};

use crate::{
    sender::{Sender, wire_address},
    templates::{Rendered, Templates},
};

/// So many connections wait for the next mail.
const IDLE_CONNECTIONS: usize = 4;
/// A connection that has waited for so long is not used again; servers close theirs after some minutes.
const IDLE_PATIENCE: Duration = Duration::from_secs(30);

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
    /// A name or an address. With TLS the server's certificate must be for it.
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// How Doorward signs in there, if it does.
    pub credentials: Option<(String, SecretString)>,
    /// Who the mails are from.
    pub sender: Sender,
    /// How long handing over one mail may take, connecting included.
    pub patience: Duration,
}

/// Hands mails over to a server, over connections that it keeps for the next ones.
///
/// Lettre's own pool is not used: it takes back a connection whose mail was given up half-way, and the
/// next mail would take the answers to that one for its own.
pub struct SmtpMailer {
    settings: SmtpSettings,
    tls: Option<TlsParameters>,
    idle: Mutex<Vec<IdleConnection>>,
    templates: Arc<Templates>,
}

struct IdleConnection {
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// TLS cannot be set up, for instance because the certificates of the system cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up for mail")]
pub struct TlsError(#[from] SmtpError);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl SmtpMailer {
    /// Prepares to send. Nothing is connected yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(settings: SmtpSettings, templates: Arc<Templates>) -> Result<Self, TlsError> {
        let tls = match settings.security {
            Security::None => None,
            Security::Tls | Security::StartTls => Some(TlsParameters::new(settings.host.clone())?),
        };
        Ok(Self { settings, tls, idle: Mutex::default(), templates })
    }

    fn message(&self, mail: &Mail) -> Result<Message, MailError> {
        let unwritable = |error: BoxError| MailError::Unwritable(error);
        let Rendered { subject, text, html } =
            self.templates.render(mail).map_err(|error| unwritable(error.into()))?;
        let to = wire_address(mail.to.as_given()).map_err(|error| unwritable(error.into()))?;
        let Sender(from) = &self.settings.sender;
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        let mut message = Message::builder()
            .from(from.clone())
            // Without the name, which somebody else may have chosen for a stranger's address.
            .to(Mailbox::new(None, to))
            .subject(subject)
            // Both are the same each time the mail is sent (RFC 5322 §3.6.4).
            .date(SystemTime::from(mail.at))
            .message_id(Some(format!("<{}@{}>", mail.id, from.email.domain())))
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|error| unwritable(error.into()))?;
        // So that no out-of-office note answers (RFC 3834).
        message.headers_mut().insert_raw(automatic);
        Ok(message)
    }

    /// The connection belongs to this future until the server has taken the mail. A future that is given up
    /// closes it, so no answer to one mail is ever read as that to another.
    async fn hand_over(&self, envelope: &Envelope, message: &[u8]) -> Result<(), MailError> {
        // Whatever is wrong before the mail is spoken of, a wrong password too, is not the mail's fault.
        let mut connection = self.connection().await.map_err(|error| temporary(&error))?;
        match connection.send(envelope, message).await {
            Ok(_) => {
                self.keep(connection);
                Ok(())
            }
            Err(error) if is_about_the_mail(&error) => Err(MailError::Refused(reply(&error))),
            Err(error) => Err(temporary(&error)),
        }
    }

    async fn connection(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        while let Some(IdleConnection { mut connection, since }) = self.take_idle() {
            if since.elapsed() < IDLE_PATIENCE && connection.test_connected().await {
                return Ok(connection);
            }
        }
        let SmtpSettings { host, port, security, credentials, .. } = &self.settings;
        let hello = ClientId::default();
        let wrapper = self.tls.clone().filter(|_| *security == Security::Tls);
        let server = (host.as_str(), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, None, &hello, wrapper, None).await?;
        if let Some(tls) = self.tls.clone().filter(|_| *security == Security::StartTls) {
            connection.starttls(tls, &hello).await?;
        }
        if let Some((username, password)) = credentials {
            let password = password.expose_secret().to_owned();
            let credentials = Credentials::new(username.clone(), password);
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }

    fn take_idle(&self) -> Option<IdleConnection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = mem::take(&mut *idle).into_iter();
        *idle = kept.filter(|one| one.since.elapsed() < IDLE_PATIENCE).collect();
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(IdleConnection { connection, since: Instant::now() });
        }
    }
}

/// Whether trying again is of no use: the server refuses the mail for good (RFC 5321 §4.2.1, 5yz), or
/// cannot take it at all, as when it does not know of addresses beyond ASCII (RFC 6531 §3.5). That
/// Doorward must sign in first, or otherwise, is the operator's affair, and the mail can wait for it.
fn is_about_the_mail(error: &SmtpError) -> bool {
    let wants_sign_in =
        error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538));
    error.is_client() || (error.is_permanent() && !wants_sign_in)
}

fn temporary(error: &SmtpError) -> MailError {
    MailError::Temporary(reply(error))
}

/// What went wrong, on one line. It goes into logs, where no whole address belongs, and servers like to
/// repeat the recipient's.
fn reply(error: &SmtpError) -> BoxError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    without_addresses(&text).into()
}

fn without_addresses(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>()[]\"',;:".contains(c);
    let words = text.split_inclusive(ends).map(|word| match word.split_once('@') {
        Some((local, domain)) if !local.is_empty() => format!("…@{domain}"),
        _ => word.to_owned(),
    });
    let text: String = words.collect();
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[async_trait]
impl EmailService for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = self.message(mail)?;
        let (envelope, octets) = (message.envelope(), message.formatted());
        let handed_over = timeout(self.settings.patience, self.hand_over(envelope, &octets));
        handed_over.await.unwrap_or_else(|elapsed| Err(MailError::Temporary(elapsed.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_logged_holds_no_address() {
        for (answer, logged) in [
            (
                "550 5.1.1 <ada.love@example.com>:\r\n no such user",
                "550 5.1.1 <…@example.com>: no such user",
            ),
            ("rejected:ada@example.com, try x@", "rejected:…@example.com, try …@"),
            ("451 later @ noon", "451 later @ noon"),
        ] {
            assert_eq!(without_addresses(answer), logged);
        }
    }
}
