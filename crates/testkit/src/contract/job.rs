use std::{collections::HashSet, sync::Arc};

use doorward_domain::{
    ClaimedJob, Job, JobError, JobFilter, JobId, JobKey, JobKind, JobLease, JobPayload, JobState,
    NewJob, PageLimit, PageRequest,
    ports::{Claim, ImportDigest, Store},
};
use time::Duration;
use uuid::Uuid;

use super::samples::{NOW, at_once, begin, in_time};

/// Longer than any test.
const LONG: Duration = Duration::HOUR;
/// Over as soon as anybody looks.
const SHORT: Duration = Duration::MILLISECOND;
/// What a job of these tests has an effect on: a counter.
const COUNTER: ImportDigest = ImportDigest([9; 32]);

fn kind(text: &str) -> JobKind {
    JobKind::parse(text).expect("a valid kind")
}

fn job_id(number: u128) -> JobId {
    JobId::from_uuid(Uuid::from_u128(number))
}

fn job(number: u128) -> NewJob {
    NewJob {
        id: job_id(number),
        kind: kind("mail"),
        payload: JobPayload::new(format!("{{\"number\":{number}}}")).expect("a valid payload"),
        unique_key: None,
        max_attempts: 3,
        run_at: NOW,
        created_at: NOW,
    }
}

fn keyed(number: u128) -> NewJob {
    job(number).unique(JobKey::parse("mail:1").expect("a valid key"))
}

async fn add(store: &Arc<dyn Store>, jobs: &[NewJob]) {
    let mut work = begin(store).await;
    for job in jobs {
        assert!(work.job_enqueue(job).await.expect("the job is added"));
    }
    work.commit().await.expect("the unit of work commits");
}

async fn claim(store: &Arc<dyn Store>, lease: Duration) -> Claim {
    store.jobs_claim(&[kind("mail")], 100, lease, NOW).await.expect("jobs are claimed")
}

async fn claim_one(store: &Arc<dyn Store>, lease: Duration) -> ClaimedJob {
    let mut claim = claim(store, lease).await;
    assert_eq!(claim.taken.len(), 1, "{claim:?}");
    claim.taken.remove(0)
}

/// Claims until there is something, because a lease ends by a clock that no test can move.
async fn claim_expired(store: &Arc<dyn Store>, lease: Duration) -> Claim {
    in_time(async {
        loop {
            let claim = claim(store, lease).await;
            if claim != Claim::default() {
                return claim;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await
}

async fn look(store: &Arc<dyn Store>, number: u128) -> Job {
    store.job_by_id(job_id(number)).await.expect("jobs are read").expect("there is the job")
}

async fn complete(store: &Arc<dyn Store>, lease: &JobLease) -> bool {
    let mut work = begin(store).await;
    let completed = work.job_complete(lease, NOW).await.expect("the store answers");
    work.commit().await.expect("the unit of work commits");
    completed
}

async fn fail(store: &Arc<dyn Store>, lease: &JobLease, retry_in: Option<Duration>) -> bool {
    let mut work = begin(store).await;
    let next = retry_in.map(|wait| NOW + wait);
    let failed = work.job_fail(lease, &JobError::new("out of luck"), next, NOW).await;
    work.commit().await.expect("the unit of work commits");
    failed.expect("the store answers")
}

async fn hand_back(store: &Arc<dyn Store>, lease: &JobLease) -> bool {
    let mut work = begin(store).await;
    let given = work.job_hand_back(lease).await.expect("the store answers");
    work.commit().await.expect("the unit of work commits");
    given
}

async fn retry(store: &Arc<dyn Store>, number: u128) -> bool {
    let mut work = begin(store).await;
    let retried = work.job_retry(job_id(number), NOW).await.expect("the store answers");
    work.commit().await.expect("the unit of work commits");
    retried
}

pub async fn a_job_that_is_rolled_back_was_never_there(store: Arc<dyn Store>) {
    let mut work = begin(&store).await;
    assert!(work.job_enqueue(&keyed(1)).await.unwrap());
    drop(work);
    assert_eq!(claim(&store, LONG).await, Claim::default());
    assert_eq!(store.job_by_id(job_id(1)).await.unwrap(), None);
    // Nor is its key taken.
    add(&store, &[keyed(2)]).await;
}

pub async fn a_job_is_given_to_its_worker_as_written(store: Arc<dyn Store>) {
    add(&store, &[job(1)]).await;
    let waiting = look(&store, 1).await;
    assert_eq!((waiting.state, waiting.attempts), (JobState::Ready, 0));
    assert_eq!((waiting.run_at, waiting.created_at), (NOW, NOW));

    let claimed = claim_one(&store, LONG).await;
    assert_eq!((claimed.lease.id, &claimed.kind), (job_id(1), &kind("mail")));
    assert_eq!(claimed.payload, job(1).payload);
    assert_eq!((claimed.attempts, claimed.max_attempts), (1, 3));
    let running = look(&store, 1).await;
    assert_eq!((running.state, running.attempts), (JobState::Running, 1));
    assert_eq!(claim(&store, LONG).await, Claim::default(), "it is taken");

    assert!(complete(&store, &claimed.lease).await);
    let done = look(&store, 1).await;
    assert_eq!((done.state, done.attempts, done.last_error), (JobState::Succeeded, 1, None));
    assert!(!complete(&store, &claimed.lease).await, "it is finished");
    assert_eq!(claim(&store, LONG).await, Claim::default());
}

pub async fn a_second_job_with_a_key_waits_until_the_first_is_finished(store: Arc<dyn Store>) {
    add(&store, &[keyed(1)]).await;
    let refused = async |number| {
        let mut work = begin(&store).await;
        assert!(!work.job_enqueue(&keyed(number)).await.unwrap());
        // The transaction is still usable.
        assert!(work.job_enqueue(&job(100 + number)).await.unwrap());
        assert!(work.job_delete(job_id(100 + number)).await.unwrap());
        work.commit().await.unwrap();
        assert_eq!(store.job_by_id(job_id(number)).await.unwrap(), None);
    };
    refused(2).await;
    let first = claim_one(&store, LONG).await;
    refused(3).await;
    assert!(fail(&store, &first.lease, Some(Duration::ZERO)).await);
    refused(4).await;
    let first = claim_one(&store, LONG).await;
    assert!(complete(&store, &first.lease).await);

    add(&store, &[keyed(5)]).await;
    let second = claim_one(&store, LONG).await;
    assert!(fail(&store, &second.lease, None).await);
    add(&store, &[keyed(6)]).await;
    assert!(retry(&store, 5).await, "the dead one gave up its key");
}

pub async fn of_many_jobs_with_one_key_one_is_added(store: Arc<dyn Store>) {
    let added = at_once(8, |number| {
        let store = Arc::clone(&store);
        async move {
            let mut work = begin(&store).await;
            let added = work.job_enqueue(&keyed(1 + number as u128)).await.unwrap();
            work.commit().await.unwrap();
            added
        }
    })
    .await;
    assert_eq!(added.into_iter().filter(|added| *added).count(), 1);
    assert_eq!(claim(&store, LONG).await.taken.len(), 1);
}

pub async fn of_many_claimers_each_job_has_one(store: Arc<dyn Store>) {
    let jobs: Vec<NewJob> = (1..=100).map(job).collect();
    add(&store, &jobs).await;
    let claimed = at_once(16, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut mine = Vec::new();
            loop {
                let claim = store.jobs_claim(&[kind("mail")], 3, LONG, NOW).await.unwrap();
                assert!(claim.taken.len() <= 3 && claim.given_up.is_empty());
                if claim.taken.is_empty() {
                    return mine;
                }
                mine.extend(claim.taken.iter().map(|job| job.lease.id));
            }
        }
    })
    .await
    .concat();
    assert_eq!(claimed.len(), 100);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>().len(), 100);
}

pub async fn a_worker_that_comes_too_late_changes_nothing(store: Arc<dyn Store>) {
    add(&store, &[job(1)]).await;
    let frozen = claim_one(&store, SHORT).await;
    let mut again = claim_expired(&store, LONG).await;
    let present = again.taken.remove(0);
    assert_eq!((present.lease.id, present.attempts), (frozen.lease.id, 2));
    assert!(present.lease.token > frozen.lease.token);

    for retry_in in [None, Some(Duration::ZERO)] {
        assert!(!fail(&store, &frozen.lease, retry_in).await);
    }
    assert!(!complete(&store, &frozen.lease).await);
    assert!(!hand_back(&store, &frozen.lease).await);
    let lost = store.jobs_heartbeat(&[frozen.lease, present.lease], LONG).await.unwrap();
    assert_eq!(lost, [frozen.lease]);
    let running = look(&store, 1).await;
    assert_eq!((running.state, running.attempts), (JobState::Running, 2));
    assert!(complete(&store, &present.lease).await);
    assert!(!complete(&store, &frozen.lease).await);
}

pub async fn a_lease_that_expired_holds_until_somebody_takes_the_job(store: Arc<dyn Store>) {
    add(&store, &[job(1), job(2)]).await;
    let claimed = claim(&store, SHORT).await.taken;
    let leases: Vec<JobLease> = claimed.iter().map(|job| job.lease).collect();
    assert_eq!(store.jobs_heartbeat(&leases[..1], LONG).await.unwrap(), []);
    let other = claim_expired(&store, LONG).await;
    assert_eq!(other.taken.len(), 1, "the other one's lease was not extended");
    assert_eq!(other.taken[0].lease.id, leases[1].id);
    assert!(complete(&store, &leases[0]).await);
}

pub async fn an_effect_and_the_completion_of_its_job_commit_together(store: Arc<dyn Store>) {
    add(&store, &[job(1)]).await;
    let count = async || begin(&store).await.import_lines(COUNTER, NOW).await.unwrap();
    let attempt = async |lease: &JobLease, commits: bool| {
        let mut work = begin(&store).await;
        let lines = work.import_lines(COUNTER, NOW).await.unwrap();
        work.import_advance(COUNTER, lines + 1, NOW).await.unwrap();
        let completed = work.job_complete(lease, NOW).await.unwrap();
        if commits && completed {
            work.commit().await.unwrap();
        }
        completed
    };
    let late = claim_one(&store, SHORT).await;
    assert!(attempt(&late.lease, false).await, "its lease has not been taken yet");
    assert_eq!(count().await, 0);
    assert_eq!(look(&store, 1).await.state, JobState::Running);
    let present = claim_expired(&store, LONG).await.taken.remove(0);
    assert!(!attempt(&late.lease, true).await);
    assert!(attempt(&present.lease, true).await);
    assert!(!attempt(&present.lease, true).await);
    assert_eq!(count().await, 1);
    assert_eq!(look(&store, 1).await.state, JobState::Succeeded);
}

pub async fn of_many_completions_one_counts(store: Arc<dyn Store>) {
    add(&store, &[job(1)]).await;
    let lease = claim_one(&store, LONG).await.lease;
    let completed = at_once(8, |_| {
        let store = Arc::clone(&store);
        async move { complete(&store, &lease).await }
    })
    .await;
    assert_eq!(completed.into_iter().filter(|completed| *completed).count(), 1);
}

pub async fn jobs_are_completed_together_and_each_by_its_own_lease(store: Arc<dyn Store>) {
    assert_eq!(store.jobs_complete(&[], NOW).await.unwrap(), []);
    add(&store, &[job(1), keyed(2), job(3), job(4)]).await;
    let frozen = claim(&store, SHORT).await.taken;
    let frozen = |number| frozen.iter().find(|job| job.lease.id == job_id(number)).unwrap().lease;
    assert_eq!(store.jobs_heartbeat(&[frozen(1), frozen(2), frozen(3)], LONG).await.unwrap(), []);
    let taken = claim_expired(&store, LONG).await.taken;
    assert_eq!(taken.len(), 1, "the others' leases were extended");
    let mut work = begin(&store).await;
    assert!(work.job_delete(job_id(3)).await.unwrap());
    work.commit().await.unwrap();

    let leases = [frozen(1), frozen(2), frozen(3), frozen(4)];
    assert_eq!(store.jobs_complete(&leases, NOW).await.unwrap(), [frozen(3), frozen(4)]);
    for number in [1, 2] {
        let done = look(&store, number).await;
        assert_eq!((done.state, done.attempts), (JobState::Succeeded, 1));
    }
    assert_eq!(look(&store, 4).await.state, JobState::Running, "it is somebody else's");
    assert_eq!(store.jobs_complete(&leases[..2], NOW).await.unwrap(), leases[..2]);
    // The key of a finished job is free.
    add(&store, &[keyed(5)]).await;
    assert_eq!(store.jobs_complete(&[taken[0].lease], NOW).await.unwrap(), []);
    assert_eq!(look(&store, 4).await.state, JobState::Succeeded);
}

pub async fn of_many_completions_of_the_same_jobs_one_counts(store: Arc<dyn Store>) {
    let jobs: Vec<NewJob> = (1..=20).map(job).collect();
    add(&store, &jobs).await;
    let claimed = claim(&store, LONG).await.taken;
    let leases: Vec<JobLease> = claimed.iter().map(|job| job.lease).collect();
    let lost = at_once(8, |turn| {
        let (store, mut leases) = (Arc::clone(&store), leases.clone());
        if turn % 2 == 0 {
            leases.reverse();
        }
        async move { store.jobs_complete(&leases, NOW).await.expect("the store answers").len() }
    })
    .await;
    let completed: usize = lost.into_iter().map(|lost| leases.len() - lost).sum();
    assert_eq!(completed, leases.len());
}

pub async fn a_job_waits_for_its_time(store: Arc<dyn Store>) {
    let mail = [kind("mail")];
    assert_eq!(store.job_next_due(&mail).await.unwrap(), None);
    let later = NOW + Duration::MICROSECOND;
    let jobs = [
        NewJob { run_at: later, ..job(1) },
        NewJob { run_at: NOW - Duration::DAY, ..job(3) },
        NewJob { run_at: NOW, ..job(2) },
    ];
    add(&store, &jobs).await;
    assert_eq!(store.job_next_due(&mail).await.unwrap(), Some(NOW - Duration::DAY));
    for number in [3, 2] {
        let claim = store.jobs_claim(&mail, 1, LONG, NOW).await.unwrap();
        assert_eq!(claim.taken.len(), 1);
        assert_eq!(claim.taken[0].lease.id, job_id(number), "the longest due first");
    }
    assert_eq!(claim(&store, LONG).await, Claim::default());
    assert_eq!(store.job_next_due(&mail).await.unwrap(), Some(later));
    assert_eq!(store.jobs_claim(&mail, 9, LONG, later).await.unwrap().taken.len(), 1);
    assert_eq!(store.job_next_due(&mail).await.unwrap(), None);
}

pub async fn a_worker_is_given_only_what_it_knows(store: Arc<dyn Store>) {
    add(&store, &[job(1), NewJob { kind: kind("audit.seal"), ..job(2) }]).await;
    let others = [kind("audit"), kind("audit.seal")];
    assert_eq!(store.jobs_claim(&[], 9, LONG, NOW).await.unwrap(), Claim::default());
    let claim = store.jobs_claim(&others, 9, SHORT, NOW).await.unwrap();
    assert_eq!(claim.taken.len(), 1);
    assert_eq!(claim.taken[0].kind, kind("audit.seal"));
    assert_eq!(store.job_next_due(&others).await.unwrap(), None);
    // Nor is it given what others have left.
    assert_eq!(claim_expired(&store, LONG).await.taken[0].kind, kind("mail"));
}

pub async fn a_job_that_kills_its_workers_is_given_up(store: Arc<dyn Store>) {
    add(&store, &[NewJob { max_attempts: 2, ..keyed(1) }]).await;
    assert_eq!(claim_one(&store, SHORT).await.attempts, 1);
    assert_eq!(claim_expired(&store, SHORT).await.taken[0].attempts, 2);
    let last = claim_expired(&store, LONG).await;
    assert_eq!(last, Claim { taken: vec![], given_up: vec![(job_id(1), kind("mail"))] });
    let dead = look(&store, 1).await;
    assert_eq!((dead.state, dead.attempts), (JobState::Dead, 2));
    assert_eq!(dead.last_error, Some(JobError::abandoned()));
    assert_eq!(claim(&store, LONG).await, Claim::default());
    add(&store, &[keyed(3)]).await;
}

pub async fn a_failed_job_is_tried_again_at_its_time_until_it_is_dead(store: Arc<dyn Store>) {
    add(&store, &[job(1)]).await;
    let first = claim_one(&store, LONG).await;
    assert!(fail(&store, &first.lease, Some(Duration::SECOND)).await);
    assert!(!fail(&store, &first.lease, None).await, "the attempt is over");
    let waiting = look(&store, 1).await;
    assert_eq!((waiting.state, waiting.attempts), (JobState::Retrying, 1));
    assert_eq!(waiting.run_at, NOW + Duration::SECOND);
    assert_eq!(waiting.last_error, Some(JobError::new("out of luck")));
    assert_eq!(claim(&store, LONG).await, Claim::default());

    let at = NOW + Duration::SECOND;
    let second = store.jobs_claim(&[kind("mail")], 9, LONG, at).await.unwrap().taken.remove(0);
    assert_eq!((second.attempts, &second.payload), (2, &job(1).payload));
    assert!(fail(&store, &second.lease, None).await);
    let dead = look(&store, 1).await;
    assert_eq!((dead.state, dead.attempts), (JobState::Dead, 2));
    assert_eq!(dead.last_error, Some(JobError::new("out of luck")));
    assert_eq!(claim(&store, LONG).await, Claim::default());
}

pub async fn an_operator_has_a_job_tried_again(store: Arc<dyn Store>) {
    assert!(!retry(&store, 1).await, "there is none");
    add(&store, &[job(1)]).await;
    assert!(!retry(&store, 1).await, "it has not been tried");
    let first = claim_one(&store, LONG).await;
    assert!(!retry(&store, 1).await, "somebody is at it");
    assert!(fail(&store, &first.lease, Some(Duration::DAY)).await);
    assert!(retry(&store, 1).await, "it need not wait");
    let second = claim_one(&store, LONG).await;
    assert_eq!(second.attempts, 1, "with all its attempts");
    assert!(second.lease.token > first.lease.token);
    assert!(fail(&store, &second.lease, None).await);
    assert!(retry(&store, 1).await);
    let again = look(&store, 1).await;
    assert_eq!((again.state, again.attempts), (JobState::Ready, 0));
    let third = claim_one(&store, LONG).await;
    assert_eq!(third.payload, job(1).payload);
    assert!(complete(&store, &third.lease).await);
    assert!(!retry(&store, 1).await, "it is done");
}

pub async fn a_job_that_is_handed_back_has_lost_no_attempt(store: Arc<dyn Store>) {
    add(&store, &[NewJob { max_attempts: 1, ..job(1) }]).await;
    for _ in 0..3 {
        let claimed = claim_one(&store, LONG).await;
        assert_eq!(claimed.attempts, 1);
        assert!(hand_back(&store, &claimed.lease).await);
        assert!(!hand_back(&store, &claimed.lease).await);
        assert!(!complete(&store, &claimed.lease).await);
        let waiting = look(&store, 1).await;
        assert_eq!((waiting.state, waiting.attempts), (JobState::Ready, 0));
    }
    add(&store, &[job(2)]).await;
    let claimed = claim(&store, LONG).await.taken;
    let second = claimed.iter().find(|job| job.lease.id == job_id(2)).unwrap();
    assert!(fail(&store, &second.lease, Some(Duration::ZERO)).await);
    let second = claim_one(&store, LONG).await;
    assert!(hand_back(&store, &second.lease).await);
    let waiting = look(&store, 2).await;
    assert_eq!((waiting.state, waiting.attempts), (JobState::Retrying, 1));
}

pub async fn a_job_that_is_postponed_has_lost_no_attempt(store: Arc<dyn Store>) {
    add(&store, &[NewJob { max_attempts: 1, ..job(1) }]).await;
    let postpone = async |lease: &JobLease| {
        let (reason, next) = (JobError::new("not now"), NOW + Duration::MINUTE);
        let mut work = begin(&store).await;
        let postponed = work.job_postpone(lease, &reason, next).await.unwrap();
        work.commit().await.unwrap();
        postponed
    };
    let claim_at = async |at| store.jobs_claim(&[kind("mail")], 9, LONG, at).await.unwrap().taken;
    let first = claim_at(NOW).await[0].lease;
    assert!(postpone(&first).await);
    assert!(!postpone(&first).await, "it is not running");
    let kept = store.job_by_id(job_id(1)).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.attempts), (JobState::Retrying, 0));
    assert_eq!(kept.last_error, Some(JobError::new("not now")));
    assert_eq!(claim_at(NOW + Duration::seconds(59)).await, []);
    let again = claim_at(NOW + Duration::MINUTE).await;
    assert_eq!((again[0].attempts, again[0].max_attempts), (1, 1));
    assert!(!postpone(&first).await, "somebody else has it");
}

pub async fn a_deleted_job_is_lost_to_its_worker(store: Arc<dyn Store>) {
    add(&store, &[keyed(1)]).await;
    let claimed = claim_one(&store, LONG).await;
    let mut work = begin(&store).await;
    assert!(work.job_delete(job_id(1)).await.unwrap());
    assert!(!work.job_delete(job_id(1)).await.unwrap());
    work.commit().await.unwrap();
    assert!(!complete(&store, &claimed.lease).await);
    assert_eq!(store.jobs_heartbeat(&[claimed.lease], LONG).await.unwrap(), [claimed.lease]);
    add(&store, &[keyed(2)]).await;
}

pub async fn a_tick_is_taken_once_and_never_after_a_later_one(store: Arc<dyn Store>) {
    let take = async |name: &str, tick| {
        let mut work = begin(&store).await;
        let taken = work.job_tick(&kind(name), tick).await.unwrap();
        work.commit().await.unwrap();
        taken
    };
    let taken = at_once(8, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut work = begin(&store).await;
            let taken = work.job_tick(&kind("prune"), NOW).await.unwrap();
            work.commit().await.unwrap();
            taken
        }
    })
    .await;
    assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 1);
    let later = NOW + Duration::MINUTE;
    let mut work = begin(&store).await;
    assert!(work.job_tick(&kind("prune"), later).await.unwrap());
    drop(work);
    assert!(take("prune", later).await, "a dropped unit of work takes nothing");
    assert!(!take("prune", later).await);
    assert!(!take("prune", NOW).await);
    assert!(take("seal", NOW).await, "each kind has its own");
}

pub async fn jobs_are_listed_newest_first_as_the_filter_says(store: Arc<dyn Store>) {
    let page = async |filter: &JobFilter, limit, after| {
        let limit = PageLimit::new(limit).unwrap();
        let page = store.jobs(filter, PageRequest { limit, after }).await.unwrap();
        let ids: Vec<u128> = page.items.iter().map(|job| job.id.as_uuid().as_u128()).collect();
        (ids, page.next)
    };
    let everything = JobFilter::default();
    assert_eq!(page(&everything, 5, None).await, (vec![], None));
    assert_eq!(store.job_counts().await.unwrap(), []);
    let jobs: Vec<NewJob> = (1..=5).map(job).collect();
    add(&store, &jobs).await;
    let seal = kind("audit.seal");
    add(&store, &[NewJob { kind: seal.clone(), ..job(6) }]).await;

    let (first, next) = page(&everything, 4, None).await;
    assert_eq!(first, [6, 5, 4, 3]);
    add(&store, &[job(7)]).await;
    assert_eq!(page(&everything, 4, next).await, (vec![2, 1], None));

    let claim = store.jobs_claim(std::slice::from_ref(&seal), 9, LONG, NOW).await.unwrap();
    assert!(fail(&store, &claim.taken[0].lease, None).await);
    let dead = JobFilter { state: Some(JobState::Dead), kind: None };
    assert_eq!(page(&dead, 5, None).await.0, [6]);
    let seals = JobFilter { state: None, kind: Some(seal.clone()) };
    assert_eq!(page(&seals, 5, None).await.0, [6]);
    let none = JobFilter { state: Some(JobState::Ready), kind: Some(seal) };
    assert_eq!(page(&none, 5, None).await.0, []);
    let in_state = |state| JobFilter { state: Some(state), kind: None };
    let running = store.jobs_claim(&[kind("mail")], 2, LONG, NOW).await.unwrap().taken;
    assert_eq!(page(&in_state(JobState::Running), 1, None).await, (vec![2], Some(job_id(2))));
    assert_eq!(page(&in_state(JobState::Running), 1, Some(job_id(2))).await, (vec![1], None));
    assert!(fail(&store, &running[0].lease, Some(Duration::ZERO)).await);
    assert!(complete(&store, &running[1].lease).await);
    let listed = async |state| page(&in_state(state), 9, None).await.0;
    assert_eq!(listed(JobState::Ready).await, [7, 5, 4, 3]);
    assert_eq!(
        [listed(JobState::Retrying).await, listed(JobState::Succeeded).await].concat().len(),
        2
    );
    let mut counts = store.job_counts().await.unwrap();
    counts.sort_unstable();
    assert_eq!(
        counts,
        [
            (JobState::Ready, 4),
            (JobState::Succeeded, 1),
            (JobState::Retrying, 1),
            (JobState::Dead, 1)
        ]
    );
}

pub async fn finished_jobs_are_forgotten_in_time_and_no_others(store: Arc<dyn Store>) {
    let jobs: Vec<NewJob> = (1..=6).map(job).collect();
    add(&store, &jobs).await;
    let claimed = claim(&store, LONG).await.taken;
    let lease = |number| claimed.iter().find(|job| job.lease.id == job_id(number)).unwrap().lease;
    for number in [1, 2] {
        assert!(complete(&store, &lease(number)).await);
    }
    assert!(fail(&store, &lease(3), None).await);
    assert!(fail(&store, &lease(4), Some(Duration::ZERO)).await);
    assert!(hand_back(&store, &lease(5)).await);

    let prune = async |succeeded, died, limit| {
        let mut work = begin(&store).await;
        let pruned = work.jobs_prune(succeeded, died, limit).await.unwrap();
        work.commit().await.unwrap();
        pruned
    };
    let after = NOW + Duration::MICROSECOND;
    assert_eq!(prune(NOW, NOW, 9).await, 0);
    assert_eq!(prune(after, NOW, 1).await, 1);
    assert_eq!(prune(after, NOW, 9).await, 1);
    assert_eq!(look(&store, 3).await.state, JobState::Dead);
    assert_eq!(prune(NOW, after, 9).await, 1);
    assert_eq!(prune(after + Duration::DAY, after + Duration::DAY, 9).await, 0);
    for (number, state) in [(4, JobState::Retrying), (5, JobState::Ready), (6, JobState::Running)] {
        assert_eq!(look(&store, number).await.state, state);
    }
}

pub async fn a_hint_follows_a_job(store: Arc<dyn Store>) {
    let worker = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            loop {
                if !claim(&store, LONG).await.taken.is_empty() {
                    return;
                }
                store.job_hint().await;
            }
        }
    });
    add(&store, &[job(1)]).await;
    in_time(worker).await.unwrap();
}
