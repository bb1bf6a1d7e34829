use async_trait::async_trait;

use super::StoreError;
use crate::{
    Timestamp,
    guess::{GuessCounter, GuessKey, GuessRule},
};

/// Reads how often secrets were guessed.
#[async_trait]
pub trait GuessQueries: Send + Sync {
    /// The counters with these keys, in the order of the keys; `None` for one that is not there.
    async fn guess_counters(
        &self,
        keys: &[GuessKey],
    ) -> Result<Vec<Option<GuessCounter>>, StoreError>;
}

/// Counts how often secrets were guessed.
///
/// **Invariant:** a unit of work takes counters after everything else: that of a device or a session, then
/// that of the account, then that of the address block. One order for all means that nobody deadlocks.
#[async_trait]
pub trait GuessRepository: Send {
    /// Reads a counter, a blank one if it is not there, and keeps others from changing it until the unit of
    /// work ends.
    async fn guess_hold(
        &mut self,
        key: GuessKey,
        now: Timestamp,
    ) -> Result<GuessCounter, StoreError>;

    /// Writes a counter that this unit of work holds.
    async fn guess_put(
        &mut self,
        key: GuessKey,
        counter: GuessCounter,
        rule: GuessRule,
    ) -> Result<(), StoreError>;

    /// Forgets counters that are [over](GuessCounter::over_at) at `now`, at most `limit`, and says how many.
    /// Those that another unit of work holds are left for the next time.
    async fn guesses_prune(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
