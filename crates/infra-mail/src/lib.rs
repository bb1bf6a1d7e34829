//! Mail: what it says, and how it leaves.
//!
//! - [`Templates`] turns a [`Mail`](doorward_domain::Mail) into a subject, plain text and HTML. The
//!   built-in ones are checked when Doorward is compiled; a folder may replace any of them.
//! - [`SmtpMailer`] hands mails over to a server by SMTP (RFC 5321).
//! - [`MailboxMailer`] keeps them in the database, for developers to see.
//! - [`UnconfiguredMailer`] stands where there is no server yet.
//!
//! **Invariant:** a mail has one recipient, and nothing that a person wrote reaches a header but the
//! recipient's own address.
//!
//! **Invariant:** what goes to an address that nobody has confirmed yet holds no words of those who
//! typed it in, such as a name: it would be a way of writing to strangers.

mod mailbox;
mod sender;
mod smtp;
mod templates;
mod unconfigured;

pub use mailbox::MailboxMailer;
pub use sender::{Sender, SenderError};
pub use smtp::{Security, SmtpMailer, SmtpSettings, TlsError};
pub use templates::{Rendered, TemplateError, Templates};
pub use unconfigured::UnconfiguredMailer;
