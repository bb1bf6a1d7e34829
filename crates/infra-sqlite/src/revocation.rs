//! The feed of revocations.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use doorward_domain::{
    Revocation, SessionId,
    ports::{FeedCursor, RevocationFeed, StoreError},
};
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::{error::store_error, pool::SqliteStore, timestamp::from_micros};

/// How often the file is watched for the writes of other processes.
const WATCH_PERIOD: Duration = Duration::from_millis(250);

#[async_trait]
impl RevocationFeed for SqliteStore {
    async fn revocations_since(
        &self,
        cursor: FeedCursor,
    ) -> Result<(Vec<Revocation>, FeedCursor), StoreError> {
        let rows = sqlx::query!(
            r#"
            SELECT seq, session_id AS "session_id: Uuid", until
            FROM revocations
            WHERE seq > ?1
            ORDER BY seq
            "#,
            cursor.0,
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        let next = rows.last().map_or(cursor, |row| FeedCursor(row.seq));
        let revocations = rows
            .into_iter()
            .map(|row| {
                let session_id = SessionId::from_uuid(row.session_id);
                Ok(Revocation { session_id, until: from_micros(row.until, "revocation")? })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok((revocations, next))
    }

    async fn revocation_hint(&self) {
        if let Some(options) = &self.watch {
            self.watcher.get_or_init(|| {
                let watching = watch(options.clone(), Arc::clone(&self.revocations));
                AbortOnDropHandle::new(tokio::spawn(watching))
            });
        }
        // A notification that nobody waits for is kept for the next one who does, and one that a
        // dropped wait was given is passed on; so this may be dropped at any time.
        self.revocations.notified().await;
    }
}

/// Tells of each change that another connection made to the file, for the command line may write
/// beside a running server. The commits of this process are among them, which costs one read more.
async fn watch(options: SqliteConnectOptions, revocations: Arc<Notify>) {
    let mut ticks = interval(WATCH_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watched: Option<(SqliteConnection, i64)> = None;
    loop {
        ticks.tick().await;
        watched = match glance(watched, &options).await {
            Ok((connection, version, changed)) => {
                if changed {
                    revocations.notify_one();
                }
                Some((connection, version))
            }
            Err(error) => {
                tracing::warn!(%error, "the database file cannot be watched for revocations");
                None
            }
        };
    }
}

/// Reads the number that changes with every commit of others. Numbers of different connections do
/// not compare, so a fresh one counts as a change.
async fn glance(
    watched: Option<(SqliteConnection, i64)>,
    options: &SqliteConnectOptions,
) -> Result<(SqliteConnection, i64, bool), sqlx::Error> {
    let (mut connection, before) = match watched {
        Some((connection, version)) => (connection, Some(version)),
        None => (options.connect().await?, None),
    };
    let version =
        sqlx::query_scalar::<_, i64>("PRAGMA data_version").fetch_one(&mut connection).await?;
    Ok((connection, version, before != Some(version)))
}
