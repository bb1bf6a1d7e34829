//! The file.

use std::{fs, path::PathBuf, time::Duration};

use doorward_domain::ports::StoreError;
use doorward_infra_sqlite::{SqlitePath, SqliteSettings, SqliteStore, Workload};

use doorward_testkit::fixture::{register, user};

fn settings(path: PathBuf) -> SqliteSettings {
    SqliteSettings {
        path: SqlitePath::File(path),
        max_connections: 2,
        acquire_timeout: Duration::from_secs(5),
        busy_timeout: Duration::from_secs(5),
        workload: Workload::Serving,
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_and_its_folder_are_made_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("new/data");
    let path = folder.join("doorward.db");
    let store = SqliteStore::open(settings(path.clone())).await.unwrap();
    store.migrate().await.unwrap();
    register(&store, &user(1)).await.unwrap();

    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in [path, folder.join("doorward.db-wal"), folder.join("doorward.db-shm")] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("doorward.db");
    let store = SqliteStore::open(settings(path.clone())).await.unwrap();
    store.migrate().await.unwrap();
    register(&store, &user(1)).await.unwrap();
    store.close().await;
    assert!(!home.path().join("doorward.db-wal").exists());

    let store = SqliteStore::open(settings(path)).await.unwrap();
    assert!(store.pending().await.unwrap().is_empty());
    let taken = register(&store, &user(1)).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
}

#[tokio::test]
async fn a_path_that_cannot_be_is_named() {
    let home = tempfile::tempdir().unwrap();
    let obstacle = home.path().join("file");
    fs::write(&obstacle, "").unwrap();
    let refused = SqliteStore::open(settings(obstacle.join("doorward.db"))).await;
    let Err(StoreError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.to_string().contains("file/doorward.db"), "{reason}");
}

#[tokio::test]
async fn a_file_of_something_else_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("doorward.db");
    fs::write(&path, "Dear diary, today I learnt about databases. ".repeat(100)).unwrap();
    let refused = SqliteStore::open(settings(path)).await;
    assert!(matches!(refused, Err(StoreError::Backend(_))), "{refused:?}");
}
