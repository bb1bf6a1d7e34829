//! What SQLite's errors mean to the callers of the store.

use doorward_domain::ports::StoreError;

/// Maps an error of SQLx. To be used on everything but a refused uniqueness rule: statements avoid
/// that one with `ON CONFLICT DO NOTHING`.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::PoolTimedOut => StoreError::Busy(error.into()),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => {
            StoreError::Unavailable(error.into())
        }
        sqlx::Error::Database(database) => {
            match database.code().and_then(|code| code.parse().ok()).map(primary) {
                // SQLITE_BUSY, SQLITE_LOCKED
                Some(5 | 6) => StoreError::Busy(error.into()),
                // SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN
                Some(8 | 10 | 13 | 14) => StoreError::Unavailable(error.into()),
                _ => StoreError::Backend(error.into()),
            }
        }
        _ => StoreError::Backend(error.into()),
    }
}

/// The primary result code, which is the low octet of an extended one.
const fn primary(code: i32) -> i32 {
    code & 0xff
}
