//! What a presented refresh token means for its session: a pure decision.
//!
//! A refresh token names its session and its generation. The session knows its current generation
//! only, and that is enough:
//!
//! ```text
//! presented = current        → rotate: the session moves to the next generation
//! presented = current − 1    → within the grace window: the same successor again
//!                              later: reuse
//! presented < current − 1    → reuse: the token, or its successor, was stolen
//! presented > current        → refused: this database never issued it
//! ```

use time::Duration;

use crate::{
    Timestamp,
    session::{Generation, RevocationCause, Session},
};

/// How long refresh tokens live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// A session that is not refreshed for this long is over.
    pub idle_ttl: Duration,
    /// A session is over this long after signing in, however often it is refreshed.
    pub absolute_ttl: Duration,
    /// For this long after a rotation the previous token gets the same successor again, so that a
    /// lost response or a second tab signs nobody out.
    pub grace: Duration,
}

impl RefreshPolicy {
    /// When a session ends that was created at `created_at` and used at `now`.
    #[must_use]
    pub fn expiry(&self, created_at: Timestamp, now: Timestamp) -> Timestamp {
        (now + self.idle_ttl).min(created_at + self.absolute_ttl)
    }
}

/// What to do with a presented refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshDecision {
    /// Move the session to `next`, valid until `expires_at`, and hand that token out.
    Rotate { next: Generation, expires_at: Timestamp },
    /// Hand out the token of the current generation, which is the successor that was handed out
    /// before.
    Replay { current: Generation },
    /// The token was used before: revoke the session.
    Reuse,
    /// The token was used before, and the session was already revoked for that.
    ReuseKnown,
    /// The session is over, or never had this token.
    Refuse,
}

/// Decides about the token of generation `presented` at `now`.
#[must_use]
pub fn decide(
    session: &Session,
    presented: Generation,
    now: Timestamp,
    policy: &RefreshPolicy,
) -> RefreshDecision {
    let superseded = presented < session.generation;
    if session.revoked == Some(RevocationCause::TokenReused) && superseded {
        return RefreshDecision::ReuseKnown;
    }
    if !session.is_live(now) || presented > session.generation {
        return RefreshDecision::Refuse;
    }
    if !superseded {
        return RefreshDecision::Rotate {
            next: presented.next(),
            expires_at: policy.expiry(session.created_at, now),
        };
    }
    let in_grace = now < session.rotated_at + policy.grace;
    if presented.next() == session.generation && in_grace {
        RefreshDecision::Replay { current: session.generation }
    } else {
        RefreshDecision::Reuse
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::{Device, SessionId, UserId};

    const POLICY: RefreshPolicy = RefreshPolicy {
        idle_ttl: Duration::days(30),
        absolute_ttl: Duration::days(90),
        grace: Duration::seconds(10),
    };
    const START: Timestamp = datetime!(2026-01-01 00:00:00 UTC);

    fn session(generation: i64) -> Session {
        Session {
            id: SessionId::from_uuid(Uuid::nil()),
            user_id: UserId::from_uuid(Uuid::nil()),
            generation: Generation::from_number(generation).unwrap(),
            rotated_at: START,
            created_at: START,
            last_used_at: START,
            expires_at: POLICY.expiry(START, START),
            revoked: None,
            device: Device::default(),
        }
    }

    fn at(generation: i64) -> Generation {
        Generation::from_number(generation).unwrap()
    }

    #[test]
    fn each_case_of_the_table() {
        let s = session(5);
        let soon = START + Duration::seconds(1);
        let grace_end = START + POLICY.grace;
        let cases = [
            (5, soon, RefreshDecision::Rotate { next: at(6), expires_at: soon + POLICY.idle_ttl }),
            (4, soon, RefreshDecision::Replay { current: at(5) }),
            (4, grace_end - Duration::MICROSECOND, RefreshDecision::Replay { current: at(5) }),
            (4, grace_end, RefreshDecision::Reuse),
            (3, soon, RefreshDecision::Reuse),
            (0, soon, RefreshDecision::Reuse),
            (6, soon, RefreshDecision::Refuse),
            (5, s.expires_at, RefreshDecision::Refuse),
            (4, s.expires_at, RefreshDecision::Refuse),
        ];
        for (presented, now, decision) in cases {
            assert_eq!(decide(&s, at(presented), now, &POLICY), decision, "{presented} at {now}");
        }
    }

    #[test]
    fn a_revoked_session_gives_nothing_and_remembers_reuse() {
        let mut s = session(5);
        s.revoked = Some(RevocationCause::SignedOut);
        for presented in 0..8 {
            assert_eq!(decide(&s, at(presented), START, &POLICY), RefreshDecision::Refuse);
        }
        s.revoked = Some(RevocationCause::TokenReused);
        assert_eq!(decide(&s, at(5), START, &POLICY), RefreshDecision::Refuse);
        assert_eq!(decide(&s, at(4), START, &POLICY), RefreshDecision::ReuseKnown);
    }

    #[test]
    fn the_absolute_end_is_never_moved() {
        let mut s = session(0);
        s.expires_at = START + Duration::days(90);
        let late = START + Duration::days(80);
        assert_eq!(
            decide(&s, at(0), late, &POLICY),
            RefreshDecision::Rotate { next: at(1), expires_at: START + Duration::days(90) }
        );
    }

    /// Applies a decision as a store does.
    fn apply(s: &mut Session, decision: RefreshDecision, now: Timestamp) {
        match decision {
            RefreshDecision::Rotate { next, expires_at } => {
                s.generation = next;
                s.rotated_at = now;
                s.last_used_at = now;
                s.expires_at = expires_at;
            }
            RefreshDecision::Reuse => s.revoked = Some(RevocationCause::TokenReused),
            RefreshDecision::Replay { .. }
            | RefreshDecision::ReuseKnown
            | RefreshDecision::Refuse => {}
        }
    }

    proptest! {
        /// Whoever always presents the newest token they were given, and retries only within the
        /// grace window, is never signed out, however many responses are lost.
        #[test]
        fn an_honest_client_is_never_signed_out(
            steps in prop::collection::vec((any::<bool>(), 0_i64..10_000_000), 1..200)
        ) {
            let mut s = session(0);
            let mut held = Generation::FIRST;
            let mut now = START;
            for (response_lost, wait_micros) in steps {
                now += Duration::microseconds(wait_micros);
                let mut given = None;
                // A lost response is retried at once.
                for _ in 0..=u8::from(response_lost) {
                    let decision = decide(&s, held, now, &POLICY);
                    apply(&mut s, decision, now);
                    given = match decision {
                        RefreshDecision::Rotate { next, .. } => Some(next),
                        RefreshDecision::Replay { current } => Some(current),
                        other => return Err(TestCaseError::fail(format!("{other:?}"))),
                    };
                }
                held = given.unwrap_or(held);
                prop_assert_eq!(held, s.generation);
            }
        }

        /// For any interleaving of any presented tokens: the generation never falls and rises by
        /// one step at most; what is handed out is always the current generation; after a reuse
        /// nothing is handed out ever again.
        #[test]
        fn there_is_one_successor_chain_and_reuse_ends_it(
            steps in prop::collection::vec((0_i64..12, 0_i64..20), 1..100)
        ) {
            let mut s = session(0);
            let mut now = START;
            let mut ended = false;
            for (presented, wait_seconds) in steps {
                now += Duration::seconds(wait_seconds);
                let before = s.generation;
                let decision = decide(&s, at(presented), now, &POLICY);
                apply(&mut s, decision, now);
                match decision {
                    RefreshDecision::Rotate { next, .. } => {
                        prop_assert!(!ended);
                        prop_assert_eq!(at(presented), before);
                        prop_assert_eq!(next, before.next());
                    }
                    RefreshDecision::Replay { current } => {
                        prop_assert!(!ended);
                        prop_assert_eq!(current, before);
                        prop_assert_eq!(at(presented).next(), current);
                    }
                    RefreshDecision::Reuse => {
                        prop_assert!(!ended && at(presented) < before);
                        ended = true;
                    }
                    RefreshDecision::ReuseKnown => prop_assert!(ended),
                    RefreshDecision::Refuse => prop_assert!(ended || at(presented) > before),
                }
            }
        }
    }
}
