//! PBKDF2 (RFC 8018 §5.2) with HMAC-SHA256 and HMAC-SHA512.

use std::{num::NonZeroU32, ops::RangeInclusive};

use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512};
use base64ct::{Base64, Base64Pbkdf2, Base64Unpadded};
use doorward_domain::ForeignHashError;

use super::form::{ANY_LENGTH, Form};

const FORM: Form = Form("PBKDF2");
/// The most that a hash may ask for: iterations times the blocks of its digest. With SHA-512 it takes
/// a second, and with SHA-256 on processors that have no instructions for it.
const MAX_WORK: u64 = 2_000_000;

/// A hash that was read and may be computed.
pub(crate) struct Pbkdf2Hash {
    prf: Prf,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

/// What is iterated.
#[derive(Clone, Copy)]
pub(super) enum Prf {
    HmacSha256,
    HmacSha512,
}

impl Prf {
    /// Length of its output, in octets.
    const fn length(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha512 => 64,
        }
    }

    /// The length of a digest where it is always one output.
    const fn whole_digest(self) -> RangeInclusive<usize> {
        self.length()..=self.length()
    }
}

impl Pbkdf2Hash {
    /// Reads what follows `$pbkdf2-sha256$` or `$pbkdf2-sha512$`. In PHC strings it is
    /// `i=29000,l=32$salt$digest`, from passlib `29000$salt$digest`.
    pub(super) fn read(prf: Prf, text: &str) -> Result<Self, ForeignHashError> {
        let [parameters, salt, digest] = FORM.fields(text)?;
        if !parameters.contains('=') {
            let digest = FORM.digest::<Base64Pbkdf2>(digest, &prf.whole_digest())?;
            let salt = FORM.salt::<Base64Pbkdf2>(salt)?;
            return Self::new(prf, FORM.number(parameters)?, salt, digest);
        }
        let digest = FORM.digest::<Base64Unpadded>(digest, &ANY_LENGTH)?;
        let salt = FORM.salt::<Base64Unpadded>(salt)?;
        Self::new(prf, read_iterations(parameters, digest.len())?, salt, digest)
    }

    /// Reads what follows `pbkdf2_sha256$`, or `pbkdf2_sha512$` of a hasher that only names the other
    /// digest: `1200000$salt$digest`, where the salt is text.
    pub(super) fn read_django(prf: Prf, text: &str) -> Result<Self, ForeignHashError> {
        let [iterations, salt, digest] = FORM.fields(text)?;
        let digest = FORM.digest::<Base64>(digest, &prf.whole_digest())?;
        Self::new(prf, FORM.number(iterations)?, FORM.raw_salt(salt)?, digest)
    }

    fn new(
        prf: Prf,
        iterations: u32,
        salt: Vec<u8>,
        digest: Vec<u8>,
    ) -> Result<Self, ForeignHashError> {
        let iterations =
            NonZeroU32::new(iterations).ok_or_else(|| FORM.broken("it has no iterations"))?;
        let blocks = digest.len().div_ceil(prf.length());
        if u64::from(iterations.get()).saturating_mul(blocks as u64) > MAX_WORK {
            let asked = format!("{iterations} iterations for each of {blocks} blocks");
            return Err(FORM.too_costly(asked, format!("{MAX_WORK} for one block")));
        }
        Ok(Self { prf, iterations, salt, digest })
    }

    /// Whether it is the hash of these octets.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let algorithm = match self.prf {
            Prf::HmacSha256 => PBKDF2_HMAC_SHA256,
            Prf::HmacSha512 => PBKDF2_HMAC_SHA512,
        };
        pbkdf2::verify(algorithm, self.iterations, &self.salt, password, &self.digest).is_ok()
    }
}

/// The iterations; the length of the digest may be named too.
fn read_iterations(parameters: &str, digest_length: usize) -> Result<u32, ForeignHashError> {
    if !parameters.contains(',') {
        let [iterations] = FORM.parameters(parameters, ["i"])?;
        return Ok(iterations);
    }
    let [iterations, length] = FORM.parameters(parameters, ["i", "l"])?;
    if usize::try_from(length) != Ok(digest_length) {
        return Err(FORM.broken("its digest has not the length that it names"));
    }
    Ok(iterations)
}
