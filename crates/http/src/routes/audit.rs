//! What was done, and by whom.

use std::collections::BTreeMap;

use axum::{extract::State, response::Response};
use doorward_app::{audit, grant::AuditRead};
use doorward_domain::{AuditAction, AuditEvent, AuditEventId, AuditFilter, AuditParty, Timestamp};
use serde::Serialize;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    HttpState,
    bearer::{Let, SignedIn},
    fields::{FieldFault, Fields},
    listing::{Filter, Listing, PageQuery, PageView},
    problem::Problem,
};

/// The tag of the list for operators in the document.
const TAG: &str = "audit";
/// The longest id of a party, in octets.
const PARTY_MAX_OCTETS: usize = 200;

/// Who did something, or whom or what it was done to.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditParty)]
pub(crate) struct AuditPartyView {
    /// `user`, `role`, `signing_key`, `import`, `console` (whoever runs the program) or `system` (the
    /// server, of its own accord).
    #[serde(rename = "type")]
    #[schema(example = "user")]
    kind: String,
    #[schema(example = "019b76da-a87b-774b-8000-000000000001")]
    id: String,
}

impl From<AuditParty> for AuditPartyView {
    fn from(AuditParty { kind, id }: AuditParty) -> Self {
        Self { kind, id }
    }
}

/// One act that matters to security, refused ones included.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct AuditEventView {
    #[schema(example = "019b76da-a87b-774b-8000-000000000004")]
    id: Uuid,
    #[schema(example = "2026-01-01T00:00:00Z")]
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// Later versions may know more of them.
    #[schema(example = "session.created")]
    action: String,
    /// `null` when it is not known who it was.
    #[schema(required)]
    actor: Option<AuditPartyView>,
    /// `null` when it was done to nobody in particular, or to nobody known.
    #[schema(required)]
    subject: Option<AuditPartyView>,
    /// The client's address.
    #[schema(required, example = "2001:db8::1")]
    ip: Option<String>,
    /// The client's `User-Agent`, at most 512 octets of it.
    #[schema(required, example = "curl/8.12.1")]
    user_agent: Option<String>,
    /// The `X-Request-Id` of the answer, which is in the log as well.
    #[schema(required, example = "019b76da-a87c-7000-8000-000000000003")]
    request_id: Option<String>,
    /// More about it, by the action. All values are strings.
    #[schema(example = json!({"session_id": "019b76da-a87b-774b-8000-000000000002"}))]
    data: BTreeMap<String, String>,
}

impl From<AuditEvent> for AuditEventView {
    fn from(event: AuditEvent) -> Self {
        Self {
            id: event.id.as_uuid(),
            at: event.at,
            action: event.action,
            actor: event.actor.map(Into::into),
            subject: event.subject.map(Into::into),
            ip: event.origin.device.ip,
            user_agent: event.origin.device.user_agent,
            request_id: event.origin.request_id,
            // What somebody has tampered with need not be an object; `doorward audit verify` names it.
            data: serde_json::from_str(&event.data).unwrap_or_default(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum FilterFault {
    #[error("must be 1 to {PARTY_MAX_OCTETS} characters without control characters")]
    Party,
    #[error("must be the word for an action, such as session.created")]
    Action,
    #[error("must be a time as RFC 3339 writes it, such as 2026-01-01T00:00:00Z")]
    Time,
}

impl FieldFault for FilterFault {
    fn code(&self) -> &'static str {
        match self {
            Self::Party | Self::Time => "invalid_format",
            Self::Action => "unknown_value",
        }
    }
}

fn read_party(id: &str) -> Result<String, FilterFault> {
    let fits = (1..=PARTY_MAX_OCTETS).contains(&id.len()) && !id.chars().any(char::is_control);
    fits.then(|| id.to_owned()).ok_or(FilterFault::Party)
}

fn read_time(text: &str) -> Result<Timestamp, FilterFault> {
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| FilterFault::Time)?;
    let at = at.checked_to_offset(UtcOffset::UTC).ok_or(FilterFault::Time)?;
    Ok(at.truncate_to_microsecond())
}

impl Filter<AuditEventId> for AuditFilter {
    fn read(fields: &mut Fields) -> Option<Self> {
        let action = |word: &str| AuditAction::from_word(word).ok_or(FilterFault::Action);
        Some(Self {
            subject: fields.optional("subject", read_party),
            actor: fields.optional("actor", read_party),
            action: fields.optional("action", action),
            since: fields.optional("since", read_time),
            until: fields.optional("until", read_time),
        })
    }
}

/// List the audit events.
///
/// Those that fit all of the filters that are given, newest first. Routine refreshes are not among them.
#[utoipa::path(
    get, path = "/audit-events", operation_id = "list_audit_events", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("audit:read")), ("x-problems" = json!([]))),
    params(
        ("subject" = Option<String>, Query, min_length = 1, max_length = 200, description = "Done to the party with this id.", example = "019b76da-a87b-774b-8000-000000000001"),
        ("actor" = Option<String>, Query, min_length = 1, max_length = 200, description = "Done by the party with this id; `console` and `system` are among them.", example = "019b76da-a87b-774b-8000-000000000001"),
        ("action" = Option<String>, Query, description = "Only this action.", example = "session.created"),
        ("since" = Option<String>, Query, format = "date-time", description = "Not before this time.", example = "2026-01-01T00:00:00Z"),
        ("until" = Option<String>, Query, format = "date-time", description = "Before this time.", example = "2026-02-01T00:00:00Z"),
        PageQuery,
    ),
    responses(
        (status = 200, description = "A page of events.", body = PageView<AuditEventView>,
         headers(("Link"))),
    ),
)]
pub(crate) async fn list(
    State(http): State<HttpState>,
    Let(by): Let<AuditRead>,
    listing: Listing<AuditEventId, AuditFilter>,
) -> Result<Response, Problem> {
    let found = audit::list(&http.ctx, &by, &listing.filter, listing.page).await?;
    Ok(listing.respond(found, AuditEventView::from))
}

/// List what was done to your own account.
///
/// Newest first: sign-ins, refused ones too, and every change, by whomever. Where it was somebody else,
/// `ip`, `user_agent` and `request_id` are `null`.
#[utoipa::path(
    get, path = "/users/me/audit-events", operation_id = "list_my_audit_events", tag = "account",
    security(("bearer" = [])),
    extensions(("x-problems" = json!([]))),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of events.", body = PageView<AuditEventView>,
         headers(("Link"))),
    ),
)]
pub(crate) async fn list_own(
    State(http): State<HttpState>,
    SignedIn(actor): SignedIn,
    listing: Listing<AuditEventId>,
) -> Result<Response, Problem> {
    let found = audit::list_own(&http.ctx, &actor, listing.page).await?;
    Ok(listing.respond(found, AuditEventView::from))
}
