//! Proofs as they are mailed: a token, which is the proof's id under a MAC, and a code of eight digits.

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};
use doorward_domain::{ProofId, ProofPurpose, ProofSecrets, TokenDigest, ports::KeyError};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::{
    key_derivation::KeyUse,
    mac::{MAC, MacKeys},
    token_form::TokenForm,
};

/// The body is the proof's id. The 256 bits of the MAC are what nobody can guess.
const FORM: TokenForm<16> = TokenForm { prefix: "dwp_" };
/// How many codes there are: those of eight digits.
const CODES: u128 = 100_000_000;

/// Makes and reads proofs: the 16 octets of the id and HMAC-SHA256 of purpose and id; and codes, which follow
/// from another MAC of the same.
pub(crate) struct ProofTokens(MacKeys);

impl ProofTokens {
    pub(crate) fn new(secret: &SecretString, previous: &[SecretString]) -> Result<Self, KeyError> {
        Ok(Self(MacKeys::new(KeyUse::Proof, secret, previous)?))
    }

    pub(crate) fn sign(&self, purpose: ProofPurpose, id: ProofId) -> ProofSecrets {
        let token =
            FORM.write(id.as_uuid().as_bytes(), self.0.sign(&labelled(TOKEN_LABEL, purpose, id)));
        let token_digest = token_digest(token.expose_secret());
        let code = code(self.0.sign(&labelled(CODE_LABEL, purpose, id))).into();
        ProofSecrets { token, token_digest, code }
    }

    pub(crate) fn verify(
        &self,
        purpose: ProofPurpose,
        token: &str,
    ) -> Option<(ProofId, TokenDigest)> {
        let (id, mac) = FORM.read(token)?;
        let id = ProofId::from_uuid(Uuid::from_bytes(id));
        let is_ours = self.0.verify(&labelled(TOKEN_LABEL, purpose, id), &mac);
        is_ours.then(|| (id, token_digest(token)))
    }

    pub(crate) fn code_verify(&self, purpose: ProofPurpose, id: ProofId, presented: &str) -> bool {
        // Every key is looked at, so that the time does not tell which one it was.
        self.0.sign_by_each(&labelled(CODE_LABEL, purpose, id)).fold(false, |fits, mac| {
            let right = code(mac);
            fits | verify_slices_are_equal(right.as_bytes(), presented.as_bytes()).is_ok()
        })
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
fn code(mac: [u8; MAC]) -> String {
    let number = mac.iter().take(16).fold(0_u128, |sum, octet| (sum << 8) | u128::from(*octet));
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

    const PREFIX: &str = FORM.prefix;
    const TOKEN_LENGTH: usize = FORM.length();

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
