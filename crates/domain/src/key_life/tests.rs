use proptest::prelude::*;
use time::macros::datetime;

use super::*;

const START: Timestamp = datetime!(2026-01-01 00:00:00.25 UTC);
const LIFE: Duration = Duration::minutes(15);

fn key(generation: i64, activates_at: Timestamp) -> SealedSigningKey {
    SealedSigningKey {
        kid: format!("key-{generation}"),
        generation,
        algorithm: SigningAlgorithm::EdDsa,
        sealed_private_key: Vec::new(),
        created_at: START,
        activates_at,
        token_life: LIFE,
    }
}

fn states(ring: &[SealedSigningKey], now: Timestamp) -> Vec<KeyState> {
    lives(ring).iter().map(|life| life.state_at(now)).collect()
}

#[test]
fn a_key_is_published_then_signs_then_retires_at_exact_moments() {
    use KeyState::{Active, Published, Retired, Retiring};
    let microsecond = Duration::microseconds(1);
    let second = START + Duration::hours(1);
    let ring = [key(1, START), key(2, second)];
    let until = datetime!(2026-01-01 01:00:00 UTC);
    let retires = until + LIFE + SETTLING;
    for (now, expected) in [
        (START - Duration::days(1), [Active, Published]),
        (until - microsecond, [Active, Published]),
        (until, [Retiring, Active]),
        (retires - microsecond, [Retiring, Active]),
        (retires, [Retired, Active]),
        (retires + Duration::days(9_999), [Retired, Active]),
    ] {
        assert_eq!(states(&ring, now), expected, "{now}");
        assert_eq!(pending(&ring, now).is_some(), expected[1] == Published, "{now}");
        assert_eq!(retired(&ring, now), usize::from(expected[0] == Retired), "{now}");
    }
}

#[test]
fn an_empty_ring_has_nothing_to_say() {
    assert_eq!(lives(&[]), []);
    assert_eq!(pending(&[], START), None);
    assert_eq!(retired(&[], START), 0);
}

#[test]
fn a_key_that_was_overtaken_never_signs() {
    let ring =
        [key(1, START), key(2, START + Duration::hours(2)), key(3, START + Duration::hours(1))];
    assert_eq!(
        states(&ring, START + Duration::hours(3)),
        [KeyState::Retired, KeyState::Retired, KeyState::Active]
    );
    assert_eq!(states(&ring, START)[1], KeyState::Published);
}

#[test]
fn of_the_first_key_and_the_next_only_the_next_has_to_wait() {
    let plan = |ring: &[SealedSigningKey]| {
        KeyPlan::after(ring, SigningAlgorithm::Es256, START, Duration::minutes(11), LIFE)
    };
    assert_eq!((plan(&[]).generation, plan(&[]).activates_at), (1, START));
    let next = plan(&[key(7, START)]);
    assert_eq!((next.generation, next.activates_at), (8, START + Duration::minutes(11)));
    assert_eq!((next.created_at, next.token_life), (START, LIFE));
}

/// An installation whose instances have clocks that differ, and learn of new rows late.
#[derive(Debug, Clone)]
struct Installation {
    max_age: Duration,
    /// Each key with the real time at which it was written.
    rows: Vec<(Timestamp, SealedSigningKey)>,
}

/// What an instance has in mind when it does something: how far its clock is off, and how old the rows
/// are that it goes by.
#[derive(Debug, Clone, Copy)]
struct Look {
    skew: Duration,
    delay: Duration,
}

impl Installation {
    /// The ring as an instance knows it at the real time `at`. Whoever prunes is a second ahead.
    fn seen(&self, at: Timestamp, look: Look) -> Vec<SealedSigningKey> {
        let written = |at: Timestamp| {
            let rows = self.rows.iter().enumerate();
            let rows = rows.filter(|(index, (since, _))| *index == 0 || *since <= at);
            rows.map(|(_, (_, key))| key.clone()).collect::<Vec<_>>()
        };
        let ring = written(at - look.delay);
        let pruned = retired(&ring, at - look.delay + Duration::SECOND);
        ring[pruned..].to_vec()
    }

    /// The key that an instance signs with.
    fn signing(&self, at: Timestamp, look: Look) -> SealedSigningKey {
        let ring = self.seen(at, look);
        let now = (at + look.skew).truncate_to_second();
        let mut active = ring
            .iter()
            .zip(lives(&ring))
            .filter(|(_, life)| life.state_at(now) == KeyState::Active);
        let key = active.next().expect("some key signs").0.clone();
        assert!(active.next().is_none(), "one key signs");
        key
    }

    /// The keys that an instance publishes, and accepts tokens of.
    fn published(&self, at: Timestamp, look: Look) -> Vec<i64> {
        let ring = self.seen(at, look);
        let now = at + look.skew;
        let kept = |life: &KeyLife| life.state_at(now) != KeyState::Retired;
        ring.iter().zip(lives(&ring)).filter(|(_, l)| kept(l)).map(|(k, _)| k.generation).collect()
    }
}

fn micros(bound: i64) -> impl Strategy<Value = Duration> {
    (0..=bound).prop_map(Duration::microseconds)
}

/// The extremes are what may fail.
fn look() -> impl Strategy<Value = Look> {
    let skew = prop_oneof![Just(-1_000_000), Just(1_000_000), -1_000_000..=1_000_000_i64];
    let delay = prop_oneof![Just(0), Just(10_000_000), 0..=10_000_000_i64];
    (skew, delay).prop_map(|(skew, delay)| Look {
        skew: Duration::microseconds(skew),
        delay: Duration::microseconds(delay),
    })
}

/// A moment around a change of the active key, or of what is published, or any.
fn moment(installation: &Installation, near: prop::sample::Index, offset: Duration) -> Timestamp {
    let ring: Vec<_> = installation.rows.iter().map(|(_, key)| key.clone()).collect();
    let mut moments = vec![START];
    for (life, (written, _)) in lives(&ring).iter().zip(&installation.rows) {
        moments.extend([life.signs_until, life.retires_at, Some(*written)].into_iter().flatten());
    }
    (near.get(&moments).saturating_add(offset)).max(START)
}

/// Mostly within the time in which instances may differ.
fn offset() -> impl Strategy<Value = Duration> {
    let range = prop_oneof![-2_500_000..=2_500_000_i64, -30_000_000..=30_000_000_i64];
    range.prop_map(Duration::microseconds)
}

/// Rotations one after the other, each by an instance with a clock of its own and as soon as that finds
/// none under way, or later.
fn installation() -> impl Strategy<Value = Installation> {
    let rotation = (micros(60_000_000), look(), 1..100_i64);
    (1..60_i64, 1..100_i64, prop::collection::vec(rotation, 1..6)).prop_map(
        |(max_age, first_life, rotations)| {
            let max_age = Duration::seconds(max_age);
            let first =
                SealedSigningKey { token_life: Duration::seconds(first_life), ..key(1, START) };
            let mut rows = vec![(START, first)];
            for (pause, look, life) in rotations {
                let ring: Vec<_> = rows.iter().map(|(_, key)| key.clone()).collect();
                let newest = &ring[ring.len() - 1];
                let at = newest.activates_at.truncate_to_second() - look.skew + pause;
                let now = at + look.skew;
                assert_eq!(pending(&ring, now), None);
                let life = Duration::seconds(life);
                let lead = publication_lead(max_age);
                let plan = KeyPlan::after(&ring, SigningAlgorithm::EdDsa, now, lead, life);
                let next = SealedSigningKey {
                    created_at: plan.created_at,
                    token_life: plan.token_life,
                    ..key(plan.generation, plan.activates_at)
                };
                rows.push((at, next));
            }
            Installation { max_age, rows }
        },
    )
}

proptest! {
    /// Whoever signs, whoever checks: a token is accepted for as long as it says.
    #[test]
    fn every_key_that_signed_a_valid_token_is_published_everywhere(
        installation in installation(), near: prop::sample::Index, offset in offset(),
        signer in look(), before_expiry in micros(120_000_000), verifier in look(),
    ) {
        let at = moment(&installation, near, offset);
        let key = installation.signing(at, signer);
        let expires_at = (at + signer.skew).truncate_to_second() + key.token_life;
        let last = expires_at - verifier.skew - Duration::microseconds(1);
        for later in [at, at.max(last - before_expiry), at.max(last)] {
            if later + verifier.skew < expires_at {
                prop_assert!(installation.published(later, verifier).contains(&key.generation));
            }
        }
    }

    /// A copy of the public keys, of whichever instance, has the key of every token that is made as
    /// long as the copy may be kept.
    #[test]
    fn every_copy_that_may_still_be_kept_has_the_key_that_signs(
        installation in installation(), near: prop::sample::Index, offset in offset(),
        publisher in look(), age in micros(60_000_000), signer in look(),
    ) {
        let at = moment(&installation, near, offset);
        for age in [age, Duration::MAX].map(|age| age.min(installation.max_age)) {
            let copied = (at - age).max(START);
            let copy = installation.published(copied, publisher);
            prop_assert!(copy.contains(&installation.signing(at, signer).generation));
        }
    }

    #[test]
    fn exactly_one_key_of_any_ring_signs_and_states_only_go_forward(
        activations in prop::collection::vec(0..1_000_i64, 1..8),
        moments in prop::collection::vec(-10..3_000_i64, 2..12),
    ) {
        let ring: Vec<_> = (1..).zip(&activations)
            .map(|(generation, after)| key(generation, START + Duration::seconds(*after))).collect();
        let mut moments = moments;
        moments.sort_unstable();
        let mut before: Option<Vec<KeyState>> = None;
        for moment in moments {
            let now = states(&ring, START + Duration::seconds(moment));
            prop_assert_eq!(now.iter().filter(|state| **state == KeyState::Active).count(), 1);
            prop_assert_ne!(now[now.len() - 1], KeyState::Retired);
            if let Some(before) = before {
                prop_assert!(before.iter().zip(&now).all(|(b, n)| *b as u8 <= *n as u8));
            }
            before = Some(now);
        }
    }

    #[test]
    fn forgetting_the_retired_changes_nothing_for_the_others(
        installation in installation(), at in micros(600_000_000), later in micros(600_000_000),
    ) {
        let ring: Vec<_> = installation.rows.into_iter().map(|(_, key)| key).collect();
        let gone = retired(&ring, START + at);
        let now = START + at + later;
        prop_assert_eq!(states(&ring[gone..], now), states(&ring, now)[gone..].to_vec());
    }
}
