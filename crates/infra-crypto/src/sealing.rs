//! Encrypts private keys for the database.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use doorward_domain::{SealedSigningKey, SigningAlgorithm, ports::KeyError};
use secrecy::{SecretString, zeroize::Zeroizing};

use crate::key_derivation::{KeyUse, derive_key};

/// The first octet of everything sealed, so that another form can follow one day.
const VERSION: u8 = 1;
/// Octets of the authentication tag.
const TAG_LEN: usize = 16;

/// Seals with AES-256-GCM: the version, a random nonce of 12 octets, the ciphertext, the tag.
pub(crate) struct Sealer {
    key: RandomizedNonceKey,
    /// They open what was sealed before `auth.secret` was changed.
    previous: Vec<RandomizedNonceKey>,
}

/// The key that something sealed belongs to. It is authenticated along, so that the private key of
/// one row cannot be put into another one.
#[derive(Clone, Copy)]
pub(crate) struct Binding<'a> {
    pub(crate) kid: &'a str,
    pub(crate) generation: i64,
    pub(crate) algorithm: SigningAlgorithm,
}

impl Sealer {
    pub(crate) fn new(secret: &SecretString, previous: &[SecretString]) -> Result<Self, KeyError> {
        let key = |secret| {
            RandomizedNonceKey::new(&AES_256_GCM, &*derive_key(secret, KeyUse::Sealing)?)
                .map_err(|_| KeyError::Library("AES-256-GCM took no key".to_owned()))
        };
        let previous = previous.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { key: key(secret)?, previous })
    }

    /// Encrypts `plaintext`.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub(crate) fn seal(&self, plaintext: &[u8], binding: Binding) -> Result<Vec<u8>, KeyError> {
        // The ciphertext overwrites this copy; should encrypting fail, the copy is wiped.
        let mut buffer = Zeroizing::new(plaintext.to_vec());
        let (nonce, tag) = self
            .key
            .seal_in_place_separate_tag(binding.associated_data(), &mut buffer)
            .map_err(|_| KeyError::Library("AES-256-GCM did not encrypt".to_owned()))?;
        Ok([&[VERSION][..], nonce.as_ref(), &buffer, tag.as_ref()].concat())
    }

    /// Decrypts what [`seal`](Self::seal) made for the same binding, with this secret or a previous one.
    ///
    /// # Errors
    /// [`KeyError::Damaged`] when it has not the form of something sealed;
    /// [`KeyError::WrongSecret`] when it does not decrypt. Of its causes, which cannot be told
    /// apart, another `auth.secret` is by far the likeliest.
    pub(crate) fn open(
        &self,
        sealed: &[u8],
        binding: Binding,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let Some((&VERSION, rest)) = sealed.split_first() else {
            return Err(binding.damaged("it is not in a form that this version of Doorward reads"));
        };
        let Some((nonce, ciphertext)) = rest.split_first_chunk::<NONCE_LEN>() else {
            return Err(binding.damaged("it is cut off"));
        };
        if ciphertext.len() < TAG_LEN {
            return Err(binding.damaged("it is cut off"));
        }
        let open = |key: &RandomizedNonceKey| {
            // An attempt that fails leaves nothing of use in its buffer.
            let mut buffer = Zeroizing::new(ciphertext.to_vec());
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length =
                key.open_in_place(nonce, binding.associated_data(), &mut buffer).ok()?.len();
            buffer.truncate(length);
            Some(buffer)
        };
        std::iter::once(&self.key)
            .chain(&self.previous)
            .find_map(open)
            .ok_or_else(|| KeyError::WrongSecret { kid: binding.kid.to_owned() })
    }
}

impl<'a> Binding<'a> {
    pub(crate) fn of(key: &'a SealedSigningKey) -> Self {
        Self { kid: &key.kid, generation: key.generation, algorithm: key.algorithm }
    }

    /// One text for one binding: neither the label nor a name of an algorithm holds NUL, the
    /// generation has a fixed length, and the kid is the rest.
    fn associated_data(&self) -> Aad<Vec<u8>> {
        let label: &[u8] = b"doorward signing key\0";
        let algorithm = self.algorithm.as_str().as_bytes();
        let generation = self.generation.to_be_bytes();
        Aad::from([label, algorithm, b"\0", &generation, self.kid.as_bytes()].concat())
    }

    pub(crate) fn damaged(&self, reason: &str) -> KeyError {
        KeyError::Damaged { kid: self.kid.to_owned(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDING: Binding =
        Binding { kid: "the-kid", generation: 7, algorithm: SigningAlgorithm::EdDsa };

    fn sealer(secret: &str) -> Sealer {
        Sealer::new(&secret.into(), &[]).unwrap()
    }

    #[test]
    fn what_was_sealed_can_be_opened_and_not_seen() {
        let sealed = sealer("one").seal(b"a private key", BINDING).unwrap();
        assert_eq!(sealed.len(), 1 + 12 + 13 + 16);
        assert!(!sealed.windows(7).any(|octets| octets == b"private"));
        assert_eq!(**sealer("one").open(&sealed, BINDING).unwrap(), *b"a private key");
    }

    #[test]
    fn equal_texts_are_sealed_differently() {
        let ours = sealer("one");
        let first = ours.seal(b"a private key", BINDING).unwrap();
        let second = ours.seal(b"a private key", BINDING).unwrap();
        assert_ne!(first[1..13], second[1..13]);
        assert_ne!(first[13..], second[13..]);
    }

    #[test]
    fn another_secret_is_named_as_the_cause() {
        let sealed = sealer("one").seal(b"a private key", BINDING).unwrap();
        let refusal = sealer("two").open(&sealed, BINDING).unwrap_err();
        assert!(matches!(&refusal, KeyError::WrongSecret { kid } if kid == "the-kid"));
        assert!(refusal.to_string().contains("the-kid"));
    }

    #[test]
    fn what_a_previous_secret_sealed_opens_and_only_the_present_one_seals() {
        let both = Sealer::new(&"two".into(), &["zero".into(), "one".into()]).unwrap();
        let old = sealer("one").seal(b"a private key", BINDING).unwrap();
        assert_eq!(**both.open(&old, BINDING).unwrap(), *b"a private key");
        let new = both.seal(b"a private key", BINDING).unwrap();
        assert_eq!(**sealer("two").open(&new, BINDING).unwrap(), *b"a private key");
        assert!(sealer("one").open(&new, BINDING).is_err());
        let foreign = sealer("three").seal(b"a private key", BINDING).unwrap();
        assert!(matches!(both.open(&foreign, BINDING), Err(KeyError::WrongSecret { .. })));
    }

    #[test]
    fn it_opens_for_the_same_binding_only() {
        let ours = sealer("one");
        let sealed = ours.seal(b"a private key", BINDING).unwrap();
        for other in [
            Binding { kid: "the-kie", ..BINDING },
            Binding { kid: "the-ki", ..BINDING },
            Binding { kid: "", ..BINDING },
            Binding { generation: 8, ..BINDING },
            Binding { generation: -7, ..BINDING },
            Binding { algorithm: SigningAlgorithm::Es256, ..BINDING },
        ] {
            assert!(ours.open(&sealed, other).is_err());
        }
    }

    #[test]
    fn any_changed_cut_or_added_octet_is_refused() {
        let ours = sealer("one");
        let sealed = ours.seal(b"a private key", BINDING).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(ours.open(&changed, BINDING).is_err(), "octet {at}");
            assert!(ours.open(&sealed[..at], BINDING).is_err(), "cut at {at}");
        }
        assert!(ours.open(&[&sealed[..], &[0]].concat(), BINDING).is_err());
        for cut in [0, 1, 12, 13, 28] {
            let refusal = ours.open(&sealed[..cut], BINDING);
            assert!(matches!(refusal, Err(KeyError::Damaged { .. })), "cut at {cut}");
        }
    }
}
