//! Sessions.

use async_trait::async_trait;
use doorward_domain::{
    Device, Generation, Page, PageRequest, Session, SessionId, Timestamp, User, UserId,
    ports::{Rotation, SessionQueries, SessionRepository, SessionRotations, StoreError},
    session::RevocationCause,
};
use uuid::Uuid;

use crate::{
    error::store_error,
    gathered::Found,
    pool::{Connections, PostgresStore},
    unit_of_work::PostgresUnitOfWork,
    user::UserRow,
};

/// A session as read.
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    generation: i64,
    rotated_at: Timestamp,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
    revocation_cause: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
}

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, StoreError> {
        const DAMAGED: StoreError = StoreError::Corrupt { what: "session" };
        let revoked = row
            .revocation_cause
            .map(|word| RevocationCause::from_word(&word).ok_or(DAMAGED))
            .transpose()?;
        Ok(Self {
            id: SessionId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            generation: Generation::from_number(row.generation).ok_or(DAMAGED)?,
            rotated_at: row.rotated_at,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked,
            device: Device { ip: row.ip, user_agent: row.user_agent },
        })
    }
}

/// Sessions with their users; see [`user::by_ids`](crate::user::by_ids).
pub(crate) async fn by_ids(
    connections: &Connections,
    ids: &[SessionId],
) -> Found<SessionId, (Session, User)> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = connections
        .run(async |connection| {
            sqlx::query!(
                r#"
                SELECT s.id, s.user_id, s.generation, s.rotated_at, s.created_at,
                       s.last_used_at, s.expires_at, s.revocation_cause, s.ip, s.user_agent,
                       u.email, u.email_verified, u.name, u.status,
                       u.created_at AS user_created_at, u.updated_at AS user_updated_at,
                       u.last_login_at,
                       ARRAY(SELECT role FROM user_roles
                             WHERE user_id = u.id) AS "roles!"
                FROM sessions s
                JOIN users u ON u.id = s.user_id
                WHERE s.id = ANY(ARRAY(SELECT unnest($1::uuid[])))
                "#,
                &ids,
            )
            .fetch_all(connection)
            .await
            .map_err(store_error)
        })
        .await?;
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

/// Moves sessions on and says which, with the generation that they had. Those that somebody else holds are
/// left out: nobody waits for them on everybody's behalf.
pub(crate) async fn rotate_all(
    connections: &Connections,
    rotations: &[Rotation],
) -> Result<Vec<(SessionId, Generation)>, StoreError> {
    let ids: Vec<Uuid> = rotations.iter().map(|rotation| rotation.id.as_uuid()).collect();
    let from: Vec<i64> = rotations.iter().map(|rotation| rotation.from.number()).collect();
    let now: Vec<Timestamp> = rotations.iter().map(|rotation| rotation.now).collect();
    let expires_at: Vec<_> = rotations.iter().map(|rotation| rotation.expires_at).collect();
    let rows = connections
        .run(async |connection| {
            sqlx::query!(
                r#"
                WITH free AS (
                    SELECT id FROM sessions WHERE id = ANY(ARRAY(SELECT unnest($1::uuid[])))
                    FOR NO KEY UPDATE SKIP LOCKED
                )
                UPDATE sessions
                SET generation = asked.generation + 1, rotated_at = asked.now,
                    last_used_at = asked.now, expires_at = asked.expires_at
                FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::timestamptz[])
                     AS asked (id, generation, now, expires_at)
                WHERE sessions.id = ANY(ARRAY(SELECT id FROM free))
                  AND sessions.id = asked.id AND sessions.generation = asked.generation
                  AND sessions.revoked_at IS NULL AND sessions.expires_at > asked.now
                  AND EXISTS (SELECT FROM users
                              WHERE users.id = sessions.user_id AND status = 'active')
                RETURNING sessions.id, asked.generation AS "generation!"
                "#,
                &ids,
                &from,
                &now,
                &expires_at,
            )
            .fetch_all(connection)
            .await
            .map_err(store_error)
        })
        .await?;
    let rotated = rows.into_iter().map(|row| {
        Generation::from_number(row.generation)
            .map(|from| (SessionId::from_uuid(row.id), from))
            .ok_or(StoreError::Corrupt { what: "session" })
    });
    rotated.collect()
}

/// Moves one session on, after whoever holds it.
async fn rotate(connections: &Connections, rotation: Rotation) -> Result<bool, StoreError> {
    let Rotation { id, from, now, expires_at } = rotation;
    let rotated = connections
        .run(async |connection| {
            sqlx::query!(
                "UPDATE sessions
                 SET generation = $3, rotated_at = $4, last_used_at = $4, expires_at = $5
                 WHERE id = $1 AND generation = $2 AND revoked_at IS NULL AND expires_at > $4
                   AND EXISTS (SELECT FROM users
                               WHERE users.id = sessions.user_id AND status = 'active')",
                id.as_uuid(),
                from.number(),
                from.next().number(),
                now,
                expires_at,
            )
            .execute(connection)
            .await
            .map_err(store_error)
        })
        .await?;
    Ok(rotated.rows_affected() == 1)
}

#[async_trait]
impl SessionRotations for PostgresStore {
    async fn session_rotate(&self, rotation: Rotation) -> Result<bool, StoreError> {
        let rotated = self.gathered.rotation(rotation).await?;
        // Hardly ever is one refused: it was moved on at the same time, or is being moved or revoked.
        Ok(rotated || rotate(&self.connections, rotation).await?)
    }
}

#[async_trait]
impl SessionQueries for PostgresStore {
    async fn session_by_id(&self, id: SessionId) -> Result<Option<(Session, User)>, StoreError> {
        self.gathered.session(id).await
    }

    async fn sessions_by_user(
        &self,
        user_id: UserId,
        now: Timestamp,
        page: PageRequest<SessionId>,
    ) -> Result<Page<Session, SessionId>, StoreError> {
        let rows = self
            .read(async |connection| {
                sqlx::query_as!(
                    SessionRow,
                    "SELECT id, user_id, generation, rotated_at, created_at, last_used_at,
                            expires_at, revocation_cause, ip, user_agent
                     FROM sessions
                     WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
                       AND ($3::uuid IS NULL OR id < $3)
                     ORDER BY id DESC
                     LIMIT $4",
                    user_id.as_uuid(),
                    now,
                    page.after.map(SessionId::as_uuid),
                    i64::from(page.limit.get()) + 1,
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        let sessions = rows.into_iter().map(Session::try_from).collect::<Result<_, _>>()?;
        Ok(Page::from_surplus(sessions, page.limit, |session| session.id))
    }
}

#[async_trait]
impl SessionRepository for PostgresUnitOfWork {
    async fn session_insert(&mut self, session: &Session) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query!(
                "INSERT INTO sessions (id, user_id, generation, rotated_at, created_at,
                                       last_used_at, expires_at, ip, user_agent)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                session.id.as_uuid(),
                session.user_id.as_uuid(),
                session.generation.number(),
                session.rotated_at,
                session.created_at,
                session.last_used_at,
                session.expires_at,
                session.device.ip,
                session.device.user_agent,
            )
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(store_error)
        })
        .await
    }

    async fn session_revoke(
        &mut self,
        id: SessionId,
        user_id: UserId,
        cause: RevocationCause,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let revoked = self
            .run(async |connection| {
                sqlx::query_scalar!(
                    r#"
                    WITH ended AS (
                        UPDATE sessions SET revoked_at = $3, revocation_cause = $4
                        WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3
                        RETURNING id
                    ), recorded AS (
                        INSERT INTO changes (kind, subject, until)
                        SELECT 'session', id, $5 FROM ended
                    )
                    SELECT EXISTS (SELECT FROM ended) AS "revoked!"
                    "#,
                    id.as_uuid(),
                    user_id.as_uuid(),
                    now,
                    cause.as_str(),
                    until,
                )
                .fetch_one(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        if revoked {
            self.note_change();
        }
        Ok(revoked)
    }

    async fn sessions_revoke(
        &mut self,
        user_id: UserId,
        except: Option<SessionId>,
        cause: RevocationCause,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<SessionId>, StoreError> {
        // Locked in the order of their ids, so that two of these statements that meet wait for each
        // other and do not deadlock.
        let ended = self
            .run(async |connection| {
                sqlx::query_scalar!(
                    "WITH live AS (
                         SELECT id FROM sessions
                         WHERE user_id = $1 AND ($2::uuid IS NULL OR id <> $2)
                           AND revoked_at IS NULL AND expires_at > $3
                         ORDER BY id
                         FOR NO KEY UPDATE
                     ), ended AS (
                         UPDATE sessions SET revoked_at = $3, revocation_cause = $4
                         FROM live WHERE sessions.id = live.id
                         RETURNING sessions.id
                     ), recorded AS (
                         INSERT INTO changes (kind, subject, until)
                         SELECT 'session', id, $5 FROM ended
                     )
                     SELECT id FROM ended",
                    user_id.as_uuid(),
                    except.map(SessionId::as_uuid),
                    now,
                    cause.as_str(),
                    until,
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        if !ended.is_empty() {
            self.note_change();
        }
        Ok(ended.into_iter().map(SessionId::from_uuid).collect())
    }

    async fn sessions_prune(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let forgotten = self
            .run(async |connection| {
                sqlx::query_scalar!(
                    r#"
                    WITH sessions_over AS (
                        DELETE FROM sessions WHERE id IN (
                            SELECT id FROM sessions WHERE expires_at <= $1
                            LIMIT $2 FOR UPDATE SKIP LOCKED
                        ) RETURNING id
                    ), changes_over AS (
                        DELETE FROM changes WHERE id IN (
                            SELECT id FROM changes WHERE until <= $1
                            LIMIT $2 FOR UPDATE SKIP LOCKED
                        ) RETURNING id
                    )
                    SELECT (SELECT count(*) FROM sessions_over)
                           + (SELECT count(*) FROM changes_over) AS "forgotten!"
                    "#,
                    now,
                    i64::from(limit),
                )
                .fetch_one(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(forgotten.unsigned_abs())
    }
}
