//! What the forms of hashes are made of: fields, numbers, salts and digests.

use std::ops::RangeInclusive;

use base64ct::Encoding;
use doorward_domain::ForeignHashError;

/// How many octets a digest has where its form does not say. With fewer than 128 bits, a password that
/// is not the right one could be found by trying; no system keeps more than 64 octets.
pub(crate) const ANY_LENGTH: RangeInclusive<usize> = 16..=64;

/// The name of a method, for what is said about a hash that cannot be read.
#[derive(Clone, Copy)]
pub(crate) struct Form(pub(crate) &'static str);

impl Form {
    pub(crate) fn broken(self, problem: impl std::fmt::Display) -> ForeignHashError {
        ForeignHashError::Broken { form: self.0, problem: problem.to_string() }
    }

    pub(crate) fn too_costly(self, asked: String, allowed: String) -> ForeignHashError {
        ForeignHashError::TooCostly { form: self.0, asked, allowed }
    }

    /// Checks a digest's length in octets.
    pub(crate) fn check_digest(
        self,
        length: usize,
        allowed: &RangeInclusive<usize>,
    ) -> Result<(), ForeignHashError> {
        if allowed.contains(&length) {
            return Ok(());
        }
        let (least, most) = (allowed.start(), allowed.end());
        let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
        Err(self.broken(format!("its digest has {length} octets, not {expected}")))
    }

    /// Exactly `N` fields with `$` between them.
    pub(super) fn fields<const N: usize>(self, text: &str) -> Result<[&str; N], ForeignHashError> {
        let fields: Vec<&str> = text.split('$').collect();
        let found = fields.len();
        fields
            .try_into()
            .map_err(|_| self.broken(format!("it has {found} fields with $ between them, not {N}")))
    }

    /// Exactly these parameters in this order, as `r=8,p=1`.
    pub(super) fn parameters<const N: usize>(
        self,
        text: &str,
        names: [&str; N],
    ) -> Result<[u32; N], ForeignHashError> {
        let given: Vec<&str> = text.split(',').collect();
        let others = || self.broken(format!("its parameters are not {}", names.join(", ")));
        if given.len() != N {
            return Err(others());
        }
        let mut values = [0; N];
        for ((value, given), name) in values.iter_mut().zip(given).zip(names) {
            let digits = given.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
            *value = self.number(digits.ok_or_else(others)?)?;
        }
        Ok(values)
    }

    /// A decimal number without sign.
    pub(super) fn number(self, digits: &str) -> Result<u32, ForeignHashError> {
        digits
            .parse()
            .ok()
            .filter(|_| !digits.starts_with('+'))
            .ok_or_else(|| self.broken(format!("a parameter is no number up to {}", u32::MAX)))
    }

    /// A salt in Base64.
    pub(super) fn salt<E: Encoding>(self, text: &str) -> Result<Vec<u8>, ForeignHashError> {
        let salt = E::decode_vec(text)
            .map_err(|_| self.broken("its salt is not in this form's Base64"))?;
        self.raw_salt(salt)
    }

    /// A salt as it is.
    pub(super) fn raw_salt(self, salt: impl Into<Vec<u8>>) -> Result<Vec<u8>, ForeignHashError> {
        let salt = salt.into();
        if salt.is_empty() { Err(self.broken("it has no salt")) } else { Ok(salt) }
    }

    /// A digest in Base64, of an allowed length in octets.
    pub(super) fn digest<E: Encoding>(
        self,
        text: &str,
        allowed: &RangeInclusive<usize>,
    ) -> Result<Vec<u8>, ForeignHashError> {
        let digest = E::decode_vec(text).map_err(|_| {
            self.broken("its digest is not in this form's Base64, or its end is missing")
        })?;
        self.check_digest(digest.len(), allowed)?;
        Ok(digest)
    }
}
