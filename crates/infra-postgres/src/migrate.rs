//! Brings the tables up to date.

use std::time::Duration;

use doorward_domain::ports::StoreError;
use sqlx::{
    Connection, PgConnection,
    migrate::{Migrate, Migration, Migrator},
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    error::store_error,
    pool::{PostgresStore, execute, no_answer},
};

/// Where SQLx notes which migrations were applied.
const TABLE: &str = "_sqlx_migrations";
/// The key of the advisory lock that whoever migrates holds: "doorward" in ASCII.
const LOCK: i64 = 0x646f_6f72_7761_7264;
/// How often the lock is tried, and for how long.
const LOCK_PERIOD: Duration = Duration::from_millis(100);
const LOCK_TIMEOUT: Duration = Duration::from_mins(1);

/// How long making the connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
    #[error(
        "another instance has been migrating this database for {} seconds; wait for it to end and \
         try again",
        LOCK_TIMEOUT.as_secs()
    )]
    Locked,
    #[error("a migration failed; it and those after it were not applied")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the state of the tables cannot be read or changed")]
    Store(#[from] StoreError),
}

impl PostgresStore {
    /// Applies the migrations that the database lacks, each in a transaction, and returns their
    /// names. Of several instances that do it at once one does it while the others wait.
    ///
    /// # Errors
    /// See [`MigrateError`].
    pub async fn migrate(&self) -> Result<Vec<String>, MigrateError> {
        // A connection of its own: the limits of the pool's are meant for small statements, and its
        // end releases the lock whatever happens.
        let mut connection = self.connect_to_migrate().await?;
        lock(&mut connection).await?;
        let missing = missing(&mut connection).await?;
        if !missing.is_empty() {
            migrator().run_direct(None, &mut connection, false).await.map_err(failed)?;
        }
        connection.close().await.map_err(store_error)?;
        Ok(missing)
    }

    /// The names of the migrations that the database lacks, in the order in which they would be
    /// applied.
    ///
    /// # Errors
    /// See [`MigrateError`].
    pub async fn pending(&self) -> Result<Vec<String>, MigrateError> {
        // The feed needs a connection as soon as this is known, so a start makes one for both.
        let look = async |connection: &mut PgConnection| match missing(connection).await {
            Err(MigrateError::Store(error)) => Err(error),
            looked => Ok(looked),
        };
        match self.read_feed(look).await {
            Err(failure @ StoreError::Busy(_)) => Err(self.explained(failure).await.into()),
            looked => looked?,
        }
    }

    async fn connect_to_migrate(&self) -> Result<PgConnection, StoreError> {
        let connect = async {
            let mut connection =
                PgConnection::connect_with(&self.options).await.map_err(store_error)?;
            // The role or the database may come with a limit.
            execute(&mut connection, "SET statement_timeout = 0").await?;
            Ok(connection)
        };
        timeout(CONNECT_TIMEOUT, connect)
            .await
            .unwrap_or_else(|_| Err(no_answer("the database does not answer")))
    }
}

/// Tells a database that went away, or a lock that did not come free, from a migration that cannot
/// work: the former may succeed later.
fn failed(error: sqlx::migrate::MigrateError) -> MigrateError {
    match error {
        sqlx::migrate::MigrateError::Execute(error)
        | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => match store_error(error) {
            passing @ (StoreError::Busy(_) | StoreError::Unavailable(_)) => passing.into(),
            other => MigrateError::Failed(other.into()),
        },
        other => MigrateError::Failed(other.into()),
    }
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations/postgres");
    // After a roll-back to an older version of Doorward, or before the last instance is replaced,
    // the database is newer than the program. Migrations only ever add what the version before them
    // does not mind.
    migrator.set_ignore_missing(true);
    // SQLx waits for its lock within a statement, whose transaction keeps a `CREATE INDEX
    // CONCURRENTLY` of the instance that has the lock from ending: a deadlock.
    migrator.set_locking(false);
    migrator
}

/// Takes the lock by trying again and again, so that no transaction is open meanwhile.
async fn lock(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    let mut told = false;
    loop {
        let locked = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "locked!""#, LOCK)
            .fetch_one(&mut *connection)
            .await
            .map_err(store_error)?;
        if locked {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(MigrateError::Locked);
        }
        if !told {
            tracing::info!("waiting for another instance that migrates the database");
            told = true;
        }
        sleep(LOCK_PERIOD).await;
    }
}

async fn missing(connection: &mut PgConnection) -> Result<Vec<String>, MigrateError> {
    let migrated_before =
        sqlx::query_scalar!(r#"SELECT to_regclass($1) IS NOT NULL AS "exists!""#, TABLE)
            .fetch_one(&mut *connection)
            .await
            .map_err(store_error)?;
    let applied = if migrated_before {
        connection.list_applied_migrations(TABLE).await.map_err(failed)?
    } else {
        Vec::new()
    };
    let mut missing = Vec::new();
    for migration in migrator().iter() {
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

/// A name that changes with the migrations, for a database that has them applied.
#[cfg(feature = "testing")]
pub(crate) fn fingerprint() -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for migration in migrator().iter() {
        (migration.version, &migration.checksum).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}
