//! The set of keys that sign and verify access tokens.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_domain::{
    KeyLife, KeyPlan, KeyState, PublicKey, SealedSigningKey, SigningAlgorithm, Timestamp,
    key_life::lives, ports::KeyError,
};
use jsonwebtoken::DecodingKey;
use secrecy::zeroize::Zeroizing;

use crate::{
    sealing::{OpenError, Sealer},
    signing_key::{KeyPair, jose_algorithm, thumbprint, verifying_key},
};

/// What the self-test of a key signs. It is no JWT, so the signature is of no use to anybody.
const SELF_TEST: &[u8] = b"doorward self-test";

/// A key whose private half was decrypted and that was seen to sign and verify.
pub(crate) struct AdoptedKey {
    kid: Arc<str>,
    generation: i64,
    algorithm: SigningAlgorithm,
    /// What it was decrypted from, to tell whether a row is new.
    sealed: Vec<u8>,
    pair: KeyPair,
    public: PublicKey,
    verifying: DecodingKey,
}

/// All keys of the installation with their lives, oldest first.
#[derive(Default)]
pub(crate) struct Keyring(Vec<(Arc<AdoptedKey>, KeyLife)>);

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
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row.generation);
        let keys = rows.iter().zip(lives(&rows)).map(|(row, life)| {
            let key = match self.0.iter().find(|(key, _)| key.is_of(row)) {
                Some((known, _)) => Arc::clone(known),
                None => Arc::new(AdoptedKey::unseal(row, sealer)?),
            };
            Ok((key, life))
        });
        keys.collect::<Result<_, KeyError>>().map(Self)
    }

    /// The key that signs at `at`.
    pub(crate) fn signing_at(&self, at: Timestamp) -> Option<&AdoptedKey> {
        let mut keys = self.0.iter();
        let found = keys.find(|(_, life)| life.state_at(at) == KeyState::Active);
        found.map(|(key, _)| key.as_ref())
    }

    /// The key of this id, unless it has retired at `now`. It need not be active yet: another
    /// instance, whose clock is ahead, may use it first.
    pub(crate) fn find(&self, kid: &str, now: Timestamp) -> Option<&AdoptedKey> {
        self.present(now).find(|key| *key.kid == *kid)
    }

    pub(crate) fn public(&self, now: Timestamp) -> impl Iterator<Item = &PublicKey> {
        self.present(now).map(|key| &key.public)
    }

    pub(crate) fn kids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| &*key.kid)
    }

    fn present(&self, now: Timestamp) -> impl Iterator<Item = &AdoptedKey> {
        let present =
            self.0.iter().filter(move |(_, life)| life.state_at(now) != KeyState::Retired);
        present.map(|(key, _)| key.as_ref())
    }
}

impl AdoptedKey {
    fn unseal(row: &SealedSigningKey, sealer: &Sealer) -> Result<Self, KeyError> {
        let binding = Binding::of(row);
        let der = binding.open(sealer, &row.sealed_private_key)?;
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
        let key = Self {
            kid: row.kid.as_str().into(),
            generation: row.generation,
            algorithm: row.algorithm,
            sealed: row.sealed_private_key.clone(),
            pair,
            public,
            verifying,
        };
        let signature = key.sign(SELF_TEST)?;
        if key.verifies(SELF_TEST, &signature) {
            Ok(key)
        } else {
            Err(binding.damaged("what it signs does not verify"))
        }
    }

    /// Whether this is the key of a row. The times in the row may change.
    fn is_of(&self, row: &SealedSigningKey) -> bool {
        *self.kid == *row.kid
            && self.generation == row.generation
            && self.algorithm == row.algorithm
            && self.sealed == row.sealed_private_key
    }

    pub(crate) const fn kid(&self) -> &Arc<str> {
        &self.kid
    }

    pub(crate) const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Signs; the signature is in unpadded base64url.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<String, KeyError> {
        match self.pair.sign(message) {
            Ok(signature) => Ok(URL_SAFE_NO_PAD.encode(signature)),
            Err(_) => Err(KeyError::Library(format!("key {} did not sign", self.kid))),
        }
    }

    /// Whether this is a signature of `message` by this key and in its one algorithm. What is not
    /// canonical base64url is no signature.
    pub(crate) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let algorithm = jose_algorithm(self.algorithm);
        jsonwebtoken::crypto::verify(signature, message, &self.verifying, algorithm)
            .unwrap_or(false)
    }
}

/// Makes a key pair and encrypts its private half.
///
/// # Errors
/// When the cryptographic library fails.
pub(crate) fn generate(sealer: &Sealer, plan: KeyPlan) -> Result<SealedSigningKey, KeyError> {
    let KeyPlan { generation, algorithm, created_at, activates_at, token_life } = plan;
    let failed = |step: &str| {
        KeyError::Library(format!("a new {} key could not be {step}", algorithm.as_str()))
    };
    let pair = KeyPair::generate(algorithm).map_err(|_| failed("made"))?;
    let public = pair.public().map_err(|_| failed("published"))?;
    let kid = thumbprint(&public).map_err(|_| failed("named"))?;
    let der = pair.to_pkcs8().map_err(|_| failed("encoded"))?;
    let sealed_private_key = Binding { kid: &kid, generation, algorithm }.seal(sealer, &der)?;
    Ok(SealedSigningKey {
        kid,
        generation,
        algorithm,
        sealed_private_key,
        created_at,
        activates_at,
        token_life,
    })
}

/// Encrypts the private half of a key anew.
///
/// # Errors
/// When it cannot be decrypted, or the cryptographic library fails.
pub(crate) fn reseal(
    sealer: &Sealer,
    key: &SealedSigningKey,
) -> Result<SealedSigningKey, KeyError> {
    let binding = Binding::of(key);
    let der = binding.open(sealer, &key.sealed_private_key)?;
    let sealed_private_key = binding.seal(sealer, &der)?;
    Ok(SealedSigningKey { sealed_private_key, ..key.clone() })
}

/// The key that something sealed belongs to, so that the private key of one row cannot be put into
/// another one.
#[derive(Clone, Copy)]
pub(crate) struct Binding<'a> {
    pub(crate) kid: &'a str,
    pub(crate) generation: i64,
    pub(crate) algorithm: SigningAlgorithm,
}

impl<'a> Binding<'a> {
    fn of(key: &'a SealedSigningKey) -> Self {
        Self { kid: &key.kid, generation: key.generation, algorithm: key.algorithm }
    }

    pub(crate) fn seal(&self, sealer: &Sealer, der: &[u8]) -> Result<Vec<u8>, KeyError> {
        sealer.seal(der, &self.associated_data())
    }

    fn open(&self, sealer: &Sealer, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        sealer.open(ciphertext, &self.associated_data()).map_err(|error| match error {
            OpenError::Form(reason) => self.damaged(reason),
            OpenError::NotOurs => KeyError::WrongSecret { kid: self.kid.to_owned() },
        })
    }

    /// One text for one binding: neither the label nor a name of an algorithm holds NUL, the
    /// generation has a fixed length, and the kid is the rest.
    fn associated_data(&self) -> Vec<u8> {
        let label: &[u8] = b"doorward signing key\0";
        let algorithm = self.algorithm.as_str().as_bytes();
        let generation = self.generation.to_be_bytes();
        [label, algorithm, b"\0", &generation, self.kid.as_bytes()].concat()
    }

    fn damaged(&self, reason: &str) -> KeyError {
        KeyError::Damaged { kid: self.kid.to_owned(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key_derivation::KeyUse;

    #[test]
    fn a_private_key_opens_for_its_own_row_only() {
        let ours = Sealer::new(KeyUse::Sealing, &"one".into(), &[]).unwrap();
        let own = Binding { kid: "the-kid", generation: 7, algorithm: SigningAlgorithm::EdDsa };
        let sealed = own.seal(&ours, b"a private key").unwrap();
        assert_eq!(**own.open(&ours, &sealed).unwrap(), *b"a private key");
        for other in [
            Binding { kid: "the-kie", ..own },
            Binding { kid: "the-ki", ..own },
            Binding { kid: "", ..own },
            Binding { generation: 8, ..own },
            Binding { generation: -7, ..own },
            Binding { algorithm: SigningAlgorithm::Es256, ..own },
        ] {
            let refusal = other.open(&ours, &sealed).unwrap_err();
            assert!(matches!(refusal, KeyError::WrongSecret { kid } if kid == other.kid));
        }
    }
}
