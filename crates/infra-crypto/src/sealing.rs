//! Encrypts what the database keeps and nobody shall read there.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use doorward_domain::ports::KeyError;
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

/// Why something sealed cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// It has not the form of something sealed.
    Form(&'static str),
    /// It does not decrypt. Of the causes, which cannot be told apart, another `auth.secret` is by far
    /// the likeliest.
    NotOurs,
}

impl Sealer {
    pub(crate) fn new(
        key_use: KeyUse,
        secret: &SecretString,
        previous: &[SecretString],
    ) -> Result<Self, KeyError> {
        let key = |secret| {
            RandomizedNonceKey::new(&AES_256_GCM, &*derive_key(secret, key_use)?)
                .map_err(|_| KeyError::Library("AES-256-GCM took no key".to_owned()))
        };
        let previous = previous.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { key: key(secret)?, previous })
    }

    /// Encrypts `plaintext`. The associated data is authenticated along, so that what was sealed for one
    /// row cannot be put into another one.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub(crate) fn seal(&self, plaintext: &[u8], associated: &[u8]) -> Result<Vec<u8>, KeyError> {
        // The ciphertext overwrites this copy; should encrypting fail, the copy is wiped.
        let mut buffer = Zeroizing::new(plaintext.to_vec());
        let (nonce, tag) = self
            .key
            .seal_in_place_separate_tag(Aad::from(associated), &mut buffer)
            .map_err(|_| KeyError::Library("AES-256-GCM did not encrypt".to_owned()))?;
        Ok([&[VERSION][..], nonce.as_ref(), &buffer, tag.as_ref()].concat())
    }

    /// Decrypts what [`seal`](Self::seal) made with the same associated data, with this secret or a
    /// previous one.
    pub(crate) fn open(
        &self,
        sealed: &[u8],
        associated: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let Some((&VERSION, rest)) = sealed.split_first() else {
            return Err(OpenError::Form("it is not in a form that this version of Doorward reads"));
        };
        let Some((nonce, ciphertext)) = rest.split_first_chunk::<NONCE_LEN>() else {
            return Err(OpenError::Form("it is cut off"));
        };
        if ciphertext.len() < TAG_LEN {
            return Err(OpenError::Form("it is cut off"));
        }
        let open = |key: &RandomizedNonceKey| {
            // An attempt that fails leaves nothing of use in its buffer.
            let mut buffer = Zeroizing::new(ciphertext.to_vec());
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length = key.open_in_place(nonce, Aad::from(associated), &mut buffer).ok()?.len();
            buffer.truncate(length);
            Some(buffer)
        };
        std::iter::once(&self.key).chain(&self.previous).find_map(open).ok_or(OpenError::NotOurs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDING: &[u8] = b"one row";

    fn sealer(secret: &str) -> Sealer {
        Sealer::new(KeyUse::Sealing, &secret.into(), &[]).unwrap()
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
    fn another_secret_or_another_use_does_not_open_it() {
        let sealed = sealer("one").seal(b"a private key", BINDING).unwrap();
        let other_use = Sealer::new(KeyUse::KeptAnswer, &"one".into(), &[]).unwrap();
        for other in [sealer("two"), other_use] {
            assert_eq!(other.open(&sealed, BINDING).unwrap_err(), OpenError::NotOurs);
        }
    }

    #[test]
    fn what_a_previous_secret_sealed_opens_and_only_the_present_one_seals() {
        let previous = ["zero".into(), "one".into()];
        let both = Sealer::new(KeyUse::Sealing, &"two".into(), &previous).unwrap();
        let old = sealer("one").seal(b"a private key", BINDING).unwrap();
        assert_eq!(**both.open(&old, BINDING).unwrap(), *b"a private key");
        let new = both.seal(b"a private key", BINDING).unwrap();
        assert_eq!(**sealer("two").open(&new, BINDING).unwrap(), *b"a private key");
        assert!(sealer("one").open(&new, BINDING).is_err());
        let foreign = sealer("three").seal(b"a private key", BINDING).unwrap();
        assert_eq!(both.open(&foreign, BINDING).unwrap_err(), OpenError::NotOurs);
    }

    #[test]
    fn it_opens_for_the_same_binding_only() {
        let ours = sealer("one");
        let sealed = ours.seal(b"a private key", BINDING).unwrap();
        for other in [&b""[..], b"one ro", b"one row ", b"other row"] {
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
            assert!(matches!(refusal, Err(OpenError::Form(_))), "cut at {cut}");
        }
    }
}
