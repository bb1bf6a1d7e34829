//! Durable jobs: work that is written down together with what makes it necessary, and done afterwards.
//!
//! A job is claimed for a **lease**, a bounded time that its worker extends while it is at it. Each claim
//! has a number of its own, the fencing token, without which nothing of the job can be changed any more: a
//! worker that was frozen and comes back finds that its token is an old one. Who writes the effect of a
//! job in the unit of work that completes it has the effect exactly once.

use std::fmt;

use time::Duration;

use crate::{JobId, LetterKind, Timestamp, ports::Entropy};

/// Longest name of a kind in octets.
const KIND_MAX_OCTETS: usize = 50;
/// Longest unique key in octets.
const KEY_MAX_OCTETS: usize = 200;
/// Longest payload in octets.
const PAYLOAD_MAX_OCTETS: usize = 64 * 1024;
/// Most characters of an error that are kept.
const ERROR_MAX_CHARS: usize = 1000;

/// What a job does, and so which handler it is for: 1 to 50 of `a-z`, `0-9`, `_`, `-` and `.`, beginning
/// with a letter, as in `mail.verification`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKind(String);

/// Why a text cannot name a kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {KIND_MAX_OCTETS} of a-z, 0-9, _, - and ., beginning with a letter")]
pub struct JobKindError;

impl JobKind {
    /// Reads the name of a kind.
    ///
    /// # Errors
    /// When the text breaks the rule above.
    pub fn parse(text: &str) -> Result<Self, JobKindError> {
        let well_formed = text.len() <= KIND_MAX_OCTETS
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.'));
        if well_formed { Ok(Self(text.to_owned())) } else { Err(JobKindError) }
    }

    /// The kind that sends this letter.
    #[must_use]
    pub fn mail(letter: LetterKind) -> Self {
        Self(format!("mail.{}", letter.as_str()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names what a job is about, so that there is one unfinished job about it at most: 1 to 200 printable
/// ASCII characters without blanks, as in `mail.verification:019b76da-a87b-774b-8000-000000000001`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobKey(String);

/// Why a text cannot be a unique key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {KEY_MAX_OCTETS} printable ASCII characters without blanks")]
pub struct JobKeyError;

impl JobKey {
    /// Reads a unique key.
    ///
    /// # Errors
    /// When the text breaks the rule above.
    pub fn parse(text: &str) -> Result<Self, JobKeyError> {
        let well_formed = (1..=KEY_MAX_OCTETS).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        if well_formed { Ok(Self(text.to_owned())) } else { Err(JobKeyError) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a handler needs to know: JSON that nobody but the handler reads, at most 64 KiB. It may hold what
/// must not be in logs, so it shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct JobPayload(String);

/// Why a text cannot be a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JobPayloadError {
    #[error("must be at most {PAYLOAD_MAX_OCTETS} octets")]
    TooLong,
    #[error("must hold no zero character")]
    Zero,
}

impl JobPayload {
    /// Takes JSON text. Whether it is what the handler expects is the handler's business.
    ///
    /// # Errors
    /// When it is too long, or not a text that every database keeps.
    pub fn new(json: String) -> Result<Self, JobPayloadError> {
        if json.len() > PAYLOAD_MAX_OCTETS {
            Err(JobPayloadError::TooLong)
        } else if json.contains('\0') {
            Err(JobPayloadError::Zero)
        } else {
            Ok(Self(json))
        }
    }

    /// For a job that needs to know nothing: `{}`.
    #[must_use]
    pub fn empty() -> Self {
        Self("{}".to_owned())
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JobPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobPayload({} octets)", self.0.len())
    }
}

/// Why an attempt failed, for operators: at most 1000 characters, without control characters. What is
/// longer is cut. Whoever makes one sees to it that it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError(String);

impl JobError {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        Self(text.chars().take(ERROR_MAX_CHARS).map(printable).collect())
    }

    /// What is said of a job whose last attempt ended without a word: its process died of it, perhaps, or
    /// was taken from it.
    #[must_use]
    pub fn abandoned() -> Self {
        Self::new("the worker of the last attempt went away without a result")
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobState {
    /// Waits for its first attempt.
    Ready,
    /// A worker has claimed it; if its lease has expired, another one may.
    Running,
    /// Finished.
    Succeeded,
    /// Waits for its next attempt after one that failed.
    Retrying,
    /// Finished without success. It stays for an operator to look at, and to try again.
    Dead,
}

impl JobState {
    pub const ALL: [Self; 5] =
        [Self::Ready, Self::Running, Self::Succeeded, Self::Retrying, Self::Dead];

    /// The word that the API and the databases use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Retrying => "retrying",
            Self::Dead => "dead",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether a worker still has something to do with it.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Dead)
    }
}

/// A job as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub kind: JobKind,
    pub state: JobState,
    /// How often it was begun since it was made, or since an operator had it tried again.
    pub attempts: u32,
    /// After so many it is given up.
    pub max_attempts: u32,
    /// It does not begin before.
    pub run_at: Timestamp,
    pub created_at: Timestamp,
    /// Why the last attempt that failed did.
    pub last_error: Option<JobError>,
}

/// A job to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    pub id: JobId,
    pub kind: JobKind,
    pub payload: JobPayload,
    pub unique_key: Option<JobKey>,
    /// At least 1.
    pub max_attempts: u32,
    pub run_at: Timestamp,
    pub created_at: Timestamp,
}

impl NewJob {
    /// How often a job is tried unless told otherwise. With the [`RetryPolicy`] that is about thirty hours.
    pub const MAX_ATTEMPTS: u32 = 20;

    /// A job to be done at once.
    #[must_use]
    pub fn new(kind: JobKind, payload: JobPayload, now: Timestamp, entropy: &dyn Entropy) -> Self {
        Self {
            id: JobId::new(now, entropy),
            kind,
            payload,
            unique_key: None,
            max_attempts: Self::MAX_ATTEMPTS,
            run_at: now,
            created_at: now,
        }
    }

    /// Not to be added while there is an unfinished one with this key.
    #[must_use]
    pub fn unique(self, key: JobKey) -> Self {
        Self { unique_key: Some(key), ..self }
    }
}

/// Proves who has a job: a claim that was not followed by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobLease {
    pub id: JobId,
    /// The fencing token: raised by each claim of the job and never lowered.
    pub token: i64,
}

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    pub lease: JobLease,
    pub kind: JobKind,
    pub payload: JobPayload,
    /// This attempt included.
    pub attempts: u32,
    pub max_attempts: u32,
}

/// Which jobs a list holds: those that fit all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    pub state: Option<JobState>,
    pub kind: Option<JobKind>,
}

/// How long to wait after a failed attempt: twice as long after each, up to a limit, and of that a random
/// part between half and all, so that what failed together is not tried again together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The longest wait after the first attempt.
    pub first: Duration,
    /// The longest wait of all.
    pub limit: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first: Duration::seconds(2), limit: Duration::hours(6) }
    }
}

impl RetryPolicy {
    /// The wait after so many attempts. `chance` is random, evenly distributed over all its values.
    #[must_use]
    pub fn wait(&self, attempts: u32, chance: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(62);
        let longest = self.first.whole_microseconds().max(0).saturating_mul(1_i128 << doublings);
        let longest = longest.min(self.limit.whole_microseconds().max(0));
        let half = longest / 2;
        let part = (longest - half) * i128::from(chance) / i128::from(u32::MAX);
        Duration::microseconds(i64::try_from(half + part).unwrap_or(i64::MAX))
    }

    /// When a job is tried again whose attempt has failed at `now`; `None` if it has none left.
    #[must_use]
    pub fn next(
        &self,
        attempts: u32,
        max_attempts: u32,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Option<Timestamp> {
        if attempts >= max_attempts {
            return None;
        }
        let mut chance = [0; 4];
        entropy.fill(&mut chance);
        Some(now.saturating_add(self.wait(attempts, u32::from_be_bytes(chance))))
    }
}

/// The last moment, up to `now`, at which something was due that happens every `period`, counted from the
/// beginning of 1970. All instances find the same one. A period shorter than a second counts as one.
#[must_use]
pub fn latest_tick(now: Timestamp, period: Duration) -> Timestamp {
    let period = period.whole_seconds().max(1);
    let over = now.unix_timestamp().rem_euclid(period);
    let whole = now - Duration::nanoseconds(i64::from(now.nanosecond()));
    whole.saturating_sub(Duration::seconds(over))
}

#[cfg(test)]
mod tests;
