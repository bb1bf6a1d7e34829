//! The feed of revocations.

use std::sync::Arc;

use async_trait::async_trait;
use doorward_domain::{
    Revocation, SessionId,
    ports::{FeedCursor, RevocationFeed, StoreError},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{announcement, error::store_error, pool::PostgresStore};

#[async_trait]
impl RevocationFeed for PostgresStore {
    async fn revocations_since(
        &self,
        cursor: FeedCursor,
    ) -> Result<(Vec<Revocation>, FeedCursor), StoreError> {
        // A revocation bears the id of its transaction. Everything below the oldest transaction that
        // is running in the snapshot of this very statement is over, and what it wrote is seen here;
        // so the next reading begins there. The outer join has the statement tell so even when there
        // is no revocation.
        let rows = self
            .read_feed(async |connection| {
                sqlx::query!(
                    r#"
                    SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS "next!",
                           r.session_id AS "session_id?", r.until AS "until?"
                    FROM (VALUES (true)) AS always
                    LEFT JOIN revocations r ON r.recorded_in >= $1::text::xid8
                    "#,
                    cursor.0.to_string(),
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        let next = rows.first().and_then(|row| row.next.parse().ok());
        let next = next.ok_or(StoreError::Corrupt { what: "transaction id" })?;
        let revocations = rows
            .into_iter()
            .filter_map(|row| row.session_id.zip(row.until))
            .map(|(id, until)| Revocation { session_id: SessionId::from_uuid(id), until })
            .collect();
        Ok((revocations, FeedCursor(next)))
    }

    async fn revocation_hint(&self) {
        self.listener.get_or_init(|| {
            let listening = announcement::listen(self.options.clone(), Arc::clone(&self.hints));
            AbortOnDropHandle::new(tokio::spawn(listening))
        });
        // A notification that nobody waits for is kept for the next one who does, and one that a
        // dropped wait was given is passed on; so this may be dropped at any time.
        self.hints.notified().await;
    }
}
