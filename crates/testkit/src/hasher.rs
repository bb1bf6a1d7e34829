use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use doorward_domain::{
    Password, PasswordHash,
    ports::{HashError, PasswordHasher, Verdict},
};

const CURRENT: &str = "plain:";
/// What [`PlainHasher::outdated_hash`] makes.
const OUTDATED: &str = "old-plain:";

/// Does not hash at all: the hash of `secret` is `plain:secret`. It counts its calls and can be told
/// to be overloaded.
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
        let typed = text(password);
        let stored = hash.map_or("", PasswordHash::as_phc);
        Ok(if stored.strip_prefix(CURRENT) == Some(typed.as_ref()) {
            Verdict::Match { outdated: false }
        } else if stored.strip_prefix(OUTDATED) == Some(typed.as_ref()) {
            Verdict::Match { outdated: true }
        } else {
            Verdict::Mismatch
        })
    }
}

fn text(password: &Password) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(password.expose())
}
