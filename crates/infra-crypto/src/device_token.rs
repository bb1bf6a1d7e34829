//! Device tokens: what marks a device on which somebody signed in before.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_domain::{DeviceId, KnownDevice, Timestamp, UserId, ports::KeyError};
use secrecy::SecretString;
use uuid::Uuid;

use crate::key_derivation::{KeyUse, derive_key};

/// Lets people and secret scanners recognise a token by its looks.
const PREFIX: &str = "dwd_";
/// Octets of an id.
const ID: usize = 16;
/// Octets of what the MAC protects: the ids of user and device, and the time.
const BODY: usize = ID + ID + 8;
/// Octets of the MAC.
const MAC: usize = 32;
/// Characters of a token: the prefix, and base64 without padding of body and MAC.
const TOKEN_LENGTH: usize = PREFIX.len() + ((BODY + MAC) * 4).div_ceil(3);

/// Makes and reads device tokens: `dwd_` and, in unpadded base64url, the 16 octets of the user id, those of
/// the device id, the seconds since 1970 in 8 octets (big endian) and HMAC-SHA256 of all that.
pub(crate) struct DeviceTokens {
    key: hmac::Key,
    /// They verify what was signed before `auth.secret` was changed.
    previous: Vec<hmac::Key>,
}

impl DeviceTokens {
    pub(crate) fn new(secret: &SecretString, previous: &[SecretString]) -> Result<Self, KeyError> {
        let key = |secret| {
            let key = derive_key(secret, KeyUse::DeviceToken)?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &*key))
        };
        let previous = previous.iter().map(key).collect::<Result<_, KeyError>>()?;
        Ok(Self { key: key(secret)?, previous })
    }

    pub(crate) fn sign(&self, device: KnownDevice) -> SecretString {
        let mut octets = [0; BODY + MAC];
        let (body, mac) = octets.split_at_mut(BODY);
        body[..ID].copy_from_slice(device.user_id.as_uuid().as_bytes());
        body[ID..2 * ID].copy_from_slice(device.id.as_uuid().as_bytes());
        body[2 * ID..].copy_from_slice(&device.signed_in_at.unix_timestamp().to_be_bytes());
        mac.copy_from_slice(hmac::sign(&self.key, body).as_ref());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(octets)).into()
    }

    pub(crate) fn verify(&self, token: &str) -> Option<KnownDevice> {
        // The length is checked first, so that a huge token costs nothing.
        if token.len() != TOKEN_LENGTH {
            return None;
        }
        let octets = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (body, mac) = octets.split_at_checked(BODY)?;
        std::iter::once(&self.key)
            .chain(&self.previous)
            .find(|key| hmac::verify(key, body, mac).is_ok())?;
        let (ids, seconds) = body.split_at(2 * ID);
        let (user, device) = ids.split_at(ID);
        let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
        Some(KnownDevice {
            user_id: UserId::from_uuid(Uuid::from_slice(user).ok()?),
            id: DeviceId::from_uuid(Uuid::from_slice(device).ok()?),
            signed_in_at: Timestamp::from_unix_timestamp(seconds).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn tokens() -> DeviceTokens {
        DeviceTokens::new(&"a secret of thirty-two octets!!!".into(), &[]).unwrap()
    }

    fn device(user: u128, device: u128, seconds: i64) -> KnownDevice {
        KnownDevice {
            user_id: UserId::from_uuid(Uuid::from_u128(user)),
            id: DeviceId::from_uuid(Uuid::from_u128(device)),
            signed_in_at: Timestamp::from_unix_timestamp(seconds).unwrap(),
        }
    }

    fn sign(tokens: &DeviceTokens, device: KnownDevice) -> String {
        tokens.sign(device).expose_secret().to_owned()
    }

    /// Computed with another implementation. If this fails, an update forgets all devices.
    #[test]
    fn tokens_never_change() {
        let user = 0x019b_76da_a87b_774b_8000_0000_0000_0001;
        assert_eq!(
            sign(&tokens(), device(user, user + 1, 1_767_225_600)),
            "dwd_AZt22qh7d0uAAAAAAAAAAQGbdtqoe3dLgAAAAAAAAAIAAAAAaVW5AIFnZNesFZrAzLL_mhdAZYLTbZnjDhkWvOk8NcKRmPtw"
        );
    }

    #[test]
    fn tokens_of_a_previous_secret_are_read_and_new_ones_bear_the_present_one() {
        let (first, second) = ("first secret".into(), "second secret".into());
        let before = DeviceTokens::new(&first, &[]).unwrap();
        let after = DeviceTokens::new(&second, &[first]).unwrap();
        let known = device(1, 2, 3);
        let (old, new) = (sign(&before, known), sign(&after, known));
        assert_ne!(old, new);
        assert_eq!((after.verify(&old), after.verify(&new)), (Some(known), Some(known)));
        assert_eq!(before.verify(&new), None);
    }

    #[test]
    fn malformed_tokens_are_refused() {
        let tokens = tokens();
        let good = sign(&tokens, device(1, 2, 3));
        let body = &good[PREFIX.len()..];
        for bad in [
            String::new(),
            PREFIX.to_owned(),
            body.to_owned(),
            format!("dwr_{body}"),
            format!("{good}="),
            format!(" {good}"),
            good[..good.len() - 1].to_owned(),
            format!("{PREFIX}{}", "A".repeat(body.len())),
            "d".repeat(10_000_000),
        ] {
            assert_eq!(tokens.verify(&bad), None);
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_is_refused_though_its_mac_is_right() {
        let tokens = tokens();
        let mut octets = [0; BODY + MAC];
        octets[2 * ID..BODY].copy_from_slice(&i64::MAX.to_be_bytes());
        let mac = hmac::sign(&tokens.key, &octets[..BODY]);
        octets[BODY..].copy_from_slice(mac.as_ref());
        assert_eq!(tokens.verify(&format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(octets))), None);
    }

    proptest! {
        #[test]
        fn what_was_signed_is_read_back(user: u128, id: u128, seconds in 0..=100_000_000_000_i64) {
            let known = device(user, id, seconds);
            prop_assert_eq!(tokens().verify(&sign(&tokens(), known)), Some(known));
        }

        #[test]
        fn any_changed_octet_is_refused(user: u128, id: u128, at in 0..TOKEN_LENGTH, with: u8) {
            let good = sign(&tokens(), device(user, id, 1_767_225_600));
            let mut bad = good.clone().into_bytes();
            bad[at] = with;
            let bad = String::from_utf8_lossy(&bad).into_owned();
            prop_assume!(bad != good);
            prop_assert_eq!(tokens().verify(&bad), None);
        }
    }
}
