use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use doorward_domain::{
    ForeignHashError, Password, PasswordHash,
    ports::{HashError, PasswordHasher, Verdict},
};

const CURRENT: &str = "plain:";
/// What [`PlainHasher::outdated_hash`] makes.
const OUTDATED: &str = "old-plain:";
/// What is taken over from elsewhere.
const FOREIGN: &str = "foreign:";

/// Does not hash at all: the hash of `secret` is `plain:secret`. From elsewhere it takes over
/// `foreign:secret`, the hash of `secret` as typed. It counts its calls and can be told to be
/// overloaded.
#[derive(Debug, Default)]
pub struct PlainHasher {
    overloaded: AtomicBool,
    calls: AtomicUsize,
}

impl PlainHasher {
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
        PasswordHash::from_phc(format!("{OUTDATED}{password}"))
    }

    fn called(&self) -> Result<(), HashError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.overloaded.load(Ordering::SeqCst) {
            return Err(HashError::Overloaded { retry_after: Duration::from_secs(2) });
        }
        Ok(())
    }
}

#[async_trait]
impl PasswordHasher for PlainHasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        self.called()?;
        Ok(PasswordHash::from_phc(format!("{CURRENT}{}", text(password))))
    }

    async fn verify(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, HashError> {
        self.called()?;
        let stored = hash.map_or("", PasswordHash::as_phc);
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

    fn adopt(&self, foreign: &str) -> Result<PasswordHash, ForeignHashError> {
        match foreign.strip_prefix(FOREIGN) {
            Some(secret) if !secret.is_empty() => Ok(PasswordHash::from_phc(foreign.to_owned())),
            _ => Err(ForeignHashError::Unknown),
        }
    }
}

fn text(password: &Password) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(password.expose())
}
