//! Addresses as SMTP wants them.

use std::{fmt, str::FromStr};

use lettre::{Address, address::AddressError, message::Mailbox};

/// Who mails are from: an address such as `no-reply@example.org`, or a name with one, such as
/// `Example <no-reply@example.org>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sender(pub(crate) Mailbox);

/// Why nobody can be written from there.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    #[error("is no address such as `no-reply@example.org` or `Example <no-reply@example.org>`")]
    Malformed(#[source] AddressError),
    #[error("has characters beyond ASCII before the @, which few mail servers take")]
    Local,
    #[error("holds a control character")]
    Control,
}

impl FromStr for Sender {
    type Err = SenderError;

    fn from_str(text: &str) -> Result<Self, SenderError> {
        if text.chars().any(char::is_control) {
            return Err(SenderError::Control);
        }
        let Mailbox { name, email } = text.parse().map_err(SenderError::Malformed)?;
        if !email.user().is_ascii() {
            return Err(SenderError::Local);
        }
        let email = wire_address(email.as_ref()).map_err(SenderError::Malformed)?;
        Ok(Self(Mailbox::new(name, email)))
    }
}

/// As it is written in the settings.
impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The address with its host in Punycode, which every server understands. What is before the @ has no
/// such form: beyond ASCII it takes a server that knows of it (RFC 6531).
pub(crate) fn wire_address(address: &str) -> Result<Address, AddressError> {
    let (local, domain) = address.rsplit_once('@').ok_or(AddressError::MissingParts)?;
    let domain = idna::domain_to_ascii(domain).map_err(|_| AddressError::InvalidDomain)?;
    Address::new(local, domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for (text, address) in [
            ("no-reply@example.org", "no-reply@example.org"),
            ("Example & Söhne <no-reply@example.org>", "no-reply@example.org"),
            ("Doorward <doorward@localhost>", "doorward@localhost"),
            ("Bücher <post@bücher.example>", "post@xn--bcher-kva.example"),
        ] {
            let sender: Sender = text.parse().unwrap();
            assert_eq!(sender.0.email.as_ref() as &str, address, "{text}");
        }
    }

    #[test]
    fn what_is_no_sender_is_refused() {
        for text in [
            "",
            "nobody",
            "Example <no-reply@example.org",
            "a@example.org, b@example.org",
            "Example\r\nBcc: <eve@example.org>",
            "Example <no-reply@example.org>\r\nX: y",
            "jürgen@example.org",
        ] {
            assert!(text.parse::<Sender>().is_err(), "{text:?}");
        }
    }
}
