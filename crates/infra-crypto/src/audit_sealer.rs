//! Digests and signatures of the audit trail.

use aws_lc_rs::digest;
use doorward_domain::{
    audit::chain::Digest,
    ports::{AuditSealer, KeyError},
};
use secrecy::SecretString;

use crate::{key_derivation::KeyUse, mac::MacKeys};

/// Seals the audit trail with SHA-256 (FIPS 180-4) and HMAC-SHA256 (RFC 2104).
pub struct HmacAuditSealer(MacKeys);

impl HmacAuditSealer {
    /// Takes `auth.secret` and `auth.previous_secrets`.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn new(secret: &SecretString, previous: &[SecretString]) -> Result<Self, KeyError> {
        Ok(Self(MacKeys::new(KeyUse::AuditTrail, secret, previous)?))
    }
}

impl AuditSealer for HmacAuditSealer {
    fn digest(&self, octets: &[u8]) -> Digest {
        let mut digest = Digest::default();
        digest.copy_from_slice(digest::digest(&digest::SHA256, octets).as_ref());
        digest
    }

    fn sign(&self, octets: &[u8]) -> Digest {
        self.0.sign(octets)
    }

    fn verify(&self, octets: &[u8], signature: &Digest) -> bool {
        self.0.verify(octets, signature)
    }
}

#[cfg(test)]
mod tests {
    use doorward_domain::audit::hex;

    use super::*;

    fn sealer(secret: &str, previous: &[&str]) -> HmacAuditSealer {
        let previous: Vec<_> = previous.iter().map(|&secret| secret.into()).collect();
        HmacAuditSealer::new(&secret.into(), &previous).unwrap()
    }

    #[test]
    fn a_signature_is_known_by_the_secret_that_made_it_and_by_no_other() {
        let signature = sealer("first secret", &[]).sign(b"seal");
        assert!(sealer("first secret", &[]).verify(b"seal", &signature));
        assert!(sealer("third", &["second", "first secret"]).verify(b"seal", &signature));
        assert!(!sealer("second", &[]).verify(b"seal", &signature));
        assert!(!sealer("first secret", &[]).verify(b"seam", &signature));
        assert!(!sealer("first secret", &[]).verify(b"seal", &Digest::default()));
    }

    /// Computed with another implementation. If this fails, no installation can verify its trail.
    #[test]
    fn digests_and_signatures_never_change() {
        let sealer = sealer("a secret of thirty-two octets!!!", &[]);
        assert_eq!(
            hex(&sealer.digest(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            hex(&sealer.sign(b"seal")),
            "508b10c250674464f880876b44410f42fa6bfa7ca7fc3712733f96ce9df29c9a"
        );
    }
}
