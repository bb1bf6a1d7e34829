//! What makes tampering with the trail evident: a chain of seals.
//!
//! Those who write events do not wait for one another, so the events themselves cannot be a chain. Every
//! second the events that no seal holds yet are sealed together. A seal lists the digest of each, and its
//! own hash covers that list, and hash and signature of the seal before; so whoever changes, removes or
//! puts in anything has to redo every later seal. And each seal is signed with a key that is not in the
//! database, by somebody who has checked the signature of the seal before.

use std::collections::BTreeMap;

use crate::{AuditEvent, AuditEventId, Timestamp, ports::AuditSealer};

/// The SHA-256 of something.
pub type Digest = [u8; 32];

/// Where a chain ends, or where what is left of it begins. The default is before the first seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainLink {
    /// The number of the last seal; 0 if there is none.
    pub number: i64,
    /// The hash of that seal.
    pub hash: Digest,
    /// Its signature.
    pub signature: Digest,
}

impl ChainLink {
    /// Whether the seal is signed with a secret that is still known. That says as much of every seal
    /// before it, because its hash covers theirs and whoever signed it has checked; so a former secret
    /// need not be kept to prove what it signed. Before the first seal there is nothing to sign.
    #[must_use]
    pub fn is_signed(&self, sealer: &dyn AuditSealer) -> bool {
        self.number == 0 || sealer.verify(&self.octets(), &self.signature)
    }

    /// The same with the signature of the present secret.
    #[must_use]
    pub fn signed(self, sealer: &dyn AuditSealer) -> Self {
        Self { signature: sealer.sign(&self.octets()), ..self }
    }

    /// What the signature of a seal covers.
    fn octets(&self) -> Vec<u8> {
        [&b"seal\0"[..], &self.number.to_be_bytes(), &self.hash].concat()
    }
}

/// An event that a seal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedEvent {
    pub id: AuditEventId,
    /// Of the event's [canonical form](AuditEvent::canonical).
    pub digest: Digest,
}

/// A seal on events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Counts the seals of an installation from 1, without a gap.
    pub number: i64,
    pub at: Timestamp,
    /// In the order of their ids; at least one.
    pub events: Vec<SealedEvent>,
    pub hash: Digest,
    /// By a key derived from `auth.secret`, so that nobody who can only write the database can make one.
    pub signature: Digest,
}

impl Seal {
    /// Seals events behind the end of the chain.
    #[must_use]
    pub fn make(
        end: ChainLink,
        events: &[AuditEvent],
        now: Timestamp,
        sealer: &dyn AuditSealer,
    ) -> Self {
        let entry = |event: &AuditEvent| SealedEvent {
            id: event.id,
            digest: sealer.digest(&event.canonical()),
        };
        let mut events: Vec<SealedEvent> = events.iter().map(entry).collect();
        events.sort_unstable_by_key(|event| event.id);
        let seal = Self {
            number: end.number + 1,
            at: now,
            events,
            hash: Digest::default(),
            signature: Digest::default(),
        };
        let hash = seal.expected_hash(end, sealer);
        let link = Self { hash, ..seal.clone() }.link().signed(sealer);
        Self { hash, signature: link.signature, ..seal }
    }

    /// Where the chain ends with this seal.
    #[must_use]
    pub const fn link(&self) -> ChainLink {
        ChainLink { number: self.number, hash: self.hash, signature: self.signature }
    }

    fn expected_hash(&self, before: ChainLink, sealer: &dyn AuditSealer) -> Digest {
        let mut octets = b"doorward audit seal v1\0".to_vec();
        octets.extend(self.number.to_be_bytes());
        octets.extend(super::micros(self.at).to_be_bytes());
        octets.extend(before.hash);
        octets.extend(before.signature);
        octets.extend((self.events.len() as u64).to_be_bytes());
        for event in &self.events {
            octets.extend(event.id.as_uuid().as_bytes());
            octets.extend(event.digest);
        }
        sealer.digest(&octets)
    }

    /// Checks that this seal follows on the end of the chain.
    ///
    /// # Errors
    /// [`Tampering::SealMissing`]; [`Tampering::SealChanged`], or [`Tampering::SealForged`] if it is the
    /// seal before whose signature is nobody's.
    pub fn follows(&self, end: ChainLink, sealer: &dyn AuditSealer) -> Result<(), Tampering> {
        let number = end.number + 1;
        if self.number != number {
            return Err(Tampering::SealMissing { seal: number });
        }
        if self.hash == self.expected_hash(end, sealer) {
            return Ok(());
        }
        Err(if end.is_signed(sealer) {
            Tampering::SealChanged { seal: number }
        } else {
            Tampering::SealForged { seal: end.number }
        })
    }

    /// Checks that this seal follows on the end of the chain and holds exactly these events.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of the events' ids.
    pub fn check(
        &self,
        end: ChainLink,
        events: &[AuditEvent],
        sealer: &dyn AuditSealer,
    ) -> Result<(), Tampering> {
        self.follows(end, sealer)?;
        let number = self.number;
        let listed: BTreeMap<_, _> = self.events.iter().map(|it| (it.id, it.digest)).collect();
        let found: BTreeMap<_, _> = events.iter().map(|event| (event.id, event)).collect();
        let mut ids: Vec<_> = listed.keys().chain(found.keys()).copied().collect();
        ids.sort_unstable();
        for event in ids {
            match (listed.get(&event), found.get(&event)) {
                (Some(_), None) => return Err(Tampering::EventRemoved { seal: number, event }),
                (None, _) => return Err(Tampering::EventPutIn { event }),
                (Some(digest), Some(it)) if sealer.digest(&it.canonical()) != *digest => {
                    return Err(Tampering::EventChanged { seal: number, event });
                }
                (Some(_), Some(_)) => {}
            }
        }
        Ok(())
    }
}

/// What is left of seals that were removed because they were kept long enough: the chain goes on from
/// here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last seal that was removed.
    pub link: ChainLink,
    /// How many events were removed in the life of the installation.
    pub events: u64,
    pub at: Timestamp,
    /// As a seal's, but apart from it: whoever removes seals cannot make one of theirs.
    pub signature: Digest,
}

impl Checkpoint {
    /// Signs a checkpoint.
    #[must_use]
    pub fn make(link: ChainLink, events: u64, now: Timestamp, sealer: &dyn AuditSealer) -> Self {
        let unsigned = Self { link, events, at: now, signature: Digest::default() };
        Self { signature: sealer.sign(&unsigned.octets()), ..unsigned }
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`Tampering::CheckpointForged`].
    pub fn check(&self, sealer: &dyn AuditSealer) -> Result<(), Tampering> {
        let signed = sealer.verify(&self.octets(), &self.signature);
        signed.then_some(()).ok_or(Tampering::CheckpointForged)
    }

    fn octets(&self) -> Vec<u8> {
        [
            &b"checkpoint\0"[..],
            &self.link.number.to_be_bytes(),
            &self.link.hash,
            &self.link.signature,
            &self.events.to_be_bytes(),
            &super::micros(self.at).to_be_bytes(),
        ]
        .concat()
    }
}

/// What is wrong with a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Tampering {
    #[error("event {event} was changed after seal {seal} was put on it")]
    EventChanged { seal: i64, event: AuditEventId },
    #[error("event {event} was removed after seal {seal} was put on it")]
    EventRemoved { seal: i64, event: AuditEventId },
    #[error("event {event} was put in: it claims a seal that does not hold it")]
    EventPutIn { event: AuditEventId },
    #[error("seal {seal} is missing")]
    SealMissing { seal: i64 },
    #[error("seal {seal} was changed, or does not follow on the one before")]
    SealChanged { seal: i64 },
    #[error(
        "neither seal {seal} nor any later one is signed with auth.secret or one of \
         auth.previous_secrets: they were forged, or made with a secret that is no longer known"
    )]
    SealForged { seal: i64 },
    #[error(
        "the checkpoint, from which the seals go on that are left, is not signed with auth.secret or one \
         of auth.previous_secrets: it was forged, or made with a secret that is no longer known"
    )]
    CheckpointForged,
}

impl Tampering {
    /// The word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EventChanged { .. } => "event_changed",
            Self::EventRemoved { .. } => "event_removed",
            Self::EventPutIn { .. } => "event_put_in",
            Self::SealMissing { .. } => "seal_missing",
            Self::SealChanged { .. } => "seal_changed",
            Self::SealForged { .. } => "seal_forged",
            Self::CheckpointForged => "checkpoint_forged",
        }
    }
}
