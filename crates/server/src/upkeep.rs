//! The work that goes on beside answering requests.

use std::{sync::Arc, time::Duration};

use doorward_app::{
    Ctx,
    audit::{self, SealError},
    change, maintenance, signing_key,
};
use doorward_domain::ports::FeedCursor;
use doorward_http::HttpState;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// At the latest after this long a change made elsewhere is looked for. With the time of one read
/// on top it stays well under the second that is promised.
const POLL_PERIOD: Duration = Duration::from_millis(500);
/// How long one look may take before it is given up and tried anew.
const POLL_PATIENCE: Duration = Duration::from_secs(5);
/// New keys are known well before they sign, but a key that was removed in an emergency signs until then.
const KEY_PERIOD: Duration = Duration::from_secs(1);
/// The tail of the audit trail on which there is no seal yet is about as long as this.
const SEAL_PERIOD: Duration = Duration::from_secs(1);
const ROTATION_PERIOD: Duration = Duration::from_mins(1);
const PRUNE_PERIOD: Duration = Duration::from_mins(10);
const CLIENT_PERIOD: Duration = Duration::from_mins(1);
/// What a start leaves for later begins at moments of its own: whatever wants a connection while others are
/// in use has one more opened, at a time when the first requests wait for the processor, and it stays open.
const FIRST_SEAL: Duration = Duration::from_millis(500);
const FIRST_PRUNE: Duration = Duration::from_secs(10);

/// Follows what other instances change from `cursor` on, takes up new signing keys, makes the next one when it is
/// due, seals the audit trail, and prunes, until `stop`.
pub fn start(
    ctx: &Arc<Ctx>,
    http: HttpState,
    cursor: FeedCursor,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    tasks.spawn(until(stop.clone(), follow_changes(Arc::clone(ctx), cursor)));
    tasks.spawn(until(stop.clone(), follow_keys(Arc::clone(ctx))));
    tasks.spawn(until(stop.clone(), seal_audit_trail(Arc::clone(ctx))));
    let rotated = Arc::clone(ctx);
    tasks.spawn(until(
        stop.clone(),
        every(ticks(Duration::ZERO, ROTATION_PERIOD), async move || {
            if let Err(error) = signing_key::rotate_when_due(&rotated).await {
                tracing::warn!(
                    error = chain(&error),
                    "cannot rotate the signing keys; trying again"
                );
            }
        }),
    ));
    let pruned = Arc::clone(ctx);
    tasks.spawn(until(
        stop.clone(),
        every(ticks(FIRST_PRUNE, PRUNE_PERIOD), async move || {
            if let Err(error) = maintenance::prune(&pruned).await {
                tracing::warn!(error = chain(&error), "cannot prune; it is tried again later");
            }
        }),
    ));
    let clients = ticks(CLIENT_PERIOD, CLIENT_PERIOD);
    tasks.spawn(until(stop.clone(), every(clients, async move || http.forget_idle_clients())));
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    stop.run_until_cancelled(work).await;
}

/// A tick after `first` and then each `period`, or as soon as what the last one began is over.
fn ticks(first: Duration, period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + first, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn every(mut ticks: Interval, work: impl AsyncFn()) {
    loop {
        ticks.tick().await;
        work().await;
    }
}

async fn follow_keys(ctx: Arc<Ctx>) {
    let mut failing = false;
    // They were read a moment ago.
    let mut ticks = ticks(KEY_PERIOD, KEY_PERIOD);
    loop {
        ticks.tick().await;
        let failure = match timeout(POLL_PATIENCE, signing_key::reload(&ctx)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(chain(&error)),
            Err(_) => Some("it takes too long".to_owned()),
        };
        let failed = failure.is_some();
        match failure {
            Some(error) if !failing => {
                tracing::warn!(error, "cannot read the signing keys; the present ones stay in use");
            }
            None if failing => tracing::info!("the signing keys are known again"),
            _ => {}
        }
        failing = failed;
    }
}

/// A seal that is broken off half-way is rolled back, and the next round begins anew.
async fn seal_audit_trail(ctx: Arc<Ctx>) {
    let mut failing = false;
    let mut ticks = ticks(FIRST_SEAL, SEAL_PERIOD);
    loop {
        ticks.tick().await;
        let failure = audit::seal(&ctx).await.err();
        let failed = failure.is_some();
        match failure {
            Some(SealError::Store(error)) if !failing => {
                tracing::warn!(error = chain(&error), "cannot seal the audit trail; trying again");
            }
            Some(forged @ SealError::Forged { .. }) if !failing => {
                tracing::error!(error = chain(&forged), "the audit trail is not sealed any more");
            }
            None if failing => tracing::info!("the audit trail is sealed again"),
            _ => {}
        }
        failing = failed;
    }
}

async fn follow_changes(ctx: Arc<Ctx>, mut cursor: FeedCursor) {
    let mut failing = false;
    loop {
        tokio::select! {
            () = ctx.store.change_hint() => {}
            () = sleep(POLL_PERIOD) => {}
        }
        match timeout(POLL_PATIENCE, change::catch_up(&ctx, cursor)).await {
            Ok(Ok(next)) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("changes made elsewhere are known again");
                }
                cursor = next;
                continue;
            }
            Ok(Err(error)) if !failing => {
                tracing::warn!(
                    error = chain(&error),
                    "cannot read what changed elsewhere; trying again"
                );
            }
            Err(_) if !failing => {
                tracing::warn!("reading what changed elsewhere takes too long; trying again");
            }
            _ => {}
        }
        failing = true;
        change::lost_touch(&ctx);
        // Behind the failure may be another server, restored or promoted, whose positions mean
        // something else: read everything that is kept. And a hint that comes at once, over and over,
        // must not turn the failure into a busy loop.
        cursor = FeedCursor::default();
        sleep(POLL_PERIOD).await;
    }
}

/// An error with everything behind it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
