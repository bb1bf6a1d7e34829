//! The feed of changes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use doorward_domain::{
    Revocation, SessionId, UserId,
    ports::{Change, ChangeFeed, FeedCursor, StoreError},
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

/// Puts the columns of a row together.
fn change(kind: &str, subject: Option<Uuid>, until: i64) -> Result<Change, StoreError> {
    const WHAT: &str = "change";
    match (kind, subject) {
        ("session", Some(id)) => Ok(Change::Revoked(Revocation {
            session_id: SessionId::from_uuid(id),
            until: from_micros(until, WHAT)?,
        })),
        ("user", Some(id)) => Ok(Change::User(UserId::from_uuid(id))),
        ("roles", None) => Ok(Change::Roles),
        _ => Err(StoreError::Corrupt { what: WHAT }),
    }
}

#[async_trait]
impl ChangeFeed for SqliteStore {
    async fn changes_since(
        &self,
        cursor: FeedCursor,
    ) -> Result<(Vec<Change>, FeedCursor), StoreError> {
        let rows = sqlx::query!(
            r#"
            SELECT seq, kind, subject AS "subject: Uuid", until
            FROM changes
            WHERE seq > ?1
            ORDER BY seq
            "#,
            cursor.0,
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        let next = rows.last().map_or(cursor, |row| FeedCursor(row.seq));
        let changes = rows
            .into_iter()
            .map(|row| change(&row.kind, row.subject, row.until))
            .collect::<Result<_, _>>()?;
        Ok((changes, next))
    }

    async fn change_hint(&self) {
        self.ensure_watching();
        // A notification that nobody waits for is kept for the next one who does, and one that a
        // dropped wait was given is passed on; so this may be dropped at any time.
        self.changes.notified().await;
    }
}

impl SqliteStore {
    /// Has hints of other processes arrive from now on.
    pub(crate) fn ensure_watching(&self) {
        if let Some(options) = &self.watch {
            self.watcher.get_or_init(|| {
                let told = [Arc::clone(&self.changes), Arc::clone(&self.jobs)];
                AbortOnDropHandle::new(tokio::spawn(watch(options.clone(), told)))
            });
        }
    }
}

/// Tells of each write that another connection made to the file, for the command line may write
/// beside a running server. The commits of this process are among them, which costs one read more.
async fn watch(options: SqliteConnectOptions, told: [Arc<Notify>; 2]) {
    let mut ticks = interval(WATCH_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watched: Option<(SqliteConnection, i64)> = None;
    loop {
        ticks.tick().await;
        watched = match glance(watched, &options).await {
            Ok((connection, version, written)) => {
                if written {
                    for listener in &told {
                        listener.notify_one();
                    }
                }
                Some((connection, version))
            }
            Err(error) => {
                tracing::warn!(%error, "the database file cannot be watched for changes");
                None
            }
        };
    }
}

/// Reads the number that changes with every commit of others. Numbers of different connections do
/// not compare, so a fresh one counts as a write.
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
