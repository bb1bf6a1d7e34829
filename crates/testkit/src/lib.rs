//! Doubles of every port, and the contract that every store keeps.
//!
//! - Fakes, for most tests: [`FixedClock`], [`CountingEntropy`], [`PlainHasher`], [`PlainSigner`],
//!   [`PlainSealer`], [`PlainAnswerSealer`], [`FakeMailer`], [`MemoryStore`]. They are deterministic: the same test makes the same ids, times and tokens.
//! - [`SmtpServer`]: a mail server that is down, slow or unfriendly as it is told.
//! - [`World`]: a whole application context made of them.
//! - `mock` (feature `mockall`): doubles that assert which calls are made.
//! - [`fixture`]: rows, and futures that are given up half-way, for the adapters' own tests.
//! - [`contract`]: one suite of cases for all stores; [`store_contract!`] makes the tests.

mod ambient;
pub mod contract;
pub mod fixture;
mod hasher;
mod mailer;
mod memory;
#[cfg(feature = "mockall")]
pub mod mock;
mod sealer;
mod signer;
mod smtp_server;
mod world;

pub use ambient::{CountingEntropy, FixedClock};
pub use hasher::PlainHasher;
pub use mailer::{FakeMailer, code_of, token_of};
pub use memory::MemoryStore;
pub use sealer::{PlainAnswerSealer, PlainSealer};
pub use signer::PlainSigner;
pub use smtp_server::{Manner, SmtpServer, TakenMail};
pub use world::{PASSWORD, World};
