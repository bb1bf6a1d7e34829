//! The audit trail.

use async_trait::async_trait;
use doorward_domain::{
    AuditAction, AuditEvent, AuditEventId, AuditFilter, AuditParty, Device, Origin, Page,
    PageRequest, Timestamp,
    audit::chain::{ChainLink, Checkpoint, Digest, Seal, SealedEvent},
    ports::{AuditLog, AuditQueries, SealedEvents, StoreError},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    addition::Addition, error::store_error, pool::PostgresStore, unit_of_work::PostgresUnitOfWork,
};

/// The key of the advisory lock that whoever changes the chain of seals holds: "aud.seal" in ASCII.
const CHAIN_LOCK: i64 = 0x6175_642e_7365_616c;
const DAMAGED: StoreError = StoreError::Corrupt { what: "audit seal" };

/// An event as read.
struct EventRow {
    id: Uuid,
    at: Timestamp,
    action: String,
    actor_kind: Option<String>,
    actor_id: Option<String>,
    subject_kind: Option<String>,
    subject_id: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    data: String,
    seal: Option<i64>,
}

impl From<EventRow> for AuditEvent {
    fn from(row: EventRow) -> Self {
        let party = |(kind, id): (Option<String>, Option<String>)| {
            Some(AuditParty { kind: kind?, id: id? })
        };
        Self {
            id: AuditEventId::from_uuid(row.id),
            at: row.at,
            action: row.action,
            actor: party((row.actor_kind, row.actor_id)),
            subject: party((row.subject_kind, row.subject_id)),
            origin: Origin {
                device: Device { ip: row.ip, user_agent: row.user_agent },
                request_id: row.request_id,
            },
            data: row.data,
        }
    }
}

/// Reads events; what follows `SELECT … FROM audit_events` is the first argument.
macro_rules! select_events {
    ($rest:literal $(, $parameter:expr)* $(,)?) => {
        sqlx::query_as!(
            EventRow,
            "SELECT id, at, action, actor_kind, actor_id, subject_kind, subject_id, ip, user_agent,
                    request_id, data, seal
             FROM audit_events "
            + $rest
            $(, $parameter)*
        )
    };
}

/// A seal as read.
struct SealRow {
    number: i64,
    at: Timestamp,
    events: Vec<u8>,
    hash: Vec<u8>,
    signature: Vec<u8>,
}

impl TryFrom<SealRow> for Seal {
    type Error = StoreError;

    fn try_from(row: SealRow) -> Result<Self, StoreError> {
        let (events, []) = row.events.as_chunks::<48>() else { return Err(DAMAGED) };
        let sealed = |octets: &[u8; 48]| -> Option<SealedEvent> {
            let (id, digest) = octets.split_first_chunk::<16>()?;
            let id = AuditEventId::from_uuid(Uuid::from_bytes(*id));
            Some(SealedEvent { id, digest: digest.try_into().ok()? })
        };
        Ok(Self {
            number: row.number,
            at: row.at,
            events: events.iter().map(sealed).collect::<Option<_>>().ok_or(DAMAGED)?,
            hash: digest(&row.hash)?,
            signature: digest(&row.signature)?,
        })
    }
}

fn digest(octets: &[u8]) -> Result<Digest, StoreError> {
    octets.try_into().map_err(|_| DAMAGED)
}

/// Each shape of filter reads the index of what is likely to be rarest, in the order of the list.
async fn page(
    connection: &mut PgConnection,
    filter: &AuditFilter,
    page: PageRequest<AuditEventId>,
) -> Result<Page<AuditEvent, AuditEventId>, StoreError> {
    let first = filter.first_id().as_uuid();
    let end = page.after.map_or(filter.end_id(), |after| after.min(filter.end_id())).as_uuid();
    let limit = i64::from(page.limit.get()) + 1;
    let AuditFilter { subject, actor, action, since, until } = filter;
    let action = action.map(AuditAction::as_str);
    let rows = match (subject, actor, action) {
        (Some(subject), actor, action) => {
            select_events!(
                "WHERE subject_id = $6 AND id >= $1 AND id < $2
                   AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
                   AND ($7::text IS NULL OR actor_id = $7) AND ($8::text IS NULL OR action = $8)
                 ORDER BY subject_id DESC, id DESC LIMIT $5",
                first,
                end,
                *since,
                *until,
                limit,
                subject,
                actor.as_deref(),
                action,
            )
            .fetch_all(connection)
            .await
        }
        (None, Some(actor), action) => {
            select_events!(
                "WHERE actor_id = $6 AND id >= $1 AND id < $2
                   AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
                   AND ($7::text IS NULL OR action = $7)
                 ORDER BY actor_id DESC, id DESC LIMIT $5",
                first,
                end,
                *since,
                *until,
                limit,
                actor,
                action,
            )
            .fetch_all(connection)
            .await
        }
        (None, None, Some(action)) => {
            select_events!(
                "WHERE action = $6 AND id >= $1 AND id < $2
                   AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
                 ORDER BY action DESC, id DESC LIMIT $5",
                first,
                end,
                *since,
                *until,
                limit,
                action,
            )
            .fetch_all(connection)
            .await
        }
        (None, None, None) => {
            select_events!(
                "WHERE id >= $1 AND id < $2
                   AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
                 ORDER BY id DESC LIMIT $5",
                first,
                end,
                *since,
                *until,
                limit,
            )
            .fetch_all(connection)
            .await
        }
    };
    let rows = rows.map_err(store_error)?.into_iter().map(AuditEvent::from).collect();
    Ok(Page::from_surplus(rows, page.limit, |event| event.id))
}

#[async_trait]
impl AuditQueries for PostgresStore {
    async fn audit_events(
        &self,
        filter: &AuditFilter,
        request: PageRequest<AuditEventId>,
    ) -> Result<Page<AuditEvent, AuditEventId>, StoreError> {
        self.read(async |connection| page(connection, filter, request).await).await
    }

    async fn audit_count_unsealed(&self) -> Result<u64, StoreError> {
        let count = self
            .read(async |connection| {
                sqlx::query_scalar!(
                    r#"SELECT count(*) AS "count!" FROM audit_events WHERE seal IS NULL"#
                )
                .fetch_one(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(count.unsigned_abs())
    }

    async fn audit_seals(&self, after: i64, limit: u32) -> Result<Vec<Seal>, StoreError> {
        let rows = self
            .read(async |connection| {
                sqlx::query_as!(
                    SealRow,
                    "SELECT number, at, events, hash, signature FROM audit_seals
                     WHERE number > $1 ORDER BY number LIMIT $2",
                    after,
                    i64::from(limit),
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        rows.into_iter().map(Seal::try_from).collect()
    }

    async fn audit_events_of_seals(
        &self,
        first: i64,
        last: i64,
    ) -> Result<SealedEvents, StoreError> {
        let rows = self
            .read(async |connection| {
                select_events!("WHERE seal BETWEEN $1 AND $2", first, last)
                    .fetch_all(connection)
                    .await
                    .map_err(store_error)
            })
            .await?;
        let mut events = SealedEvents::new();
        for row in rows {
            events.entry(row.seal.unwrap_or_default()).or_default().push(row.into());
        }
        Ok(events)
    }

    async fn audit_stray(&self) -> Result<Option<AuditEventId>, StoreError> {
        // The numbers that events claim are stepped through by their index, so that it takes as long as
        // there are seals, and not as long as there are events.
        let stray = self
            .read(async |connection| {
                sqlx::query_scalar!(
                    r#"
                    WITH RECURSIVE claimed (number) AS (
                        SELECT min(seal) FROM audit_events WHERE seal IS NOT NULL
                        UNION ALL
                        SELECT (SELECT min(seal) FROM audit_events WHERE seal > claimed.number)
                        FROM claimed WHERE claimed.number IS NOT NULL
                    )
                    SELECT audit_events.id AS "id!"
                    FROM claimed JOIN audit_events ON seal = claimed.number
                    WHERE NOT EXISTS (
                        SELECT FROM audit_seals WHERE audit_seals.number = claimed.number)
                    ORDER BY 1 LIMIT 1
                    "#
                )
                .fetch_optional(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        Ok(stray.map(AuditEventId::from_uuid))
    }

    async fn audit_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let row = self
            .read(async |connection| {
                sqlx::query!(
                    "SELECT seal, hash, seal_signature, events, at, signature FROM audit_checkpoint"
                )
                .fetch_optional(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        row.map(|row| {
            Ok(Checkpoint {
                link: ChainLink {
                    number: row.seal,
                    hash: digest(&row.hash)?,
                    signature: digest(&row.seal_signature)?,
                },
                events: row.events.unsigned_abs(),
                at: row.at,
                signature: digest(&row.signature)?,
            })
        })
        .transpose()
    }
}

#[async_trait]
impl AuditLog for PostgresUnitOfWork {
    async fn audit_append(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        self.add(Addition::Event(event.clone())).await
    }

    async fn audit_chain_hold(&mut self) -> Result<Option<ChainLink>, StoreError> {
        let held = self
            .run(async |connection| {
                sqlx::query_scalar!(
                    r#"SELECT pg_try_advisory_xact_lock($1) AS "held!""#,
                    CHAIN_LOCK
                )
                .fetch_one(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        if !held {
            return Ok(None);
        }
        // A statement of its own: it sees what whoever had the lock before has committed.
        let end = self
            .run(async |connection| {
                sqlx::query!(
                    r#"
                    SELECT number AS "number!", hash AS "hash!", signature AS "signature!" FROM (
                        (SELECT number, hash, signature FROM audit_seals ORDER BY number DESC LIMIT 1)
                        UNION ALL
                        (SELECT seal, hash, seal_signature FROM audit_checkpoint)
                    ) AS ends
                    ORDER BY 1 DESC LIMIT 1
                    "#
                )
                .fetch_optional(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        let Some(end) = end else { return Ok(Some(ChainLink::default())) };
        let (hash, signature) = (digest(&end.hash)?, digest(&end.signature)?);
        Ok(Some(ChainLink { number: end.number, hash, signature }))
    }

    async fn audit_unsealed(&mut self, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = self
            .run(async |connection| {
                select_events!("WHERE seal IS NULL ORDER BY id LIMIT $1", i64::from(limit))
                    .fetch_all(connection)
                    .await
                    .map_err(store_error)
            })
            .await?;
        Ok(rows.into_iter().map(AuditEvent::from).collect())
    }

    async fn audit_seal(&mut self, seal: &Seal) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = seal.events.iter().map(|event| event.id.as_uuid()).collect();
        let sealed =
            |event: &SealedEvent| [event.id.as_uuid().as_bytes(), &event.digest[..]].concat();
        let events: Vec<u8> = seal.events.iter().flat_map(sealed).collect();
        self.run(async |connection| {
            sqlx::query!(
                "WITH sealed AS (UPDATE audit_events SET seal = $1 WHERE id = ANY($6))
                 INSERT INTO audit_seals (number, at, events, hash, signature)
                 VALUES ($1, $2, $3, $4, $5)",
                seal.number,
                seal.at,
                events,
                &seal.hash[..],
                &seal.signature[..],
                &ids,
            )
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(store_error)
        })
        .await
    }

    async fn audit_resign(
        &mut self,
        end: &ChainLink,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query!(
                "WITH last AS (UPDATE audit_seals SET signature = $2 WHERE number = $1)
                 UPDATE audit_checkpoint SET signature = coalesce($3, signature)",
                end.number,
                &end.signature[..],
                checkpoint.as_ref().map(|checkpoint| &checkpoint.signature[..]),
            )
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(store_error)
        })
        .await
    }

    async fn audit_prune(&mut self, checkpoint: &Checkpoint) -> Result<bool, StoreError> {
        let replaced = self
            .run(async |connection| {
                sqlx::query!(
                    "INSERT INTO audit_checkpoint (seal, hash, seal_signature, events, at, signature)
                     VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (single) DO UPDATE
                     SET seal = excluded.seal, hash = excluded.hash,
                         seal_signature = excluded.seal_signature, events = excluded.events,
                         at = excluded.at, signature = excluded.signature
                     WHERE audit_checkpoint.seal < excluded.seal",
                    checkpoint.link.number,
                    &checkpoint.link.hash[..],
                    &checkpoint.link.signature[..],
                    i64::try_from(checkpoint.events).unwrap_or(i64::MAX),
                    checkpoint.at,
                    &checkpoint.signature[..],
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        if replaced.rows_affected() == 0 {
            return Ok(false);
        }
        self.run(async |connection| {
            sqlx::query!(
                "WITH events AS (DELETE FROM audit_events WHERE seal <= $1)
                 DELETE FROM audit_seals WHERE number <= $1",
                checkpoint.link.number,
            )
            .execute(connection)
            .await
            .map_err(store_error)
        })
        .await?;
        Ok(true)
    }
}
