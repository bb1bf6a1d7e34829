//! Proofs as they are mailed: a token, which is the proof's id under a MAC, and a code of eight digits.

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_domain::{ProofId, ProofPurpose, ProofSecrets, TokenDigest, ports::KeyError};
use secrecy::SecretString;
use uuid::Uuid;

use crate::key_derivation::{KeyUse, derive_key};

/// Lets people and secret scanners recognise a token by its looks.
const PREFIX: &str = "dwp_";
/// Octets of the proof's id.
const ID: usize = 16;
/// Octets of the MAC: the 256 bits that nobody can guess.
const MAC: usize = 32;
/// Characters of a token: the prefix, and base64 without padding of id and MAC.
const TOKEN_LENGTH: usize = PREFIX.len() + (ID + MAC) / 3 * 4;
/// How many codes there are: those of eight digits.
const CODES: u128 = 100_000_000;

/// Makes and reads proofs: `dwp_` and, in unpadded base64url, the 16 octets of the id and HMAC-SHA256 of
/// purpose and id; and codes, which follow from another MAC of the same.
pub(crate) struct ProofTokens {
    key: hmac::Key,
    /// They verify what was signed before `auth.secret` was changed.
    previous: Vec<hmac::Key>,
}

impl ProofTokens {
    pub(crate) fn new(secret: &SecretString, previous: &[SecretString]) -> Result<Self, KeyError> {
        let key = |secret| {
            let key = derive_key(secret, KeyUse::Proof)?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &*key))
        };
        let previous = previous.iter().map(key).collect::<Result<_, KeyError>>()?;
        Ok(Self { key: key(secret)?, previous })
    }

    pub(crate) fn sign(&self, purpose: ProofPurpose, id: ProofId) -> ProofSecrets {
        let mut octets = [0; ID + MAC];
        let (body, mac) = octets.split_at_mut(ID);
        body.copy_from_slice(id.as_uuid().as_bytes());
        mac.copy_from_slice(hmac::sign(&self.key, &labelled(TOKEN_LABEL, purpose, id)).as_ref());
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(octets));
        let token_digest = token_digest(&token);
        let code = code(&self.key, purpose, id).into();
        ProofSecrets { token: token.into(), token_digest, code }
    }

    pub(crate) fn verify(
        &self,
        purpose: ProofPurpose,
        token: &str,
    ) -> Option<(ProofId, TokenDigest)> {
        // The length is checked first, so that a huge token costs nothing.
        if token.len() != TOKEN_LENGTH {
            return None;
        }
        let octets = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (body, mac) = octets.split_at_checked(ID)?;
        let id = ProofId::from_uuid(Uuid::from_slice(body).ok()?);
        let signed = labelled(TOKEN_LABEL, purpose, id);
        self.keys().find(|key| hmac::verify(key, &signed, mac).is_ok())?;
        Some((id, token_digest(token)))
    }

    pub(crate) fn code_verify(&self, purpose: ProofPurpose, id: ProofId, presented: &str) -> bool {
        // Every key is looked at, so that the time does not tell which one it was.
        self.keys().fold(false, |fits, key| {
            let right = code(key, purpose, id);
            fits | verify_slices_are_equal(right.as_bytes(), presented.as_bytes()).is_ok()
        })
    }

    fn keys(&self) -> impl Iterator<Item = &hmac::Key> {
        std::iter::once(&self.key).chain(&self.previous)
    }
}

const TOKEN_LABEL: &[u8] = b"doorward proof token v1\0";
const CODE_LABEL: &[u8] = b"doorward proof code v1\0";

/// What goes into a MAC. The label keeps tokens and codes apart, so that a code, which can be guessed,
/// says nothing about the token.
fn labelled(label: &[u8], purpose: ProofPurpose, id: ProofId) -> Vec<u8> {
    [label, purpose.as_str().as_bytes(), b"\0", id.as_uuid().as_bytes()].concat()
}

/// Eight digits. Of 128 bits so few are left that no digit is likelier than another by more than 2⁻¹⁰⁰.
fn code(key: &hmac::Key, purpose: ProofPurpose, id: ProofId) -> String {
    let mac = hmac::sign(key, &labelled(CODE_LABEL, purpose, id));
    let number =
        mac.as_ref().iter().take(16).fold(0_u128, |sum, octet| (sum << 8) | u128::from(*octet));
    format!("{:08}", number % CODES)
}

fn token_digest(token: &str) -> TokenDigest {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    TokenDigest(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    const RESET: ProofPurpose = ProofPurpose::ResetPassword;

    fn tokens() -> ProofTokens {
        ProofTokens::new(&"a secret of thirty-two octets!!!".into(), &[]).unwrap()
    }

    fn id(number: u128) -> ProofId {
        ProofId::from_uuid(Uuid::from_u128(number))
    }

    fn sign(tokens: &ProofTokens, purpose: ProofPurpose, number: u128) -> (String, String) {
        let secrets = tokens.sign(purpose, id(number));
        (secrets.token.expose_secret().to_owned(), secrets.code.expose_secret().to_owned())
    }

    /// Computed with another implementation. If this fails, mails that are under way are of no use.
    #[test]
    fn tokens_and_codes_never_change() {
        let (token, code) = sign(&tokens(), RESET, 0x019b_76da_a87b_774b_8000_0000_0000_0001);
        assert_eq!(token, "dwp_AZt22qh7d0uAAAAAAAAAAaSt5QMHV1zH4DKoBprySEtiRMtj2xo81J5UQKxs4rJx");
        assert_eq!(code, "49976780");
    }

    #[test]
    fn a_proof_is_good_for_its_purpose_alone() {
        let tokens = tokens();
        for made in ProofPurpose::ALL {
            let (token, code) = sign(&tokens, made, 1);
            for asked in ProofPurpose::ALL {
                let read = tokens.verify(asked, &token).map(|(id, _)| id);
                assert_eq!(read, (made == asked).then_some(id(1)));
                assert_eq!(tokens.code_verify(asked, id(1), &code), made == asked);
            }
        }
    }

    #[test]
    fn every_sending_says_the_same_and_the_digest_is_that_of_the_token() {
        let tokens = tokens();
        let (once, again) = (tokens.sign(RESET, id(1)), tokens.sign(RESET, id(1)));
        assert_eq!(once.token.expose_secret(), again.token.expose_secret());
        let read = tokens.verify(RESET, once.token.expose_secret());
        assert_eq!(read, Some((id(1), once.token_digest)));
        assert_ne!(once.token_digest, tokens.sign(RESET, id(2)).token_digest);
    }

    #[test]
    fn proofs_of_a_previous_secret_are_good_and_new_ones_bear_the_present_one() {
        let (first, second) = ("first secret".into(), "second secret".into());
        let before = ProofTokens::new(&first, &[]).unwrap();
        let after = ProofTokens::new(&"third secret".into(), &[second, first]).unwrap();
        let ((old, old_code), (new, new_code)) = (sign(&before, RESET, 1), sign(&after, RESET, 1));
        assert_ne!(old, new);
        assert!(after.verify(RESET, &old).is_some() && after.verify(RESET, &new).is_some());
        assert!(after.code_verify(RESET, id(1), &old_code));
        assert!(after.code_verify(RESET, id(1), &new_code));
        assert!(before.verify(RESET, &new).is_none());
        assert!(!before.code_verify(RESET, id(1), &new_code));
    }

    #[test]
    fn codes_have_eight_digits_and_spread_over_all_of_them() {
        let tokens = tokens();
        let codes: std::collections::HashSet<String> =
            (0..2_000).map(|number| sign(&tokens, RESET, number).1).collect();
        assert!(codes.len() > 1_990);
        assert!(
            codes.iter().all(|code| code.len() == 8 && code.bytes().all(|b| b.is_ascii_digit()))
        );
        assert!(codes.iter().any(|code| code.starts_with('0')));
        for wrong in ["", "0", "000000000", "１２３４５６７８"] {
            assert!(!tokens.code_verify(RESET, id(1), wrong), "{wrong}");
        }
    }

    #[test]
    fn malformed_tokens_are_refused() {
        let tokens = tokens();
        let good = sign(&tokens, RESET, 1).0;
        let body = &good[PREFIX.len()..];
        for bad in [
            String::new(),
            PREFIX.to_owned(),
            body.to_owned(),
            format!("dwr_{body}"),
            format!("{good}="),
            format!(" {good}"),
            format!("{PREFIX}{}", "A".repeat(body.len())),
            format!("{PREFIX}{}", "ä".repeat(body.len() / 2)),
            "d".repeat(10_000_000),
        ] {
            assert_eq!(tokens.verify(RESET, &bad), None);
        }
    }

    proptest! {
        #[test]
        fn any_changed_octet_is_refused(number: u128, at in 0..TOKEN_LENGTH, with: u8) {
            let good = sign(&tokens(), RESET, number).0;
            let mut bad = good.clone().into_bytes();
            bad[at] = with;
            let bad = String::from_utf8_lossy(&bad).into_owned();
            prop_assume!(bad != good);
            prop_assert_eq!(tokens().verify(RESET, &bad), None);
        }
    }
}
