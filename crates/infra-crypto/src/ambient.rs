//! The time and the randomness of the machine.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use doorward_domain::{
    Timestamp,
    ports::{Clock, Entropy},
};

/// The clock of the machine, cut to whole microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the adapter through which everything else learns the time"
    )]
    fn now(&self) -> Timestamp {
        time::OffsetDateTime::now_utc().truncate_to_microsecond()
    }
}

/// The generator of AWS-LC, which the operating system seeds.
#[derive(Debug, Clone, Default)]
pub struct SystemEntropy(SystemRandom);

impl Entropy for SystemEntropy {
    /// # Panics
    /// When the operating system gives no randomness. Nothing that follows would be safe then, and
    /// the library aborts the process in nearly all such cases anyway.
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("the operating system gives randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_utc_and_whole_microseconds() {
        for _ in 0..1_000 {
            let now = SystemClock.now();
            assert!(now.offset().is_utc());
            assert_eq!(now.nanosecond() % 1_000, 0);
        }
    }

    #[test]
    fn the_clock_does_not_stand_still() {
        let start = SystemClock.now();
        assert!((0..u32::MAX).any(|_| SystemClock.now() > start));
    }

    #[test]
    fn entropy_fills_every_octet_and_never_repeats() {
        let entropy = SystemEntropy::default();
        let mut seen_nonzero = [false; 64];
        let mut previous = [0_u8; 64];
        for _ in 0..64 {
            let mut bytes = [0_u8; 64];
            entropy.fill(&mut bytes);
            assert_ne!(bytes, previous);
            for (seen, byte) in seen_nonzero.iter_mut().zip(bytes) {
                *seen |= byte != 0;
            }
            previous = bytes;
        }
        assert_eq!(seen_nonzero, [true; 64]);
    }
}
