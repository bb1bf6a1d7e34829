//! Keys that are derived from the secret of the installation.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use doorward_domain::ports::KeyError;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

/// What a derived key is for. Each use has a label of its own, so that no key serves two uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyUse {
    /// The MAC of refresh tokens.
    RefreshToken,
    /// Encrypting signing keys.
    Sealing,
    /// Signing the seals of the audit trail.
    AuditTrail,
    /// The MACs of proofs that are mailed.
    Proof,
    /// Telling the payloads of requests apart.
    RequestFingerprint,
    /// Encrypting answers that are kept.
    KeptAnswer,
    /// The MAC of device tokens.
    DeviceToken,
    /// Naming the counters of guesses.
    GuessCounter,
}

/// Derives a 256-bit key by HKDF-SHA256 (RFC 5869). The labels are part of what installations have
/// stored and handed out: they must never change.
///
/// # Errors
/// When the cryptographic library fails.
pub(crate) fn derive_key(
    secret: &SecretString,
    key_use: KeyUse,
) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let label: &[u8] = match key_use {
        KeyUse::RefreshToken => b"doorward refresh token mac v1",
        KeyUse::Sealing => b"doorward signing key sealing v1",
        KeyUse::AuditTrail => b"doorward audit trail mac v1",
        KeyUse::Proof => b"doorward proof mac v1",
        KeyUse::RequestFingerprint => b"doorward request fingerprint mac v1",
        KeyUse::KeptAnswer => b"doorward kept answer sealing v1",
        KeyUse::DeviceToken => b"doorward device token mac v1",
        KeyUse::GuessCounter => b"doorward guess counter key v1",
    };
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, b"doorward")
        .extract(secret.expose_secret().as_bytes())
        .expand(&[label], HKDF_SHA256)
        .and_then(|material| material.fill(&mut *key))
        .map_err(|_| KeyError::Library("HKDF-SHA256 gave no key".to_owned()))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    fn derive(secret: &str, key_use: KeyUse) -> String {
        STANDARD.encode(derive_key(&secret.into(), key_use).unwrap())
    }

    /// Computed with another implementation of RFC 5869. If this fails, every installation loses its
    /// refresh tokens or its signing keys.
    #[test]
    fn derived_keys_never_change() {
        let secret = "a secret of thirty-two octets!!!";
        assert_eq!(
            derive(secret, KeyUse::RefreshToken),
            "CwbtakmfxCcMXgQfRkeHYSJryn/ogrOqwBHw68R0sN0="
        );
        assert_eq!(derive(secret, KeyUse::Sealing), "muK3PcCq9eUpr3lGr4ZVaTqNSLheJTqGYdztlqJS5ZM=");
        assert_eq!(
            derive(secret, KeyUse::AuditTrail),
            "IVAP5toL91UIQGPlBYuEgla/N9bLl77zR+095XDFVks="
        );
        assert_eq!(derive(secret, KeyUse::Proof), "UCt+H0/IarmDcnLOB7wCw18wQcvlPOLRyVMBHEassAo=");
        assert_eq!(
            derive(secret, KeyUse::RequestFingerprint),
            "WWl9AhyAUaADzIDZms5wNSCEVgL2l31nKn3qyEyfYq4="
        );
        assert_eq!(
            derive(secret, KeyUse::KeptAnswer),
            "GoPnCaHme46pqzczQUsPay6y99PooQRP+uZhL+X1RSI="
        );
        assert_eq!(
            derive(secret, KeyUse::DeviceToken),
            "q1/hr01p5dHHQbP+eUOzSHr20oDBKg74PPiNj9pSq70="
        );
        assert_eq!(
            derive(secret, KeyUse::GuessCounter),
            "RzvyPYswRmhuyQltPbuV0BXAj9IrsKHOJ1WU87LH5r0="
        );
    }

    #[test]
    fn each_use_and_each_secret_has_its_own_key() {
        let keys = [
            derive("one", KeyUse::RefreshToken),
            derive("one", KeyUse::Sealing),
            derive("one", KeyUse::AuditTrail),
            derive("one", KeyUse::Proof),
            derive("one", KeyUse::RequestFingerprint),
            derive("one", KeyUse::KeptAnswer),
            derive("one", KeyUse::DeviceToken),
            derive("one", KeyUse::GuessCounter),
            derive("two", KeyUse::RefreshToken),
            derive("two", KeyUse::Sealing),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
