//! Looks for rows that contradict each other.

use doorward_domain::{DisplayName, Email, ports::StoreError};
use sqlx::SqlitePool;
use uuid::Uuid;

use crate::error::store_error;

pub(crate) async fn inconsistencies(readers: &SqlitePool) -> Result<Vec<String>, StoreError> {
    let mut found = sqlx::query_scalar!(
        r#"
        SELECT 'session ' || lower(hex(id)) || ' was revoked before it was made' AS "found!: String"
        FROM sessions WHERE revoked_at < created_at
        UNION ALL
        SELECT 'user ' || lower(hex(id)) || ' has the status ' || users.status || ', but not with the role ' || role
        FROM users JOIN user_roles ON user_id = id WHERE user_roles.status <> users.status
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

    let users =
        sqlx::query!(r#"SELECT id AS "id: Uuid", email, email_canonical, name, name_folded FROM users ORDER BY id"#)
            .fetch_all(readers)
            .await
            .map_err(store_error)?;
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
