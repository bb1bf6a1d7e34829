//! What PostgreSQL's errors mean to the callers of the store.

use doorward_domain::ports::StoreError;

/// Maps an error of SQLx. To be used on everything but a refused uniqueness rule: statements avoid
/// that one with `ON CONFLICT DO NOTHING`.
///
/// `Unavailable` also says that the connection is of no further use.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    let kind = kind(&error);
    kind(reason(error))
}

/// What the server says, once, with its code. SQLx would say it twice, and add a line number of the
/// server's own source.
fn reason(error: sqlx::Error) -> BoxError {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            format!("{} (SQLSTATE {code})", database.message()).into()
        }
        other => other.into(),
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn kind(error: &sqlx::Error) -> fn(BoxError) -> StoreError {
    match error {
        sqlx::Error::PoolTimedOut => StoreError::Busy,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        // The answers on the connection are no longer those to the questions.
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => StoreError::Unavailable,
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some(state) if is_busy(state) => StoreError::Busy,
            Some(state) if is_unavailable(state) => StoreError::Unavailable,
            _ => StoreError::Backend,
        },
        _ => StoreError::Backend,
    }
}

/// Whether a SQLSTATE says that somebody else was in the way.
fn is_busy(state: &str) -> bool {
    matches!(
        state,
        "53300" // too_many_connections
        | "55P03" // lock_not_available: lock_timeout
        | "57014" // query_canceled: statement_timeout
        | "40001" // serialization_failure
        | "40P01" // deadlock_detected
    )
}

/// Whether a SQLSTATE says that this server, or this connection to it, cannot serve.
fn is_unavailable(state: &str) -> bool {
    // Connection exceptions; the server has no disk or memory left; an operator or a crash ended the
    // connection, or the server is starting.
    state.starts_with("08")
        || state.starts_with("53")
        || state.starts_with("57P")
        // read_only_sql_transaction: the server became a standby, the primary is another one now.
        || state == "25006"
        // idle_in_transaction_session_timeout
        || state == "25P03"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_what_needs_another_connection() {
        for state in ["53300", "55P03", "57014", "40001", "40P01"] {
            assert!(is_busy(state), "{state}");
        }
        for state in ["08006", "53100", "57P01", "57P02", "57P03", "25006", "25P03"] {
            assert!(!is_busy(state) && is_unavailable(state), "{state}");
        }
        for state in ["23505", "42P01", "25P02", "28P01", "3D000"] {
            assert!(!is_busy(state) && !is_unavailable(state), "{state}");
        }
    }
}
