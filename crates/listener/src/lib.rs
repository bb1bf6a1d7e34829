//! The accept loop for an [`axum::Router`], whichever it is: plain HTTP/1.1 over TCP, with every wait bounded and a
//! graceful end.
//!
//! `axum::serve` sets no time limits, no cap on connections, and waits without end for idle
//! clients at shutdown; hyper answers what it cannot parse with bare status lines. This crate
//! closes those gaps around hyper and leaves the protocol itself to it:
//!
//! * [`Limits`] bounds each connection in time and the process in descriptors,
//! * [`Refusal`] gives every answer the protocol layer makes itself the shape of the API,
//! * a request that two servers could frame differently is refused (RFC 9112 §6 and §11.2),
//! * an early answer can be read by a client that is still sending (RFC 9112 §9.6),
//! * [`Shutdown`] ends in two stages: drain, then cut.
//!
//! Deliberately absent: TLS and HTTP/2 (a proxy's work) and protocol upgrades.

mod accept;
mod capacity;
mod connection;
mod exchange;
mod framing;
mod refusal;
mod shutdown;
mod socket;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use accept::{Outcome, bind, serve};
pub use refusal::{Refusal, Refusals};
pub use shutdown::{Shutdown, signals};

/// How much of the process's time and descriptors clients may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections held at once; the kernel's backlog keeps the next ones waiting. The effective
    /// cap is lower when the process may not open as many descriptors.
    pub max_connections: usize,
    /// Descriptors left to databases, files and everything else that is not a connection.
    pub descriptor_reserve: usize,
    /// From the accept to the first byte of the first request.
    pub first_byte: Duration,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// From the end of an answer to the first byte of the next request. It should exceed the
    /// keep-alive time of a proxy in front, so that the proxy closes first.
    pub keep_alive: Duration,
    /// How long an answer may make no progress because the client does not read.
    pub write_stall: Duration,
    /// How long to go on reading and discarding after an answer that came before the end of the
    /// request, so that the client gets to read it.
    pub linger: Duration,
    /// The largest request head (request line and fields) in bytes, at least 8192. A head also
    /// holds at most 100 fields.
    pub head_bytes: usize,
    /// How long connections are still accepted after the shutdown began, so that load balancers
    /// see the readiness change first.
    pub drain_delay: Duration,
    /// How long requests in flight may take to finish once accepting has ended; then they are cut.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            descriptor_reserve: 128,
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            write_stall: Duration::from_secs(15),
            linger: Duration::from_secs(3),
            head_bytes: 16 * 1024,
            drain_delay: Duration::ZERO,
            grace: Duration::from_secs(10),
        }
    }
}
