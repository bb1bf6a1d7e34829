//! What SQLite's errors mean to the callers of the store.

use doorward_domain::ports::StoreError;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Maps an error of SQLx. To be used on everything but a refused uniqueness rule: statements avoid
/// that one with `ON CONFLICT DO NOTHING`.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    let kind = kind(&error);
    kind(reason(error))
}

/// What SQLite says, once, with its code. SQLx would say it twice.
fn reason(error: sqlx::Error) -> BoxError {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            format!("{} (SQLite {code})", database.message()).into()
        }
        other => other.into(),
    }
}

fn kind(error: &sqlx::Error) -> fn(BoxError) -> StoreError {
    match error {
        sqlx::Error::PoolTimedOut => StoreError::Busy,
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => {
            StoreError::Unavailable
        }
        sqlx::Error::Database(database) => {
            match database.code().and_then(|code| code.parse().ok()).map(primary) {
                // SQLITE_BUSY, SQLITE_LOCKED
                Some(5 | 6) => StoreError::Busy,
                // SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN
                Some(8 | 10 | 13 | 14) => StoreError::Unavailable,
                _ => StoreError::Backend,
            }
        }
        _ => StoreError::Backend,
    }
}

/// The primary result code, which is the low octet of an extended one.
const fn primary(code: i32) -> i32 {
    code & 0xff
}
