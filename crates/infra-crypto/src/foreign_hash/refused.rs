//! Hashes that are known and not taken over.

use doorward_domain::ForeignHashError;

const WEAK: &str = "is guessed too quickly to be kept";
const UNREAD: &str = "is not read here";
const NO_HASH: &str = "is no hash of a password";

/// How the text begins, what it is then, and why it is refused. A longer beginning stands before a
/// shorter one.
const BEGINNINGS: &[(&str, &str, &str)] = &[
    (
        "$2x$",
        "bcrypt as crypt_blowfish computed it before 2011",
        "mistook characters beyond ASCII, so that right passwords would be refused",
    ),
    ("$2$", "bcrypt of its first version", UNREAD),
    ("$pbkdf2$", "PBKDF2 with SHA-1", WEAK),
    ("$pbkdf2-sha1$", "PBKDF2 with SHA-1", WEAK),
    ("pbkdf2_sha1$", "PBKDF2 with SHA-1", WEAK),
    ("$p5k2$", "PBKDF2 with SHA-1", WEAK),
    ("$apr1$", "Apache's MD5-crypt", WEAK),
    ("$1$", "MD5-crypt", WEAK),
    ("$md5", "Sun's MD5-crypt", WEAK),
    ("md5$", "salted MD5", WEAK),
    ("unsalted_md5$", "unsalted MD5", WEAK),
    ("$sha1$", "SHA1-crypt", WEAK),
    ("sha1$", "salted SHA-1", WEAK),
    ("unsalted_sha1$", "unsalted SHA-1", WEAK),
    ("crypt$", "the DES crypt of Unix", WEAK),
    ("$3$", "a hash of Windows NT", WEAK),
    ("$P$", "phpass with MD5", WEAK),
    ("$H$", "phpass with MD5", WEAK),
    ("$S$", "Drupal's SHA-512", WEAK),
    ("$5$", "SHA-256-crypt", UNREAD),
    ("$6$", "SHA-512-crypt", UNREAD),
    ("$y$", "yescrypt", UNREAD),
    ("$gy$", "yescrypt with GOST", UNREAD),
    ("$scram$", "a SCRAM verifier", UNREAD),
    ("pbkdf2:", "PBKDF2 as Werkzeug writes it", UNREAD),
    ("scrypt:", "scrypt as Werkzeug writes it", UNREAD),
    ("{", "a hash as LDAP writes it", UNREAD),
    ("!", "the mark of an account whose password cannot be used", NO_HASH),
    ("*", "the mark of an account whose password cannot be used", NO_HASH),
];

/// Says why a text is not taken over whose form is read nowhere.
pub(super) fn reason(text: &str) -> ForeignHashError {
    let known = BEGINNINGS.iter().find(|(beginning, ..)| text.starts_with(beginning));
    if let Some(&(_, what, why)) = known {
        return ForeignHashError::Refused { what, why };
    }
    let what = match text.len() {
        _ if !text.bytes().all(|octet| octet.is_ascii_hexdigit()) => {
            return ForeignHashError::Unknown;
        }
        32 => "an unsalted hash, probably MD5",
        40 => "an unsalted hash, probably SHA-1",
        64 => "an unsalted hash, probably SHA-256",
        128 => "an unsalted hash, probably SHA-512",
        _ => return ForeignHashError::Unknown,
    };
    ForeignHashError::Refused { what, why: WEAK }
}
