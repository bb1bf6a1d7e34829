//! Password hashes that other systems made.
//!
//! Each method has a file, which reads all forms of its hashes. Nothing is computed while reading, so
//! a file of a million of them is read in seconds.
//!
//! **Invariant:** a hash that was read costs at most about a second of one processor core (measured
//! in 2026) and 128 MiB. That is half of the time that a sign-in waits for its turn by default, so
//! whoever waits behind one still gets it; and a file of costly hashes cannot make signing in a way
//! to exhaust the machine. The common systems' defaults are all below: Django's 1,500,000 iterations
//! of PBKDF2 take 0.2 seconds, bcrypt at its usual cost of 12 a quarter, scrypt as OWASP advises it
//! (N = 2^17, 128 MiB) as much.

mod bcrypt;
mod form;
mod pbkdf2;
mod refused;
mod scrypt;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use argon2::Params;
use doorward_domain::{ForeignHashError, ports::HashError};

pub(crate) use self::form::Form;
use self::{
    bcrypt::BcryptHash,
    form::ANY_LENGTH,
    pbkdf2::{Pbkdf2Hash, Prf},
    scrypt::ScryptHash,
};
use crate::{
    argon2_hash::{self, Argon2Hash},
    argon2_memory::Argon2Memory,
};

/// The longest text that is read, in octets; the forms with their usual salts have half of it.
const MAX_LENGTH: usize = 512;

/// A hash that was read and may be computed.
pub(crate) enum ForeignHash {
    Argon2(Argon2Hash),
    Bcrypt(BcryptHash),
    Pbkdf2(Pbkdf2Hash),
    Scrypt(ScryptHash),
}

impl ForeignHash {
    /// Reads a hash in one of the forms of the PHC, of modular crypt, of passlib or of Django.
    ///
    /// # Errors
    /// When it is in none of these forms, broken, too weak or too costly. Nothing of the text is in
    /// the error.
    pub(crate) fn read(text: &str, current: &Params) -> Result<Self, ForeignHashError> {
        if text.is_empty() {
            return Err(ForeignHashError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(ForeignHashError::TooLong { max: MAX_LENGTH });
        }
        let hash = match text.strip_prefix('$') {
            Some(named) => Self::read_crypt(text, named, current),
            None => Self::read_django(text, current),
        };
        hash.unwrap_or_else(|| Err(refused::reason(text)))
    }

    /// Reads what begins with `$` and the name of its form: PHC, modular crypt and passlib.
    fn read_crypt(
        text: &str,
        named: &str,
        current: &Params,
    ) -> Option<Result<Self, ForeignHashError>> {
        let (name, body) = named.split_once('$')?;
        Some(match name {
            "argon2id" | "argon2i" | "argon2d" => read_argon2(text, current),
            "2a" | "2b" | "2y" => BcryptHash::read(text).map(Self::Bcrypt),
            "bcrypt-sha256" => BcryptHash::read_passlib(body).map(Self::Bcrypt),
            "pbkdf2-sha256" => Pbkdf2Hash::read(Prf::HmacSha256, body).map(Self::Pbkdf2),
            "pbkdf2-sha512" => Pbkdf2Hash::read(Prf::HmacSha512, body).map(Self::Pbkdf2),
            "scrypt" => ScryptHash::read(body).map(Self::Scrypt),
            "7" => ScryptHash::read_modular_crypt(body).map(Self::Scrypt),
            _ => return None,
        })
    }

    /// Reads what begins with the name that a hasher of Django has.
    fn read_django(text: &str, current: &Params) -> Option<Result<Self, ForeignHashError>> {
        let (name, body) = text.split_once('$')?;
        Some(match name {
            // These put their name before a hash of another form, which begins with `$`.
            "argon2" => read_argon2(&text[name.len()..], current),
            "bcrypt" => BcryptHash::read(body).map(Self::Bcrypt),
            "bcrypt_sha256" => BcryptHash::read_django_sha256(body).map(Self::Bcrypt),
            "pbkdf2_sha256" => Pbkdf2Hash::read_django(Prf::HmacSha256, body).map(Self::Pbkdf2),
            "pbkdf2_sha512" => Pbkdf2Hash::read_django(Prf::HmacSha512, body).map(Self::Pbkdf2),
            "scrypt" => ScryptHash::read_django(body).map(Self::Scrypt),
            _ => return None,
        })
    }

    /// Whether it is the hash of these octets. The comparison takes the same time wherever the
    /// difference is.
    ///
    /// # Errors
    /// [`HashError::Failed`] when there is no memory.
    pub(crate) fn matches(
        &self,
        password: &[u8],
        memory: &mut Argon2Memory,
    ) -> Result<bool, HashError> {
        match self {
            Self::Argon2(hash) => hash.matches(password, memory),
            Self::Bcrypt(hash) => Ok(hash.matches(password)),
            Self::Pbkdf2(hash) => Ok(hash.matches(password)),
            Self::Scrypt(hash) => hash.matches(password),
        }
    }
}

fn read_argon2(text: &str, current: &Params) -> Result<ForeignHash, ForeignHashError> {
    let hash = Argon2Hash::read(text, current)?;
    argon2_hash::FORM.check_digest(hash.digest_length(), &ANY_LENGTH)?;
    Ok(ForeignHash::Argon2(hash))
}
