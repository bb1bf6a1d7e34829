//! Users who had their accounts elsewhere, many at once.

use std::collections::HashSet;

use async_trait::async_trait;
use doorward_domain::{
    PasswordHash, RoleName, Timestamp,
    ports::{Constraint, ImportDigest, ImportRepository, Imported, ImportedUser, StoreError},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{error::store_error, role, unit_of_work::PostgresUnitOfWork};

#[async_trait]
impl ImportRepository for PostgresUnitOfWork {
    async fn users_import(&mut self, users: &[ImportedUser]) -> Result<Vec<Imported>, StoreError> {
        let roles: HashSet<&RoleName> = users.iter().flat_map(|new| &new.user.roles).collect();
        let roles = role::parameter(roles);
        if !self.run(async |connection| role::hold(connection, &roles).await).await? {
            return Err(StoreError::Conflict(Constraint::RoleUnknown));
        }
        let ids: Vec<Uuid> = users.iter().map(|new| new.user.id.as_uuid()).collect();
        let added = self.run(async |connection| insert(connection, &ids, users).await).await?;
        let left: Vec<Uuid> = ids.iter().filter(|id| !added.contains(id)).copied().collect();
        let taken = self.run(async |connection| known(connection, &left).await).await?;
        let outcome = |id: &Uuid| {
            if added.contains(id) {
                Imported::Added
            } else if taken.contains(id) {
                Imported::IdTaken
            } else {
                Imported::EmailTaken
            }
        };
        Ok(ids.iter().map(outcome).collect())
    }

    async fn import_lines(
        &mut self,
        digest: ImportDigest,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let lines = self
            .run(async |connection| {
                // The update of a row that is there takes its lock.
                sqlx::query_scalar!(
                    "INSERT INTO imports (digest, lines, updated_at) VALUES ($1, 0, $2)
                     ON CONFLICT (digest) DO UPDATE SET updated_at = excluded.updated_at
                     RETURNING lines",
                    &digest.0[..],
                    now,
                )
                .fetch_one(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(lines.unsigned_abs())
    }

    async fn import_advance(
        &mut self,
        digest: ImportDigest,
        lines: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query!(
                "UPDATE imports SET lines = $2, updated_at = $3 WHERE digest = $1",
                &digest.0[..],
                i64::try_from(lines).unwrap_or(i64::MAX),
                now,
            )
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(store_error)
        })
        .await
    }

    async fn import_finish(&mut self, digest: ImportDigest) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query!("DELETE FROM imports WHERE digest = $1", &digest.0[..])
                .execute(connection)
                .await
                .map_err(store_error)
        })
        .await?;
        // The planner would go by the tables as they were until the server gets round to looking.
        self.run(async |connection| {
            sqlx::query!("ANALYZE users, user_roles, credentials")
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(store_error)
        })
        .await
    }
}

/// Adds those whose id and address are free, and says whom. One statement for all that belongs to
/// them: a row costs little more than its indexes, and nobody is added by half.
async fn insert(
    connection: &mut PgConnection,
    ids: &[Uuid],
    users: &[ImportedUser],
) -> Result<HashSet<Uuid>, StoreError> {
    let column = |of: fn(&ImportedUser) -> &str| -> Vec<&str> { users.iter().map(of).collect() };
    let folded: Vec<String> = users.iter().map(|new| new.user.name.folded()).collect();
    let verified: Vec<bool> = users.iter().map(|new| new.user.email_verified).collect();
    let created: Vec<Timestamp> = users.iter().map(|new| new.user.created_at).collect();
    let updated: Vec<Timestamp> = users.iter().map(|new| new.user.updated_at).collect();
    let logged_in: Vec<Option<Timestamp>> =
        users.iter().map(|new| new.user.last_login_at).collect();
    let hashes: Vec<Option<&str>> =
        users.iter().map(|new| new.password_hash.as_ref().map(PasswordHash::as_str)).collect();
    let (holders, held): (Vec<Uuid>, Vec<&str>) = users
        .iter()
        .flat_map(|new| new.user.roles.iter().map(|role| (new.user.id.as_uuid(), role.as_str())))
        .unzip();
    let added = sqlx::query_scalar!(
        r#"
        WITH added AS (
            INSERT INTO users (id, email, email_canonical, email_verified, name, name_folded, status,
                               created_at, updated_at, last_login_at)
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::text[],
                                 $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[],
                                 $10::timestamptz[])
            ON CONFLICT DO NOTHING
            RETURNING id, status, updated_at
        ), secured AS (
            INSERT INTO credentials (user_id, password_hash, version, updated_at)
            SELECT id, hash, 0, updated_at
            FROM unnest($1::uuid[], $11::text[]) AS brought (user_id, hash)
            JOIN added ON id = user_id
            WHERE hash IS NOT NULL
        ), granted AS (
            INSERT INTO user_roles (user_id, role, status)
            SELECT id, role, status FROM unnest($12::uuid[], $13::text[]) AS brought (user_id, role)
            JOIN added ON id = user_id
        )
        SELECT id AS "id!" FROM added
        "#,
        ids,
        &column(|new| new.user.email.as_given()) as _,
        &column(|new| new.user.email.canonical()) as _,
        &verified,
        &column(|new| new.user.name.as_str()) as _,
        &folded,
        &column(|new| new.user.status.as_str()) as _,
        &created,
        &updated,
        &logged_in as _,
        &hashes as _,
        &holders,
        &held as _,
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    Ok(added.into_iter().collect())
}

/// Those of the ids that somebody has.
async fn known(connection: &mut PgConnection, ids: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let known = sqlx::query_scalar!("SELECT id FROM users WHERE id = ANY($1)", ids)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    Ok(known.into_iter().collect())
}
