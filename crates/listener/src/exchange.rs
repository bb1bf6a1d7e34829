//! What one connection is doing: the state that hyper knows and does not tell.
//!
//! hyper's only timer runs from the end of one answer to the end of the next request head, so it
//! cannot tell an idle connection, which may rest, from a slow head, which may not. The socket and
//! the service each see one side of an exchange; together they know.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{StatusCode, Version};
use tokio::time::Instant;

use super::connection::Ending;
use super::framing::Witness;
use super::{Limits, Refusal};

/// How long a connection that never had a request may still bring its first one after accepting
/// has ended: a client that has just connected is about to send it.
const LATE_ARRIVAL: Duration = Duration::from_millis(250);

/// The state of one connection, shared between its socket, its service and its task. All three run
/// in the same task, so the lock is never waited for.
#[derive(Clone)]
pub(super) struct Exchange(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Not one byte of a first request has come.
    Silent,
    /// Part of a request head has come.
    Head,
    /// A request was handed to the application and its answer is not sent completely.
    Request,
    /// The last answer was sent, and nothing of the next request has come.
    Idle,
}

struct State {
    phase: Phase,
    phase_since: Instant,
    answer_ended: bool,
    stalled_since: Option<Instant>,
    closing_since: Option<Instant>,
    /// Why the client is refused, by the parser or by the framing rules.
    refused: Option<Refusal>,
    client_ended: bool,
    witness: Witness,
}

/// How to leave a client when its connection has ended.
#[derive(Debug)]
pub(super) enum Farewell {
    /// Tell it why, and let it read that.
    Refuse(Refusal),
    /// Let it read the last answer although it may still be sending.
    Linger,
    /// There is nothing left to read on either side.
    Close,
    /// Forget what is unsent, so that the kernel does not keep it either.
    Abort,
}

impl Exchange {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            phase: Phase::Silent,
            phase_since: Instant::now(),
            answer_ended: false,
            stalled_since: None,
            closing_since: None,
            refused: None,
            client_ended: false,
            witness: Witness::default(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes bytes that came from the client; none at all mean that it has ended its side.
    pub(super) fn received(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.client_ended |= bytes.is_empty();
        state.witness.saw(bytes);
        if matches!(state.phase, Phase::Silent | Phase::Idle) && state.witness.has_head() {
            state.enter(Phase::Head);
        }
    }

    /// Notes that hyper parsed a request head, and refuses it if it breaks a framing rule.
    pub(super) fn begin_request(&self, version: Version) {
        let mut state = self.state();
        state.enter(Phase::Request);
        state.answer_ended = false;
        if let Err(detail) = state.witness.accept(version) {
            let status = StatusCode::BAD_REQUEST;
            state.refused = Some(Refusal { status, detail });
        }
    }

    /// Whether the client is refused, so that hyper has no more to do with it.
    pub(super) fn is_refused(&self) -> bool {
        self.state().refused.is_some()
    }

    /// Whether the answer that begins now should announce the end of the connection. hyper ends it
    /// without a word when the application answers before the whole body has come.
    pub(super) fn is_last(&self) -> bool {
        let state = self.state();
        state.closing_since.is_some() || state.witness.is_finished() || state.witness.awaits_body()
    }

    /// Notes that the answer's body has been handed over completely.
    pub(super) fn end_answer(&self) {
        self.state().answer_ended = true;
    }

    /// Notes that everything handed over so far is with the kernel.
    pub(super) fn flushed(&self) {
        let mut state = self.state();
        if state.phase == Phase::Request && state.answer_ended {
            let next = if state.witness.has_head() { Phase::Head } else { Phase::Idle };
            state.enter(next);
        }
    }

    /// Whether what hyper writes now is its own bare answer to something that it cannot parse:
    /// nobody else writes while no request is in flight. Its status becomes a refusal.
    pub(super) fn swallows(&self, answer: &[u8]) -> bool {
        let mut state = self.state();
        if state.phase == Phase::Request {
            return false;
        }
        let status = answer.get(9..12).and_then(|digits| StatusCode::from_bytes(digits).ok());
        let refusal = state.refusal_for(status.unwrap_or(StatusCode::BAD_REQUEST));
        state.refused.get_or_insert(refusal);
        true
    }

    /// Notes whether the last write made progress.
    pub(super) fn write_progress(&self, progress: bool) {
        let mut state = self.state();
        if progress {
            state.stalled_since = None;
        } else if state.stalled_since.is_none() {
            state.stalled_since = Some(Instant::now());
        }
    }

    /// From now on each answer is the last of the connection.
    pub(super) fn begin_closing(&self) {
        self.state().closing_since.get_or_insert_with(Instant::now);
    }

    /// Whether the connection should end because it rests while the listener is closing.
    pub(super) fn is_done(&self) -> bool {
        let state = self.state();
        state.closing_since.is_some() && state.phase == Phase::Idle
    }

    /// When the present wait becomes too long; a request in flight has its own deadlines in the
    /// application.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let state = self.state();
        match state.phase {
            Phase::Silent => {
                let patience = state.phase_since + limits.first_byte;
                let late = state.closing_since.map(|since| since + LATE_ARRIVAL);
                Some(late.map_or(patience, |late| late.min(patience)))
            }
            Phase::Head => Some(state.phase_since + limits.head),
            Phase::Request => state.stalled_since.map(|since| since + limits.write_stall),
            Phase::Idle => Some(state.phase_since + limits.keep_alive),
        }
    }

    /// Whether a request is in flight whose answer is not sent completely.
    pub(super) fn is_unanswered(&self) -> bool {
        self.state().phase == Phase::Request
    }

    /// How to leave the client after `ending`.
    pub(super) fn farewell(&self, ending: &Ending) -> Farewell {
        let state = self.state();
        let in_head = state.phase == Phase::Head;
        let unanswered = state.phase == Phase::Request;
        let refuse = |status, detail| Farewell::Refuse(Refusal { status, detail });
        match ending {
            Ending::Finished(_) if let Some(refusal) = state.refused => Farewell::Refuse(refusal),
            Ending::Cut | Ending::Late if unanswered => Farewell::Abort,
            Ending::Late if in_head => {
                refuse(StatusCode::REQUEST_TIMEOUT, "The request head did not arrive in time.")
            }
            Ending::Finished(Err(error)) if in_head && error.is_parse() => {
                refuse(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "This port speaks HTTP/1.1 only.")
            }
            Ending::Finished(Err(error)) if in_head && error.is_incomplete_message() => {
                refuse(StatusCode::BAD_REQUEST, "The request ended before the end of its head.")
            }
            Ending::Finished(_) if state.witness.expects_more() && !state.client_ended => {
                Farewell::Linger
            }
            Ending::Cut | Ending::Late | Ending::Finished(_) => Farewell::Close,
        }
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.phase_since = Instant::now();
    }

    /// hyper gives up on the whole head at once; only the bytes say that the target was too long.
    fn refusal_for(&self, status: StatusCode) -> Refusal {
        let (status, detail) = match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if self.witness.is_within_target() => {
                (StatusCode::URI_TOO_LONG, "The request target is too long.")
            }
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                (status, "The request head is too large or has too many fields.")
            }
            StatusCode::URI_TOO_LONG => (status, "The request target is too long."),
            _ => (status, "The request is not valid HTTP/1.1."),
        };
        Refusal { status, detail }
    }
}
