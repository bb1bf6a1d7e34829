use async_trait::async_trait;
use doorward_domain::{
    GuessCounter, GuessKey, GuessRule, Timestamp,
    ports::{GuessQueries, GuessRepository, StoreError},
};

use super::{MemoryStore, unit_of_work::MemoryUnitOfWork};

#[async_trait]
impl GuessQueries for MemoryStore {
    async fn guess_counters(
        &self,
        keys: &[GuessKey],
    ) -> Result<Vec<Option<GuessCounter>>, StoreError> {
        let state = self.shared.read();
        Ok(keys.iter().map(|key| state.guesses.get(key).map(|(counter, _)| *counter)).collect())
    }
}

#[async_trait]
impl GuessRepository for MemoryUnitOfWork {
    async fn guess_hold(
        &mut self,
        key: GuessKey,
        now: Timestamp,
    ) -> Result<GuessCounter, StoreError> {
        let blank = (GuessCounter::blank(now), now);
        Ok(self.state.guesses.entry(key).or_insert(blank).0)
    }

    async fn guess_put(
        &mut self,
        key: GuessKey,
        counter: GuessCounter,
        rule: GuessRule,
    ) -> Result<(), StoreError> {
        if let Some(kept) = self.state.guesses.get_mut(&key) {
            *kept = (counter, counter.over_at(rule));
        }
        Ok(())
    }

    async fn guesses_prune(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let over = self.state.guesses.iter().filter(|(_, (_, over_at))| *over_at <= now);
        let over: Vec<GuessKey> = over.map(|(key, _)| *key).take(limit as usize).collect();
        for key in &over {
            self.state.guesses.remove(key);
        }
        Ok(over.len() as u64)
    }
}
