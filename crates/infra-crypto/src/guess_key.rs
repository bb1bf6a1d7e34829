//! The names of the counters of guesses.

use aws_lc_rs::hmac;
use doorward_domain::{GuessKey, GuessSubject, ports::KeyError};
use secrecy::SecretString;

use crate::key_derivation::{KeyUse, derive_key};

/// Names counters by HMAC-SHA256, so that a stolen database tells neither which addresses were tried nor
/// from where.
pub(crate) struct GuessKeys {
    key: hmac::Key,
}

impl GuessKeys {
    pub(crate) fn new(secret: &SecretString) -> Result<Self, KeyError> {
        let key = derive_key(secret, KeyUse::GuessCounter)?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &*key) })
    }

    pub(crate) fn name(&self, subject: &GuessSubject) -> GuessKey {
        let mac = hmac::sign(&self.key, subject.label().as_bytes());
        let mut key = GuessKey([0; 32]);
        key.0.copy_from_slice(mac.as_ref());
        key
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::{Email, audit::hex};

    use super::*;

    /// Computed with another implementation. If this fails, an update forgets who is locked out.
    #[test]
    fn names_never_change() {
        let keys = GuessKeys::new(&"a secret of thirty-two octets!!!".into()).unwrap();
        let name = keys.name(&GuessSubject::Account(Email::parse("Ada@example.com").unwrap()));
        assert_eq!(
            hex(&name.0),
            "22d52e9adf63045d42a14ee815bfa6cf2a620ef310f8df388449831fd947af76"
        );
    }
}
