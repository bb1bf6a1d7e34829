//! The audit trail: one event for each act that matters to security, refused ones included.

pub mod chain;

use std::fmt::Write as _;

use uuid::Uuid;

use crate::{AuditEventId, Device, JobId, RoleName, SessionId, Timestamp, UserId, ports::Entropy};

/// Longest value in the details of an event, in octets; what is longer is cut.
const DETAIL_MAX_OCTETS: usize = 4096;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// What was done, or refused. The words stand in databases and are told to clients: they never
        /// change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AuditAction {
            $($(#[$doc])* $name),+
        }

        impl AuditAction {
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word that stands in the databases.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word),+
                }
            }
        }
    };
}

actions! {
    /// Somebody signed up.
    UserRegistered = "user.registered",
    /// Somebody tried to sign up with the address of an account.
    SignUpRefused = "sign_up.refused",
    /// An administrator was made at the console or at the first start.
    AdminCreated = "admin.created",
    UserRenamed = "user.renamed",
    UserDisabled = "user.disabled",
    UserEnabled = "user.enabled",
    UserDeleted = "user.deleted",
    UsersExported = "users.exported",
    /// Somebody signed in.
    SessionCreated = "session.created",
    /// A sign-in was refused. Without a subject when there is no such account.
    LoginFailed = "login.failed",
    /// There were so many wrong guesses that the next one has to wait. Without a subject when there is no
    /// such account.
    LockoutBegun = "lockout.begun",
    /// The person signed out.
    SessionEnded = "session.ended",
    /// Sessions were ended from another one, or by an operator.
    SessionRevoked = "session.revoked",
    /// A refresh token that had been used was presented again; its session was revoked.
    RefreshTokenReused = "refresh_token.reused",
    PasswordChanged = "password.changed",
    /// Somebody wants another password for an address, of which nobody knows yet whether it has an account.
    PasswordResetRequested = "password_reset.requested",
    /// A new password was set by who reads the mail of the account.
    PasswordReset = "password.reset",
    /// Somebody wants the mail once more that verifies an address.
    VerificationRequested = "verification.requested",
    EmailVerified = "email.verified",
    EmailChangeRequested = "email_change.requested",
    /// The new address was confirmed.
    EmailChanged = "email.changed",
    /// A change of address was stopped or undone by who reads the mail of the one before.
    EmailChangeCancelled = "email_change.cancelled",
    /// A mail with a token and a code was handed to the mail server.
    ProofMailed = "proof.mailed",
    /// A token or a code was refused. Without a subject when it belongs to nobody.
    ProofRefused = "proof.refused",
    /// A signed-in person gave a wrong password where it is asked for once more.
    PasswordRefused = "password.refused",
    /// Somebody asked for what their roles do not permit.
    AccessDenied = "access.denied",
    RoleGranted = "role.granted",
    RoleRevoked = "role.revoked",
    RoleCreated = "role.created",
    RoleChanged = "role.changed",
    RoleDeleted = "role.deleted",
    /// The next signing key was made.
    SigningKeyRotated = "signing_key.rotated",
    /// All signing keys were replaced at once.
    SigningKeysReplaced = "signing_keys.replaced",
    /// The signing keys were encrypted anew.
    SigningKeysRewrapped = "signing_keys.rewrapped",
    /// An operator had a job tried again that was dead or waiting.
    JobRetried = "job.retried",
    /// An operator removed a job, so that it is never done.
    JobDeleted = "job.deleted",
    ImportBegun = "import.begun",
    ImportFinished = "import.finished",
    /// Events that were kept long enough were removed.
    AuditPruned = "audit.pruned",
    /// The trail was signed with another secret, because its own is lost.
    AuditVouched = "audit.vouched",
}

impl AuditAction {
    /// Reads the word for an action; anything else is `None`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == word)
    }
}

/// Where a request came from, as far as it told. The console and the server's own work have none of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    pub device: Device,
    /// The id that the log has for the same request.
    pub request_id: Option<String>,
}

/// Who did something, or whom or what it was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditParty {
    /// `user`, `role`, `signing_key`, `job`, `import`, `console` or `system`.
    pub kind: String,
    /// For `console` and `system`, of which there is one, the
    /// same word.
    pub id: String,
}

impl AuditParty {
    #[expect(clippy::needless_pass_by_value, reason = "calls read better without a reference")]
    fn new(kind: &str, id: impl ToString) -> Self {
        Self { kind: kind.to_owned(), id: id.to_string() }
    }

    #[must_use]
    pub fn user(id: UserId) -> Self {
        Self::new("user", id)
    }

    #[must_use]
    pub fn role(name: &RoleName) -> Self {
        Self::new("role", name)
    }

    /// A signing key, by its thumbprint.
    #[must_use]
    pub fn signing_key(kid: &str) -> Self {
        Self::new("signing_key", kid)
    }

    #[must_use]
    pub fn job(id: JobId) -> Self {
        Self::new("job", id)
    }

    /// An import, by the digest of its file.
    #[must_use]
    pub fn import(digest: &[u8]) -> Self {
        Self::new("import", hex(digest))
    }

    /// Whoever runs `doorward` with the settings of this installation.
    #[must_use]
    pub fn console() -> Self {
        Self::new("console", "console")
    }

    /// The server, of its own accord.
    #[must_use]
    pub fn system() -> Self {
        Self::new("system", "system")
    }
}

/// Octets as hexadecimal digits.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// One act, as it is kept.
///
/// What was read from a database is text as it stands there, and need not be what this version writes: a
/// later version may know more actions, and what somebody tampered with must still be shown.
///
/// **Invariant:** nothing in it opens anything: no password, no token, no whole address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    pub id: AuditEventId,
    pub at: Timestamp,
    /// The word of an [`AuditAction`].
    pub action: String,
    /// `None` when it is not known who it was.
    pub actor: Option<AuditParty>,
    /// `None` when it was done to nobody in particular, or nobody knows to whom.
    pub subject: Option<AuditParty>,
    pub origin: Origin,
    /// More about it: the text of a JSON object (RFC 8259) whose values are all strings.
    pub data: String,
}

impl AuditEvent {
    /// Something that was done at `now`, by nobody that is known to nobody in particular.
    #[must_use]
    pub fn new(
        action: AuditAction,
        origin: &Origin,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Self {
        Self {
            id: AuditEventId::new(now, entropy),
            at: now,
            action: action.as_str().to_owned(),
            actor: None,
            subject: None,
            origin: origin.clone(),
            data: "{}".to_owned(),
        }
    }

    /// The same, done by this party.
    #[must_use]
    pub fn by(self, actor: AuditParty) -> Self {
        Self { actor: Some(actor), ..self }
    }

    /// The same, done to this party.
    #[must_use]
    pub fn on(self, subject: AuditParty) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// The same, with one more detail. A name is given once only.
    #[expect(clippy::needless_pass_by_value, reason = "calls read better without a reference")]
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        let value = value.to_string();
        let value = &value[..value.floor_char_boundary(DETAIL_MAX_OCTETS)];
        self.data.pop();
        if self.data.len() > 1 {
            self.data.push(',');
        }
        push_json(&mut self.data, name);
        self.data.push(':');
        push_json(&mut self.data, value);
        self.data.push('}');
        self
    }

    /// The same, with the session that it is about.
    #[must_use]
    pub fn with_session(self, id: SessionId) -> Self {
        self.with("session_id", id)
    }

    /// The octets that stand for the event in a digest. Each field begins with whether it is there and
    /// how long it is, so two events that differ never have the same octets; and the first ones name the
    /// version, so that another form can follow.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut octets = b"doorward audit event v1\0".to_vec();
        octets.extend(self.id.as_uuid().as_bytes());
        octets.extend(micros(self.at).to_be_bytes());
        let party = |party: &Option<AuditParty>| match party {
            Some(party) => [Some(party.kind.clone()), Some(party.id.clone())],
            None => [None, None],
        };
        let [actor_kind, actor_id] = party(&self.actor);
        let [subject_kind, subject_id] = party(&self.subject);
        for field in [
            Some(self.action.as_str()),
            actor_kind.as_deref(),
            actor_id.as_deref(),
            subject_kind.as_deref(),
            subject_id.as_deref(),
            self.origin.device.ip.as_deref(),
            self.origin.device.user_agent.as_deref(),
            self.origin.request_id.as_deref(),
            Some(self.data.as_str()),
        ] {
            match field {
                None => octets.push(0),
                Some(text) => {
                    octets.push(1);
                    octets.extend((text.len() as u64).to_be_bytes());
                    octets.extend(text.as_bytes());
                }
            }
        }
        octets
    }
}

/// Whole microseconds since 1970, which is all that a [`Timestamp`] holds.
fn micros(at: Timestamp) -> i128 {
    at.unix_timestamp_nanos().div_euclid(1_000)
}

/// Writes a string as RFC 8259 §7 says.
fn push_json(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

/// Which events are meant: those that fit everything that is given, so all of them by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// The id of the [`AuditParty`] it was done to.
    pub subject: Option<String>,
    /// The id of the [`AuditParty`] that did it.
    pub actor: Option<String>,
    pub action: Option<AuditAction>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether an event is meant. Stores answer the same by means of their indexes.
    #[must_use]
    pub fn fits(&self, event: &AuditEvent) -> bool {
        let is = |party: &Option<AuditParty>, id: &Option<String>| {
            id.as_ref().is_none_or(|id| party.as_ref().is_some_and(|party| party.id == *id))
        };
        is(&event.subject, &self.subject)
            && is(&event.actor, &self.actor)
            && self.action.is_none_or(|action| action.as_str() == event.action)
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at < until)
    }

    /// The least id that an event which fits can have: ids begin with the time.
    #[must_use]
    pub fn first_id(&self) -> AuditEventId {
        AuditEventId::from_uuid(self.since.map_or(Uuid::nil(), first_uuid))
    }

    /// An id that is greater than that of any event which fits.
    #[must_use]
    pub fn end_id(&self) -> AuditEventId {
        let end = |until: Timestamp| first_uuid(until.saturating_add(time::Duration::MILLISECOND));
        AuditEventId::from_uuid(self.until.map_or(Uuid::max(), end))
    }
}

/// What sorts before every UUIDv7 of the same millisecond.
fn first_uuid(at: Timestamp) -> Uuid {
    let millis = at.unix_timestamp_nanos().max(0) / 1_000_000;
    Uuid::from_u128(u128::try_from(millis).unwrap_or(0) << 80)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: Timestamp = datetime!(2026-01-01 12:00:00.123456 UTC);

    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn event() -> AuditEvent {
        AuditEvent::new(AuditAction::LoginFailed, &Origin::default(), NOW, &Zeros)
    }

    #[test]
    fn words_are_unique_and_read_back() {
        let words: HashSet<_> = AuditAction::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(words.len(), AuditAction::ALL.len());
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::from_word(action.as_str()), Some(*action));
        }
        assert_eq!(AuditAction::from_word("login"), None);
    }

    #[test]
    fn details_are_an_object_of_strings() {
        assert_eq!(event().data, "{}");
        let told = event().with("reason", "a \"b\"\\\n\u{1}é").with("sessions", 3);
        assert_eq!(told.data, r#"{"reason":"a \"b\"\\\u000a\u0001é","sessions":"3"}"#);
        let long = event().with("x", "é".repeat(DETAIL_MAX_OCTETS));
        assert_eq!(long.data.len(), DETAIL_MAX_OCTETS + r#"{"x":""}"#.len());
    }

    /// Verified events of every installation stop being so if this fails.
    #[test]
    fn the_canonical_form_never_changes() {
        let event = event().on(AuditParty::console()).with("a", "b");
        let mut expected = b"doorward audit event v1\0".to_vec();
        expected.extend(event.id.as_uuid().as_bytes());
        expected.extend(1_767_268_800_123_456_i128.to_be_bytes());
        expected.extend(b"\x01\0\0\0\0\0\0\0\x0clogin.failed\0\0");
        expected.extend(b"\x01\0\0\0\0\0\0\0\x07console\x01\0\0\0\0\0\0\0\x07console\0\0\0");
        expected.extend(b"\x01\0\0\0\0\0\0\0\x09{\"a\":\"b\"}");
        assert_eq!(event.canonical(), expected);
    }

    #[test]
    fn every_field_counts() {
        let text = || Some("x".to_owned());
        let party = || Some(AuditParty { kind: String::new(), id: "x".to_owned() });
        let device = |ip, user_agent| Device { ip, user_agent };
        let origin = |device, request_id| Origin { device, request_id };
        let plain = event();
        let all = [
            plain.clone(),
            AuditEvent { id: AuditEventId::from_uuid(Uuid::max()), ..plain.clone() },
            AuditEvent { at: NOW + time::Duration::MICROSECOND, ..plain.clone() },
            AuditEvent { action: "x".to_owned(), ..plain.clone() },
            AuditEvent { actor: party(), ..plain.clone() },
            AuditEvent { subject: party(), ..plain.clone() },
            AuditEvent { origin: origin(device(text(), None), None), ..plain.clone() },
            AuditEvent { origin: origin(device(None, text()), None), ..plain.clone() },
            AuditEvent { origin: origin(Device::default(), text()), ..plain.clone() },
            AuditEvent { origin: origin(Device::default(), Some(String::new())), ..plain.clone() },
            AuditEvent { data: "x".to_owned(), ..plain },
        ];
        let forms: HashSet<_> = all.iter().map(AuditEvent::canonical).collect();
        assert_eq!(forms.len(), all.len());
    }

    proptest! {
        #[test]
        fn text_that_moves_from_field_to_field_is_noticed(a in ".{0,9}", b in ".{0,9}", c in ".{0,9}") {
            let event = |actor: &str, ip: &str, data: &str| {
                let device = Device { ip: Some(ip.to_owned()), user_agent: None };
                let actor = Some(AuditParty { kind: "user".to_owned(), id: actor.to_owned() });
                let origin = Origin { device, request_id: None };
                AuditEvent { actor, origin, data: data.to_owned(), ..event() }
            };
            let moved = event(&format!("{a}{b}"), "", &c);
            let other = event(&a, &b, &c);
            prop_assert_eq!(moved == other, moved.canonical() == other.canonical());
        }

        #[test]
        fn the_bounds_of_ids_lose_nobody(offset in -5_000_000_i64..5_000_000) {
            let at = NOW + time::Duration::microseconds(offset);
            let event = AuditEvent::new(AuditAction::LoginFailed, &Origin::default(), at, &Zeros);
            for filter in [
                AuditFilter { since: Some(NOW), ..AuditFilter::default() },
                AuditFilter { until: Some(NOW), ..AuditFilter::default() },
            ] {
                let within = event.id >= filter.first_id() && event.id < filter.end_id();
                prop_assert!(within || !filter.fits(&event));
            }
        }
    }
}
