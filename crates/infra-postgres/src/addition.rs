//! What a unit of work only adds: an event of the audit trail, or a job. Nobody waits for an answer, so the last
//! one is kept back until the next statement or the commit. If it is all there is, it needs no `BEGIN` and no
//! `COMMIT`.

use doorward_domain::{AuditEvent, AuditParty, JobKey, NewJob, ports::StoreError};
use sqlx::{PgConnection, postgres::PgQueryResult};

use crate::error::store_error;

#[derive(Debug)]
pub(crate) enum Addition {
    Event(AuditEvent),
    /// It has no unique key: whether one with a key is added is an answer.
    Job(NewJob),
}

impl Addition {
    pub(crate) async fn send(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let sent = match self {
            Self::Event(event) => insert_event(&event, connection).await,
            Self::Job(job) => insert_job(&job, connection).await,
        };
        sent.map(|_| ()).map_err(store_error)
    }
}

async fn insert_event(
    event: &AuditEvent,
    connection: &mut PgConnection,
) -> Result<PgQueryResult, sqlx::Error> {
    let kind = |party: &Option<AuditParty>| party.as_ref().map(|party| party.kind.clone());
    let id = |party: &Option<AuditParty>| party.as_ref().map(|party| party.id.clone());
    sqlx::query!(
        "INSERT INTO audit_events (id, at, action, actor_kind, actor_id, subject_kind,
                                   subject_id, ip, user_agent, request_id, data)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        event.id.as_uuid(),
        event.at,
        event.action,
        kind(&event.actor),
        id(&event.actor),
        kind(&event.subject),
        id(&event.subject),
        event.origin.device.ip,
        event.origin.device.user_agent,
        event.origin.request_id,
        event.data,
    )
    .execute(connection)
    .await
}

/// Adds a job unless there is one with its unique key.
pub(crate) async fn insert_job(
    job: &NewJob,
    connection: &mut PgConnection,
) -> Result<PgQueryResult, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO jobs (id, kind, state, max_attempts, run_at, created_at, unique_key, payload)
         VALUES ($1, $2, 'ready', $3, $4, $5, $6, $7)
         ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING",
        job.id.as_uuid(),
        job.kind.as_str(),
        i32::try_from(job.max_attempts.max(1)).unwrap_or(i32::MAX),
        job.run_at,
        job.created_at,
        job.unique_key.as_ref().map(JobKey::as_str),
        job.payload.expose(),
    )
    .execute(connection)
    .await
}
