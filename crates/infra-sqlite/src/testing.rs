//! Databases for tests.

use std::{path::PathBuf, time::Duration};

use tempfile::TempDir;

use crate::{SqlitePath, SqliteSettings, SqliteStore, Workload};

/// A migrated database in a file of its own, which is deleted with this value.
#[derive(Debug)]
pub struct TestDatabase {
    folder: TempDir,
}

impl TestDatabase {
    /// Makes the database.
    ///
    /// # Panics
    /// When that fails, as everything here does: a test cannot go on without its database.
    pub async fn create() -> Self {
        let folder = TempDir::new().expect("a folder for temporary files can be made");
        let database = Self { folder };
        let store = database.store().await;
        store.migrate().await.expect("the migrations can be applied");
        store.close().await;
        database
    }

    /// Opens the database, like one more process.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn store(&self) -> SqliteStore {
        let settings = SqliteSettings {
            path: SqlitePath::File(self.path()),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(10),
            busy_timeout: Duration::from_secs(5),
            workload: Workload::Serving,
        };
        SqliteStore::open(settings).await.expect("the test's database can be opened")
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("doorward.db")
    }

    /// The URL, as the setting `database.url` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sqlite://{}", self.path().display())
    }

    /// Deletes the database.
    #[expect(clippy::unused_async, reason = "the same as for databases that a server has to drop")]
    pub async fn drop(self) {
        drop(self.folder);
    }
}
