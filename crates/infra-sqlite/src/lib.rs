//! Keeps Doorward's data in one SQLite file: the embedded default, for a single instance.
//!
//! One connection writes and several read. SQLite lets one transaction write at a time anyway; with
//! a single writing connection the others wait in the pool's fair queue and not in SQLite's
//! polling one, and each begins with `BEGIN IMMEDIATE`, so that none fails half-way because another
//! wrote since it read.
//!
//! **Invariant:** a value that a row holds is given to the domain only through the domain's own
//! constructors; what they refuse is reported as [`Corrupt`](doorward_domain::ports::StoreError).

mod audit;
mod change;
mod consistency;
mod credential;
mod email_proof;
mod error;
mod gathered;
mod guess;
mod idempotency;
mod import;
mod job;
mod mailbox;
mod migrate;
mod pool;
mod role;
mod session;
mod signing_key;
#[cfg(feature = "testing")]
pub mod testing;
mod timestamp;
mod unit_of_work;
mod user;
mod user_list;

pub use migrate::MigrateError;
pub use pool::{SqlitePath, SqliteSettings, SqliteStore, Workload};
