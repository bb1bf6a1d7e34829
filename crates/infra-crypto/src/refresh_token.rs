//! Refresh tokens: a session and a generation under a MAC.

use doorward_domain::{SessionId, ports::KeyError, session::Generation};
use secrecy::SecretString;
use uuid::Uuid;

use crate::{key_derivation::KeyUse, mac::MacKeys, token_form::TokenForm};

/// Octets of the session id.
const SESSION: usize = 16;
/// What the MAC protects: the session id and the generation.
const BODY: usize = SESSION + 8;
const FORM: TokenForm<BODY> = TokenForm { prefix: "dwr_" };

/// Makes and reads refresh tokens: the 16 octets of the session id, the generation in 8 octets (big endian)
/// and HMAC-SHA256 of both.
pub(crate) struct RefreshTokens(MacKeys);

impl RefreshTokens {
    pub(crate) fn new(secret: &SecretString, previous: &[SecretString]) -> Result<Self, KeyError> {
        Ok(Self(MacKeys::new(KeyUse::RefreshToken, secret, previous)?))
    }

    pub(crate) fn sign(&self, session: SessionId, generation: Generation) -> SecretString {
        let mut body = [0; BODY];
        body[..SESSION].copy_from_slice(session.as_uuid().as_bytes());
        body[SESSION..].copy_from_slice(&generation.number().to_be_bytes());
        FORM.write(&body, self.0.sign(&labelled(&body)))
    }

    pub(crate) fn verify(&self, token: &str) -> Option<(SessionId, Generation)> {
        let (body, mac) = FORM.read(token)?;
        if !self.0.verify(&labelled(&body), &mac) {
            return None;
        }
        let (session, generation) = body.split_at(SESSION);
        let session = SessionId::from_uuid(Uuid::from_slice(session).ok()?);
        let generation = i64::from_be_bytes(generation.try_into().ok()?);
        Some((session, Generation::from_number(generation)?))
    }
}

/// What goes into the MAC. The label keeps it apart from any other text that may come to be
/// authenticated with the same key.
fn labelled(body: &[u8]) -> Vec<u8> {
    [b"doorward refresh token v1\0", body].concat()
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::mac::MAC;

    const PREFIX: &str = FORM.prefix;
    const TOKEN_LENGTH: usize = FORM.length();

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(&"a secret of thirty-two octets!!!".into(), &[]).unwrap()
    }

    fn session(number: u128) -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(number))
    }

    fn generation(number: i64) -> Generation {
        Generation::from_number(number).unwrap()
    }

    fn sign(tokens: &RefreshTokens, id: u128, number: i64) -> String {
        tokens.sign(session(id), generation(number)).expose_secret().to_owned()
    }

    /// Computed with another implementation. If this fails, everybody is signed out by the update.
    #[test]
    fn tokens_never_change() {
        let id = 0x019b_76da_a87b_774b_8000_0000_0000_0001;
        assert_eq!(
            sign(&tokens(), id, 7),
            "dwr_AZt22qh7d0uAAAAAAAAAAQAAAAAAAAAHU4b8GefJfUmBqNJc9udqWYMOgP2dC-xgFpOKC5tSxSo"
        );
    }

    #[test]
    fn signing_is_deterministic_and_every_argument_counts() {
        let tokens = tokens();
        assert_eq!(sign(&tokens, 1, 0), sign(&tokens, 1, 0));
        assert_ne!(sign(&tokens, 1, 0), sign(&tokens, 1, 1));
        assert_ne!(sign(&tokens, 1, 0), sign(&tokens, 2, 0));
        let other = RefreshTokens::new(&"another secret".into(), &[]).unwrap();
        assert_ne!(sign(&tokens, 1, 0), sign(&other, 1, 0));
        assert_eq!(other.verify(&sign(&tokens, 1, 0)), None);
    }

    #[test]
    fn tokens_of_a_previous_secret_are_read_and_new_ones_bear_the_present_one() {
        let (first, second) = ("first secret".into(), "second secret".into());
        let before = RefreshTokens::new(&first, &[]).unwrap();
        let after = RefreshTokens::new(&"third secret".into(), &[second, first]).unwrap();
        let (old, new) = (sign(&before, 1, 5), sign(&after, 1, 5));
        assert_ne!(old, new);
        assert_eq!(after.verify(&old), Some((session(1), generation(5))));
        assert_eq!(after.verify(&new), Some((session(1), generation(5))));
        assert_eq!(before.verify(&new), None);
    }

    #[test]
    fn malformed_tokens_are_refused() {
        let tokens = tokens();
        let good = sign(&tokens, 1, 0);
        let body = &good[PREFIX.len()..];
        let last = good.len() - 1;
        // The last character carries two bits of nothing, which must be zero.
        let trailing_bits: Vec<String> =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                .chars()
                .filter(|c| !good.ends_with(*c))
                .map(|c| format!("{}{c}", &good[..last]))
                .collect();
        let mut bad = vec![
            String::new(),
            PREFIX.to_owned(),
            body.to_owned(),
            format!("DWR_{body}"),
            format!("dwa_{body}"),
            format!("{good}="),
            format!("{good}\n"),
            format!(" {good}"),
            format!("{good}{good}"),
            good[..last].to_owned(),
            format!("{}=", &good[..last]),
            format!("{PREFIX}{}", "A".repeat(body.len())),
            format!("{PREFIX}{}", "\0".repeat(body.len())),
            format!("{PREFIX}{}a", "ä".repeat(body.len() / 2)),
            "d".repeat(10_000_000),
        ];
        bad.extend(trailing_bits);
        for token in bad {
            assert_eq!(
                tokens.verify(&token),
                None,
                "{}",
                token.chars().take(100).collect::<String>()
            );
        }
    }

    #[test]
    fn a_negative_generation_is_refused_though_its_mac_is_right() {
        let tokens = tokens();
        for number in [-1, i64::MIN] {
            let mut octets = [0; BODY + MAC];
            octets[SESSION..BODY].copy_from_slice(&i64::to_be_bytes(number));
            let mac = tokens.0.sign(&labelled(&octets[..BODY]));
            octets[BODY..].copy_from_slice(&mac);
            let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(octets));
            assert_eq!(tokens.verify(&token), None);
        }
    }

    #[test]
    fn the_mac_covers_a_label() {
        let tokens = tokens();
        let body = [0; BODY];
        let bare = tokens.0.sign(&body);
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([&body[..], &bare].concat()));
        assert_eq!(tokens.verify(&token), None);
    }

    proptest! {
        #[test]
        fn what_was_signed_is_read_back(id: u128, number in 0..=i64::MAX) {
            let token = sign(&tokens(), id, number);
            prop_assert_eq!(tokens().verify(&token), Some((session(id), generation(number))));
        }

        #[test]
        fn any_changed_octet_is_refused(id: u128, number in 0..=i64::MAX, at in 0..TOKEN_LENGTH, with: u8) {
            let good = sign(&tokens(), id, number);
            let mut bad = good.clone().into_bytes();
            bad[at] = with;
            let bad = String::from_utf8_lossy(&bad).into_owned();
            prop_assume!(bad != good);
            prop_assert_eq!(tokens().verify(&bad), None);
        }

        #[test]
        fn no_text_is_a_token(text in "(dwr_)?.{0,100}") {
            prop_assert_eq!(tokens().verify(&text), None);
        }
    }
}
