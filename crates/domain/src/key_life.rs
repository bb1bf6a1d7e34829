//! The life of a signing key: a pure decision about every key of an installation.
//!
//! ```text
//! created_at      activates_at          that of the next key
//!     │ published      │ active                 │ retiring        │ retired
//!     └────────────────┴────────────────────────┴─────────────────┴──────────
//!                      lead                       token life + SETTLING
//! ```
//!
//! The keys form a ring, ordered by generation. Times alone move a key on, so instances that see the
//! same rows agree without asking each other, and nothing can be left half done.

use time::Duration;

use crate::{SealedSigningKey, SigningAlgorithm, Timestamp};

/// Within this long, every instance has taken a change of the keys up, whatever its clock shows: up to
/// ten seconds to read the rows, and clocks that differ by a second to either side, with a rest for
/// times that are cut to whole seconds.
pub const SETTLING: Duration = Duration::seconds(15);

/// How long a new key is published before it signs: until everybody has given up the copies of the
/// public keys that lack it. A copy may be kept for `max_age`.
#[must_use]
pub fn publication_lead(max_age: Duration) -> Duration {
    max_age + SETTLING
}

/// What a key is there for at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It does not sign yet; whoever caches the public keys gets to know it.
    Published,
    /// It signs.
    Active,
    /// It signs no more, but tokens that it signed are still valid.
    Retiring,
    /// All its tokens have expired. Whatever it may have signed is refused.
    Retired,
}

impl KeyState {
    /// The word for the state in outputs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        }
    }
}

/// When a key changes its state. The times are whole seconds, as those in tokens are: a token of the
/// very second in which a key becomes active must find it active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLife {
    /// It signs from this moment on. `None` is always: the oldest key of a ring signs even by a clock
    /// that is behind that of its maker, because there is no other.
    pub signs_from: Option<Timestamp>,
    /// It signs no more from this moment on; `None` as long as there is no newer key.
    pub signs_until: Option<Timestamp>,
    /// Nothing that it signed is accepted from this moment on; `None` as long as there is no newer key.
    pub retires_at: Option<Timestamp>,
}

impl KeyLife {
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> KeyState {
        let reached = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment <= now);
        if reached(self.retires_at) {
            KeyState::Retired
        } else if reached(self.signs_until) {
            KeyState::Retiring
        } else if self.signs_from.is_none_or(|from| from <= now) {
            KeyState::Active
        } else {
            KeyState::Published
        }
    }
}

/// The lives of the keys of a ring, which must come oldest first.
///
/// At any moment exactly one key of a ring is active: the newest whose time has come. Taking away
/// retired keys at the old end does not change the lives of the others.
#[must_use]
pub fn lives(ring: &[SealedSigningKey]) -> Vec<KeyLife> {
    let mut signs_until: Option<Timestamp> = None;
    let mut lives: Vec<KeyLife> = Vec::with_capacity(ring.len());
    for (index, key) in ring.iter().enumerate().rev() {
        let activates_at = key.activates_at.truncate_to_second();
        lives.push(KeyLife {
            signs_from: (index > 0).then_some(activates_at),
            signs_until,
            retires_at: signs_until.map(|until| until + key.token_life + SETTLING),
        });
        signs_until = Some(signs_until.map_or(activates_at, |until| until.min(activates_at)));
    }
    lives.reverse();
    lives
}

/// The newest key, if it does not sign yet: a rotation is under way.
#[must_use]
pub fn pending(ring: &[SealedSigningKey], now: Timestamp) -> Option<&SealedSigningKey> {
    let state = lives(ring).last()?.state_at(now);
    ring.last().filter(|_| state == KeyState::Published)
}

/// How many keys at the old end of a ring have retired. The newest never does.
#[must_use]
pub fn retired(ring: &[SealedSigningKey], now: Timestamp) -> usize {
    lives(ring).iter().take_while(|life| life.state_at(now) == KeyState::Retired).count()
}

/// A key that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPlan {
    pub generation: i64,
    pub algorithm: SigningAlgorithm,
    pub created_at: Timestamp,
    pub activates_at: Timestamp,
    pub token_life: Duration,
}

impl KeyPlan {
    /// The key that follows a ring, signing `lead` from `now`. The first of all signs at once.
    #[must_use]
    pub fn after(
        ring: &[SealedSigningKey],
        algorithm: SigningAlgorithm,
        now: Timestamp,
        lead: Duration,
        token_life: Duration,
    ) -> Self {
        let newest = ring.last().map(|key| key.generation);
        Self {
            generation: newest.unwrap_or(0) + 1,
            algorithm,
            created_at: now,
            activates_at: if newest.is_none() { now } else { now + lead },
            token_life,
        }
    }
}

#[cfg(test)]
mod tests;
