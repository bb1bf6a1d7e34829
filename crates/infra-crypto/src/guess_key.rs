//! The names of the counters of guesses.

use doorward_domain::{GuessKey, GuessSubject, ports::KeyError};
use secrecy::SecretString;

use crate::{key_derivation::KeyUse, mac::MacKeys};

/// Names counters by HMAC-SHA256, so that a stolen database tells neither which addresses were tried nor
/// from where.
pub(crate) struct GuessKeys(MacKeys);

impl GuessKeys {
    pub(crate) fn new(secret: &SecretString) -> Result<Self, KeyError> {
        Ok(Self(MacKeys::new(KeyUse::GuessCounter, secret, &[])?))
    }

    pub(crate) fn name(&self, subject: &GuessSubject) -> GuessKey {
        GuessKey(self.0.sign(subject.label().as_bytes()))
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
