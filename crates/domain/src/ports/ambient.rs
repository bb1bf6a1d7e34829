use crate::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present moment in UTC, in whole microseconds. A use case reads it once and passes it
    /// down, so that everything one command writes bears one time.
    fn now(&self) -> Timestamp;
}

/// Gives randomness that is fit for keys and ids.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` from a cryptographically secure generator.
    fn fill(&self, bytes: &mut [u8]);
}
