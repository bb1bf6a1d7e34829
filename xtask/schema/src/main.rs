//! Makes, migrates and drops the databases that `cargo xtask prepare` checks the queries against.
//!
//! It is a package of its own because SQLx takes minutes to compile, and `cargo xtask` must be
//! there in seconds. It reads the migrations when it runs, so a changed migration needs no rebuild.

#![expect(clippy::doc_markdown, reason = "the comments of the arguments are the text of --help")]

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use sqlx::migrate::{Migrate, MigrateDatabase, Migrator};
use sqlx::{Database, Pool, Postgres, Sqlite};

/// What to do with the database that DATABASE_URL names.
#[derive(Parser)]
enum Command {
    /// Makes the database, which must not exist yet, and applies every migration of a folder.
    Create { migrations: PathBuf },
    /// Drops the database if it exists.
    Drop,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match perform(Command::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn perform(command: Command) -> Result<()> {
    // It holds a password, which everybody could read on the command line.
    let url = env::var("DATABASE_URL").context("DATABASE_URL must name the database.")?;
    match command {
        Command::Create { migrations } => match dialect(&url)? {
            Dialect::Postgres => create::<Postgres>(&url, &migrations).await,
            Dialect::Sqlite => create::<Sqlite>(&url, &migrations).await,
        },
        Command::Drop => match dialect(&url)? {
            Dialect::Postgres => Postgres::drop_database(&url).await,
            Dialect::Sqlite => Sqlite::drop_database(&url).await,
        }
        .context("The database could not be dropped."),
    }
}

enum Dialect {
    Postgres,
    Sqlite,
}

fn dialect(url: &str) -> Result<Dialect> {
    match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => Ok(Dialect::Postgres),
        Some(("sqlite", _)) => Ok(Dialect::Sqlite),
        _ => bail!("The database's URL must begin with postgres:// or sqlite://."),
    }
}

async fn create<DB>(url: &str, migrations: &Path) -> Result<()>
where
    DB: Database + MigrateDatabase,
    DB::Connection: Migrate,
{
    DB::create_database(url).await.context("The database could not be made.")?;
    let migrator = Migrator::new(migrations)
        .await
        .with_context(|| format!("The migrations in {} are not readable.", migrations.display()))?;
    if migrator.iter().next().is_none() {
        bail!("There is no migration in {}.", migrations.display());
    }
    let pool = Pool::<DB>::connect(url).await?;
    migrator
        .run(&pool)
        .await
        .with_context(|| format!("A migration of {} failed.", migrations.display()))?;
    pool.close().await;
    Ok(())
}
