use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use doorward_domain::{
    Timestamp,
    ports::{Clock, Entropy},
};
use time::{Duration, macros::datetime};

/// A clock that stands still until a test moves it. It starts at 2026-01-01T00:00:00Z.
#[derive(Debug)]
pub struct FixedClock(Mutex<Timestamp>);

impl Default for FixedClock {
    fn default() -> Self {
        Self(Mutex::new(datetime!(2026-01-01 00:00:00 UTC)))
    }
}

impl FixedClock {
    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts instead of being random: the n-th call fills with n, big endian, so that what a test makes
/// is unique, ordered and the same in each run.
#[derive(Debug, Default)]
pub struct CountingEntropy(AtomicU64);

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let count = (self.0.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes();
        for (byte, digit) in
            bytes.iter_mut().rev().zip(count.iter().rev().chain(std::iter::repeat(&0)))
        {
            *byte = *digit;
        }
    }
}
