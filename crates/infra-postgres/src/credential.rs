//! Password credentials.

use async_trait::async_trait;
use doorward_domain::{
    Credential, Email, PasswordHash, Timestamp, User, UserId,
    ports::{CredentialQueries, CredentialRepository, StoreError},
};
use uuid::Uuid;

use crate::{
    error::store_error, pool::PostgresStore, unit_of_work::PostgresUnitOfWork, user::UserRow,
};

/// A user and their credential as read.
struct Row {
    id: Uuid,
    email: String,
    email_verified: bool,
    name: String,
    roles: Vec<String>,
    status: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    last_login_at: Option<Timestamp>,
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
    ($condition:literal, $value:expr, $store:expr) => {
        $store
            .read(async |connection| {
                sqlx::query_as!(
                    Row,
                    r#"
                    SELECT u.id, u.email, u.email_verified, u.name, u.status, u.created_at,
                           u.updated_at, u.last_login_at,
                           ARRAY(SELECT role FROM user_roles
                                 WHERE user_id = u.id) AS "roles!",
                           c.password_hash, c.version
                    FROM users u
                    JOIN credentials c ON c.user_id = u.id
                    WHERE "#
                        + $condition,
                    $value,
                )
                .fetch_optional(connection)
                .await
                .map_err(store_error)?
                .map(TryInto::try_into)
                .transpose()
            })
            .await
    };
}

#[async_trait]
impl CredentialQueries for PostgresStore {
    async fn credential_by_email(
        &self,
        email: &Email,
    ) -> Result<Option<(User, Credential)>, StoreError> {
        credential_where!("u.email_canonical = $1", email.canonical(), self)
    }

    async fn credential_by_user(
        &self,
        user_id: UserId,
    ) -> Result<Option<(User, Credential)>, StoreError> {
        credential_where!("u.id = $1", user_id.as_uuid(), self)
    }

    async fn credentials_by_users(
        &self,
        user_ids: &[UserId],
    ) -> Result<Vec<Credential>, StoreError> {
        let ids: Vec<Uuid> = user_ids.iter().map(|id| id.as_uuid()).collect();
        let rows = self
            .read(async |connection| {
                sqlx::query!(
                    "SELECT user_id, password_hash, version FROM credentials
                     WHERE user_id = ANY($1)",
                    &ids,
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
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
impl CredentialRepository for PostgresUnitOfWork {
    async fn credential_insert(
        &mut self,
        user_id: UserId,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query!(
                "INSERT INTO credentials (user_id, password_hash, version, updated_at)
                 VALUES ($1, $2, 0, $3)",
                user_id.as_uuid(),
                hash.as_str(),
                now,
            )
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(store_error)
        })
        .await
    }

    async fn credential_put(
        &mut self,
        user_id: UserId,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query!(
                "INSERT INTO credentials (user_id, password_hash, version, updated_at)
                 VALUES ($1, $2, 0, $3)
                 ON CONFLICT (user_id) DO UPDATE
                 SET password_hash = excluded.password_hash, version = credentials.version + 1,
                     updated_at = excluded.updated_at",
                user_id.as_uuid(),
                hash.as_str(),
                now,
            )
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(store_error)
        })
        .await
    }

    async fn credential_is_current(
        &mut self,
        user_id: UserId,
        version: i64,
    ) -> Result<bool, StoreError> {
        // SHARE is the weakest lock that an update of the row waits for. Whoever asks has the user's
        // row already, so raising the lock to renew the hash cannot meet another holder.
        let row = self
            .run(async |connection| {
                sqlx::query!(
                    "SELECT FROM credentials WHERE user_id = $1 AND version = $2 FOR SHARE",
                    user_id.as_uuid(),
                    version,
                )
                .fetch_optional(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(row.is_some())
    }

    async fn credential_replace(
        &mut self,
        user_id: UserId,
        expected_version: i64,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let replaced = self
            .run(async |connection| {
                sqlx::query!(
                    "UPDATE credentials
                     SET password_hash = $3, version = version + 1, updated_at = $4
                     WHERE user_id = $1 AND version = $2",
                    user_id.as_uuid(),
                    expected_version,
                    hash.as_str(),
                    now,
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(replaced.rows_affected() == 1)
    }

    async fn credential_rehash(
        &mut self,
        user_id: UserId,
        expected_version: i64,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query!(
                "UPDATE credentials SET password_hash = $3, updated_at = $4
                 WHERE user_id = $1 AND version = $2",
                user_id.as_uuid(),
                expected_version,
                hash.as_str(),
                now,
            )
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(store_error)
        })
        .await
    }
}
