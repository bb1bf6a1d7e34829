//! Password hashes as they stand in the database: PHC strings.

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use doorward_domain::{PasswordHash, ports::HashError};

/// The most memory that a stored hash may ask for, in KiB. The limits of this file bound what a
/// manipulated or wrongly imported row can cost: about 17 times a hash of Doorward's own.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
/// The most passes over the memory that a stored hash may ask for.
const MAX_PASSES: u32 = 10;
/// The most lanes that a stored hash may ask for.
const MAX_LANES: u32 = 4;
/// Length of the salts made here, in octets (RFC 9106 §3.1).
pub(crate) const SALT_LENGTH: usize = 16;

/// A hash that was read and may be computed.
pub(crate) struct StoredHash {
    argon2: Argon2<'static>,
    salt: Salt,
    output: Output,
    outdated: bool,
}

impl StoredHash {
    /// Reads a PHC string. Hashes by any kind of Argon2 can be checked, so that accounts can be
    /// brought along from other systems; `current` tells which are outdated.
    ///
    /// # Errors
    /// [`HashError::Unusable`] when the text is not such a hash, or asks for more than the limits of
    /// this file and more than `current`.
    pub(crate) fn read(hash: &PasswordHash, current: &Params) -> Result<Self, HashError> {
        let phc = Phc::new(hash.as_phc()).map_err(unusable)?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(unusable)?;
        // The reference implementation wrote no version before there was a second one.
        let version =
            phc.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(unusable)?;
        let params = Params::try_from(&phc).map_err(unusable)?;
        let salt = phc.salt.ok_or_else(|| unusable("it has no salt"))?;
        // The parser refuses outputs of more than 64 octets.
        let output = phc.hash.ok_or_else(|| unusable("it has no hash"))?;
        if params.m_cost() > MAX_MEMORY_KIB.max(current.m_cost())
            || params.t_cost() > MAX_PASSES.max(current.t_cost())
            || params.p_cost() > MAX_LANES.max(current.p_cost())
        {
            return Err(unusable(format!(
                "it asks for m={} t={} p={}, allowed are m={MAX_MEMORY_KIB} t={MAX_PASSES} \
                 p={MAX_LANES}",
                params.m_cost(),
                params.t_cost(),
                params.p_cost(),
            )));
        }
        let outdated = algorithm != Algorithm::Argon2id
            || version != Version::V0x13
            || params.m_cost() < current.m_cost()
            || params.t_cost() < current.t_cost()
            || output.len() < output_length(current)
            || salt.len() < SALT_LENGTH;
        Ok(Self { argon2: Argon2::new(algorithm, version, params), salt, output, outdated })
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
        Ok(PasswordHash::from_phc(phc.to_string()))
    }

    /// How many blocks of memory [`matches`](Self::matches) needs.
    pub(crate) fn block_count(&self) -> usize {
        self.argon2.params().block_count()
    }

    /// Whether it was made with weaker parameters than the current ones, or by another method.
    pub(crate) const fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// Whether it is the hash of this password. The comparison takes the same time wherever the
    /// difference is.
    pub(crate) fn matches(
        &self,
        password: &[u8],
        memory: &mut [Block],
    ) -> Result<bool, argon2::Error> {
        let mut computed = [0; Output::MAX_LENGTH];
        let computed = &mut computed[..self.output.len()];
        self.argon2.hash_password_into_with_memory(password, &self.salt, computed, memory)?;
        Ok(verify_slices_are_equal(computed, self.output.as_bytes()).is_ok())
    }
}

/// Length of the output, in octets.
pub(crate) fn output_length(params: &Params) -> usize {
    params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)
}

fn unusable(reason: impl std::fmt::Display) -> HashError {
    HashError::Unusable(reason.to_string())
}

/// An error of the library, which is a defect wherever it occurs.
pub(crate) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> HashError {
    HashError::Failed(Box::new(error))
}
