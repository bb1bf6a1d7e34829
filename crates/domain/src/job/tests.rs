use proptest::prelude::*;
use time::macros::datetime;

use super::*;

const NOW: Timestamp = datetime!(2026-01-01 12:34:56.789 UTC);

struct Nines;
impl Entropy for Nines {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0xff);
    }
}

#[test]
fn a_kind_is_a_lowercase_word_with_dots() {
    for good in ["mail", "mail.verification", "a", "a1_b-c.d"] {
        assert_eq!(JobKind::parse(good).unwrap().as_str(), good);
    }
    let long = "a".repeat(51);
    for bad in ["", "Mail", "1a", ".a", "a b", "ä", "a\0", "a:b", &long] {
        assert_eq!(JobKind::parse(bad), Err(JobKindError), "{bad:?}");
    }
}

#[test]
fn a_key_is_printable_and_bounded() {
    for good in ["a", "mail:019b76da-a87b-774b-8000-000000000001", "tick@2026-01-01T00:00:00Z"] {
        assert_eq!(JobKey::parse(good).unwrap().as_str(), good);
    }
    let long = "a".repeat(201);
    for bad in ["", "a b", "a\n", "é", "\0", &long] {
        assert_eq!(JobKey::parse(bad), Err(JobKeyError), "{bad:?}");
    }
}

#[test]
fn a_payload_shows_itself_nowhere_and_is_bounded() {
    let secret = JobPayload::new(r#"{"token":"hunter2"}"#.to_owned()).unwrap();
    let job = NewJob::new(JobKind::parse("mail").unwrap(), secret, NOW, &Nines);
    assert!(!format!("{job:?}").contains("hunter2"));
    assert_eq!(job.payload.expose(), r#"{"token":"hunter2"}"#);
    let long = "x".repeat(64 * 1024 + 1);
    assert_eq!(JobPayload::new(long), Err(JobPayloadError::TooLong));
    assert_eq!(JobPayload::new("\"\0\"".to_owned()), Err(JobPayloadError::Zero));
}

#[test]
fn an_error_is_cut_and_cleaned_not_refused() {
    assert_eq!(JobError::new("a\0b\nc").as_str(), "a b c");
    assert_eq!(JobError::new(&"é".repeat(2000)).as_str(), "é".repeat(1000));
}

#[test]
fn each_state_has_a_word_of_its_own() {
    for state in JobState::ALL {
        assert_eq!(JobState::from_word(state.as_str()), Some(state));
    }
    assert_eq!(JobState::from_word("Ready"), None);
}

#[test]
fn the_last_attempt_has_no_next_one() {
    let policy = RetryPolicy::default();
    assert_eq!(policy.next(3, 3, NOW, &Nines), None);
    assert_eq!(policy.next(1, 1, NOW, &Nines), None);
    assert_eq!(policy.next(1, 3, NOW, &Nines), Some(NOW + Duration::seconds(2)));
    assert_eq!(policy.next(2, 3, NOW, &Nines), Some(NOW + Duration::seconds(4)));
}

/// What the README promises of mails that no server takes.
#[test]
fn a_job_is_tried_for_about_thirty_hours() {
    let waits = |chance| -> Duration {
        (1..NewJob::MAX_ATTEMPTS).map(|done| RetryPolicy::default().wait(done, chance)).sum()
    };
    assert_eq!(waits(u32::MAX / 2).whole_hours(), 29);
    assert_eq!((waits(0).whole_hours(), waits(u32::MAX).whole_hours()), (19, 39));
}

#[test]
fn ticks_are_the_same_on_all_instances() {
    let tick = latest_tick(NOW, Duration::minutes(5));
    assert_eq!(tick, datetime!(2026-01-01 12:30 UTC));
    assert_eq!(latest_tick(tick, Duration::minutes(5)), tick);
    assert_eq!(
        latest_tick(tick - Duration::MICROSECOND, Duration::minutes(5)),
        tick - Duration::minutes(5)
    );
    assert_eq!(latest_tick(NOW, Duration::ZERO), datetime!(2026-01-01 12:34:56 UTC));
}

proptest! {
    #[test]
    fn waits_grow_within_their_bounds(attempts: u32, chance: u32, first in 0_i64..1_000_000_000, limit in 0_i64..1_000_000_000_000) {
        let policy = RetryPolicy { first: Duration::microseconds(first), limit: Duration::microseconds(limit) };
        let wait = policy.wait(attempts, chance);
        prop_assert!(!wait.is_negative() && wait <= policy.limit);
        prop_assert!(policy.wait(attempts, 0) <= wait && wait <= policy.wait(attempts, u32::MAX));
        prop_assert!(policy.wait(attempts, chance) <= policy.wait(attempts.saturating_add(1), chance));
        // Half of the longest wait is certain, so no chance makes a flood of attempts.
        prop_assert!(policy.wait(attempts, 0) * 2 <= policy.wait(attempts, u32::MAX));
        prop_assert!(policy.wait(attempts, u32::MAX) - policy.wait(attempts, 0) * 2 <= Duration::MICROSECOND);
    }

    #[test]
    fn a_tick_is_due_and_the_next_one_is_not(seconds in 0_i64..4_000_000_000, period in 1_i64..1_000_000) {
        let now = Timestamp::from_unix_timestamp(seconds).unwrap() + Duration::microseconds(7);
        let tick = latest_tick(now, Duration::seconds(period));
        prop_assert!(tick <= now && now < tick + Duration::seconds(period));
        prop_assert_eq!(tick.unix_timestamp() % period, 0);
    }
}
