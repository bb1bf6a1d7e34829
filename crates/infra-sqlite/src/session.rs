//! Sessions.

use async_trait::async_trait;
use doorward_domain::{
    Device, Generation, Page, PageRequest, Session, SessionId, Timestamp, User, UserId,
    ports::{Rotation, SessionQueries, SessionRepository, SessionRotations, StoreError},
    session::RevocationCause,
};
use sqlx::SqlitePool;
use uuid::Uuid;

use crate::{
    error::store_error,
    gathered::Found,
    import::id_list,
    pool::SqliteStore,
    timestamp::{from_micros, to_micros},
    unit_of_work::SqliteUnitOfWork,
    user::UserRow,
};

/// A session as read.
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    generation: i64,
    rotated_at: i64,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
    revocation_cause: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
}

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        const WHAT: &str = "session";
        let revoked = match row.revocation_cause.as_deref().map(RevocationCause::from_word) {
            Some(None) => return Err(StoreError::Corrupt { what: WHAT }),
            Some(known) => known,
            None => None,
        };
        let Some(generation) = Generation::from_number(row.generation) else {
            return Err(StoreError::Corrupt { what: WHAT });
        };
        Ok(Self {
            id: SessionId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            generation,
            rotated_at: from_micros(row.rotated_at, WHAT)?,
            created_at: from_micros(row.created_at, WHAT)?,
            last_used_at: from_micros(row.last_used_at, WHAT)?,
            expires_at: from_micros(row.expires_at, WHAT)?,
            revoked,
            device: Device { ip: row.ip, user_agent: row.user_agent },
        })
    }
}

/// Sessions with their users.
pub(crate) async fn by_ids(
    readers: &SqlitePool,
    ids: &[SessionId],
) -> Found<SessionId, (Session, User)> {
    let ids = id_list(ids.iter().map(|id| id.as_uuid()));
    let rows = sqlx::query!(
        r#"
        SELECT s.id AS "id: Uuid", s.user_id AS "user_id: Uuid", s.generation, s.rotated_at,
               s.created_at, s.last_used_at, s.expires_at, s.revocation_cause, s.ip,
               s.user_agent,
               u.email, u.email_verified AS "email_verified: bool", u.name, u.status,
               u.created_at AS user_created_at, u.updated_at AS user_updated_at,
               u.last_login_at,
               (SELECT group_concat(role, ',' ORDER BY role)
                FROM user_roles WHERE user_id = u.id) AS "roles?: String"
        FROM sessions s
        JOIN users u ON u.id = s.user_id
        WHERE s.id IN (SELECT unhex(value) FROM json_each(?1))
        "#,
        ids,
    )
    .fetch_all(readers)
    .await
    .map_err(store_error)?;
    let with_user =
        |session: SessionRow, user: UserRow| Ok((session.try_into()?, user.try_into()?));
    let found = rows.into_iter().map(|row| {
        let session = SessionRow {
            id: row.id,
            user_id: row.user_id,
            generation: row.generation,
            rotated_at: row.rotated_at,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revocation_cause: row.revocation_cause,
            ip: row.ip,
            user_agent: row.user_agent,
        };
        let user = UserRow {
            id: row.user_id,
            email: row.email,
            email_verified: row.email_verified,
            name: row.name,
            roles: row.roles,
            status: row.status,
            created_at: row.user_created_at,
            updated_at: row.user_updated_at,
            last_login_at: row.last_login_at,
        };
        (SessionId::from_uuid(row.id), with_user(session, user))
    });
    Ok(found.collect())
}

/// Moves sessions on in one write and says which, with the generation that they had.
pub(crate) async fn rotate_all(
    writer: &SqlitePool,
    rotations: &[Rotation],
) -> Result<Vec<(SessionId, Generation)>, StoreError> {
    let asked = rotations.iter().map(|rotation| {
        let Rotation { id, from, now, expires_at } = rotation;
        let id = id.as_uuid().simple();
        format!("[\"{id}\",{},{},{}]", from.number(), to_micros(*now), to_micros(*expires_at))
    });
    let asked = format!("[{}]", asked.collect::<Vec<_>>().join(","));
    let rows = sqlx::query!(
        r#"
        UPDATE sessions
        SET generation = generation + 1, rotated_at = asked.now, last_used_at = asked.now,
            expires_at = asked.expires_at
        FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS "from", value ->> 2 AS now,
                     value ->> 3 AS expires_at
              FROM json_each(?1)) AS asked
        WHERE sessions.id = asked.id AND generation = asked."from" AND revoked_at IS NULL
          AND sessions.expires_at > asked.now
          AND EXISTS (SELECT 1 FROM users
                      WHERE users.id = sessions.user_id AND status = 'active')
        RETURNING id AS "id: Uuid", generation - 1 AS "from!: i64"
        "#,
        asked,
    )
    .fetch_all(writer)
    .await
    .map_err(store_error)?;
    let rotated = rows.into_iter().map(|row| {
        Generation::from_number(row.from)
            .map(|from| (SessionId::from_uuid(row.id), from))
            .ok_or(StoreError::Corrupt { what: "session" })
    });
    rotated.collect()
}

#[async_trait]
impl SessionRotations for SqliteStore {
    async fn session_rotate(&self, rotation: Rotation) -> Result<bool, StoreError> {
        self.gathered.rotation(rotation).await
    }
}

#[async_trait]
impl SessionQueries for SqliteStore {
    async fn session_by_id(&self, id: SessionId) -> Result<Option<(Session, User)>, StoreError> {
        self.gathered.session(id).await
    }

    async fn sessions_by_user(
        &self,
        user_id: UserId,
        now: Timestamp,
        page: PageRequest<SessionId>,
    ) -> Result<Page<Session, SessionId>, StoreError> {
        let (user_id, now) = (user_id.as_uuid(), to_micros(now));
        let after = page.after.map(SessionId::as_uuid);
        let surplus = i64::from(page.limit.get()) + 1;
        let rows = sqlx::query_as!(
            SessionRow,
            r#"
            SELECT id AS "id: Uuid", user_id AS "user_id: Uuid", generation, rotated_at, created_at,
                   last_used_at, expires_at, revocation_cause, ip, user_agent
            FROM sessions
            WHERE user_id = ?1 AND revoked_at IS NULL AND expires_at > ?2
              AND (?3 IS NULL OR id < ?3)
            ORDER BY id DESC
            LIMIT ?4
            "#,
            user_id,
            now,
            after,
            surplus,
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        let sessions = rows.into_iter().map(Session::try_from).collect::<Result<_, _>>()?;
        Ok(Page::from_surplus(sessions, page.limit, |session| session.id))
    }
}

#[async_trait]
impl SessionRepository for SqliteUnitOfWork {
    async fn session_insert(&mut self, session: &Session) -> Result<(), StoreError> {
        let (id, user_id) = (session.id.as_uuid(), session.user_id.as_uuid());
        let generation = session.generation.number();
        let rotated_at = to_micros(session.rotated_at);
        let created_at = to_micros(session.created_at);
        let last_used_at = to_micros(session.last_used_at);
        let expires_at = to_micros(session.expires_at);
        sqlx::query!(
            "INSERT INTO sessions (id, user_id, generation, rotated_at, created_at, last_used_at,
                                   expires_at, ip, user_agent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            id,
            user_id,
            generation,
            rotated_at,
            created_at,
            last_used_at,
            expires_at,
            session.device.ip,
            session.device.user_agent,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn session_revoke(
        &mut self,
        id: SessionId,
        user_id: UserId,
        cause: RevocationCause,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, user_id, cause) = (id.as_uuid(), user_id.as_uuid(), cause.as_str());
        let (now, until) = (to_micros(now), to_micros(until));
        let ended = sqlx::query!(
            "UPDATE sessions SET revoked_at = ?3, revocation_cause = ?4
             WHERE id = ?1 AND user_id = ?2 AND revoked_at IS NULL AND expires_at > ?3",
            id,
            user_id,
            now,
            cause,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!(
            "INSERT INTO changes (kind, subject, until) VALUES ('session', ?1, ?2)",
            id,
            until,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        self.note_change();
        Ok(true)
    }

    async fn sessions_revoke(
        &mut self,
        user_id: UserId,
        except: Option<SessionId>,
        cause: RevocationCause,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<SessionId>, StoreError> {
        let (user_id, except) = (user_id.as_uuid(), except.map(SessionId::as_uuid));
        let (cause, now, until) = (cause.as_str(), to_micros(now), to_micros(until));
        // Recorded first, while the condition still tells which ones they are; nobody else writes
        // between the two statements.
        sqlx::query!(
            "INSERT INTO changes (kind, subject, until)
             SELECT 'session', id, ?4 FROM sessions
             WHERE user_id = ?1 AND (?2 IS NULL OR id <> ?2)
               AND revoked_at IS NULL AND expires_at > ?3",
            user_id,
            except,
            now,
            until,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        let ended = sqlx::query_scalar!(
            r#"
            UPDATE sessions SET revoked_at = ?3, revocation_cause = ?4
            WHERE user_id = ?1 AND (?2 IS NULL OR id <> ?2)
              AND revoked_at IS NULL AND expires_at > ?3
            RETURNING id AS "id: Uuid"
            "#,
            user_id,
            except,
            now,
            cause,
        )
        .fetch_all(self.connection())
        .await
        .map_err(store_error)?;
        if !ended.is_empty() {
            self.note_change();
        }
        Ok(ended.into_iter().map(SessionId::from_uuid).collect())
    }

    async fn sessions_prune(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let now = to_micros(now);
        let sessions = sqlx::query!(
            "DELETE FROM sessions
             WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ?1 LIMIT ?2)",
            now,
            limit,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        let changes = sqlx::query!(
            "DELETE FROM changes
             WHERE seq IN (SELECT seq FROM changes WHERE until <= ?1 LIMIT ?2)",
            now,
            limit,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(sessions.rows_affected() + changes.rows_affected())
    }
}
