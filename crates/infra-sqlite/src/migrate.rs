//! Brings the tables up to date.

use doorward_domain::ports::StoreError;
use sqlx::{
    SqliteConnection,
    migrate::{Migrate, Migration, Migrator},
};

use crate::{error::store_error, pool::SqliteStore, unit_of_work::begin_immediate};

/// Where SQLx notes which migrations were applied.
const TABLE: &str = "_sqlx_migrations";

/// Why the tables could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(
        "migration {name} was changed after it was applied to this database; start the version of \
         Doorward that belongs to it, or a newer one"
    )]
    Changed {
        /// The file's name without its ending.
        name: String,
    },
    #[error("a migration failed; nothing was changed")]
    Failed(#[source] sqlx::migrate::MigrateError),
    #[error("the state of the tables cannot be read or changed")]
    Store(#[from] StoreError),
}

impl SqliteStore {
    /// Applies the migrations that the database lacks, all or none of them, and returns their
    /// names. Of several processes that do it at once the first one does it.
    ///
    /// # Errors
    /// See [`MigrateError`].
    pub async fn migrate(&self) -> Result<Vec<String>, MigrateError> {
        let migrator = migrator();
        // The write lock keeps other processes out from looking until done. SQLx's own transaction
        // for each migration becomes a savepoint in this one.
        let mut transaction = begin_immediate(self).await?;
        let missing = missing(&mut transaction, &migrator).await?;
        if !missing.is_empty() {
            migrator
                .run_direct(None, &mut *transaction, false)
                .await
                .map_err(MigrateError::Failed)?;
        }
        transaction.commit().await.map_err(store_error)?;
        Ok(missing)
    }

    /// The names of the migrations that the database lacks, in the order in which they would be
    /// applied.
    ///
    /// # Errors
    /// See [`MigrateError`].
    pub async fn pending(&self) -> Result<Vec<String>, MigrateError> {
        let mut connection = self.readers.acquire().await.map_err(store_error)?;
        missing(&mut connection, &migrator()).await
    }
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations/sqlite");
    // After a roll-back to an older version of Doorward the database is newer than the program.
    // Migrations only ever add what the version before them does not mind.
    migrator.set_ignore_missing(true);
    migrator
}

async fn missing(
    connection: &mut SqliteConnection,
    migrator: &Migrator,
) -> Result<Vec<String>, MigrateError> {
    let migrated_before = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)
            AS "exists!: bool"
        "#,
        TABLE,
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(store_error)?;
    let applied = if migrated_before {
        connection.list_applied_migrations(TABLE).await.map_err(MigrateError::Failed)?
    } else {
        Vec::new()
    };
    let mut missing = Vec::new();
    for migration in migrator.iter() {
        match applied.iter().find(|applied| applied.version == migration.version) {
            None => missing.push(name(migration)),
            Some(applied) if applied.checksum != migration.checksum => {
                return Err(MigrateError::Changed { name: name(migration) });
            }
            Some(_) => {}
        }
    }
    Ok(missing)
}

/// The name of the migration's file, which SQLx has taken apart.
fn name(migration: &Migration) -> String {
    format!("{:04}_{}", migration.version, migration.description.replace(' ', "_"))
}
