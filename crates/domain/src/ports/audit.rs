use std::collections::HashMap;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    AuditEvent, AuditEventId, AuditFilter, Page, PageRequest,
    audit::chain::{ChainLink, Checkpoint, Digest, Seal},
};

/// Writes the audit trail.
#[async_trait]
pub trait AuditLog: Send {
    /// Adds an event, which becomes part of the trail together with what it tells of. Those who add
    /// events at the same time do not wait for one another. A store may keep it until the next statement or
    /// the commit, which then tells if it could not be added.
    async fn audit_append(&mut self, event: &AuditEvent) -> Result<(), StoreError>;

    /// Takes the right to make the chain longer or shorter until the unit of work ends, and says where
    /// the chain ends. `None`, at once, if another one has that right.
    async fn audit_chain_hold(&mut self) -> Result<Option<ChainLink>, StoreError>;

    /// At most `limit` events that no seal holds, in the order of their ids. An event whose unit of work
    /// commits late is among them later, whatever its id.
    async fn audit_unsealed(&mut self, limit: u32) -> Result<Vec<AuditEvent>, StoreError>;

    /// Puts a seal on its events. To be called by who holds the chain.
    async fn audit_seal(&mut self, seal: &Seal) -> Result<(), StoreError>;

    /// Puts the signature of `end` on the seal of that number, if it is there, and that of `checkpoint` on
    /// the one that is there. To be called by who holds the chain.
    async fn audit_resign(
        &mut self,
        end: &ChainLink,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), StoreError>;

    /// Removes the seals up to the one that the checkpoint names, with their events, and keeps the
    /// checkpoint instead of the one before. `false`, and no change, if that one names the same seal or
    /// a later one. To be called by who holds the chain.
    async fn audit_prune(&mut self, checkpoint: &Checkpoint) -> Result<bool, StoreError>;
}

/// Events by the number of the seal that they claim.
pub type SealedEvents = HashMap<i64, Vec<AuditEvent>>;

/// Reads the audit trail.
#[async_trait]
pub trait AuditQueries: Send + Sync {
    /// A page of the events that fit the filter, newest first.
    async fn audit_events(
        &self,
        filter: &AuditFilter,
        page: PageRequest<AuditEventId>,
    ) -> Result<Page<AuditEvent, AuditEventId>, StoreError>;

    /// How many events no seal holds yet.
    async fn audit_count_unsealed(&self) -> Result<u64, StoreError>;

    /// At most `limit` seals behind the one with the number `after`, in the order of their numbers.
    async fn audit_seals(&self, after: i64, limit: u32) -> Result<Vec<Seal>, StoreError>;

    /// All events that claim one of the seals from `first` to `last`, by the number of the seal.
    async fn audit_events_of_seals(
        &self,
        first: i64,
        last: i64,
    ) -> Result<SealedEvents, StoreError>;

    /// The first event that claims a seal which does not exist.
    async fn audit_stray(&self) -> Result<Option<AuditEventId>, StoreError>;

    /// `None` if nothing was ever pruned.
    async fn audit_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError>;
}

/// Digests and signs what the chain of seals is made of.
pub trait AuditSealer: Send + Sync {
    /// The SHA-256 (FIPS 180-4).
    fn digest(&self, octets: &[u8]) -> Digest;

    /// HMAC-SHA256 (RFC 2104) with a key that is derived from `auth.secret` for this use alone.
    fn sign(&self, octets: &[u8]) -> Digest;

    /// Whether it was signed with the present secret or a previous one that is still known.
    fn verify(&self, octets: &[u8], signature: &Digest) -> bool;
}
