//! What is SQLite's own about its store: one writer, files, several processes, migrations.

mod audit;
mod cancellation;
mod concurrency;
mod contract;
mod feed;
mod file;
mod migration;
