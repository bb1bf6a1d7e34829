use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// Where the server is in its life. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle(Arc<AtomicU8>);

/// A server's stages; it only ever moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The database, the signing keys or the revocations are not there yet: the API answers 503.
    Starting,
    Serving,
    /// Requests are still answered, but load balancers should send no more.
    Draining,
}

impl Lifecycle {
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Serving,
            _ => Stage::Draining,
        }
    }

    /// Opens the API.
    pub fn serve(&self) {
        self.0.fetch_max(1, Ordering::AcqRel);
    }

    /// Turns readiness to 503.
    pub fn drain(&self) {
        self.0.fetch_max(2, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_server_never_serves_again() {
        let lifecycle = Lifecycle::default();
        assert_eq!(lifecycle.stage(), Stage::Starting);
        lifecycle.clone().serve();
        assert_eq!(lifecycle.stage(), Stage::Serving);
        lifecycle.drain();
        lifecycle.serve();
        assert_eq!(lifecycle.stage(), Stage::Draining);
    }
}
