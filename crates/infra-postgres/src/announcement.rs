//! How instances tell each other that something changed: `NOTIFY`, as a hint.

use std::{convert::Infallible, sync::Arc, time::Duration};

use sqlx::{
    Executor, PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::pool::{Lease, execute};

const CHANNEL: &str = "doorward_changes";
/// How long the commits of an instance are gathered before they are announced.
const GATHERING: Duration = Duration::from_millis(50);
/// How long the listening connection may be silent before it is asked for a sign of life.
const SILENCE: Duration = Duration::from_secs(30);
/// How long that sign, and a new connection, may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the listener waits between two attempts to connect, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Announces commits that changed something that instances keep in memory.
///
/// A transaction with a `NOTIFY` in it takes a lock at commit that all of them in the whole cluster
/// share. So it is sent outside the transactions, once for many of them.
pub(crate) async fn announce(pool: PgPool, patience: Duration, committed: Arc<Notify>) {
    loop {
        committed.notified().await;
        sleep(GATHERING).await;
        let sent = async {
            let mut lease = Lease::take(&pool, patience).await?;
            lease.run(async |connection| execute(connection, "NOTIFY doorward_changes").await).await
        };
        if let Err(error) = sent.await {
            // The readers poll as well.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "changes could not be announced; others see them later");
        }
    }
}

/// Listens for announcements of all instances, and comes back by itself when the connection is lost.
pub(crate) async fn listen(options: PgConnectOptions, hints: Arc<Notify>) {
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
        let Err(error) = attend(&pool, &hints, &mut connected).await;
        pause = if connected { PAUSE.0 } else { PAUSE.1.min(pause * 2) };
        tracing::info!(%error, "not listening for changes; connecting again");
        sleep(pause).await;
    }
}

async fn attend(
    pool: &PgPool,
    hints: &Notify,
    connected: &mut bool,
) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    *connected = true;
    // What was announced while nobody listened has to be looked for.
    hints.notify_one();
    loop {
        if let Ok(heard) = timeout(SILENCE, listener.try_recv()).await {
            // An announcement; or nothing, because the connection was lost and made anew.
            heard?;
            hints.notify_one();
        } else {
            // A dead link is as silent as one with nothing to announce.
            let answer = timeout(ANSWER, listener.execute("SELECT 1"));
            answer.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        }
    }
}
