//! The feed of changes.

use async_trait::async_trait;
use doorward_domain::{
    Revocation, SessionId, Timestamp, UserId,
    ports::{Change, ChangeFeed, FeedCursor, StoreError},
};
use uuid::Uuid;

use crate::{error::store_error, pool::PostgresStore};

/// Puts the columns of a row together.
fn change(kind: &str, subject: Option<Uuid>, until: Timestamp) -> Result<Change, StoreError> {
    match (kind, subject) {
        ("session", Some(id)) => {
            Ok(Change::Revoked(Revocation { session_id: SessionId::from_uuid(id), until }))
        }
        ("user", Some(id)) => Ok(Change::User(UserId::from_uuid(id))),
        ("roles", None) => Ok(Change::Roles),
        _ => Err(StoreError::Corrupt { what: "change" }),
    }
}

#[async_trait]
impl ChangeFeed for PostgresStore {
    async fn changes_since(
        &self,
        cursor: FeedCursor,
    ) -> Result<(Vec<Change>, FeedCursor), StoreError> {
        // A change bears the id of its transaction. Everything below the oldest transaction that is
        // running in the snapshot of this very statement is over, and what it wrote is seen here; so
        // the next reading begins there. The outer join has the statement tell so even when there is
        // no change.
        let rows = self
            .read_feed(async |connection| {
                sqlx::query!(
                    r#"
                    SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS "next!",
                           c.kind AS "kind?", c.subject AS "subject?", c.until AS "until?"
                    FROM (VALUES (true)) AS always
                    LEFT JOIN changes c ON c.recorded_in >= $1::text::xid8
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
        let changes = rows
            .into_iter()
            .filter_map(|row| Some((row.kind?, row.subject, row.until?)))
            .map(|(kind, subject, until)| change(&kind, subject, until))
            .collect::<Result<_, _>>()?;
        Ok((changes, FeedCursor(next)))
    }

    async fn change_hint(&self) {
        self.ensure_listening();
        // A notification that nobody waits for is kept for the next one who does, and one that a
        // dropped wait was given is passed on; so this may be dropped at any time.
        self.hints.notified().await;
    }
}
