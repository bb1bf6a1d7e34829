//! Lockout: how often, and how fast, secrets may be guessed.
//!
//! Wrong guesses are counted for each [`GuessSubject`]. The first few are free; after those each further one
//! makes the next wait, twice as long each time. Whoever waits is refused before anything is checked, so what
//! an attacker does while locked out costs no hashing and changes no counter.
//!
//! **Invariant:** a stranger's guesses gate strangers only. Whoever is signed in, or signed in on the same
//! device before, is gated by a counter that nobody else can raise: nobody is locked out by others.

use std::net::{IpAddr, Ipv6Addr};

use time::Duration;

use crate::{DeviceId, Email, SessionId, Timestamp, UserId};

/// About whom, or whence, guesses are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuessSubject {
    /// Whoever has this address, be there such an account or not: locks must not tell which.
    Account(Email),
    /// The addresses that count as one client, see [`address_block`].
    Block(IpAddr),
    /// A device on which this person signed in before.
    Device(UserId, DeviceId),
    /// Somebody who is signed in.
    Session(SessionId),
}

impl GuessSubject {
    /// The block that the address belongs to.
    #[must_use]
    pub fn block_of(client: IpAddr) -> Self {
        Self::Block(address_block(client))
    }

    #[must_use]
    pub const fn rule(&self) -> GuessRule {
        match self {
            Self::Block(_) => BLOCK_RULE,
            Self::Account(_) | Self::Device(..) | Self::Session(_) => PERSON_RULE,
        }
    }

    /// What is counted, for the audit trail.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Block(_) => "address_block",
            Self::Device(..) => "device",
            Self::Session(_) => "session",
        }
    }

    /// A text that is different for each subject. Only its digest is stored.
    #[must_use]
    pub fn label(&self) -> String {
        let kind = self.kind();
        match self {
            Self::Account(email) => format!("{kind} {}", email.canonical()),
            Self::Block(block) => format!("{kind} {block}"),
            Self::Device(user, device) => format!("{kind} {user} {device}"),
            Self::Session(session) => format!("{kind} {session}"),
        }
    }
}

/// The addresses that count as one client: one address of IPv4, a /64 of IPv6, because whoever has one of
/// those has them all.
#[must_use]
pub fn address_block(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Names a counter: a keyed digest of [`GuessSubject::label`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuessKey(pub [u8; 32]);

/// How a kind of subject is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessRule {
    /// How many failures there may be before the next guess has to wait.
    pub free: u32,
    /// How long after its first guess a counter begins anew.
    pub period: Duration,
    /// How many guesses are evaluated in one period, however slowly they come; `None` is any number.
    pub most: Option<u32>,
}

const PERSON_RULE: GuessRule = GuessRule { free: 5, period: Duration::DAY, most: Some(100) };
/// Many people may share an address, and none of them has an account of it that could be guessed.
const BLOCK_RULE: GuessRule = GuessRule { free: 50, period: Duration::HOUR, most: None };

impl GuessRule {
    /// How long to wait after so many failures: a second after the last free one, then twice as long each
    /// time, at most `longest`.
    #[must_use]
    pub fn delay(&self, failures: u32, longest: Duration) -> Option<Duration> {
        let doublings = failures.checked_sub(self.free)?;
        let seconds = 1_i64.checked_shl(doublings.min(62)).unwrap_or(i64::MAX);
        Some(Duration::seconds(seconds).min(longest))
    }
}

/// What is known of a subject's guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessCounter {
    /// When the present period began.
    pub since: Timestamp,
    /// Wrong guesses of this period, since the last right one.
    pub failures: u32,
    /// Guesses of this period that were evaluated or are about to be, without the right ones.
    pub guesses: u32,
    /// Until when nothing is evaluated, be it in this period or the next.
    pub locked_until: Option<Timestamp>,
}

impl GuessCounter {
    /// The counter of a subject about which nothing is known.
    #[must_use]
    pub const fn blank(now: Timestamp) -> Self {
        Self { since: now, failures: 0, guesses: 0, locked_until: None }
    }

    /// The same counter, begun anew if its period is over.
    fn at(self, rule: GuessRule, now: Timestamp) -> Self {
        if now < self.since + rule.period {
            self
        } else {
            Self { locked_until: self.locked_until, ..Self::blank(now) }
        }
    }

    /// How long the next guess has to wait; `None` if it has not to.
    #[must_use]
    pub fn wait(self, rule: GuessRule, now: Timestamp) -> Option<Duration> {
        let present = self.at(rule, now);
        let locked = present.locked_until.map(|until| until - now);
        let is_used_up = rule.most.is_some_and(|most| present.guesses >= most);
        let used_up = is_used_up.then(|| present.since + rule.period - now);
        locked.max(used_up).filter(|wait| wait.is_positive())
    }

    /// Whether a guess has to be [claimed](Self::claim) before it is evaluated. Where nothing went wrong in
    /// this period it need not, and a right password costs no write.
    #[must_use]
    pub fn needs_claim(self, rule: GuessRule, now: Timestamp) -> bool {
        rule.most.is_some() && self.at(rule, now).guesses > 0
    }

    /// The counter with one guess more, which may now be evaluated.
    ///
    /// # Errors
    /// How long the guess has to wait.
    pub fn claim(self, rule: GuessRule, now: Timestamp) -> Result<Self, Duration> {
        if let Some(wait) = self.wait(rule, now) {
            return Err(wait);
        }
        let present = self.at(rule, now);
        Ok(Self { guesses: present.guesses.saturating_add(1), ..present })
    }

    /// The counter after a wrong guess, which was claimed or not.
    #[must_use]
    pub fn failed(self, rule: GuessRule, claimed: bool, longest: Duration, now: Timestamp) -> Self {
        let present = self.at(rule, now);
        let failures = present.failures.saturating_add(1);
        let locked_until = rule.delay(failures, longest).map(|delay| now + delay);
        Self {
            failures,
            guesses: present.guesses.saturating_add(u32::from(!claimed)),
            locked_until: present.locked_until.max(locked_until),
            ..present
        }
    }

    /// The counter after a claimed guess was right: the failures are forgotten, what was used of the period
    /// is not, but for the claim of this guess itself.
    #[must_use]
    pub fn right(self, rule: GuessRule, now: Timestamp) -> Self {
        let present = self.at(rule, now);
        let guesses = present.guesses.saturating_sub(1);
        Self { failures: 0, guesses, locked_until: None, ..present }
    }

    #[must_use]
    pub fn is_locked(self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// From when on the counter says no more than a blank one.
    #[must_use]
    pub fn over_at(self, rule: GuessRule) -> Timestamp {
        let period_ends = self.since + rule.period;
        self.locked_until.map_or(period_ends, |until| until.max(period_ends))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const NOW: Timestamp = datetime!(2026-01-01 12:00:00 UTC);
    const LONGEST: Duration = Duration::seconds(900);
    const RULES: [GuessRule; 2] = [PERSON_RULE, BLOCK_RULE];

    fn seconds(count: i64) -> Duration {
        Duration::seconds(count)
    }

    fn after_failures(count: u32, rule: GuessRule, now: Timestamp) -> GuessCounter {
        (0..count)
            .fold(GuessCounter::blank(now), |counter, _| counter.failed(rule, false, LONGEST, now))
    }

    #[test]
    fn some_failures_are_free_and_then_the_delay_doubles() {
        for rule in RULES {
            let delays: Vec<_> =
                (1..rule.free + 15).map(|failures| rule.delay(failures, LONGEST)).collect();
            let (free, grown) = delays.split_at(rule.free as usize - 1);
            assert!(free.iter().all(Option::is_none));
            let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900];
            assert_eq!(grown, expected.map(|count| Some(seconds(count))));
            assert_eq!(rule.delay(u32::MAX, LONGEST), Some(LONGEST));
        }
    }

    #[test]
    fn a_lock_is_over_at_its_very_end() {
        let locked = after_failures(5, PERSON_RULE, NOW);
        assert_eq!(locked.wait(PERSON_RULE, NOW), Some(seconds(1)));
        let last = NOW + seconds(1) - Duration::MICROSECOND;
        assert_eq!(locked.wait(PERSON_RULE, last), Some(Duration::MICROSECOND));
        assert!(locked.claim(PERSON_RULE, last).is_err() && locked.is_locked(last));
        assert_eq!(locked.wait(PERSON_RULE, NOW + seconds(1)), None);
        assert!(!locked.is_locked(NOW + seconds(1)));
    }

    #[test]
    fn a_right_guess_forgives_the_failures_and_nothing_of_the_day() {
        let tried = after_failures(4, PERSON_RULE, NOW);
        let right = tried.claim(PERSON_RULE, NOW).unwrap().right(PERSON_RULE, NOW);
        assert_eq!(right, GuessCounter { failures: 0, ..tried });
        assert!(right.needs_claim(PERSON_RULE, NOW));
    }

    #[test]
    fn a_period_begins_anew_but_a_lock_goes_on() {
        let end = NOW + PERSON_RULE.period;
        let late = end - seconds(1);
        let spent = GuessCounter { guesses: 100, ..GuessCounter::blank(NOW) };
        assert_eq!(spent.wait(PERSON_RULE, late), Some(seconds(1)));
        assert_eq!(spent.wait(PERSON_RULE, end), None);
        assert!(!spent.needs_claim(PERSON_RULE, end));
        let locked = GuessCounter { locked_until: Some(end + seconds(5)), ..spent };
        assert_eq!(locked.wait(PERSON_RULE, end), Some(seconds(5)));
        assert_eq!(locked.over_at(PERSON_RULE), end + seconds(5));
        assert_eq!(spent.over_at(PERSON_RULE), end);
    }

    #[test]
    fn a_block_has_no_end_of_guesses_but_its_delays() {
        let spent = GuessCounter { guesses: u32::MAX, ..GuessCounter::blank(NOW) };
        assert_eq!(spent.wait(BLOCK_RULE, NOW), None);
        assert!(!spent.needs_claim(BLOCK_RULE, NOW));
    }

    #[test]
    fn each_subject_has_a_label_of_its_own() {
        let user = UserId::from_uuid(uuid::Uuid::from_u128(1));
        let device = |number| DeviceId::from_uuid(uuid::Uuid::from_u128(number));
        let session = SessionId::from_uuid(uuid::Uuid::from_u128(1));
        let email = |text| Email::parse(text).unwrap();
        let block = |text: &str| GuessSubject::block_of(text.parse().unwrap()).label();
        let labels = std::collections::HashSet::from([
            GuessSubject::Account(email("ada@example.com")).label(),
            GuessSubject::Account(email("bob@example.com")).label(),
            GuessSubject::Device(user, device(1)).label(),
            GuessSubject::Device(user, device(2)).label(),
            GuessSubject::Session(session).label(),
            block("192.0.2.1"),
            block("2001:db8:0:1::1"),
            block("2001:db8:0:2::1"),
        ]);
        assert_eq!(labels.len(), 8);
        assert_eq!(block("2001:db8:0:1::1"), block("2001:db8:0:1:ffff::2"));
        assert_eq!(block("::ffff:192.0.2.1"), block("192.0.2.1"));
        assert_eq!(
            GuessSubject::Account(email("ADA@example.com")).label(),
            "account ada@example.com"
        );
    }

    /// What an attacker, or the owner, does next, and how long after the step before.
    fn steps() -> impl Strategy<Value = Vec<(bool, i64)>> {
        proptest::collection::vec((any::<bool>(), 0..2000_i64), 0..400)
    }

    proptest! {
        #[test]
        fn whatever_happens_no_more_wrong_guesses_are_evaluated_than_allowed(steps in steps(), longest in 1..1000_i64) {
            let (rule, longest) = (PERSON_RULE, seconds(longest));
            let (mut counter, mut now) = (GuessCounter::blank(NOW), NOW);
            let (mut period, mut wrong) = (NOW, 0);
            for (right, pause) in steps {
                now += seconds(pause);
                let Ok(claimed) = counter.claim(rule, now) else { continue };
                if claimed.since != period {
                    (period, wrong) = (claimed.since, 0);
                }
                counter = if right { claimed.right(rule, now) } else { claimed.failed(rule, true, longest, now) };
                wrong += u32::from(!right);
                prop_assert!(wrong <= 100, "{wrong}");
                prop_assert!(counter.wait(rule, now).is_none_or(|wait| wait <= longest.max(rule.period)));
            }
        }

        #[test]
        fn delays_never_shrink_and_never_pass_the_longest(failures: u32, longest in 1..86_400_i64) {
            for rule in RULES {
                let longest = seconds(longest);
                let (one, next) = (rule.delay(failures, longest), rule.delay(failures.saturating_add(1), longest));
                prop_assert!(one <= next && next.is_none_or(|delay| delay <= longest && delay >= seconds(1)));
            }
        }

        #[test]
        fn a_counter_that_is_over_is_as_good_as_a_blank_one(failures in 0..200_u32, guesses in 0..200_u32, lock in 0..10_000_i64) {
            for rule in RULES {
                let locked_until = Some(NOW + seconds(lock));
                let counter = GuessCounter { since: NOW, failures, guesses, locked_until };
                let over = counter.over_at(rule);
                prop_assert_eq!(counter.wait(rule, over), None);
                prop_assert!(!counter.needs_claim(rule, over));
                let blank = GuessCounter::blank(over).failed(rule, false, LONGEST, over);
                let failed = counter.failed(rule, false, LONGEST, over);
                prop_assert_eq!((blank.failures, blank.guesses), (failed.failures, failed.guesses));
            }
        }
    }
}
