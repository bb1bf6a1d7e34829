//! Handlers, attempts, and what happens again and again.

use std::{collections::BTreeMap, sync::Arc};

use doorward_app::{
    Ctx,
    grant::{self, JobsRead, JobsWrite},
    job::{self, Attempt, AttemptError, Completed, Ended, JobQueueError, JobRegistry},
};
use doorward_domain::{
    ClaimedJob, JobError, JobFilter, JobId, JobKind, JobPayload, JobState, NewJob, PageRequest,
    ports::ImportDigest,
};
use doorward_testkit::World;
use time::Duration;

const LEASE: Duration = Duration::seconds(30);
const COUNTER: ImportDigest = ImportDigest([1; 32]);

/// A handler that counts its calls in the store, and does otherwise what its payload says.
async fn count(ctx: Arc<Ctx>, attempt: Attempt) -> Result<Completed, AttemptError> {
    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    let lines = work.import_lines(COUNTER, now).await?;
    work.import_advance(COUNTER, lines + 1, now).await?;
    match attempt.payload().expose() {
        "fail" => Err(AttemptError::Failed(JobError::new("out of luck"))),
        "alone" => Ok(attempt.complete_alone()),
        "hopeless" => Err(AttemptError::Hopeless(JobError::new("nonsense"))),
        _ => attempt.complete(work, now).await,
    }
}

fn kind(text: &str) -> JobKind {
    JobKind::parse(text).unwrap()
}

fn registry() -> JobRegistry {
    let mut registry = JobRegistry::default();
    registry.handle(kind("count"), count);
    registry
}

async fn enqueue(world: &World, payload: &str) -> JobId {
    let payload = JobPayload::new(payload.to_owned()).unwrap();
    let now = world.ctx.clock.now();
    let job = NewJob {
        max_attempts: 2,
        ..NewJob::new(kind("count"), payload, now, world.ctx.entropy.as_ref())
    };
    let mut work = world.ctx.store.begin().await.unwrap();
    assert!(work.job_enqueue(&job).await.unwrap());
    work.commit().await.unwrap();
    job.id
}

async fn claim(world: &World) -> Vec<ClaimedJob> {
    job::claim(&world.ctx, &registry().kinds(), 9, LEASE).await.unwrap().taken
}

async fn attempt(world: &World, job: ClaimedJob) {
    world.attempt(&registry(), job).await;
}

async fn state(world: &World, id: JobId) -> JobState {
    world.ctx.store.job_by_id(id).await.unwrap().unwrap().state
}

async fn counted(world: &World) -> u64 {
    let mut work = world.ctx.store.begin().await.unwrap();
    work.import_lines(COUNTER, world.ctx.clock.now()).await.unwrap()
}

#[tokio::test]
async fn an_attempt_that_fails_leaves_no_effect_and_is_tried_again_later() {
    let world = World::default();
    let id = enqueue(&world, "fail").await;
    attempt(&world, claim(&world).await.remove(0)).await;
    assert_eq!(state(&world, id).await, JobState::Retrying);
    assert_eq!(claim(&world).await, []);
    world.clock.advance(Duration::seconds(2));
    attempt(&world, claim(&world).await.remove(0)).await;
    let dead = world.ctx.store.job_by_id(id).await.unwrap().unwrap();
    assert_eq!((dead.state, dead.attempts), (JobState::Dead, 2));
    assert_eq!(dead.last_error, Some(JobError::new("out of luck")));
    assert_eq!(counted(&world).await, 0);
}

#[tokio::test]
async fn what_can_never_succeed_is_dead_at_once() {
    let world = World::default();
    let id = enqueue(&world, "hopeless").await;
    attempt(&world, claim(&world).await.remove(0)).await;
    assert_eq!(state(&world, id).await, JobState::Dead);
}

#[tokio::test(start_paused = true)]
async fn of_two_attempts_at_one_job_one_has_an_effect() {
    let world = World::default();
    let id = enqueue(&world, "").await;
    let frozen = claim(&world).await.remove(0);
    assert_eq!(claim(&world).await, []);
    tokio::time::advance(std::time::Duration::from_secs(30)).await;
    let present = claim(&world).await.remove(0);
    attempt(&world, frozen).await;
    assert_eq!((counted(&world).await, state(&world, id).await), (0, JobState::Running));
    attempt(&world, present).await;
    assert_eq!((counted(&world).await, state(&world, id).await), (1, JobState::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn a_job_without_an_effect_is_completed_by_its_worker_if_it_is_still_its_own() {
    let world = World::default();
    let (id, ctx) = (enqueue(&world, "alone").await, Arc::new(world.ctx.clone()));
    let frozen = Arc::new(claim(&world).await.remove(0));
    assert_eq!(job::attempt(&ctx, &registry(), &frozen).await.unwrap(), Ended::Well);
    assert_eq!(state(&world, id).await, JobState::Running);
    tokio::time::advance(std::time::Duration::from_secs(30)).await;
    let present = claim(&world).await.remove(0);
    job::complete(&ctx, &[frozen.lease]).await.unwrap();
    assert_eq!(state(&world, id).await, JobState::Running, "it is somebody else's");
    job::complete(&ctx, &[present.lease, frozen.lease]).await.unwrap();
    assert_eq!((counted(&world).await, state(&world, id).await), (0, JobState::Succeeded));
}

#[tokio::test]
async fn a_job_without_a_handler_is_handed_back() {
    let world = World::default();
    let id = enqueue(&world, "").await;
    let job = claim(&world).await.remove(0);
    world.attempt(&JobRegistry::default(), job).await;
    let waiting = world.ctx.store.job_by_id(id).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.attempts), (JobState::Ready, 0));
}

#[tokio::test]
async fn of_many_instances_one_makes_the_job_of_each_tick() {
    let world = World::default();
    let mut registry = registry();
    registry.repeat(kind("count"), Duration::MINUTE);
    let mut instances = [BTreeMap::new(), BTreeMap::new()];
    for expected in 1..=3 {
        for made in &mut instances {
            job::make_due(&world.ctx, &registry, made).await.unwrap();
            job::make_due(&world.ctx, &registry, made).await.unwrap();
        }
        // One that was restarted remembers nothing.
        job::make_due(&world.ctx, &registry, &mut BTreeMap::new()).await.unwrap();
        for job in claim(&world).await {
            attempt(&world, job).await;
        }
        assert_eq!(counted(&world).await, expected);
        // After a long pause one tick makes up for all.
        world.clock.advance(Duration::minutes(7));
    }
}

#[tokio::test]
async fn finished_jobs_are_pruned_by_a_job() {
    let world = World::default();
    let id = enqueue(&world, "").await;
    attempt(&world, claim(&world).await.remove(0)).await;
    let registry = JobRegistry::built_in();
    let prune = async || {
        job::make_due(&world.ctx, &registry, &mut BTreeMap::new()).await.unwrap();
        for job in job::claim(&world.ctx, &registry.kinds(), 9, LEASE).await.unwrap().taken {
            world.attempt(&registry, job).await;
        }
    };
    prune().await;
    assert_eq!(state(&world, id).await, JobState::Succeeded);
    world.clock.advance(job::SUCCEEDED_KEPT_FOR + Duration::SECOND);
    prune().await;
    assert_eq!(world.ctx.store.job_by_id(id).await.unwrap(), None);
}

#[tokio::test]
async fn an_operator_looks_at_jobs_retries_and_deletes_them() {
    let world = World::default();
    let admin = world.admin("admin@example.com").await;
    let read = grant::permit::<JobsRead>(&world.ctx, admin).await.unwrap();
    let write = grant::permit::<JobsWrite>(&world.ctx, admin).await.unwrap();
    let id = enqueue(&world, "hopeless").await;
    let refused = job::retry(&world.ctx, &write, id).await;
    assert!(matches!(refused, Err(JobQueueError::NotRetryable)), "{refused:?}");
    attempt(&world, claim(&world).await.remove(0)).await;
    let filter = JobFilter { state: Some(JobState::Dead), kind: None };
    let page = job::list(&world.ctx, &read, &filter, PageRequest::default()).await.unwrap();
    assert_eq!(page.items.iter().map(|job| job.id).collect::<Vec<_>>(), [id]);
    assert_eq!(job::retry(&world.ctx, &write, id).await.unwrap().state, JobState::Ready);
    job::delete(&world.ctx, &write, id).await.unwrap();
    for refused in [
        job::get(&world.ctx, &read, id).await.map(|_| ()),
        job::retry(&world.ctx, &write, id).await.map(|_| ()),
        job::delete(&world.ctx, &write, id).await,
    ] {
        assert!(matches!(refused, Err(JobQueueError::NotFound)), "{refused:?}");
    }
}
