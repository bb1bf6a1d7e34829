//! HMAC-SHA256 with keys that follow from `auth.secret`.

use aws_lc_rs::hmac;
use doorward_domain::ports::KeyError;
use secrecy::SecretString;

use crate::key_derivation::{KeyUse, derive_key};

/// Octets of a MAC.
pub(crate) const MAC: usize = 32;

/// Makes and checks MACs (RFC 2104) of one use.
pub(crate) struct MacKeys {
    present: hmac::Key,
    /// They verify what was signed before `auth.secret` was changed.
    previous: Vec<hmac::Key>,
}

impl MacKeys {
    /// Takes `auth.secret` and `auth.previous_secrets`.
    pub(crate) fn new(
        key_use: KeyUse,
        secret: &SecretString,
        previous: &[SecretString],
    ) -> Result<Self, KeyError> {
        let key = |secret| {
            let key = derive_key(secret, key_use)?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &*key))
        };
        let previous = previous.iter().map(key).collect::<Result<_, KeyError>>()?;
        Ok(Self { present: key(secret)?, previous })
    }

    /// The MAC by the present secret.
    pub(crate) fn sign(&self, octets: &[u8]) -> [u8; MAC] {
        sign(&self.present, octets)
    }

    /// Whether this is the MAC by the present secret, or by a previous one. For each key it takes the
    /// same time whatever the MAC.
    pub(crate) fn verify(&self, octets: &[u8], mac: &[u8]) -> bool {
        self.keys().any(|key| hmac::verify(key, octets, mac).is_ok())
    }

    /// The MACs by all secrets, the present one first.
    pub(crate) fn sign_by_each(&self, octets: &[u8]) -> impl Iterator<Item = [u8; MAC]> {
        self.keys().map(|key| sign(key, octets))
    }

    fn keys(&self) -> impl Iterator<Item = &hmac::Key> {
        std::iter::once(&self.present).chain(&self.previous)
    }
}

fn sign(key: &hmac::Key, octets: &[u8]) -> [u8; MAC] {
    let mut mac = [0; MAC];
    mac.copy_from_slice(hmac::sign(key, octets).as_ref());
    mac
}
