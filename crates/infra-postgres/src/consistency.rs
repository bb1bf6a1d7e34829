//! Looks for rows that contradict each other.

use doorward_domain::{DisplayName, Email, ports::StoreError};

use crate::{error::store_error, pool::PostgresStore};

pub(crate) async fn inconsistencies(store: &PostgresStore) -> Result<Vec<String>, StoreError> {
    let mut found = store
        .read(async |connection| {
            sqlx::query_scalar!(
                r#"
                SELECT 'session ' || id || ' was revoked before it was made' AS "found!"
                FROM sessions WHERE revoked_at < created_at
                UNION ALL
                SELECT 'user ' || id || ' has the status ' || users.status || ', but not with the role ' || role
                FROM users JOIN user_roles ON user_id = id WHERE user_roles.status <> users.status
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

    let users = store
        .read(async |connection| {
            sqlx::query!(
                "SELECT id, email, email_canonical, name, name_folded FROM users ORDER BY id"
            )
            .fetch_all(connection)
            .await
            .map_err(store_error)
        })
        .await?;
    for row in users {
        let canonical = Email::parse(&row.email).map(|email| email.canonical().to_owned());
        if canonical != Ok(row.email_canonical) {
            found
                .push(format!("user {}: the canonical address is not that of the address", row.id));
        }
        if DisplayName::parse(&row.name).map(|name| name.folded()) != Ok(row.name_folded) {
            found.push(format!("user {}: the folded name is not that of the name", row.id));
        }
    }
    Ok(found)
}
