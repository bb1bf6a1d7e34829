//! E-mail addresses.

use std::fmt;

use crate::{case_folding::fold_case, display_name::composed};

/// Longest local part in octets (RFC 5321 §4.5.3.1.1).
const LOCAL_MAX_OCTETS: usize = 64;
/// Longest address in octets (RFC 5321 §4.5.3.1.3, less the angle brackets).
const ADDRESS_MAX_OCTETS: usize = 254;

/// A valid e-mail address: as its owner wrote it, and in the form that decides whether two
/// addresses are the same.
///
/// Accepted is the dot-atom form of RFC 5321 with the international characters of RFC 6531, at a
/// host name of at least two labels that IDNA (UTS #46, strict) accepts. Refused, because nobody
/// is reached by them and injections are made of them: quoted local parts, comments, address
/// literals, control and white-space characters.
///
/// Two addresses are equal, and hash alike, when their [canonical](Email::canonical) forms are.
#[derive(Clone)]
pub struct Email {
    given: String,
    canonical: String,
}

/// Why a text is not an e-mail address that Doorward accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    #[error("must not be empty")]
    Empty,
    #[error(
        "must be at most {ADDRESS_MAX_OCTETS} octets, with at most {LOCAL_MAX_OCTETS} before the @"
    )]
    TooLong,
    #[error("must have the form name@example.com")]
    Malformed,
    #[error("the part before the @ holds a character that is not allowed there")]
    LocalPart,
    #[error("the part after the @ is not a valid host name such as example.com")]
    Domain,
}

impl Email {
    /// Reads an address.
    ///
    /// # Errors
    /// Says what is wrong with the text, in words that suit the person who typed it.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.is_empty() {
            return Err(EmailError::Empty);
        }
        if text.len() > ADDRESS_MAX_OCTETS {
            return Err(EmailError::TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Malformed)?;
        if local.is_empty() || domain.is_empty() {
            return Err(EmailError::Malformed);
        }
        let local = composed(local);
        if local.len() > LOCAL_MAX_OCTETS {
            return Err(EmailError::TooLong);
        }
        if !is_dot_atom(&local) {
            return Err(EmailError::LocalPart);
        }
        let domain = canonical_domain(domain)?;
        let canonical = format!("{}@{domain}", fold_case(&local));
        // Folding and Punycode may lengthen the address; what is looked up must stay bounded too.
        if canonical.len() > 2 * ADDRESS_MAX_OCTETS {
            return Err(EmailError::TooLong);
        }
        Ok(Self { given: text.to_owned(), canonical })
    }

    /// The address as its owner wrote it: what is shown, and what mail is sent to.
    #[must_use]
    pub fn as_given(&self) -> &str {
        &self.given
    }

    /// The form that is unique among users: local part in NFC with Unicode case folding, domain in
    /// lower-case Punycode.
    ///
    /// **Invariant:** it is used to look up, never to send. Mail goes to the *stored* address, so
    /// that a look-alike which folds to somebody else's address never receives their mail.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Email {}

impl std::hash::Hash for Email {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

/// Shows only the domain, because whole addresses do not belong in logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = self.canonical.rsplit_once('@').map_or("", |(_, domain)| domain);
        write!(f, "Email(…@{domain})")
    }
}

/// `atext` of RFC 5322 §3.2.3, and every printable character beyond ASCII (RFC 6531 §3.3).
fn is_atom_character(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        c if c.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(c),
        c => !crate::display_name::is_unprintable(c) && !c.is_whitespace(),
    }
}

fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_character))
}

fn canonical_domain(domain: &str) -> Result<String, EmailError> {
    // UTS #46 drops what cannot be seen; in the address as it is shown it would still stand.
    if domain.chars().any(crate::display_name::is_unprintable) {
        return Err(EmailError::Domain);
    }
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| EmailError::Domain)?;
    let last = ascii.rsplit('.').next().unwrap_or_default();
    let labels = ascii.split('.').count();
    // An all-numeric last label would be an address such as 127.0.0.1 (RFC 3696 §2).
    if labels < 2 || ascii.len() > 253 || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EmailError::Domain);
    }
    Ok(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_an_address() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.com", "b.".repeat(130));
        let cases = [
            ("", EmailError::Empty),
            ("nobody", EmailError::Malformed),
            ("@example.com", EmailError::Malformed),
            ("a@", EmailError::Malformed),
            (&long_local, EmailError::TooLong),
            (&long, EmailError::TooLong),
            (".a@example.com", EmailError::LocalPart),
            ("a.@example.com", EmailError::LocalPart),
            ("a..b@example.com", EmailError::LocalPart),
            ("a b@example.com", EmailError::LocalPart),
            (" a@example.com", EmailError::LocalPart),
            ("a\0@example.com", EmailError::LocalPart),
            ("a\r\nBcc: x@example.com", EmailError::LocalPart),
            ("a\u{202e}b@example.com", EmailError::LocalPart),
            ("a\u{200b}b@example.com", EmailError::LocalPart),
            ("\"a b\"@example.com", EmailError::LocalPart),
            ("a(comment)@example.com", EmailError::LocalPart),
            ("a@b@example.com", EmailError::LocalPart),
            ("<a@example.com>", EmailError::LocalPart),
            ("a@localhost", EmailError::Domain),
            ("a@[127.0.0.1]", EmailError::Domain),
            ("a@127.0.0.1", EmailError::Domain),
            ("a@example..com", EmailError::Domain),
            ("a@example.com.", EmailError::Domain),
            ("a@-example.com", EmailError::Domain),
            ("a@exam_ple.com", EmailError::Domain),
            ("a@exam ple.com", EmailError::Domain),
            ("a@example.com\0", EmailError::Domain),
            ("a@xn--a.com", EmailError::Domain),
            ("a@exam\u{200b}ple.com", EmailError::Domain),
            ("a@exam\u{ad}ple.com", EmailError::Domain),
            ("a@exam\u{feff}ple.com", EmailError::Domain),
            ("a\u{3164}@example.com", EmailError::LocalPart),
        ];
        for (text, error) in cases {
            assert_eq!(Email::parse(text).map(|e| e.canonical), Err(error), "{text:?}");
        }
    }

    #[test]
    fn keeps_the_given_form_and_derives_the_canonical_one() {
        let cases = [
            ("Ada@Example.COM", "ada@example.com"),
            ("ada+tag@example.com", "ada+tag@example.com"),
            ("a.d.a@example.com", "a.d.a@example.com"),
            ("o'neil!#$%&*/=?^_`{|}~-@example.com", "o'neil!#$%&*/=?^_`{|}~-@example.com"),
            ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
            ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
            // Decomposed and composed forms are one address.
            ("jose\u{301}@example.com", "jos\u{e9}@example.com"),
            ("JOS\u{c9}@example.com", "jos\u{e9}@example.com"),
            // Final and medial sigma, the Kelvin sign and the long s fold as Unicode says.
            ("ΟΔΟΣ@example.com", "οδοσ@example.com"),
            ("οδος@example.com", "οδοσ@example.com"),
            ("\u{212a}elvin@example.com", "kelvin@example.com"),
            // The dotless ı is a letter of its own and stays one.
            ("m\u{131}ke@example.com", "m\u{131}ke@example.com"),
        ];
        for (given, canonical) in cases {
            let email = Email::parse(given).expect(given);
            assert_eq!(email.as_given(), given);
            assert_eq!(email.canonical(), canonical, "{given:?}");
        }
    }

    #[test]
    fn canonical_is_a_fixed_point() {
        for given in ["Ada@BÜCHER.example", "ΟΔΟΣ@example.com", "jose\u{301}@example.com"] {
            let once = Email::parse(given).unwrap();
            let twice = Email::parse(once.canonical()).unwrap();
            assert_eq!(once.canonical(), twice.canonical());
        }
    }

    #[test]
    fn debug_hides_who_it_is() {
        let email = Email::parse("ada.lovelace@example.com").unwrap();
        assert_eq!(format!("{email:?}"), "Email(…@example.com)");
    }
}
