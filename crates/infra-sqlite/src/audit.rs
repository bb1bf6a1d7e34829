//! The audit trail.

use async_trait::async_trait;
use doorward_domain::{
    AuditAction, AuditEvent, AuditEventId, AuditFilter, AuditParty, Device, Origin, Page,
    PageRequest,
    audit::chain::{ChainLink, Checkpoint, Digest, Seal, SealedEvent},
    ports::{AuditLog, AuditQueries, SealedEvents, StoreError},
};
use sqlx::SqliteExecutor;
use uuid::Uuid;

use crate::{
    error::store_error,
    import::id_list,
    pool::SqliteStore,
    timestamp::{from_micros, to_micros},
    unit_of_work::SqliteUnitOfWork,
};

const WHAT: &str = "audit seal";
const DAMAGED: StoreError = StoreError::Corrupt { what: WHAT };

/// An event as read.
struct EventRow {
    id: Uuid,
    at: i64,
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

impl TryFrom<EventRow> for AuditEvent {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        let party = |(kind, id): (Option<String>, Option<String>)| {
            Some(AuditParty { kind: kind?, id: id? })
        };
        Ok(Self {
            id: AuditEventId::from_uuid(row.id),
            at: from_micros(row.at, "audit event")?,
            action: row.action,
            actor: party((row.actor_kind, row.actor_id)),
            subject: party((row.subject_kind, row.subject_id)),
            origin: Origin {
                device: Device { ip: row.ip, user_agent: row.user_agent },
                request_id: row.request_id,
            },
            data: row.data,
        })
    }
}

/// Reads events; what follows `SELECT … FROM audit_events` is the first argument.
macro_rules! select_events {
    ($rest:literal $(, $parameter:expr)* $(,)?) => {
        sqlx::query_as!(
            EventRow,
            r#"SELECT id AS "id: Uuid", at, action, actor_kind, actor_id, subject_kind, subject_id, ip,
                      user_agent, request_id, data, seal
               FROM audit_events "#
            + $rest
            $(, $parameter)*
        )
    };
}

/// A seal as read.
struct SealRow {
    number: i64,
    at: i64,
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
            at: from_micros(row.at, WHAT)?,
            events: events.iter().map(sealed).collect::<Option<_>>().ok_or(DAMAGED)?,
            hash: digest(&row.hash)?,
            signature: digest(&row.signature)?,
        })
    }
}

fn digest(octets: &[u8]) -> Result<Digest, StoreError> {
    octets.try_into().map_err(|_| DAMAGED)
}

fn events(rows: sqlx::Result<Vec<EventRow>>) -> Result<Vec<AuditEvent>, StoreError> {
    rows.map_err(store_error)?.into_iter().map(AuditEvent::try_from).collect()
}

/// Each shape of filter reads the index of what is likely to be rarest, in the order of the list.
async fn page(
    executor: impl SqliteExecutor<'_>,
    filter: &AuditFilter,
    page: PageRequest<AuditEventId>,
) -> Result<Page<AuditEvent, AuditEventId>, StoreError> {
    let first = filter.first_id().as_uuid();
    let end = page.after.map_or(filter.end_id(), |after| after.min(filter.end_id())).as_uuid();
    let limit = i64::from(page.limit.get()) + 1;
    let AuditFilter { subject, actor, action, since, until } = filter;
    let action = action.map(AuditAction::as_str);
    let (since, until) = (since.map(to_micros), until.map(to_micros));
    let rows = match (subject, actor, action) {
        (Some(subject), actor, action) => {
            select_events!(
                "WHERE subject_id = ?6 AND id >= ?1 AND id < ?2
                   AND (?3 IS NULL OR at >= ?3) AND (?4 IS NULL OR at < ?4)
                   AND (?7 IS NULL OR actor_id = ?7) AND (?8 IS NULL OR action = ?8)
                 ORDER BY id DESC LIMIT ?5",
                first,
                end,
                since,
                until,
                limit,
                subject,
                actor,
                action,
            )
            .fetch_all(executor)
            .await
        }
        (None, Some(actor), action) => {
            select_events!(
                "WHERE actor_id = ?6 AND id >= ?1 AND id < ?2
                   AND (?3 IS NULL OR at >= ?3) AND (?4 IS NULL OR at < ?4)
                   AND (?7 IS NULL OR action = ?7)
                 ORDER BY id DESC LIMIT ?5",
                first,
                end,
                since,
                until,
                limit,
                actor,
                action,
            )
            .fetch_all(executor)
            .await
        }
        (None, None, Some(action)) => {
            select_events!(
                "WHERE action = ?6 AND id >= ?1 AND id < ?2
                   AND (?3 IS NULL OR at >= ?3) AND (?4 IS NULL OR at < ?4)
                 ORDER BY id DESC LIMIT ?5",
                first,
                end,
                since,
                until,
                limit,
                action,
            )
            .fetch_all(executor)
            .await
        }
        (None, None, None) => {
            select_events!(
                "WHERE id >= ?1 AND id < ?2
                   AND (?3 IS NULL OR at >= ?3) AND (?4 IS NULL OR at < ?4)
                 ORDER BY id DESC LIMIT ?5",
                first,
                end,
                since,
                until,
                limit,
            )
            .fetch_all(executor)
            .await
        }
    };
    Ok(Page::from_surplus(events(rows)?, page.limit, |event| event.id))
}

#[async_trait]
impl AuditQueries for SqliteStore {
    async fn audit_events(
        &self,
        filter: &AuditFilter,
        request: PageRequest<AuditEventId>,
    ) -> Result<Page<AuditEvent, AuditEventId>, StoreError> {
        page(&self.readers, filter, request).await
    }

    async fn audit_count_unsealed(&self) -> Result<u64, StoreError> {
        let count = sqlx::query_scalar!("SELECT count(*) FROM audit_events WHERE seal IS NULL")
            .fetch_one(&self.readers)
            .await
            .map_err(store_error)?;
        Ok(count.unsigned_abs())
    }

    async fn audit_seals(&self, after: i64, limit: u32) -> Result<Vec<Seal>, StoreError> {
        let rows = sqlx::query_as!(
            SealRow,
            "SELECT number, at, events, hash, signature FROM audit_seals
             WHERE number > ?1 ORDER BY number LIMIT ?2",
            after,
            limit,
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(Seal::try_from).collect()
    }

    async fn audit_events_of_seals(
        &self,
        first: i64,
        last: i64,
    ) -> Result<SealedEvents, StoreError> {
        let rows = select_events!("WHERE seal BETWEEN ?1 AND ?2", first, last)
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?;
        let mut events = SealedEvents::new();
        for row in rows {
            events.entry(row.seal.unwrap_or_default()).or_default().push(row.try_into()?);
        }
        Ok(events)
    }

    async fn audit_stray(&self) -> Result<Option<AuditEventId>, StoreError> {
        // The numbers that events claim are stepped through by their index, so that it takes as long as
        // there are seals, and not as long as there are events.
        let stray = sqlx::query_scalar!(
            r#"
            WITH RECURSIVE claimed (number) AS (
                SELECT min(seal) FROM audit_events WHERE seal IS NOT NULL
                UNION ALL
                SELECT (SELECT min(seal) FROM audit_events WHERE seal > claimed.number)
                FROM claimed WHERE claimed.number IS NOT NULL
            )
            SELECT audit_events.id AS "id!: Uuid"
            FROM claimed JOIN audit_events ON seal = claimed.number
            WHERE NOT EXISTS (SELECT 1 FROM audit_seals WHERE audit_seals.number = claimed.number)
            ORDER BY audit_events.id LIMIT 1
            "#
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(store_error)?;
        Ok(stray.map(AuditEventId::from_uuid))
    }

    async fn audit_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let row = sqlx::query!(
            "SELECT seal, hash, seal_signature, events, at, signature FROM audit_checkpoint"
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(store_error)?;
        row.map(|row| {
            Ok(Checkpoint {
                link: ChainLink {
                    number: row.seal,
                    hash: digest(&row.hash)?,
                    signature: digest(&row.seal_signature)?,
                },
                events: row.events.unsigned_abs(),
                at: from_micros(row.at, WHAT)?,
                signature: digest(&row.signature)?,
            })
        })
        .transpose()
    }
}

#[async_trait]
impl AuditLog for SqliteUnitOfWork {
    async fn audit_append(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        let kind = |party: &Option<AuditParty>| party.as_ref().map(|party| party.kind.clone());
        let id = |party: &Option<AuditParty>| party.as_ref().map(|party| party.id.clone());
        let (event_id, at) = (event.id.as_uuid(), to_micros(event.at));
        let (actor_kind, actor_id) = (kind(&event.actor), id(&event.actor));
        let (subject_kind, subject_id) = (kind(&event.subject), id(&event.subject));
        let Origin { device: Device { ip, user_agent }, request_id } = &event.origin;
        sqlx::query!(
            "INSERT INTO audit_events (id, at, action, actor_kind, actor_id, subject_kind,
                                       subject_id, ip, user_agent, request_id, data)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            event_id,
            at,
            event.action,
            actor_kind,
            actor_id,
            subject_kind,
            subject_id,
            ip,
            user_agent,
            request_id,
            event.data,
        )
        .execute(self.connection())
        .await
        .map(|_| ())
        .map_err(store_error)
    }

    async fn audit_chain_hold(&mut self) -> Result<Option<ChainLink>, StoreError> {
        // Whoever has begun a unit of work is the only one to write, so the right is there already.
        let end = sqlx::query!(
            r#"
            SELECT number AS "number!", hash AS "hash!", signature AS "signature!" FROM (
                SELECT number, hash, signature FROM audit_seals
                UNION ALL
                SELECT seal, hash, seal_signature FROM audit_checkpoint
            )
            ORDER BY number DESC LIMIT 1
            "#
        )
        .fetch_optional(self.connection())
        .await
        .map_err(store_error)?;
        let Some(end) = end else { return Ok(Some(ChainLink::default())) };
        let (hash, signature) = (digest(&end.hash)?, digest(&end.signature)?);
        Ok(Some(ChainLink { number: end.number, hash, signature }))
    }

    async fn audit_unsealed(&mut self, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        events(
            select_events!("WHERE seal IS NULL ORDER BY id LIMIT ?1", limit)
                .fetch_all(self.connection())
                .await,
        )
    }

    async fn audit_seal(&mut self, seal: &Seal) -> Result<(), StoreError> {
        let ids = id_list(seal.events.iter().map(|event| event.id.as_uuid()));
        sqlx::query!(
            "UPDATE audit_events SET seal = ?1
             WHERE id IN (SELECT unhex(value) FROM json_each(?2))",
            seal.number,
            ids,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        let sealed =
            |event: &SealedEvent| [event.id.as_uuid().as_bytes(), &event.digest[..]].concat();
        let events: Vec<u8> = seal.events.iter().flat_map(sealed).collect();
        let (at, hash, signature) = (to_micros(seal.at), &seal.hash[..], &seal.signature[..]);
        sqlx::query!(
            "INSERT INTO audit_seals (number, at, events, hash, signature)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            seal.number,
            at,
            events,
            hash,
            signature,
        )
        .execute(self.connection())
        .await
        .map(|_| ())
        .map_err(store_error)
    }

    async fn audit_resign(
        &mut self,
        end: &ChainLink,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), StoreError> {
        let signature = &end.signature[..];
        sqlx::query!(
            "UPDATE audit_seals SET signature = ?2 WHERE number = ?1",
            end.number,
            signature,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        let Some(checkpoint) = checkpoint else { return Ok(()) };
        let signature = &checkpoint.signature[..];
        sqlx::query!("UPDATE audit_checkpoint SET signature = ?1", signature)
            .execute(self.connection())
            .await
            .map(|_| ())
            .map_err(store_error)
    }

    async fn audit_prune(&mut self, checkpoint: &Checkpoint) -> Result<bool, StoreError> {
        let Checkpoint { link, events, at, signature } = checkpoint;
        let (number, signature) = (link.number, &signature[..]);
        let (hash, seal_signature) = (&link.hash[..], &link.signature[..]);
        let (events, at) = (i64::try_from(*events).unwrap_or(i64::MAX), to_micros(*at));
        let replaced = sqlx::query!(
            "INSERT INTO audit_checkpoint (single, seal, hash, seal_signature, events, at, signature)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (single) DO UPDATE
             SET seal = excluded.seal, hash = excluded.hash,
                 seal_signature = excluded.seal_signature, events = excluded.events,
                 at = excluded.at, signature = excluded.signature
             WHERE audit_checkpoint.seal < excluded.seal",
            number,
            hash,
            seal_signature,
            events,
            at,
            signature,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        if replaced.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!("DELETE FROM audit_events WHERE seal <= ?1", number)
            .execute(self.connection())
            .await
            .map_err(store_error)?;
        sqlx::query!("DELETE FROM audit_seals WHERE number <= ?1", number)
            .execute(self.connection())
            .await
            .map_err(store_error)?;
        Ok(true)
    }
}
