//! Protects what is kept of requests that may be sent again.

use doorward_domain::{
    idempotency::{Fingerprint, RequestName},
    ports::{AnswerSealer, KeyError},
};
use secrecy::SecretString;

use crate::{key_derivation::KeyUse, mac::MacKeys, sealing::Sealer};

/// Makes fingerprints by HMAC-SHA256 (RFC 2104) and encrypts answers with AES-256-GCM, each with a key
/// of its own.
pub struct KeptAnswerSealer {
    fingerprints: MacKeys,
    answers: Sealer,
}

impl KeptAnswerSealer {
    /// Takes `auth.secret` and `auth.previous_secrets`.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn new(secret: &SecretString, previous: &[SecretString]) -> Result<Self, KeyError> {
        Ok(Self {
            fingerprints: MacKeys::new(KeyUse::RequestFingerprint, secret, previous)?,
            answers: Sealer::new(KeyUse::KeptAnswer, secret, previous)?,
        })
    }
}

impl AnswerSealer for KeptAnswerSealer {
    fn fingerprint(&self, payload: &[u8]) -> Fingerprint {
        Fingerprint(self.fingerprints.sign(payload))
    }

    fn fits(&self, payload: &[u8], fingerprint: &Fingerprint) -> bool {
        self.fingerprints.verify(payload, &fingerprint.0)
    }

    fn answer_seal(&self, request: &RequestName, answer: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.answers.seal(answer, request.as_str().as_bytes())
    }

    fn answer_open(&self, request: &RequestName, sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let opened = self.answers.open(sealed, request.as_str().as_bytes());
        Ok(opened.map_err(|_| KeyError::AnswerUnreadable)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::{IdempotencyKey, audit::hex, idempotency::Caller};

    use super::*;

    fn sealer(secret: &str, previous: &[&str]) -> KeptAnswerSealer {
        let previous: Vec<_> = previous.iter().map(|&secret| secret.into()).collect();
        KeptAnswerSealer::new(&secret.into(), &previous).unwrap()
    }

    fn request(key: &str) -> RequestName {
        let key = IdempotencyKey::parse(key).unwrap();
        RequestName::new(Caller::Anonymous, "POST /users", &key)
    }

    #[test]
    fn a_payload_is_known_by_the_secret_that_saw_it_and_by_no_other() {
        let seen = sealer("first", &[]).fingerprint(b"{\"password\":\"x\"}");
        assert!(sealer("first", &[]).fits(b"{\"password\":\"x\"}", &seen));
        assert!(sealer("third", &["second", "first"]).fits(b"{\"password\":\"x\"}", &seen));
        assert!(!sealer("first", &[]).fits(b"{\"password\":\"y\"}", &seen));
        assert!(!sealer("second", &[]).fits(b"{\"password\":\"x\"}", &seen));
    }

    #[test]
    fn an_answer_opens_for_its_own_request_and_is_not_seen() {
        let ours = sealer("first", &[]);
        let sealed = ours.answer_seal(&request("k"), b"ada@example.com").unwrap();
        assert!(!sealed.windows(3).any(|octets| octets == b"ada"));
        for knows in [&ours, &sealer("second", &["first"])] {
            assert_eq!(knows.answer_open(&request("k"), &sealed).unwrap(), b"ada@example.com");
        }
        let unreadable = [
            ours.answer_open(&request("l"), &sealed),
            ours.answer_open(&request("k"), &sealed[..20]),
            ours.answer_open(&request("k"), b""),
            sealer("second", &[]).answer_open(&request("k"), &sealed),
        ];
        for refusal in unreadable {
            assert!(matches!(refusal, Err(KeyError::AnswerUnreadable)), "{refusal:?}");
        }
    }

    /// Computed with another implementation. If this fails, an update forgets what was asked for before.
    #[test]
    fn fingerprints_never_change() {
        let sealer = sealer("a secret of thirty-two octets!!!", &[]);
        assert_eq!(
            hex(&sealer.fingerprint(b"payload").0),
            "0bf4795f2ed4838969aada1a4d36f99f7f5e27191b669cadf731383413810964"
        );
    }
}
