//! Users and their roles.

use async_trait::async_trait;
use doorward_domain::{
    DisplayName, Email, Page, PageRequest, RoleName, Timestamp, User, UserFilter, UserId, UserKey,
    UserStatus,
    ports::{CHANGE_KEPT_FOR, Constraint, StoreError, UserQueries, UserRepository},
};
use sqlx::{SqliteExecutor, SqlitePool};
use uuid::Uuid;

use crate::{
    error::store_error,
    gathered::Found,
    import::id_list,
    pool::SqliteStore,
    role,
    timestamp::{from_micros, to_micros},
    unit_of_work::SqliteUnitOfWork,
    user_list,
};

/// A user as read, with the roles in order and with commas between them.
pub(crate) struct UserRow {
    pub id: Uuid,
    pub email: String,
    pub email_verified: bool,
    pub name: String,
    pub roles: Option<String>,
    pub status: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub last_login_at: Option<i64>,
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        const WHAT: &str = "user";
        let damaged = StoreError::Corrupt { what: WHAT };
        let roles = row.roles.as_deref().map_or(Ok(Vec::new()), |roles| {
            roles.split(',').map(RoleName::parse).collect::<Result<_, _>>()
        });
        let (Ok(email), Ok(name), Ok(roles), Some(status)) = (
            Email::parse(&row.email),
            DisplayName::parse(&row.name),
            roles,
            UserStatus::from_word(&row.status),
        ) else {
            return Err(damaged);
        };
        Ok(Self {
            id: UserId::from_uuid(row.id),
            email,
            email_verified: row.email_verified,
            name,
            roles,
            status,
            created_at: from_micros(row.created_at, WHAT)?,
            updated_at: from_micros(row.updated_at, WHAT)?,
            last_login_at: row.last_login_at.map(|at| from_micros(at, WHAT)).transpose()?,
        })
    }
}

/// Reads users; what follows `SELECT … FROM users` is the first argument.
macro_rules! select_users {
    ($rest:literal $(, $parameter:expr)* $(,)?) => {
        sqlx::query_as!(
            crate::user::UserRow,
            r#"
            SELECT id AS "id: uuid::Uuid", email, email_verified AS "email_verified: bool", name,
                   status, created_at, updated_at, last_login_at,
                   (SELECT group_concat(role, ',' ORDER BY role)
                    FROM user_roles WHERE user_id = users.id) AS "roles?: String"
            FROM users
            "# + $rest
            $(, $parameter)*
        )
    };
}
pub(crate) use select_users;

async fn by_id(executor: impl SqliteExecutor<'_>, id: UserId) -> Result<Option<User>, StoreError> {
    let id = id.as_uuid();
    select_users!("WHERE id = ?1", id)
        .fetch_optional(executor)
        .await
        .map_err(store_error)?
        .map(User::try_from)
        .transpose()
}

pub(crate) async fn by_ids(readers: &SqlitePool, ids: &[UserId]) -> Found<UserId, User> {
    let ids = id_list(ids.iter().map(|id| id.as_uuid()));
    let rows = select_users!("WHERE id IN (SELECT unhex(value) FROM json_each(?1))", ids)
        .fetch_all(readers)
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(|row| (UserId::from_uuid(row.id), row.try_into())).collect())
}

#[async_trait]
impl UserQueries for SqliteStore {
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.gathered.user(id).await
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let canonical = email.canonical();
        select_users!("WHERE email_canonical = ?1", canonical)
            .fetch_optional(&self.readers)
            .await
            .map_err(store_error)?
            .map(User::try_from)
            .transpose()
    }

    async fn user_exists(&self) -> Result<bool, StoreError> {
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM users) AS "exists!: bool""#)
            .fetch_one(&self.readers)
            .await
            .map_err(store_error)
    }

    async fn users(
        &self,
        filter: &UserFilter,
        page: &PageRequest<UserKey>,
    ) -> Result<Page<User, UserKey>, StoreError> {
        user_list::page(&self.readers, filter, page).await
    }

    async fn users_after(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        user_list::after(&self.readers, after, limit).await
    }
}

#[async_trait]
impl UserRepository for SqliteUnitOfWork {
    async fn user_lock(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        // This unit of work holds the write lock of the whole database.
        by_id(self.connection(), id).await
    }

    async fn user_insert(&mut self, user: &User) -> Result<(), StoreError> {
        if !role::exist(self.connection(), &user.roles).await? {
            return Err(StoreError::Conflict(Constraint::RoleUnknown));
        }
        let id = user.id.as_uuid();
        let (email, canonical) = (user.email.as_given(), user.email.canonical());
        let (name, folded) = (user.name.as_str(), user.name.folded());
        let status = user.status.as_str();
        let created_at = to_micros(user.created_at);
        let updated_at = to_micros(user.updated_at);
        let last_login_at = user.last_login_at.map(to_micros);
        let added = sqlx::query!(
            r#"
            INSERT INTO users (id, email, email_canonical, email_verified, name, name_folded,
                               status, created_at, updated_at, last_login_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
            ON CONFLICT (email_canonical) DO NOTHING
            "#,
            id,
            email,
            canonical,
            user.email_verified,
            name,
            folded,
            status,
            created_at,
            updated_at,
            last_login_at,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        if added.rows_affected() == 0 {
            return Err(StoreError::Conflict(Constraint::UserEmail));
        }
        self.give_roles(user.id, &user.roles).await
    }

    async fn user_rename(
        &mut self,
        id: UserId,
        name: &DisplayName,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let (id, now) = (id.as_uuid(), to_micros(now));
        let (name, folded) = (name.as_str(), name.folded());
        sqlx::query_as!(
            UserRow,
            r#"
            UPDATE users
            SET name = ?2, name_folded = ?3, updated_at = ?4
            WHERE id = ?1
            RETURNING id AS "id: Uuid", email, email_verified AS "email_verified: bool", name,
                      status, created_at, updated_at, last_login_at,
                      (SELECT group_concat(role, ',' ORDER BY role)
                       FROM user_roles WHERE user_id = users.id) AS "roles?: String"
            "#,
            id,
            name,
            folded,
            now,
        )
        .fetch_optional(self.connection())
        .await
        .map_err(store_error)?
        .map(User::try_from)
        .transpose()
    }

    async fn user_verify_email(&mut self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        let (id, now) = (id.as_uuid(), to_micros(now));
        let verified = sqlx::query!(
            "UPDATE users SET email_verified = 1, updated_at = ?2 WHERE id = ?1",
            id,
            now,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(verified.rows_affected() == 1)
    }

    async fn user_set_email(
        &mut self,
        id: UserId,
        email: &Email,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let (uuid, now) = (id.as_uuid(), to_micros(now));
        let (given, canonical) = (email.as_given(), email.canonical());
        let changed = sqlx::query!(
            "UPDATE OR IGNORE users
             SET email = ?2, email_canonical = ?3, email_verified = 0, updated_at = ?4
             WHERE id = ?1",
            uuid,
            given,
            canonical,
            now,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        match by_id(self.connection(), id).await? {
            Some(_) if changed.rows_affected() == 0 => {
                Err(StoreError::Conflict(Constraint::UserEmail))
            }
            user => Ok(user),
        }
    }

    async fn user_set_status(
        &mut self,
        id: UserId,
        status: UserStatus,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let (uuid, word, updated_at) = (id.as_uuid(), status.as_str(), to_micros(now));
        sqlx::query!(
            "UPDATE users SET status = ?2, updated_at = ?3 WHERE id = ?1",
            uuid,
            word,
            updated_at,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        sqlx::query!("UPDATE user_roles SET status = ?2 WHERE user_id = ?1", uuid, word)
            .execute(self.connection())
            .await
            .map_err(store_error)?;
        self.record_user(id, now).await
    }

    async fn user_set_roles(
        &mut self,
        id: UserId,
        roles: &[RoleName],
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        if !role::exist(self.connection(), roles).await? {
            return Err(StoreError::Conflict(Constraint::RoleUnknown));
        }
        let (uuid, updated_at) = (id.as_uuid(), to_micros(now));
        let updated =
            sqlx::query!("UPDATE users SET updated_at = ?2 WHERE id = ?1", uuid, updated_at)
                .execute(self.connection())
                .await
                .map_err(store_error)?;
        if updated.rows_affected() == 0 {
            return Ok(None);
        }
        sqlx::query!("DELETE FROM user_roles WHERE user_id = ?1", uuid)
            .execute(self.connection())
            .await
            .map_err(store_error)?;
        self.give_roles(id, roles).await?;
        self.record_user(id, now).await
    }

    async fn user_count_admins(&mut self) -> Result<u64, StoreError> {
        // This unit of work holds the write lock of the whole database. The users' own status
        // counts: the version before writes no other. CROSS keeps SQLite from beginning with all users
        // who are active.
        let count = sqlx::query_scalar!(
            r#"
            SELECT count(*) AS "count!: i64"
            FROM user_roles CROSS JOIN users ON id = user_id
            WHERE role = 'admin' AND users.status = 'active'
            "#
        )
        .fetch_one(self.connection())
        .await
        .map_err(store_error)?;
        Ok(count.unsigned_abs())
    }

    async fn user_signed_in(&mut self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        let (id, now) = (id.as_uuid(), to_micros(now));
        let noted = sqlx::query!(
            "UPDATE users SET last_login_at = ?2 WHERE id = ?1 AND status = 'active'",
            id,
            now,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(noted.rows_affected() == 1)
    }

    async fn user_delete(&mut self, id: UserId) -> Result<bool, StoreError> {
        let id = id.as_uuid();
        let deleted = sqlx::query!("DELETE FROM users WHERE id = ?1", id)
            .execute(self.connection())
            .await
            .map_err(store_error)?;
        Ok(deleted.rows_affected() == 1)
    }
}

impl SqliteUnitOfWork {
    /// Gives a user these roles besides those they have.
    async fn give_roles(&mut self, id: UserId, roles: &[RoleName]) -> Result<(), StoreError> {
        let id = id.as_uuid();
        for role in roles {
            let role = role.as_str();
            sqlx::query!(
                "INSERT INTO user_roles (user_id, role, status)
                 SELECT id, ?2, status FROM users WHERE id = ?1
                 ON CONFLICT (user_id, role) DO NOTHING",
                id,
                role,
            )
            .execute(self.connection())
            .await
            .map_err(store_error)?;
        }
        Ok(())
    }

    /// Records that a user changed, if there is one, and reads them as they are now.
    async fn record_user(
        &mut self,
        id: UserId,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let (uuid, until) = (id.as_uuid(), to_micros(now + CHANGE_KEPT_FOR));
        sqlx::query!(
            "INSERT INTO changes (kind, subject, until)
             SELECT 'user', id, ?2 FROM users WHERE id = ?1",
            uuid,
            until,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        self.note_change();
        by_id(self.connection(), id).await
    }
}
