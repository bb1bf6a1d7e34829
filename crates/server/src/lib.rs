//! The `doorward` program: command line, settings, wiring, and the running server.
//!
//! This is the only crate that knows every adapter. Whoever mounts Doorward in an application of
//! their own takes [`doorward_http`], the adapters they want, and [`upkeep`] as a model for the work
//! in the background.

mod audit;
mod banner;
pub mod cli;
mod commands;
mod import;
mod keys;
mod output;
mod secret;
mod serve;
pub mod settings;
mod telemetry;
pub mod upkeep;
mod users;
pub mod wiring;
pub mod worker;
