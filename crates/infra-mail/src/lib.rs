//! Mail: what it says, and how it leaves.
//!
//! - [`Templates`] turns a [`Mail`](doorward_domain::Mail) into a subject, plain text and HTML. The
//!   built-in ones are checked when Doorward is compiled; a folder may replace any of them.
//! - [`SmtpMailer`] hands mails over to a server by SMTP (RFC 5321).
//! - [`UnconfiguredMailer`] stands where there is no server yet.
//!
//! **Invariant:** a mail has one recipient, and nothing that a person wrote reaches a header without
//! being encoded.

mod smtp;
mod templates;
mod unconfigured;

pub use smtp::{Security, SetUpError, SmtpMailer, SmtpSettings};
pub use templates::{Rendered, TemplateError, Templates};
pub use unconfigured::UnconfiguredMailer;
