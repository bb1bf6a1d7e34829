//! Bcrypt, plain and over SHA-256.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    hmac::{self, HMAC_SHA256},
};
use base64ct::{Base64, Base64Bcrypt, Encoding};
use doorward_domain::ForeignHashError;
use secrecy::zeroize::Zeroizing;

use super::form::Form;

const FORM: Form = Form("bcrypt");
/// The least cost there is.
const MIN_COST: u32 = 4;
/// The most that a hash may cost: 2^14 rounds take a second.
const MAX_COST: u32 = 14;
/// How many octets of a password count; the rest was cut off by whoever made the hash too.
const MAX_OCTETS: usize = 72;
/// Length of a salt in Base64.
const SALT_CHARACTERS: usize = 22;

/// A hash that was read and may be computed.
pub(crate) struct BcryptHash {
    before: Before,
    cost: u32,
    salt: [u8; 16],
    digest: [u8; 23],
}

/// What is done to a password first, so that no part of a long one is cut off.
enum Before {
    Nothing,
    /// SHA-256 in hexadecimal: Django.
    Sha256Hex,
    /// SHA-256 in Base64: passlib before 1.7.3.
    Sha256Base64,
    /// HMAC-SHA256 in Base64, keyed with the salt as it is written: passlib.
    HmacBase64 {
        salt: String,
    },
}

impl BcryptHash {
    /// Reads `$2b$12$` and salt and digest in one. `$2a$` and `$2y$` are computed alike.
    pub(super) fn read(text: &str) -> Result<Self, ForeignHashError> {
        Self::read_after(Before::Nothing, text)
    }

    /// Reads what follows `bcrypt_sha256$`.
    pub(super) fn read_django_sha256(text: &str) -> Result<Self, ForeignHashError> {
        Self::read_after(Before::Sha256Hex, text)
    }

    fn read_after(before: Before, text: &str) -> Result<Self, ForeignHashError> {
        let ["", variant, cost, encoded] = FORM.fields::<4>(text)? else {
            return Err(FORM.broken("it does not begin with $"));
        };
        check_variant(variant)?;
        if cost.len() != 2 {
            return Err(FORM.broken("its cost has not two digits"));
        }
        let (salt, digest) = encoded
            .split_at_checked(SALT_CHARACTERS)
            .ok_or_else(|| FORM.broken("it ends within its salt"))?;
        Self::new(before, FORM.number(cost)?, salt, digest)
    }

    /// Reads what follows `$bcrypt-sha256$`: `v=2,t=2b,r=12$salt$digest`, or `2b,12$salt$digest` from
    /// passlib before 1.7.3.
    pub(super) fn read_passlib(text: &str) -> Result<Self, ForeignHashError> {
        let [parameters, salt, digest] = FORM.fields(text)?;
        let others = || FORM.broken("its parameters are not v=2, t=2b and r, or 2b and the cost");
        let (before, variant, cost) = if let Some(rest) = parameters.strip_prefix("v=2,t=") {
            let (variant, cost) = rest.split_once(",r=").ok_or_else(others)?;
            (Before::HmacBase64 { salt: salt.to_owned() }, variant, cost)
        } else {
            let (variant, cost) = parameters.split_once(',').ok_or_else(others)?;
            (Before::Sha256Base64, variant, cost)
        };
        check_variant(variant)?;
        Self::new(before, FORM.number(cost)?, salt, digest)
    }

    fn new(
        before: Before,
        cost: u32,
        salt_text: &str,
        digest_text: &str,
    ) -> Result<Self, ForeignHashError> {
        if cost < MIN_COST {
            return Err(FORM.broken(format!("its cost is below {MIN_COST}")));
        }
        if cost > MAX_COST {
            return Err(FORM.too_costly(format!("cost {cost}"), format!("cost {MAX_COST}")));
        }
        let mut hash = Self { before, cost, salt: [0; 16], digest: [0; 23] };
        decode("salt", salt_text, &mut hash.salt)?;
        decode("digest", digest_text, &mut hash.digest)?;
        Ok(hash)
    }

    /// Whether it is the hash of these octets.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let prepared = self.before.apply(password);
        let length = prepared.len().min(MAX_OCTETS);
        let mut key = Zeroizing::new([0; MAX_OCTETS]);
        key[..length].copy_from_slice(&prepared[..length]);
        // The zero that ends a string in C is part of a password, unless it was cut off with the rest.
        let used = &key[..(length + 1).min(MAX_OCTETS)];
        let computed = bcrypt::bcrypt(self.cost, self.salt, used);
        // The last of 24 octets is in no form.
        verify_slices_are_equal(&computed[..self.digest.len()], &self.digest).is_ok()
    }
}

impl Before {
    fn apply(&self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Nothing => password.to_vec(),
            Self::Sha256Hex => hexadecimal(digest(&SHA256, password).as_ref()),
            Self::Sha256Base64 => {
                Base64::encode_string(digest(&SHA256, password).as_ref()).into_bytes()
            }
            Self::HmacBase64 { salt } => {
                let key = hmac::Key::new(HMAC_SHA256, salt.as_bytes());
                Base64::encode_string(hmac::sign(&key, password).as_ref()).into_bytes()
            }
        })
    }
}

fn hexadecimal(octets: &[u8]) -> Vec<u8> {
    octets.iter().flat_map(|octet| format!("{octet:02x}").into_bytes()).collect()
}

fn check_variant(variant: &str) -> Result<(), ForeignHashError> {
    if ["2a", "2b", "2y"].contains(&variant) {
        return Ok(());
    }
    Err(FORM.broken("its variant is none of 2a, 2b and 2y"))
}

fn decode(what: &str, text: &str, octets: &mut [u8]) -> Result<(), ForeignHashError> {
    let expected = Base64Bcrypt::encoded_len(octets);
    if text.len() != expected {
        return Err(FORM.broken(format!("its {what} has not {expected} characters")));
    }
    Base64Bcrypt::decode(text, octets)
        .map(|_| ())
        .map_err(|_| FORM.broken(format!("its {what} is not in bcrypt's Base64")))
}
