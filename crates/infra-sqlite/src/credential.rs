//! Password credentials.

use async_trait::async_trait;
use doorward_domain::{
    Credential, Email, PasswordHash, Timestamp, User, UserId,
    ports::{CredentialQueries, CredentialRepository, StoreError},
};
use uuid::Uuid;

use crate::{
    error::store_error, import::id_list, pool::SqliteStore, timestamp::to_micros,
    unit_of_work::SqliteUnitOfWork, user::UserRow,
};

/// A user and their credential as read.
struct Row {
    id: Uuid,
    email: String,
    email_verified: bool,
    name: String,
    roles: Option<String>,
    status: String,
    created_at: i64,
    updated_at: i64,
    last_login_at: Option<i64>,
    password_hash: String,
    version: i64,
}

impl TryFrom<Row> for (User, Credential) {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let credential = Credential {
            user_id: UserId::from_uuid(row.id),
            hash: PasswordHash::from_text(row.password_hash),
            version: row.version,
        };
        let user = User::try_from(UserRow {
            id: row.id,
            email: row.email,
            email_verified: row.email_verified,
            name: row.name,
            roles: row.roles,
            status: row.status,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_login_at: row.last_login_at,
        })?;
        Ok((user, credential))
    }
}

/// Reads the user, with their credential, whose column has the value.
macro_rules! credential_where {
    ($condition:literal, $value:expr, $executor:expr) => {
        sqlx::query_as!(
            Row,
            r#"
            SELECT u.id AS "id: Uuid", u.email, u.email_verified AS "email_verified: bool", u.name,
                   u.status, u.created_at, u.updated_at, u.last_login_at,
                   (SELECT group_concat(role, ',' ORDER BY role)
                    FROM user_roles WHERE user_id = u.id) AS "roles?: String",
                   c.password_hash, c.version
            FROM users u
            JOIN credentials c ON c.user_id = u.id
            WHERE "# + $condition,
            $value,
        )
        .fetch_optional($executor)
        .await
        .map_err(store_error)?
        .map(TryInto::try_into)
        .transpose()
    };
}

#[async_trait]
impl CredentialQueries for SqliteStore {
    async fn credential_by_email(
        &self,
        email: &Email,
    ) -> Result<Option<(User, Credential)>, StoreError> {
        let canonical = email.canonical();
        credential_where!("u.email_canonical = ?1", canonical, &self.readers)
    }

    async fn credential_by_user(
        &self,
        user_id: UserId,
    ) -> Result<Option<(User, Credential)>, StoreError> {
        let user_id = user_id.as_uuid();
        credential_where!("u.id = ?1", user_id, &self.readers)
    }

    async fn credentials_by_users(
        &self,
        user_ids: &[UserId],
    ) -> Result<Vec<Credential>, StoreError> {
        let ids = id_list(user_ids.iter().map(|id| id.as_uuid()));
        let rows = sqlx::query!(
            r#"
            SELECT user_id AS "user_id: Uuid", password_hash, version FROM credentials
            WHERE user_id IN (SELECT unhex(value) FROM json_each(?1))
            "#,
            ids,
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        Ok(rows
            .into_iter()
            .map(|row| Credential {
                user_id: UserId::from_uuid(row.user_id),
                hash: PasswordHash::from_text(row.password_hash),
                version: row.version,
            })
            .collect())
    }
}

#[async_trait]
impl CredentialRepository for SqliteUnitOfWork {
    async fn credential_insert(
        &mut self,
        user_id: UserId,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (user_id, hash, now) = (user_id.as_uuid(), hash.as_str(), to_micros(now));
        sqlx::query!(
            "INSERT INTO credentials (user_id, password_hash, version, updated_at)
             VALUES (?1, ?2, 0, ?3)",
            user_id,
            hash,
            now,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn credential_put(
        &mut self,
        user_id: UserId,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (user_id, hash, now) = (user_id.as_uuid(), hash.as_str(), to_micros(now));
        sqlx::query!(
            "INSERT INTO credentials (user_id, password_hash, version, updated_at)
             VALUES (?1, ?2, 0, ?3)
             ON CONFLICT (user_id) DO UPDATE
             SET password_hash = excluded.password_hash, version = credentials.version + 1,
                 updated_at = excluded.updated_at",
            user_id,
            hash,
            now,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn credential_is_current(
        &mut self,
        user_id: UserId,
        version: i64,
    ) -> Result<bool, StoreError> {
        // This unit of work holds the database's write lock, so the version stays what it is.
        let user_id = user_id.as_uuid();
        sqlx::query_scalar!(
            r#"
            SELECT EXISTS (SELECT 1 FROM credentials WHERE user_id = ?1 AND version = ?2)
                AS "current!: bool"
            "#,
            user_id,
            version,
        )
        .fetch_one(self.connection())
        .await
        .map_err(store_error)
    }

    async fn credential_replace(
        &mut self,
        user_id: UserId,
        expected_version: i64,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (user_id, hash, now) = (user_id.as_uuid(), hash.as_str(), to_micros(now));
        let replaced = sqlx::query!(
            "UPDATE credentials SET password_hash = ?3, version = version + 1, updated_at = ?4
             WHERE user_id = ?1 AND version = ?2",
            user_id,
            expected_version,
            hash,
            now,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(replaced.rows_affected() == 1)
    }

    async fn credential_rehash(
        &mut self,
        user_id: UserId,
        expected_version: i64,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (user_id, hash, now) = (user_id.as_uuid(), hash.as_str(), to_micros(now));
        sqlx::query!(
            "UPDATE credentials SET password_hash = ?3, updated_at = ?4
             WHERE user_id = ?1 AND version = ?2",
            user_id,
            expected_version,
            hash,
            now,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(())
    }
}
