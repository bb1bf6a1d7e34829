//! Roles and what they permit.

use std::collections::BTreeSet;

use async_trait::async_trait;
use doorward_domain::{
    Permission, Role, RoleName, Timestamp,
    ports::{CHANGE_KEPT_FOR, RoleQueries, RoleRepository, StoreError},
    role::RoleDescription,
};
use sqlx::PgConnection;

use crate::{error::store_error, pool::PostgresStore, unit_of_work::PostgresUnitOfWork};

/// A role as read.
struct RoleRow {
    name: String,
    description: String,
    permissions: Vec<String>,
}

impl TryFrom<RoleRow> for Role {
    type Error = StoreError;

    fn try_from(row: RoleRow) -> Result<Self, StoreError> {
        let permissions = row.permissions.iter().map(|text| Permission::parse(text));
        let (Ok(name), Ok(description), Ok(permissions)) = (
            RoleName::parse(&row.name),
            RoleDescription::parse(&row.description),
            permissions.collect::<Result<_, _>>(),
        ) else {
            return Err(StoreError::Corrupt { what: "role" });
        };
        Ok(Self { name, description, permissions })
    }
}

/// The names as a parameter, in order and without repetition.
pub(crate) fn parameter<'a>(roles: impl IntoIterator<Item = &'a RoleName>) -> Vec<String> {
    let roles: BTreeSet<&str> = roles.into_iter().map(RoleName::as_str).collect();
    roles.into_iter().map(str::to_owned).collect()
}

/// Whether all these roles exist. If so they do until the transaction ends: one that is being deleted
/// is waited for, and one that is here can be deleted only after. So the foreign key, whose refusal
/// would end the transaction, finds nothing to refuse.
pub(crate) async fn hold(
    connection: &mut PgConnection,
    roles: &[String],
) -> Result<bool, StoreError> {
    // In order, so that two that wait for each other's deletions do not deadlock.
    let held = sqlx::query_scalar!(
        "SELECT name FROM roles WHERE name = ANY($1) ORDER BY name FOR KEY SHARE",
        roles,
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    Ok(held.len() == roles.len())
}

#[async_trait]
impl RoleQueries for PostgresStore {
    async fn roles(&self) -> Result<Vec<Role>, StoreError> {
        let rows = self
            .read(async |connection| {
                sqlx::query_as!(
                    RoleRow,
                    r#"SELECT name, description, permissions FROM roles ORDER BY name COLLATE "C""#,
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        rows.into_iter().map(Role::try_from).collect()
    }
}

#[async_trait]
impl RoleRepository for PostgresUnitOfWork {
    async fn role_put(&mut self, role: &Role, now: Timestamp) -> Result<bool, StoreError> {
        let permissions: Vec<String> = role.permissions.iter().map(ToString::to_string).collect();
        // A row that is new has no xmax. One that was there has been locked by this transaction, whose
        // id is its xmax.
        let made = self
            .run(async |connection| {
                sqlx::query_scalar!(
                    r#"
                    WITH put AS (
                        INSERT INTO roles (name, description, permissions)
                        VALUES ($1, $2, $3)
                        ON CONFLICT (name) DO UPDATE
                        SET description = excluded.description, permissions = excluded.permissions
                        RETURNING xmax = 0 AS made
                    ), recorded AS (
                        INSERT INTO changes (kind, until) VALUES ('roles', $4)
                    )
                    SELECT made AS "made!" FROM put
                    "#,
                    role.name.as_str(),
                    role.description.as_str(),
                    &permissions,
                    now + CHANGE_KEPT_FOR,
                )
                .fetch_one(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        self.note_change();
        Ok(made)
    }

    async fn role_delete(&mut self, name: &RoleName, now: Timestamp) -> Result<bool, StoreError> {
        let recorded = self
            .run(async |connection| {
                sqlx::query!(
                    "WITH gone AS (
                         DELETE FROM roles WHERE name = $1 RETURNING name
                     )
                     INSERT INTO changes (kind, until) SELECT 'roles', $2 FROM gone",
                    name.as_str(),
                    now + CHANGE_KEPT_FOR,
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        let deleted = recorded.rows_affected() == 1;
        if deleted {
            self.note_change();
        }
        Ok(deleted)
    }
}
