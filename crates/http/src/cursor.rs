//! Opaque page cursors. A cursor holds the key of the last item a client has seen and gives no power,
//! so it is encoded and not signed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_domain::{AuditEventId, JobId, RoleName, SessionId, UserId, UserKey};
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

impl Key for JobId {
    fn octets(&self) -> Vec<u8> {
        self.as_uuid().as_bytes().to_vec()
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        Uuid::from_slice(octets).ok().map(Self::from_uuid)
    }
}

impl Key for AuditEventId {
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

/// An id, and what was found behind it, if it was looked for.
impl Key for UserKey {
    fn octets(&self) -> Vec<u8> {
        match self {
            Self::Newest(id) => id.as_uuid().as_bytes().to_vec(),
            Self::Term { term, id } => [id.as_uuid().as_bytes(), term.as_bytes()].concat(),
        }
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        let (id, term) = octets.split_first_chunk::<16>()?;
        let id = UserId::from_uuid(Uuid::from_bytes(*id));
        if term.is_empty() {
            return Some(Self::Newest(id));
        }
        let term = std::str::from_utf8(term).ok().filter(|term| !term.contains('\0'))?;
        Some(Self::Term { term: term.to_owned(), id })
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
        let user = UserId::from_uuid(id.as_uuid());
        for key in [UserKey::Newest(user), UserKey::Term { term: "ada é".to_owned(), id: user }] {
            assert_eq!(decode(&encode(&key)), Some(key));
        }
        let zero = UserKey::Term { term: "a\0".to_owned(), id: user };
        assert_eq!(decode::<UserKey>(&encode(&zero)), None, "PostgreSQL takes no zero in a text");
        for nonsense in ["", "x", "AAAA", "AAAAAAAAAAAAAAAAAAAAAP8"] {
            assert_eq!(decode::<UserKey>(nonsense), None, "{nonsense}");
        }
        for nonsense in ["", "x", "../..", &"A".repeat(1000), "AAAAAAAAAAAAAAAAAAAAAB"] {
            assert_eq!(decode::<SessionId>(nonsense), None, "{nonsense}");
            assert_eq!(decode::<RoleName>(nonsense), None, "{nonsense}");
        }
    }
}
