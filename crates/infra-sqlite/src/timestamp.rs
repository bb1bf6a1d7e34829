//! Times, as SQLite keeps them: whole microseconds since 1970-01-01T00:00:00Z.

use doorward_domain::{Timestamp, ports::StoreError};

/// The number that stands for a time.
pub(crate) fn to_micros(time: Timestamp) -> i64 {
    // The years that `Timestamp` can hold, -9999 to 9999, are within ±2^59 microseconds.
    let micros = time.unix_timestamp_nanos().div_euclid(1_000);
    i64::try_from(micros).unwrap_or(i64::MAX)
}

/// The time that a number stands for; `what` names the row in the error.
pub(crate) fn from_micros(micros: i64, what: &'static str) -> Result<Timestamp, StoreError> {
    Timestamp::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .map_err(|_| StoreError::Corrupt { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_exactly() {
        for micros in [0, 1, -1, 1_795_000_000_123_456, -62_135_596_800_000_000] {
            assert_eq!(to_micros(from_micros(micros, "test").unwrap()), micros);
        }
    }

    #[test]
    fn numbers_beyond_the_calendar_are_damage() {
        for micros in [i64::MAX, i64::MIN] {
            let refused = from_micros(micros, "session");
            assert!(matches!(refused, Err(StoreError::Corrupt { what: "session" })));
        }
    }
}
