//! What `loco new` generates for users who sign up and sign in, without what is not measured: mails, tasks, workers.

mod app;
mod auth;
mod migration;
mod users;

use loco_rs::cli;

#[tokio::main]
async fn main() -> loco_rs::Result<()> {
    cli::main::<app::App, migration::Migrator>().await
}
