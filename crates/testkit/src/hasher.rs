use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use doorward_domain::{
    ForeignHashError, Password, PasswordHash,
    ports::{HashError, HashingTurn, PasswordHasher, Verdict},
};
use tokio::sync::{Semaphore, SemaphorePermit};

const CURRENT: &str = "plain:";
/// What [`PlainHasher::outdated_hash`] makes.
const OUTDATED: &str = "old-plain:";
/// What is taken over from elsewhere.
const FOREIGN: &str = "foreign:";

/// Does not hash at all: the hash of `secret` is `plain:secret`. From elsewhere it takes over
/// `foreign:secret`, the hash of `secret` as typed. It counts its calls and can be told to be
/// overloaded. Passwords are checked in [`TURNS`](Self::TURNS) turns at once.
#[derive(Debug)]
pub struct PlainHasher {
    overloaded: AtomicBool,
    calls: AtomicUsize,
    turns: Semaphore,
}

impl Default for PlainHasher {
    fn default() -> Self {
        let turns = Semaphore::new(Self::TURNS);
        Self { overloaded: AtomicBool::default(), calls: AtomicUsize::default(), turns }
    }
}

impl PlainHasher {
    pub const TURNS: usize = 4;

    /// From now on every call is answered by [`HashError::Overloaded`], or no longer.
    pub fn set_overloaded(&self, overloaded: bool) {
        self.overloaded.store(overloaded, Ordering::SeqCst);
    }

    /// How often a password was hashed or checked.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// A hash that still matches but that should be renewed.
    #[must_use]
    pub fn outdated_hash(password: &str) -> PasswordHash {
        PasswordHash::from_text(format!("{OUTDATED}{password}"))
    }

    fn refuse_if_overloaded(&self) -> Result<(), HashError> {
        if self.overloaded.load(Ordering::SeqCst) {
            return Err(HashError::Overloaded { retry_after: Duration::from_secs(2) });
        }
        Ok(())
    }
}

#[async_trait]
impl PasswordHasher for PlainHasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        self.refuse_if_overloaded()?;
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(PasswordHash::from_text(format!("{CURRENT}{}", text(password))))
    }

    async fn turn(&self) -> Result<Box<dyn HashingTurn + '_>, HashError> {
        self.refuse_if_overloaded()?;
        let turn = self.turns.acquire().await;
        let turn = turn.map_err(|closed| HashError::Failed(Box::new(closed)))?;
        Ok(Box::new(PlainTurn { calls: &self.calls, _turn: turn }))
    }

    fn adopt(&self, foreign: &str) -> Result<PasswordHash, ForeignHashError> {
        match foreign.strip_prefix(FOREIGN) {
            Some(secret) if !secret.is_empty() => Ok(PasswordHash::from_text(foreign.to_owned())),
            _ => Err(ForeignHashError::Unknown),
        }
    }
}

struct PlainTurn<'a> {
    calls: &'a AtomicUsize,
    _turn: SemaphorePermit<'a>,
}

#[async_trait]
impl HashingTurn for PlainTurn<'_> {
    async fn verify(
        &mut self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, HashError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let stored = hash.map_or("", PasswordHash::as_str);
        let is = |prefix, octets| stored.strip_prefix(prefix).map(str::as_bytes) == Some(octets);
        Ok(if is(CURRENT, password.expose()) {
            Verdict::Match { outdated: false }
        } else if is(OUTDATED, password.expose())
            || is(FOREIGN, password.expose())
            || is(FOREIGN, password.expose_typed())
        {
            Verdict::Match { outdated: true }
        } else {
            Verdict::Mismatch
        })
    }
}

fn text(password: &Password) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(password.expose())
}
