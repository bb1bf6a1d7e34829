//! What a unit of work only adds: events of the audit trail, and jobs. Nobody waits for an answer, so it is
//! kept and sent in one statement, before the next statement that is not of this kind or at the commit. A
//! unit of work that does nothing else is that one statement, and needs no `BEGIN` and no `COMMIT`.

use doorward_domain::{AuditEvent, AuditParty, NewJob, Timestamp, ports::StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::store_error;

/// What is still to be sent.
#[derive(Debug, Default)]
pub(crate) struct Additions {
    events: Vec<AuditEvent>,
    /// None of them has a unique key: whether one with a key is added is an answer.
    jobs: Vec<NewJob>,
}

impl Additions {
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.jobs.is_empty()
    }

    pub(crate) fn event(&mut self, event: AuditEvent) {
        self.events.push(event);
    }

    pub(crate) fn job(&mut self, job: NewJob) {
        self.jobs.push(job);
    }

    /// Sends everything.
    pub(crate) async fn send(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let Self { events, jobs } = &self;
        let event_ids: Vec<Uuid> = column(events, |event| event.id.as_uuid());
        let times: Vec<Timestamp> = column(events, |event| event.at);
        let job_ids: Vec<Uuid> = column(jobs, |job| job.id.as_uuid());
        let attempts =
            column(jobs, |job| i32::try_from(job.max_attempts.max(1)).unwrap_or(i32::MAX));
        let run_at: Vec<Timestamp> = column(jobs, |job| job.run_at);
        let created: Vec<Timestamp> = column(jobs, |job| job.created_at);
        sqlx::query!(
            "WITH happened AS (
                 INSERT INTO audit_events (id, at, action, actor_kind, actor_id, subject_kind,
                                           subject_id, ip, user_agent, request_id, data)
                 SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[],
                                      $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                                      $10::text[], $11::text[])
             )
             INSERT INTO jobs (id, kind, state, max_attempts, run_at, created_at, payload)
             SELECT id, kind, 'ready', max_attempts, run_at, created_at, payload
             FROM unnest($12::uuid[], $13::text[], $14::int[], $15::timestamptz[],
                         $16::timestamptz[], $17::text[])
               AS due (id, kind, max_attempts, run_at, created_at, payload)",
            &event_ids,
            &times,
            &column(events, |event| event.action.as_str()) as _,
            &column(events, |event| kind(event.actor.as_ref())) as _,
            &column(events, |event| id(event.actor.as_ref())) as _,
            &column(events, |event| kind(event.subject.as_ref())) as _,
            &column(events, |event| id(event.subject.as_ref())) as _,
            &column(events, |event| event.origin.device.ip.as_deref()) as _,
            &column(events, |event| event.origin.device.user_agent.as_deref()) as _,
            &column(events, |event| event.origin.request_id.as_deref()) as _,
            &column(events, |event| event.data.as_str()) as _,
            &job_ids,
            &column(jobs, |job| job.kind.as_str()) as _,
            &attempts,
            &run_at,
            &created,
            &column(jobs, |job| job.payload.expose()) as _,
        )
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(store_error)
    }
}

/// One value of each, as a parameter.
fn column<'a, T, V>(of: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    of.iter().map(value).collect()
}

fn kind(party: Option<&AuditParty>) -> Option<&str> {
    party.map(|party| party.kind.as_ref())
}

fn id(party: Option<&AuditParty>) -> Option<&str> {
    party.map(|party| party.id.as_ref())
}
