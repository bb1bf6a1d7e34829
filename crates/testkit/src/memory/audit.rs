use async_trait::async_trait;
use doorward_domain::{
    AuditEvent, AuditEventId, AuditFilter, Page, PageRequest,
    audit::chain::{ChainLink, Checkpoint, Seal},
    ports::{AuditLog, AuditQueries, SealedEvents, StoreError},
};

use super::{MemoryStore, unit_of_work::MemoryUnitOfWork};

#[async_trait]
impl AuditQueries for MemoryStore {
    async fn audit_events(
        &self,
        filter: &AuditFilter,
        page: PageRequest<AuditEventId>,
    ) -> Result<Page<AuditEvent, AuditEventId>, StoreError> {
        let state = self.shared.read();
        let events = state.audit_events.values().rev().map(|(event, _)| event);
        let rows = events
            .filter(|event| filter.fits(event) && page.after.is_none_or(|after| event.id < after))
            .take(usize::from(page.limit.get()) + 1)
            .cloned()
            .collect();
        Ok(Page::from_surplus(rows, page.limit, |event| event.id))
    }

    async fn audit_count_unsealed(&self) -> Result<u64, StoreError> {
        let state = self.shared.read();
        Ok(state.audit_events.values().filter(|(_, seal)| seal.is_none()).count() as u64)
    }

    async fn audit_seals(&self, after: i64, limit: u32) -> Result<Vec<Seal>, StoreError> {
        let state = self.shared.read();
        let seals = state.audit_seals.range(after + 1..);
        Ok(seals.take(limit as usize).map(|(_, seal)| seal.clone()).collect())
    }

    async fn audit_events_of_seals(
        &self,
        first: i64,
        last: i64,
    ) -> Result<SealedEvents, StoreError> {
        let state = self.shared.read();
        let mut events = SealedEvents::new();
        for (event, seal) in state.audit_events.values() {
            if let Some(seal) = seal.filter(|seal| (first..=last).contains(seal)) {
                events.entry(seal).or_default().push(event.clone());
            }
        }
        Ok(events)
    }

    async fn audit_stray(&self) -> Result<Option<AuditEventId>, StoreError> {
        let state = self.shared.read();
        let is_stray = |seal: &i64| !state.audit_seals.contains_key(seal);
        let stray =
            state.audit_events.values().find(|(_, seal)| seal.as_ref().is_some_and(is_stray));
        Ok(stray.map(|(event, _)| event.id))
    }

    async fn audit_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        Ok(self.shared.read().audit_checkpoint)
    }
}

#[async_trait]
impl AuditLog for MemoryUnitOfWork {
    async fn audit_append(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        self.state.audit_events.insert(event.id, (event.clone(), None));
        Ok(())
    }

    async fn audit_chain_hold(&mut self) -> Result<Option<ChainLink>, StoreError> {
        let last = self.state.audit_seals.values().next_back().map(Seal::link);
        let end = last.or(self.state.audit_checkpoint.map(|checkpoint| checkpoint.link));
        Ok(Some(end.unwrap_or_default()))
    }

    async fn audit_unsealed(&mut self, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let unsealed = self.state.audit_events.values().filter(|(_, seal)| seal.is_none());
        Ok(unsealed.take(limit as usize).map(|(event, _)| event.clone()).collect())
    }

    async fn audit_seal(&mut self, seal: &Seal) -> Result<(), StoreError> {
        for event in &seal.events {
            if let Some((_, number)) = self.state.audit_events.get_mut(&event.id) {
                *number = Some(seal.number);
            }
        }
        self.state.audit_seals.insert(seal.number, seal.clone());
        Ok(())
    }

    async fn audit_resign(
        &mut self,
        end: &ChainLink,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), StoreError> {
        if let Some(seal) = self.state.audit_seals.get_mut(&end.number) {
            seal.signature = end.signature;
        }
        if let (Some(kept), Some(checkpoint)) = (&mut self.state.audit_checkpoint, checkpoint) {
            kept.signature = checkpoint.signature;
        }
        Ok(())
    }

    async fn audit_prune(&mut self, checkpoint: &Checkpoint) -> Result<bool, StoreError> {
        let last = checkpoint.link.number;
        if self.state.audit_checkpoint.is_some_and(|before| before.link.number >= last) {
            return Ok(false);
        }
        self.state.audit_events.retain(|_, (_, seal)| seal.is_none_or(|seal| seal > last));
        self.state.audit_seals.retain(|number, _| *number > last);
        self.state.audit_checkpoint = Some(*checkpoint);
        Ok(true)
    }
}
