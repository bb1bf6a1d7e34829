//! Password hashes as they stand in the database: PHC strings of Argon2id, and hashes from elsewhere
//! until their owners sign in.

use argon2::Params;
use doorward_domain::{ForeignHashError, Password, PasswordHash, ports::HashError};

use crate::{argon2_hash::Argon2Hash, argon2_memory::Argon2Memory, foreign_hash::ForeignHash};

/// Stands before a hash that another system made, which follows as that system wrote it. So one
/// reader serves the import and the sign-in, an Argon2id hash from elsewhere is known for one, and
/// operators can count who has not signed in yet.
const FOREIGN: &str = "foreign:";

/// A hash that was read and may be computed.
pub(crate) enum StoredHash {
    Own(Argon2Hash),
    Foreign(ForeignHash),
}

impl StoredHash {
    /// # Errors
    /// [`HashError::Unusable`] when the text is no hash, or asks for too much.
    pub(crate) fn read(hash: &PasswordHash, current: &Params) -> Result<Self, HashError> {
        let text = hash.as_str();
        match text.strip_prefix(FOREIGN) {
            Some(foreign) => ForeignHash::read(foreign, current).map(Self::Foreign),
            None => Argon2Hash::read(text, current).map(Self::Own),
        }
        .map_err(|error| HashError::Unusable(format!("it {error}")))
    }

    /// Makes what is stored of another system's hash; that system may be another Doorward, which
    /// exports what it stores.
    ///
    /// # Errors
    /// When it could not be read back.
    pub(crate) fn adopt(foreign: &str, current: &Params) -> Result<PasswordHash, ForeignHashError> {
        let foreign = foreign.strip_prefix(FOREIGN).unwrap_or(foreign);
        ForeignHash::read(foreign, current)?;
        Ok(PasswordHash::from_text(format!("{FOREIGN}{foreign}")))
    }

    /// Whether it should be replaced once the password is known.
    pub(crate) fn is_outdated(&self, current: &Params) -> bool {
        match self {
            Self::Own(hash) => hash.is_weaker_than(current),
            Self::Foreign(_) => true,
        }
    }

    /// Whether it is the hash of this password. The comparison takes the same time wherever the
    /// difference is.
    pub(crate) fn matches(
        &self,
        password: &Password,
        memory: &mut Argon2Memory,
    ) -> Result<bool, HashError> {
        let normalised = password.expose();
        match self {
            Self::Own(hash) => hash.matches(normalised, memory),
            Self::Foreign(hash) => {
                let typed = password.expose_typed();
                // Most systems hash what was typed, a few its NFKC. Mostly they are the same.
                Ok(hash.matches(typed, memory)?
                    || (typed != normalised && hash.matches(normalised, memory)?))
            }
        }
    }
}
