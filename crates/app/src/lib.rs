//! The use cases of Doorward: free functions over the ports.
//!
//! Each use case takes a [`Ctx`] and a command made of domain values, and has one error enum of its
//! own. It reads the clock once. It never hashes a password while it holds a unit of work.
//!
//! **Invariant:** this crate knows no runtime, no HTTP and no database. A caller that must survive
//! being dropped half-way (an HTTP handler whose client hangs up) runs the use case in a task of its
//! own.

pub mod access;
pub mod account;
pub mod audit;
pub mod bootstrap;
mod built_in_jobs;
pub mod change;
mod context;
pub mod email_change;
mod failure;
pub mod grant;
pub mod guess;
pub mod idempotency;
pub mod import;
pub mod job;
pub mod mailbox;
mod mailing;
pub mod maintenance;
pub mod password;
pub mod password_reset;
pub mod proof;
pub mod revocation;
pub mod role;
pub mod session;
pub mod signing_key;
pub mod user;
pub mod verification;

pub use access::Actor;
pub use context::{Ctx, Links, Policy};
pub use failure::Failure;
pub use idempotency::Receipt;
