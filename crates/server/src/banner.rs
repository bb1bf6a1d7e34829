//! What a person who starts the server sees.

use std::fmt::Write;

use doorward_app::bootstrap::FirstAdmin;
use secrecy::ExposeSecret;

use crate::{
    output::print,
    settings::{Environment, Settings, Transport},
};

/// Prints where everything is and, once in an installation's life, how to sign in. In production, where
/// the log is all that anybody reads, only the latter.
pub(crate) fn show(settings: &Settings, first_admin: Option<&FirstAdmin>) {
    let url = &settings.server.public_url;
    let mut text = String::new();
    // Writing to a string cannot fail.
    if settings.environment == Environment::Development {
        let _ = write!(
            text,
            "\nDoorward {} is ready ({}).\n\n  API     {url}/api/v1\n  Docs    {url}/docs\n  Health  {url}/health\n",
            env!("CARGO_PKG_VERSION"),
            settings.environment,
        );
    }
    if matches!(settings.mail.transport, Transport::Mailbox) {
        let _ = writeln!(text, "  Mails   {url}/dev/mailbox");
    }
    if let Some(FirstAdmin { user, password }) = first_admin {
        let _ = write!(
            text,
            "\nThe first administrator, shown only this once:\n\n  E-mail    {}\n  Password  {}\n",
            user.email.as_given(),
            password.expose_secret(),
        );
    }
    if !text.is_empty() {
        // The server serves all the same.
        if let Err(error) = print(&format!("{text}\n")) {
            tracing::warn!(error = format!("{error:#}"), "the banner cannot be shown");
        }
    }
}
