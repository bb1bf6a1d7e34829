//! Opaque page cursors. A cursor holds the key of the last item a client has seen and gives no power,
//! so it is encoded and not signed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_domain::SessionId;
use uuid::Uuid;

pub(crate) fn encode(id: SessionId) -> String {
    URL_SAFE_NO_PAD.encode(id.as_uuid().as_bytes())
}

pub(crate) fn decode(cursor: &str) -> Option<SessionId> {
    let octets = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    Uuid::from_slice(&octets).ok().map(SessionId::from_uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nonsense_is_not() {
        let id = SessionId::from_uuid(Uuid::from_u128(0x019b_76da_a87b_774b_8000_0000_0000_0001));
        assert_eq!(decode(&encode(id)), Some(id));
        for nonsense in ["", "x", "../..", &"A".repeat(1000), "AAAAAAAAAAAAAAAAAAAAAB"] {
            assert_eq!(decode(nonsense), None, "{nonsense}");
        }
    }
}
