//! Device tokens: what marks a device on which somebody signed in before.

use doorward_domain::{DeviceId, KnownDevice, Timestamp, UserId, ports::KeyError};
use secrecy::SecretString;
use uuid::Uuid;

use crate::{key_derivation::KeyUse, mac::MacKeys, token_form::TokenForm};

/// Octets of an id.
const ID: usize = 16;
/// What the MAC protects: the ids of user and device, and the time.
const BODY: usize = ID + ID + 8;
const FORM: TokenForm<BODY> = TokenForm { prefix: "dwd_" };

/// Makes and reads device tokens: the 16 octets of the user id, those of the device id, the seconds since
/// 1970 in 8 octets (big endian) and HMAC-SHA256 of all that.
pub(crate) struct DeviceTokens(MacKeys);

impl DeviceTokens {
    pub(crate) fn new(secret: &SecretString, previous: &[SecretString]) -> Result<Self, KeyError> {
        Ok(Self(MacKeys::new(KeyUse::DeviceToken, secret, previous)?))
    }

    pub(crate) fn sign(&self, device: KnownDevice) -> SecretString {
        let mut body = [0; BODY];
        body[..ID].copy_from_slice(device.user_id.as_uuid().as_bytes());
        body[ID..2 * ID].copy_from_slice(device.id.as_uuid().as_bytes());
        body[2 * ID..].copy_from_slice(&device.signed_in_at.unix_timestamp().to_be_bytes());
        FORM.write(&body, self.0.sign(&body))
    }

    pub(crate) fn verify(&self, token: &str) -> Option<KnownDevice> {
        let (body, mac) = FORM.read(token)?;
        if !self.0.verify(&body, &mac) {
            return None;
        }
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
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::mac::MAC;

    const PREFIX: &str = FORM.prefix;
    const TOKEN_LENGTH: usize = FORM.length();

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
        let mac = tokens.0.sign(&octets[..BODY]);
        octets[BODY..].copy_from_slice(&mac);
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
