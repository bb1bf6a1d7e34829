//! Looks for rows that contradict each other.

use doorward_domain::{Email, ports::StoreError};
use sqlx::SqlitePool;
use uuid::Uuid;

use crate::error::store_error;

pub(crate) async fn inconsistencies(readers: &SqlitePool) -> Result<Vec<String>, StoreError> {
    let mut found = sqlx::query_scalar!(
        r#"
        SELECT 'session ' || lower(hex(id)) || ' was revoked before it was made' AS "found!: String"
        FROM sessions WHERE revoked_at < created_at
        UNION ALL
        SELECT 'session ' || lower(hex(id)) || ' was rotated before it was made'
        FROM sessions WHERE rotated_at < created_at
        UNION ALL
        SELECT 'session ' || lower(hex(id)) || ' was used before it was made'
        FROM sessions WHERE last_used_at < created_at
        UNION ALL
        SELECT 'session ' || lower(hex(id)) || ' expired before it was made'
        FROM sessions WHERE expires_at < created_at
        UNION ALL
        SELECT 'the generations of the ' || count(*) || ' signing keys go from '
               || min(generation) || ' to ' || max(generation)
        FROM signing_keys
        HAVING count(*) > 0
           AND (min(generation) < 1 OR max(generation) - min(generation) + 1 <> count(*))
        "#
    )
    .fetch_all(readers)
    .await
    .map_err(store_error)?;

    let addresses =
        sqlx::query!(r#"SELECT id AS "id: Uuid", email, email_canonical FROM users ORDER BY id"#)
            .fetch_all(readers)
            .await
            .map_err(store_error)?;
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
