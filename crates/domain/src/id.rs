//! Typed identifiers: a session id cannot be passed where a user id is meant.

use uuid::Uuid;

use crate::{Timestamp, ports::Entropy};

/// Builds a UUIDv7 (RFC 9562 §5.7) from an injected clock and injected randomness.
///
/// The 12 bits of `rand_a` hold the fraction of the millisecond (RFC 9562 §6.2, method 3), so ids
/// made by one process in different microseconds sort in the order in which they were made.
fn uuid_v7(now: Timestamp, entropy: &dyn Entropy) -> Uuid {
    let nanos = now.unix_timestamp_nanos().max(0);
    let millis = u64::try_from(nanos / 1_000_000).unwrap_or(u64::MAX);
    let micros_of_milli = u16::try_from((nanos / 1_000) % 1_000).unwrap_or(0);
    let fraction = (u32::from(micros_of_milli) * 4096 / 1000).to_be_bytes();
    let mut counter_and_random = [0_u8; 10];
    entropy.fill(&mut counter_and_random[2..]);
    counter_and_random[0] = fraction[2];
    counter_and_random[1] = fraction[3];
    uuid::Builder::from_unix_timestamp_millis(millis, &counter_and_random).into_uuid()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new id, a UUIDv7 that sorts by time of making.
            #[must_use]
            pub fn new(now: Timestamp, entropy: &dyn Entropy) -> Self {
                Self(uuid_v7(now, entropy))
            }

            /// Takes an id that was made before, for instance one read from a database.
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The plain UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

id! {
    /// Names a user for ever; it is the `sub` of access tokens.
    UserId
}
id! {
    /// Names a session, that is one sign-in on one device; it is the `sid` of access tokens.
    SessionId
}
id! {
    /// Names one event of the audit trail.
    AuditEventId
}
id! {
    /// Names one access token; it is its `jti`.
    TokenId
}
id! {
    /// Names a device on which somebody signed in.
    DeviceId
}
id! {
    /// Names a job.
    JobId
}
id! {
    /// Names a proof that mail of an address is read.
    ProofId
}
id! {
    /// Names one attempt to carry out a request that may be sent again.
    ClaimId
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn an_id_is_a_uuid_v7_with_the_variant_of_rfc_9562() {
        let id = UserId::new(datetime!(2026-01-01 00:00:00.123456 UTC), &Zeros);
        assert_eq!(id.to_string(), "019b76da-a87b-774b-8000-000000000000");
        assert_eq!(id.as_uuid().get_version_num(), 7);
    }

    #[test]
    fn ids_of_later_microseconds_sort_later() {
        let start = datetime!(2026-01-01 00:00:00 UTC);
        let ids: Vec<_> = (0..5_000)
            .map(|n| UserId::new(start + time::Duration::microseconds(n), &Zeros))
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
