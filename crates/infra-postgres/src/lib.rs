//! Keeps Doorward's data in PostgreSQL, for any number of instances. Version 14 or newer.
//!
//! Every statement goes through a lease of a connection, which bounds how long it may take and
//! decides whether the connection may be used again. Transactions are begun here and not by SQLx,
//! whose own can be left open in the pool.
//!
//! **Invariant:** a value that a row holds is given to the domain only through the domain's own
//! constructors; what they refuse is reported as [`Corrupt`](doorward_domain::ports::StoreError).

mod addition;
mod announcement;
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
mod unit_of_work;
mod user;
mod user_list;

pub use migrate::MigrateError;
pub use pool::{PostgresSettings, PostgresStore};
