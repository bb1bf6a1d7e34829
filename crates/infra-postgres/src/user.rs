//! Users and their roles.

use async_trait::async_trait;
use doorward_domain::{
    DisplayName, Email, Page, PageRequest, RoleName, Timestamp, User, UserFilter, UserId, UserKey,
    UserStatus,
    ports::{CHANGE_KEPT_FOR, Constraint, StoreError, UserQueries, UserRepository},
};
use sqlx::{Executor, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{
    error::store_error,
    gathered::Found,
    pool::{Connections, PostgresStore},
    role,
    unit_of_work::PostgresUnitOfWork,
    user_list,
};

/// A user as read, with the roles in any order: to sort them there costs the database more than it does here.
pub(crate) struct UserRow {
    pub id: Uuid,
    pub email: String,
    pub email_verified: bool,
    pub name: String,
    pub roles: Vec<String>,
    pub status: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        let roles = row.roles.iter().map(|role| RoleName::parse(role));
        let roles = roles.collect::<Result<Vec<_>, _>>();
        let (Ok(email), Ok(name), Ok(mut roles), Some(status)) = (
            Email::parse(&row.email),
            DisplayName::parse(&row.name),
            roles,
            UserStatus::from_word(&row.status),
        ) else {
            return Err(StoreError::Corrupt { what: "user" });
        };
        roles.sort_unstable();
        Ok(Self {
            id: UserId::from_uuid(row.id),
            email,
            email_verified: row.email_verified,
            name,
            roles,
            status,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_login_at: row.last_login_at,
        })
    }
}

/// Reads users; what follows `SELECT … FROM users` is the first argument.
macro_rules! select_users {
    ($rest:literal $(, $parameter:expr)* $(,)?) => {
        sqlx::query_as!(
            crate::user::UserRow,
            r#"
            SELECT id, email, email_verified, name, status, created_at, updated_at, last_login_at,
                   ARRAY(SELECT role FROM user_roles
                         WHERE user_id = users.id) AS "roles!"
            FROM users
            "# + $rest
            $(, $parameter)*
        )
    };
}
pub(crate) use select_users;

async fn by_id(executor: impl PgExecutor<'_>, id: UserId) -> Result<Option<User>, StoreError> {
    select_users!("WHERE id = $1", id.as_uuid())
        .fetch_optional(executor)
        .await
        .map_err(store_error)?
        .map(User::try_from)
        .transpose()
}

/// The ids go through an array that the planner cannot look into, so that it finds one plan as good as
/// another for any number of them, and keeps the one that it has.
pub(crate) async fn by_ids(connections: &Connections, ids: &[UserId]) -> Found<UserId, User> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = connections
        .run(async |connection| {
            select_users!("WHERE id = ANY(ARRAY(SELECT unnest($1::uuid[])))", &ids)
                .fetch_all(connection)
                .await
                .map_err(store_error)
        })
        .await?;
    Ok(rows.into_iter().map(|row| (UserId::from_uuid(row.id), row.try_into())).collect())
}

async fn savepoint(
    connection: &mut PgConnection,
    statement: &'static str,
) -> Result<(), StoreError> {
    connection.execute(statement).await.map(drop).map_err(store_error)
}

#[async_trait]
impl UserQueries for PostgresStore {
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.gathered.user(id).await
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.read(async |connection| {
            select_users!("WHERE email_canonical = $1", email.canonical())
                .fetch_optional(connection)
                .await
                .map_err(store_error)?
                .map(User::try_from)
                .transpose()
        })
        .await
    }

    async fn user_exists(&self) -> Result<bool, StoreError> {
        self.read(async |connection| {
            sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM users) AS "exists!""#)
                .fetch_one(connection)
                .await
                .map_err(store_error)
        })
        .await
    }

    async fn users(
        &self,
        filter: &UserFilter,
        page: &PageRequest<UserKey>,
    ) -> Result<Page<User, UserKey>, StoreError> {
        self.read(async |connection| user_list::page(connection, filter, page).await).await
    }

    async fn users_after(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        self.read(async |connection| user_list::after(connection, after, limit).await).await
    }
}

#[async_trait]
impl UserRepository for PostgresUnitOfWork {
    async fn user_lock(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        self.run(async |connection| {
            sqlx::query!("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", id.as_uuid())
                .fetch_optional(&mut *connection)
                .await
                .map_err(store_error)?;
            // Read only now: a statement that waits for the lock goes on with the present row of
            // the user, but with the roles as they were before it waited.
            by_id(connection, id).await
        })
        .await
    }

    async fn user_insert(&mut self, user: &User) -> Result<(), StoreError> {
        let roles = role::parameter(&user.roles);
        if !self.run(async |connection| role::hold(connection, &roles).await).await? {
            return Err(StoreError::Conflict(Constraint::RoleUnknown));
        }
        let added = self
            .run(async |connection| {
                sqlx::query_scalar!(
                    r#"
                    WITH added AS (
                        INSERT INTO users (id, email, email_canonical, email_verified, name,
                                           name_folded, status, created_at, updated_at,
                                           last_login_at)
                        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                        ON CONFLICT (email_canonical) DO NOTHING
                        RETURNING id, status
                    ), granted AS (
                        INSERT INTO user_roles (user_id, role, status)
                        SELECT id, role, status FROM added CROSS JOIN unnest($11::text[]) AS role
                    )
                    SELECT EXISTS (SELECT FROM added) AS "added!"
                    "#,
                    user.id.as_uuid(),
                    user.email.as_given(),
                    user.email.canonical(),
                    user.email_verified,
                    user.name.as_str(),
                    user.name.folded(),
                    user.status.as_str(),
                    user.created_at,
                    user.updated_at,
                    user.last_login_at,
                    &roles,
                )
                .fetch_one(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        if added { Ok(()) } else { Err(StoreError::Conflict(Constraint::UserEmail)) }
    }

    async fn user_rename(
        &mut self,
        id: UserId,
        name: &DisplayName,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        self.run(async |connection| {
            sqlx::query_as!(
                UserRow,
                r#"
                UPDATE users
                SET name = $2, name_folded = $3, updated_at = $4
                WHERE id = $1
                RETURNING id, email, email_verified, name, status, created_at, updated_at,
                          last_login_at,
                          ARRAY(SELECT role FROM user_roles
                                WHERE user_id = users.id) AS "roles!"
                "#,
                id.as_uuid(),
                name.as_str(),
                name.folded(),
                now,
            )
            .fetch_optional(connection)
            .await
            .map_err(store_error)?
            .map(User::try_from)
            .transpose()
        })
        .await
    }

    async fn user_verify_email(&mut self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        let verified = self
            .run(async |connection| {
                sqlx::query!(
                    "UPDATE users SET email_verified = true, updated_at = $2 WHERE id = $1",
                    id.as_uuid(),
                    now,
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(verified.rows_affected() == 1)
    }

    async fn user_set_email(
        &mut self,
        id: UserId,
        email: &Email,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        self.run(async |connection| {
            // An UPDATE has no ON CONFLICT. What the rule refuses is undone up to here, and the
            // transaction goes on.
            savepoint(connection, "SAVEPOINT address").await?;
            let changed = sqlx::query!(
                "UPDATE users SET email = $2, email_canonical = $3, email_verified = false,
                                  updated_at = $4
                 WHERE id = $1",
                id.as_uuid(),
                email.as_given(),
                email.canonical(),
                now,
            )
            .execute(&mut *connection)
            .await;
            match changed {
                Err(sqlx::Error::Database(error))
                    if error.constraint() == Some("users_email_canonical_key") =>
                {
                    savepoint(connection, "ROLLBACK TO SAVEPOINT address").await?;
                    return Ok(Err(StoreError::Conflict(Constraint::UserEmail)));
                }
                other => other.map_err(store_error)?,
            };
            savepoint(connection, "RELEASE SAVEPOINT address").await?;
            by_id(connection, id).await.map(Ok)
        })
        .await?
    }

    async fn user_set_status(
        &mut self,
        id: UserId,
        status: UserStatus,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let user = self
            .run(async |connection| {
                sqlx::query!(
                    "WITH changed AS (
                         UPDATE users SET status = $2, updated_at = $3 WHERE id = $1 RETURNING id
                     )
                     INSERT INTO changes (kind, subject, until) SELECT 'user', id, $4 FROM changed",
                    id.as_uuid(),
                    status.as_str(),
                    now,
                    now + CHANGE_KEPT_FOR,
                )
                .execute(&mut *connection)
                .await
                .map_err(store_error)?;
                // In a statement of its own, which sees the roles that were given while the first one
                // waited for the row.
                sqlx::query!(
                    "UPDATE user_roles SET status = $2 WHERE user_id = $1",
                    id.as_uuid(),
                    status.as_str(),
                )
                .execute(&mut *connection)
                .await
                .map_err(store_error)?;
                by_id(connection, id).await
            })
            .await?;
        self.note_change();
        Ok(user)
    }

    async fn user_set_roles(
        &mut self,
        id: UserId,
        roles: &[RoleName],
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let roles = role::parameter(roles);
        if !self.run(async |connection| role::hold(connection, &roles).await).await? {
            return Err(StoreError::Conflict(Constraint::RoleUnknown));
        }
        let user = self
            .run(async |connection| {
                // The user's row first, so that others who give roles wait here, before they look
                // at those that the user has.
                sqlx::query!(
                    "WITH changed AS (
                         UPDATE users SET updated_at = $2 WHERE id = $1 RETURNING id
                     )
                     INSERT INTO changes (kind, subject, until) SELECT 'user', id, $3 FROM changed",
                    id.as_uuid(),
                    now,
                    now + CHANGE_KEPT_FOR,
                )
                .execute(&mut *connection)
                .await
                .map_err(store_error)?;
                sqlx::query!(
                    "WITH taken AS (
                         DELETE FROM user_roles WHERE user_id = $1 AND role <> ALL($2)
                     )
                     INSERT INTO user_roles (user_id, role, status)
                     SELECT id, role, status FROM users CROSS JOIN unnest($2::text[]) AS role
                     WHERE id = $1
                     ON CONFLICT (user_id, role) DO NOTHING",
                    id.as_uuid(),
                    &roles,
                )
                .execute(&mut *connection)
                .await
                .map_err(store_error)?;
                by_id(connection, id).await
            })
            .await?;
        self.note_change();
        Ok(user)
    }

    async fn user_count_admins(&mut self) -> Result<u64, StoreError> {
        let count = self
            .run(async |connection| {
                // The row of the role stands for the whole set. This lock keeps out others who count,
                // and not those who give the role to somebody, which does no harm.
                sqlx::query!("SELECT FROM roles WHERE name = 'admin' FOR NO KEY UPDATE")
                    .fetch_optional(&mut *connection)
                    .await
                    .map_err(store_error)?;
                // Counted only now: a statement that waits for the lock goes on with the users as
                // they were before it waited. Their own status counts: the version before writes no
                // other.
                sqlx::query_scalar!(
                    r#"
                    SELECT count(*) AS "count!"
                    FROM users JOIN user_roles ON user_id = id
                    WHERE role = 'admin' AND users.status = 'active'
                    "#
                )
                .fetch_one(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(count.unsigned_abs())
    }

    async fn user_signed_in(&mut self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        let noted = self
            .run(async |connection| {
                sqlx::query!(
                    "UPDATE users SET last_login_at = $2 WHERE id = $1 AND status = 'active'",
                    id.as_uuid(),
                    now,
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(noted.rows_affected() == 1)
    }

    async fn user_delete(&mut self, id: UserId) -> Result<bool, StoreError> {
        let deleted = self
            .run(async |connection| {
                sqlx::query!("DELETE FROM users WHERE id = $1", id.as_uuid())
                    .execute(connection)
                    .await
                    .map_err(store_error)
            })
            .await?;
        Ok(deleted.rows_affected() == 1)
    }
}
