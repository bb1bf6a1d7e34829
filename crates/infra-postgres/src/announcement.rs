//! How instances tell each other that something changed: `NOTIFY`, as a hint.

use std::{convert::Infallible, sync::Arc, time::Duration};

use sqlx::{
    Executor, PgPool,
    postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions},
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::pool::{Lease, execute};

/// What can be announced: the channel, and the statement that does it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Topic {
    channel: &'static str,
    statement: &'static str,
}

/// Something that instances keep in memory was changed.
pub(crate) const CHANGES: Topic =
    Topic { channel: "doorward_changes", statement: "NOTIFY doorward_changes" };
/// There is a job to be done.
pub(crate) const JOBS: Topic =
    Topic { channel: "doorward_jobs", statement: "NOTIFY doorward_jobs" };

/// How long the commits of an instance are gathered before they are announced.
const GATHERING: Duration = Duration::from_millis(50);
/// How long the listening connection may be silent before it is asked for a sign of life.
const SILENCE: Duration = Duration::from_secs(30);
/// How long that sign, and a new connection, may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the listener waits between two attempts to connect, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Announces commits that others should look at.
///
/// A transaction with a `NOTIFY` in it takes a lock at commit that all of them in the whole cluster
/// share. So it is sent outside the transactions, once for many of them.
pub(crate) async fn announce(
    pool: PgPool,
    patience: Duration,
    topic: Topic,
    committed: Arc<Notify>,
) {
    loop {
        committed.notified().await;
        sleep(GATHERING).await;
        let sent = async {
            let mut lease = Lease::take(&pool, patience).await?;
            lease.run(async |connection| execute(connection, topic.statement).await).await
        };
        if let Err(error) = sent.await {
            // The readers poll as well.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                channel = topic.channel,
                "a change could not be announced; others see it later"
            );
        }
    }
}

/// Listens for announcements of all instances, and comes back by itself when the connection is lost.
pub(crate) async fn listen(options: PgConnectOptions, changes: Arc<Notify>, jobs: Arc<Notify>) {
    // A pool of its own, for the one connection that it keeps for good.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ANSWER)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options);
    let mut pause = PAUSE.0;
    loop {
        let mut connected = false;
        let Err(error) = attend(&pool, &changes, &jobs, &mut connected).await;
        pause = if connected { PAUSE.0 } else { PAUSE.1.min(pause * 2) };
        tracing::info!(%error, "not listening for changes; connecting again");
        sleep(pause).await;
    }
}

async fn attend(
    pool: &PgPool,
    changes: &Notify,
    jobs: &Notify,
    connected: &mut bool,
) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all([CHANGES.channel, JOBS.channel]).await?;
    *connected = true;
    // What was announced while nobody listened has to be looked for.
    changes.notify_one();
    jobs.notify_one();
    loop {
        if let Ok(heard) = timeout(SILENCE, listener.try_recv()).await {
            // An announcement; or nothing, because the connection was lost and made anew.
            let heard = heard?;
            let channel = heard.as_ref().map(PgNotification::channel);
            if channel != Some(JOBS.channel) {
                changes.notify_one();
            }
            if channel != Some(CHANGES.channel) {
                jobs.notify_one();
            }
        } else {
            // A dead link is as silent as one with nothing to announce.
            let answer = timeout(ANSWER, listener.execute("SELECT 1"));
            answer.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        }
    }
}
