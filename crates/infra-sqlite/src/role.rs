//! Roles and what they permit.

use async_trait::async_trait;
use doorward_domain::{
    Permission, Role, RoleName, Timestamp,
    ports::{CHANGE_KEPT_FOR, RoleQueries, RoleRepository, StoreError},
    role::RoleDescription,
};
use sqlx::SqliteConnection;

use crate::{
    error::store_error, pool::SqliteStore, timestamp::to_micros, unit_of_work::SqliteUnitOfWork,
};

/// A role as read, with blanks between the permissions.
struct RoleRow {
    name: String,
    description: String,
    permissions: String,
}

impl TryFrom<RoleRow> for Role {
    type Error = StoreError;

    fn try_from(row: RoleRow) -> Result<Self, StoreError> {
        let permissions = row.permissions.split_terminator(' ').map(Permission::parse);
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

/// Whether all these roles exist.
pub(crate) async fn exist<'a>(
    connection: &mut SqliteConnection,
    roles: impl IntoIterator<Item = &'a RoleName>,
) -> Result<bool, StoreError> {
    for role in roles {
        let name = role.as_str();
        let exists = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM roles WHERE name = ?1) AS "exists!: bool""#,
            name,
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
        if !exists {
            return Ok(false);
        }
    }
    Ok(true)
}

#[async_trait]
impl RoleQueries for SqliteStore {
    async fn roles(&self) -> Result<Vec<Role>, StoreError> {
        let rows = sqlx::query_as!(
            RoleRow,
            "SELECT name, description, permissions FROM roles ORDER BY name",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(Role::try_from).collect()
    }
}

#[async_trait]
impl RoleRepository for SqliteUnitOfWork {
    async fn role_put(&mut self, role: &Role, now: Timestamp) -> Result<bool, StoreError> {
        let made = !exist(self.connection(), std::slice::from_ref(&role.name)).await?;
        let (name, description) = (role.name.as_str(), role.description.as_str());
        let permissions: Vec<&str> = role.permissions.iter().map(Permission::as_str).collect();
        let permissions = permissions.join(" ");
        sqlx::query!(
            "INSERT INTO roles (name, description, permissions)
             VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE
             SET description = excluded.description, permissions = excluded.permissions",
            name,
            description,
            permissions,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        self.record_roles(now).await?;
        Ok(made)
    }

    async fn role_delete(&mut self, name: &RoleName, now: Timestamp) -> Result<bool, StoreError> {
        let name = name.as_str();
        let deleted = sqlx::query!("DELETE FROM roles WHERE name = ?1", name)
            .execute(self.connection())
            .await
            .map_err(store_error)?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        self.record_roles(now).await?;
        Ok(true)
    }
}

impl SqliteUnitOfWork {
    async fn record_roles(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let until = to_micros(now + CHANGE_KEPT_FOR);
        sqlx::query!("INSERT INTO changes (kind, until) VALUES ('roles', ?1)", until)
            .execute(self.connection())
            .await
            .map_err(store_error)?;
        self.note_change();
        Ok(())
    }
}
