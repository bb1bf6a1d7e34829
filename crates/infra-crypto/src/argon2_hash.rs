//! Argon2 hashes (RFC 9106) as PHC strings.

use argon2::{
    Algorithm, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use doorward_domain::{ForeignHashError, PasswordHash, ports::HashError};

use crate::{
    argon2_memory::{Argon2Memory, Function, failed, function},
    foreign_hash::Form,
};

/// The method's name.
pub(crate) const FORM: Form = Form("Argon2");
/// The most memory that a hash may ask for, in KiB: Django's hashes ask for 100 MiB.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
/// The most work that a hash may ask for: memory in KiB times passes. It takes 0.6 seconds, about 27
/// times a hash of Doorward's own.
const MAX_WORK: u64 = 1024 * 1024;
/// Why one kind of Argon2 is not read.
const ARGON2D: ForeignHashError = ForeignHashError::Refused {
    what: "Argon2d",
    why: "is not for passwords, because the time that it takes tells of them",
};
/// Length of the salts made here, in octets (RFC 9106 §3.1).
pub(crate) const SALT_LENGTH: usize = 16;

/// A hash that was read and may be computed.
pub(crate) struct Argon2Hash {
    function: Function,
    salt: Salt,
    output: Output,
}

impl Argon2Hash {
    /// Reads a PHC string of Argon2i or Argon2id, of either version.
    ///
    /// # Errors
    /// When the text is no such hash, or asks for more than the limits of this file and more than
    /// `current`.
    pub(crate) fn read(text: &str, current: &Params) -> Result<Self, ForeignHashError> {
        let phc = Phc::new(text).map_err(|error| FORM.broken(error))?;
        let algorithm = match Algorithm::try_from(phc.algorithm.as_str()) {
            Ok(Algorithm::Argon2d) => return Err(ARGON2D),
            Ok(algorithm) => algorithm,
            Err(_) => return Err(FORM.broken("it is neither Argon2id nor Argon2i")),
        };
        // The reference implementation wrote no version before there was a second one.
        let version = phc
            .version
            .map_or(Ok(Version::V0x10), Version::try_from)
            .map_err(|_| FORM.broken("its version is neither 16 nor 19"))?;
        let (Some(salt), Some(output)) = (phc.salt, phc.hash) else {
            return Err(FORM.broken("it ends before its digest"));
        };
        let params = read_params(&phc.params, output.len())?;
        limit(&params, current)?;
        let function = function(algorithm, version, &params, output.len())
            .map_err(|error| FORM.broken(error))?;
        Ok(Self { function, salt, output })
    }

    /// Writes a PHC string of Argon2id.
    ///
    /// # Errors
    /// [`HashError::Failed`] when the parameters have no PHC form, for instance because their output
    /// is longer than 64 octets.
    pub(crate) fn write(
        params: &Params,
        salt: &[u8],
        output: &[u8],
    ) -> Result<PasswordHash, HashError> {
        let phc = Phc {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(params).map_err(failed)?,
            salt: Some(Salt::new(salt).map_err(failed)?),
            hash: Some(Output::new(output).map_err(failed)?),
        };
        Ok(PasswordHash::from_text(phc.to_string()))
    }

    /// Length of the digest, in octets.
    pub(crate) fn digest_length(&self) -> usize {
        self.output.len()
    }

    /// Whether it was made with weaker parameters than the current ones, or by another kind of Argon2.
    pub(crate) fn is_weaker_than(&self, current: &Params) -> bool {
        let params = self.function.params();
        self.function.algorithm() != argon2_rust::Algorithm::Argon2id
            || self.function.version() != argon2_rust::Version::V0x13
            || params.memory_kib() < current.m_cost()
            || params.passes() < current.t_cost()
            || self.output.len() < output_length(current)
            || self.salt.len() < SALT_LENGTH
    }

    /// Whether it is the hash of this password. The comparison takes the same time wherever the
    /// difference is.
    pub(crate) fn matches(
        &self,
        password: &[u8],
        memory: &mut Argon2Memory,
    ) -> Result<bool, HashError> {
        let mut computed = [0; Output::MAX_LENGTH];
        let computed = &mut computed[..self.output.len()];
        memory.compute(&self.function, password, &self.salt, computed)?;
        Ok(verify_slices_are_equal(computed, self.output.as_bytes()).is_ok())
    }
}

/// Reads exactly memory, passes and lanes: the defaults of a library are not those of another, and
/// what was keyed cannot be checked without the key.
fn read_params(given: &ParamsString, output_length: usize) -> Result<Params, ForeignHashError> {
    let [Some(memory), Some(passes), Some(lanes)] =
        ["m", "t", "p"].map(|name| given.get_decimal(name))
    else {
        return Err(FORM.broken("its parameters are not m, t and p"));
    };
    if given.iter().count() != 3 {
        return Err(FORM.broken("it has other parameters than m, t and p, such as a key"));
    }
    Params::new(memory, passes, lanes, Some(output_length)).map_err(|error| FORM.broken(error))
}

fn limit(params: &Params, current: &Params) -> Result<(), ForeignHashError> {
    let work = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() <= MAX_MEMORY_KIB.max(current.m_cost())
        && work(params) <= MAX_WORK.max(work(current))
    {
        return Ok(());
    }
    let asked = format!("m={} t={}", params.m_cost(), params.t_cost());
    Err(FORM.too_costly(asked, format!("m={MAX_MEMORY_KIB} and m times t={MAX_WORK}")))
}

/// Length of the output, in octets.
pub(crate) fn output_length(params: &Params) -> usize {
    params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)
}
