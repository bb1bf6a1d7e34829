//! The set of keys that sign and verify access tokens.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_domain::{PublicKey, SealedSigningKey, SigningAlgorithm, Timestamp, ports::KeyError};
use jsonwebtoken::DecodingKey;

use crate::{
    sealing::{Binding, Sealer},
    signing_key::{KeyPair, jose_algorithm, thumbprint, verifying_key},
};

/// What the self-test of a key signs. It is no JWT, so the signature is of no use to anybody.
const SELF_TEST: &[u8] = b"doorward self-test";

/// A key whose private half was decrypted and that was seen to sign and verify.
pub(crate) struct AdoptedKey {
    /// The row it came from, to tell whether a row is new.
    row: SealedSigningKey,
    pair: KeyPair,
    public: PublicKey,
    verifying: DecodingKey,
}

/// All keys of the installation, oldest first.
#[derive(Default)]
pub(crate) struct Keyring(Vec<Arc<AdoptedKey>>);

impl Keyring {
    /// The keyring of these rows. Keys that are in this one already are taken over, because
    /// decrypting and testing an RSA key takes milliseconds.
    ///
    /// # Errors
    /// When a key cannot be decrypted, is not what its row says, or fails its self-test.
    pub(crate) fn adopt(
        &self,
        rows: &[SealedSigningKey],
        sealer: &Sealer,
    ) -> Result<Self, KeyError> {
        let mut keys = rows
            .iter()
            .map(|row| match self.0.iter().find(|key| key.row == *row) {
                Some(known) => Ok(Arc::clone(known)),
                None => AdoptedKey::unseal(row, sealer).map(Arc::new),
            })
            .collect::<Result<Vec<_>, KeyError>>()?;
        keys.sort_by_key(|key| key.row.generation);
        Ok(Self(keys))
    }

    /// The key that signs at `at`: of the active ones the newest of `algorithm`, else the newest.
    ///
    /// A key counts as active from the second in which it becomes so, because the times in tokens
    /// have no fractions: a token of that very second would have no key otherwise.
    pub(crate) fn signing_at(
        &self,
        at: Timestamp,
        algorithm: SigningAlgorithm,
    ) -> Option<&AdoptedKey> {
        let active =
            |key: &&Arc<AdoptedKey>| key.row.activates_at.unix_timestamp() <= at.unix_timestamp();
        let newest_first = || self.0.iter().rev().filter(active);
        newest_first()
            .find(|key| key.row.algorithm == algorithm)
            .or_else(|| newest_first().next())
            .map(Arc::as_ref)
    }

    /// The key of this id, active or not: another instance, whose clock is ahead, may use it first.
    pub(crate) fn find(&self, kid: &str) -> Option<&AdoptedKey> {
        self.0.iter().find(|key| key.row.kid == kid).map(Arc::as_ref)
    }

    pub(crate) fn public(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter().map(|key| &key.public)
    }
}

impl AdoptedKey {
    fn unseal(row: &SealedSigningKey, sealer: &Sealer) -> Result<Self, KeyError> {
        let binding =
            Binding { kid: &row.kid, generation: row.generation, algorithm: row.algorithm };
        let der = sealer.open(&row.sealed_private_key, binding)?;
        let pair = KeyPair::from_pkcs8(row.algorithm, &der)
            .map_err(|_| binding.damaged("it is not a private key of its algorithm"))?;
        let no_public = |_| binding.damaged("it has no public half");
        let parameters = pair.public().map_err(no_public)?;
        if thumbprint(&parameters).ok().as_deref() != Some(row.kid.as_str()) {
            return Err(binding.damaged("its id is not the thumbprint of the key"));
        }
        let verifying = verifying_key(&parameters)
            .map_err(|_| binding.damaged("its public half is not one"))?;
        let public = PublicKey { kid: row.kid.clone(), algorithm: row.algorithm, parameters };
        let key = Self { row: row.clone(), pair, public, verifying };
        let signature = key.sign(SELF_TEST)?;
        if key.verifies(SELF_TEST, &signature) {
            Ok(key)
        } else {
            Err(binding.damaged("what it signs does not verify"))
        }
    }

    pub(crate) fn kid(&self) -> &str {
        &self.row.kid
    }

    pub(crate) const fn algorithm(&self) -> SigningAlgorithm {
        self.row.algorithm
    }

    /// Signs; the signature is in unpadded base64url.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<String, KeyError> {
        match self.pair.sign(message) {
            Ok(signature) => Ok(URL_SAFE_NO_PAD.encode(signature)),
            Err(_) => Err(KeyError::Library(format!("key {} did not sign", self.row.kid))),
        }
    }

    /// Whether this is a signature of `message` by this key and in its one algorithm. What is not
    /// canonical base64url is no signature.
    pub(crate) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let algorithm = jose_algorithm(self.row.algorithm);
        jsonwebtoken::crypto::verify(signature, message, &self.verifying, algorithm)
            .unwrap_or(false)
    }
}

/// Makes a key pair and encrypts its private half.
///
/// # Errors
/// When the cryptographic library fails.
pub(crate) fn generate(
    sealer: &Sealer,
    algorithm: SigningAlgorithm,
    generation: i64,
    created_at: Timestamp,
    activates_at: Timestamp,
) -> Result<SealedSigningKey, KeyError> {
    let failed = |step: &str| {
        KeyError::Library(format!("a new {} key could not be {step}", algorithm.as_str()))
    };
    let pair = KeyPair::generate(algorithm).map_err(|_| failed("made"))?;
    let public = pair.public().map_err(|_| failed("published"))?;
    let kid = thumbprint(&public).map_err(|_| failed("named"))?;
    let der = pair.to_pkcs8().map_err(|_| failed("encoded"))?;
    let sealed_private_key = sealer.seal(&der, Binding { kid: &kid, generation, algorithm })?;
    Ok(SealedSigningKey {
        kid,
        generation,
        algorithm,
        sealed_private_key,
        created_at,
        activates_at,
    })
}
