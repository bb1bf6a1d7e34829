//! Users who had their accounts elsewhere, many at once.

use std::collections::HashSet;

use async_trait::async_trait;
use doorward_domain::{
    PasswordHash, RoleName, Timestamp,
    ports::{Constraint, ImportDigest, ImportRepository, Imported, ImportedUser, StoreError},
};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::{error::store_error, role, timestamp::to_micros, unit_of_work::SqliteUnitOfWork};

#[async_trait]
impl ImportRepository for SqliteUnitOfWork {
    async fn users_import(&mut self, users: &[ImportedUser]) -> Result<Vec<Imported>, StoreError> {
        let roles: HashSet<&RoleName> = users.iter().flat_map(|new| &new.user.roles).collect();
        if !role::exist(self.connection(), roles).await? {
            return Err(StoreError::Conflict(Constraint::RoleUnknown));
        }
        let ids: Vec<Uuid> = users.iter().map(|new| new.user.id.as_uuid()).collect();
        let added = insert_users(self.connection(), users).await?;
        let new = || users.iter().filter(|new| added.contains(&new.user.id.as_uuid()));
        insert_roles(self.connection(), new()).await?;
        insert_credentials(self.connection(), new()).await?;
        let left = ids.iter().filter(|id| !added.contains(id));
        let taken = known(self.connection(), left).await?;
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
        let (digest, now) = (&digest.0[..], to_micros(now));
        let lines = sqlx::query_scalar!(
            "INSERT INTO imports (digest, lines, updated_at) VALUES (?1, 0, ?2)
             ON CONFLICT (digest) DO UPDATE SET updated_at = excluded.updated_at
             RETURNING lines",
            digest,
            now,
        )
        .fetch_one(self.connection())
        .await
        .map_err(store_error)?;
        Ok(lines.unsigned_abs())
    }

    async fn import_advance(
        &mut self,
        digest: ImportDigest,
        lines: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (digest, now) = (&digest.0[..], to_micros(now));
        let lines = i64::try_from(lines).unwrap_or(i64::MAX);
        sqlx::query!(
            "UPDATE imports SET lines = ?2, updated_at = ?3 WHERE digest = ?1",
            digest,
            lines,
            now,
        )
        .execute(self.connection())
        .await
        .map(|_| ())
        .map_err(store_error)
    }

    async fn import_finish(&mut self, digest: ImportDigest) -> Result<(), StoreError> {
        let digest = &digest.0[..];
        sqlx::query!("DELETE FROM imports WHERE digest = ?1", digest)
            .execute(self.connection())
            .await
            .map(|_| ())
            .map_err(store_error)
    }
}

/// Rows as one parameter: a JSON array of arrays. A statement takes a trip to SQLite's thread and back,
/// which for one row each would cost more than the rows.
fn parameter(rows: impl Iterator<Item = Value>) -> String {
    rows.collect::<Value>().to_string()
}

fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

/// Ids as one parameter: a JSON array of hexadecimal digits, to be read with `unhex`.
pub(crate) fn id_list(ids: impl Iterator<Item = Uuid>) -> String {
    parameter(ids.map(|id| hex(id).into()))
}

/// Adds those whose id and address are free, and says whom.
async fn insert_users(
    connection: &mut SqliteConnection,
    users: &[ImportedUser],
) -> Result<HashSet<Uuid>, StoreError> {
    let rows = parameter(users.iter().map(|ImportedUser { user, .. }| {
        json!([
            hex(user.id.as_uuid()),
            user.email.as_given(),
            user.email.canonical(),
            u8::from(user.email_verified),
            user.name.as_str(),
            user.name.folded(),
            user.status.as_str(),
            to_micros(user.created_at),
            to_micros(user.updated_at),
            user.last_login_at.map(to_micros),
        ])
    }));
    let added = sqlx::query_scalar!(
        r#"
        INSERT INTO users (id, email, email_canonical, email_verified, name, name_folded, status,
                           created_at, updated_at, last_login_at)
        SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
               value ->> 6, value ->> 7, value ->> 8, value ->> 9
        FROM json_each(?1)
        WHERE true
        ON CONFLICT DO NOTHING
        RETURNING id AS "id: Uuid"
        "#,
        rows,
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    Ok(added.into_iter().collect())
}

async fn insert_roles(
    connection: &mut SqliteConnection,
    users: impl Iterator<Item = &ImportedUser>,
) -> Result<(), StoreError> {
    let rows = parameter(users.flat_map(|ImportedUser { user, .. }| {
        let (id, status) = (hex(user.id.as_uuid()), user.status.as_str());
        user.roles.iter().map(move |role| json!([id, role.as_str(), status]))
    }));
    sqlx::query!(
        "INSERT INTO user_roles (user_id, role, status)
         SELECT unhex(value ->> 0), value ->> 1, value ->> 2 FROM json_each(?1)",
        rows,
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(store_error)
}

async fn insert_credentials(
    connection: &mut SqliteConnection,
    users: impl Iterator<Item = &ImportedUser>,
) -> Result<(), StoreError> {
    let rows = parameter(users.filter_map(|ImportedUser { user, password_hash }| {
        let hash = password_hash.as_ref().map(PasswordHash::as_str)?;
        Some(json!([hex(user.id.as_uuid()), hash, to_micros(user.updated_at)]))
    }));
    sqlx::query!(
        "INSERT INTO credentials (user_id, password_hash, version, updated_at)
         SELECT unhex(value ->> 0), value ->> 1, 0, value ->> 2 FROM json_each(?1)",
        rows,
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(store_error)
}

/// Those of the ids that somebody has.
async fn known(
    connection: &mut SqliteConnection,
    ids: impl Iterator<Item = &Uuid>,
) -> Result<HashSet<Uuid>, StoreError> {
    let ids = id_list(ids.copied());
    let known = sqlx::query_scalar!(
        r#"
        SELECT id AS "id: Uuid" FROM users WHERE id IN (SELECT unhex(value) FROM json_each(?1))
        "#,
        ids,
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    Ok(known.into_iter().collect())
}
