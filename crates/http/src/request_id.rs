//! Ids that join a client's report, the log and the answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use doorward_domain::ports::{Clock, Entropy};
use uuid::Uuid;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LENGTH: usize = 64;

/// The id of one request: the client's own if it is well-formed (1 to 64 of `A-Z a-z 0-9 . _ -`),
/// otherwise a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) fn of(headers: &HeaderMap, clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        let given = headers.get(X_REQUEST_ID).filter(|value| is_well_formed(value.as_bytes()));
        given.cloned().map_or_else(|| Self::new(clock, entropy), Self)
    }

    /// Makes a new id.
    #[must_use]
    pub fn new(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        let millis = u64::try_from(clock.now().unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        let mut random = [0; 10];
        entropy.fill(&mut random);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let mut text = Uuid::encode_buffer();
        let text = id.as_hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown")))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// The trace that a request belongs to (W3C Trace Context §3.2), if it says so in good form.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let well_formed = hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && hex(parent, 16)
        && hex(flags, 2)
        && trace.bytes().any(|b| b != b'0')
        && parent.bytes().any(|b| b != b'0')
        && (version != "00" || parts.next().is_none());
    well_formed.then_some(trace)
}

#[cfg(test)]
mod tests {
    use doorward_testkit::{CountingEntropy, FixedClock};

    use super::*;

    fn id_for(given: Option<&str>) -> String {
        let mut headers = HeaderMap::new();
        if let Some(given) = given {
            headers.insert(X_REQUEST_ID, HeaderValue::from_str(given).unwrap());
        }
        let (clock, entropy) = (FixedClock::default(), CountingEntropy::default());
        RequestId::of(&headers, &clock, &entropy).as_str().to_owned()
    }

    #[test]
    fn a_well_formed_id_is_kept_and_any_other_replaced() {
        assert_eq!(id_for(Some("req_1.A-b")), "req_1.A-b");
        assert_eq!(id_for(Some(&"a".repeat(64))), "a".repeat(64));
        let made = "019b76da-a800-7000-8000-000000000001";
        for bad in [None, Some(""), Some("a b"), Some("a\"b"), Some("{}"), Some(&"a".repeat(65))] {
            assert_eq!(id_for(bad), made, "{bad:?}");
        }
    }

    #[test]
    fn only_a_well_formed_traceparent_counts() {
        let trace = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_str(value).unwrap());
            trace_id(&headers).map(str::to_owned)
        };
        let good = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace(&format!("00-{good}-00f067aa0ba902b7-01")).as_deref(), Some(good));
        for bad in [
            "",
            "00",
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{good}-{}-01", "0".repeat(16)),
            &format!("ff-{good}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", good.to_uppercase()),
            &format!("00-{good}-00f067aa0ba902b7-01-x"),
        ] {
            assert_eq!(trace(bad), None, "{bad}");
        }
    }
}
