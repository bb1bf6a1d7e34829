//! Opaque page cursors. A cursor holds the key of the last item a client has seen and gives no power,
//! so it is encoded and not signed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_domain::{RoleName, SessionId};
use uuid::Uuid;

/// A key of a list that can stand in a cursor.
pub(crate) trait Key: Sized {
    fn octets(&self) -> Vec<u8>;
    fn from_octets(octets: &[u8]) -> Option<Self>;
}

impl Key for SessionId {
    fn octets(&self) -> Vec<u8> {
        self.as_uuid().as_bytes().to_vec()
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        Uuid::from_slice(octets).ok().map(Self::from_uuid)
    }
}

impl Key for RoleName {
    fn octets(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(octets).ok()?).ok()
    }
}

/// The generation of a signing key.
impl Key for i64 {
    fn octets(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self::from_be_bytes)
    }
}

pub(crate) fn encode(key: &impl Key) -> String {
    URL_SAFE_NO_PAD.encode(key.octets())
}

pub(crate) fn decode<K: Key>(cursor: &str) -> Option<K> {
    K::from_octets(&URL_SAFE_NO_PAD.decode(cursor).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nonsense_is_not() {
        let id = SessionId::from_uuid(Uuid::from_u128(0x019b_76da_a87b_774b_8000_0000_0000_0001));
        assert_eq!(decode(&encode(&id)), Some(id));
        assert_eq!(decode(&encode(&RoleName::admin())), Some(RoleName::admin()));
        for nonsense in ["", "x", "../..", &"A".repeat(1000), "AAAAAAAAAAAAAAAAAAAAAB"] {
            assert_eq!(decode::<SessionId>(nonsense), None, "{nonsense}");
            assert_eq!(decode::<RoleName>(nonsense), None, "{nonsense}");
        }
    }
}
