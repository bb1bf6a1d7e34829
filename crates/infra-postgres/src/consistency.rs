//! Looks for rows that contradict each other.

use doorward_domain::{Email, ports::StoreError};

use crate::{error::store_error, pool::PostgresStore};

pub(crate) async fn inconsistencies(store: &PostgresStore) -> Result<Vec<String>, StoreError> {
    let mut found = store
        .read(async |connection| {
            sqlx::query_scalar!(
                r#"
                SELECT 'session ' || id || ' was revoked before it was made' AS "found!"
                FROM sessions WHERE revoked_at < created_at
                UNION ALL
                SELECT 'session ' || id || ' was rotated before it was made'
                FROM sessions WHERE rotated_at < created_at
                UNION ALL
                SELECT 'session ' || id || ' was used before it was made'
                FROM sessions WHERE last_used_at < created_at
                UNION ALL
                SELECT 'session ' || id || ' expired before it was made'
                FROM sessions WHERE expires_at < created_at
                UNION ALL
                SELECT 'the generations of the ' || count(*) || ' signing keys go from '
                       || min(generation) || ' to ' || max(generation)
                FROM signing_keys
                HAVING min(generation) < 1 OR max(generation) - min(generation) + 1 <> count(*)
                "#
            )
            .fetch_all(connection)
            .await
            .map_err(store_error)
        })
        .await?;

    let addresses = store
        .read(async |connection| {
            sqlx::query!("SELECT id, email, email_canonical FROM users ORDER BY id")
                .fetch_all(connection)
                .await
                .map_err(store_error)
        })
        .await?;
    for row in addresses {
        let sound =
            Email::parse(&row.email).is_ok_and(|email| email.canonical() == row.email_canonical);
        if !sound {
            found.push(format!(
                "the canonical address of user {} is not that of the address",
                row.id
            ));
        }
    }
    Ok(found)
}
