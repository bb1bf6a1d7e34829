//! Scrypt (RFC 7914).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64ct::{Base64, Base64ShaCrypt, Base64Unpadded};
use doorward_domain::{ForeignHashError, ports::HashError};
use scrypt::Params;

use super::form::{ANY_LENGTH, Form};
use crate::argon2_memory::failed;

const FORM: Form = Form("scrypt");
/// The most memory that a hash may ask for, N times r: 128 MiB.
const MAX_MEMORY: u64 = 1 << 20;
/// The most work that a hash may ask for, N times r times p: it takes a second.
const MAX_WORK: u64 = 1 << 22;
/// The most lanes that a hash may ask for, r times p: 8 MiB more.
const MAX_LANES: u64 = 1 << 16;
/// The digits of modular crypt, each of six bits.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A hash that was read and may be computed.
pub(crate) struct ScryptHash {
    params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl ScryptHash {
    /// Reads what follows `$scrypt$`, from passlib too: `ln=16,r=8,p=1$salt$digest`.
    pub(super) fn read(text: &str) -> Result<Self, ForeignHashError> {
        let [parameters, salt, digest] = FORM.fields(text)?;
        let [log_n, r, p] = FORM.parameters(parameters, ["ln", "r", "p"])?;
        let salt = FORM.salt::<Base64Unpadded>(salt)?;
        let digest = FORM.digest::<Base64Unpadded>(digest, &ANY_LENGTH)?;
        Ok(Self { params: read_params(log_n, r, p)?, salt, digest })
    }

    /// Reads what follows `scrypt$`: `16384$salt$8$5$digest`, where the salt is text.
    pub(super) fn read_django(text: &str) -> Result<Self, ForeignHashError> {
        let [n, salt, r, p, digest] = FORM.fields(text)?;
        let n = FORM.number(n)?;
        if !n.is_power_of_two() {
            return Err(FORM.broken("its N is no power of two"));
        }
        let params = read_params(n.trailing_zeros(), FORM.number(r)?, FORM.number(p)?)?;
        let digest = FORM.digest::<Base64>(digest, &(64..=64))?;
        Ok(Self { params, salt: FORM.raw_salt(salt)?, digest })
    }

    /// Reads what follows `$7$`: one digit for the logarithm of N, five each for r and p, the salt as
    /// text, `$` and the digest (crypt(5)). The library would read it, but not tell the parameters
    /// before it has computed the hash.
    pub(super) fn read_modular_crypt(text: &str) -> Result<Self, ForeignHashError> {
        let [setting, digest] = FORM.fields(text)?;
        let (parameters, salt) = setting
            .split_at_checked(11)
            .ok_or_else(|| FORM.broken("it ends within its parameters"))?;
        let (log_n, rest) = parameters.as_bytes().split_at(1);
        let (r, p) = rest.split_at(5);
        let params = read_params(read_digits(log_n)?, read_digits(r)?, read_digits(p)?)?;
        let digest = FORM.digest::<Base64ShaCrypt>(digest, &(32..=32))?;
        Ok(Self { params, salt: FORM.raw_salt(salt)?, digest })
    }

    /// Whether it is the hash of these octets.
    ///
    /// # Errors
    /// [`HashError::Failed`] when there is no memory.
    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, HashError> {
        // The library aborts the process when it gets no memory, so it is asked for here first. The
        // system hands it out page by page, so this costs nothing.
        let mut memory = Vec::<[u8; 128]>::new();
        let blocks = self.params.n().saturating_mul(self.params.r().into());
        memory.try_reserve_exact(usize::try_from(blocks).map_err(failed)?).map_err(failed)?;
        drop(std::hint::black_box(memory));
        let mut computed = vec![0; self.digest.len()];
        scrypt::scrypt(password, &self.salt, &self.params, &mut computed).map_err(failed)?;
        Ok(verify_slices_are_equal(&computed, &self.digest).is_ok())
    }
}

/// The least significant digit comes first.
fn read_digits(digits: &[u8]) -> Result<u32, ForeignHashError> {
    digits.iter().rev().try_fold(0, |value, digit| {
        let value_of_digit = (0..).zip(DIGITS).find(|(_, known)| *known == digit);
        value_of_digit
            .map(|(low, _)| value << 6 | low)
            .ok_or_else(|| FORM.broken("its parameters are not in crypt's digits"))
    })
}

fn read_params(log_n: u32, r: u32, p: u32) -> Result<Params, ForeignHashError> {
    if log_n == 0 || r == 0 || p == 0 {
        return Err(FORM.broken("one of its parameters is too small"));
    }
    let (wide_r, wide_p) = (u64::from(r), u64::from(p));
    let memory = 1_u64.checked_shl(log_n).unwrap_or(u64::MAX).saturating_mul(wide_r);
    if memory > MAX_MEMORY
        || memory.saturating_mul(wide_p) > MAX_WORK
        || wide_r.saturating_mul(wide_p) > MAX_LANES
    {
        let allowed = format!("N times r={MAX_MEMORY}, times p={MAX_WORK}, r times p={MAX_LANES}");
        return Err(FORM.too_costly(format!("N=2^{log_n} r={r} p={p}"), allowed));
    }
    let log_n = u8::try_from(log_n).map_err(|error| FORM.broken(error))?;
    Params::new(log_n, r, p).map_err(|error| FORM.broken(error))
}
