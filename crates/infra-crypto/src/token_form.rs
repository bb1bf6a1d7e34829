//! What opaque tokens look like.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;

use crate::mac::MAC;

/// The form of a kind of token: a prefix, by which people and secret scanners recognise it, and then, in
/// unpadded base64url, so many octets and the MAC that protects them.
pub(crate) struct TokenForm<const BODY: usize> {
    pub prefix: &'static str,
}

impl<const BODY: usize> TokenForm<BODY> {
    /// Characters of a token.
    pub(crate) const fn length(&self) -> usize {
        self.prefix.len() + ((BODY + MAC) * 4).div_ceil(3)
    }

    pub(crate) fn write(&self, body: &[u8; BODY], mac: [u8; MAC]) -> SecretString {
        let octets = [&body[..], &mac].concat();
        format!("{}{}", self.prefix, URL_SAFE_NO_PAD.encode(octets)).into()
    }

    /// The octets and the MAC, which nobody has checked yet.
    pub(crate) fn read(&self, token: &str) -> Option<([u8; BODY], [u8; MAC])> {
        // The length is checked first, so that a huge token costs nothing.
        if token.len() != self.length() {
            return None;
        }
        // This decoder takes the canonical form only: no padding, and no bits set after the end.
        let octets = URL_SAFE_NO_PAD.decode(token.strip_prefix(self.prefix)?).ok()?;
        let (body, mac) = octets.split_first_chunk::<BODY>()?;
        Some((*body, mac.try_into().ok()?))
    }
}
