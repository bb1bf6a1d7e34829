//! What is PostgreSQL's own about its store: cancellation, faults, several instances, locks,
//! migrations.

mod addition;
mod audit;
mod cancellation;
mod contract;
mod fault;
mod feed;
mod migration;
mod role;
