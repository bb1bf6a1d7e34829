//! The development mailbox.

use async_trait::async_trait;
use doorward_domain::{
    Email, KeptMail, Timestamp,
    ports::{MailboxQueries, MailboxRepository, StoreError},
};
use uuid::Uuid;

use crate::{error::store_error, pool::PostgresStore, unit_of_work::PostgresUnitOfWork};

/// A mail as read.
struct MailRow {
    id: Uuid,
    recipient: String,
    subject: String,
    text: String,
    html: String,
    at: Timestamp,
}

impl TryFrom<MailRow> for KeptMail {
    type Error = StoreError;

    fn try_from(row: MailRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            to: Email::parse(&row.recipient).map_err(|_| StoreError::Corrupt { what: "mail" })?,
            subject: row.subject,
            text: row.text,
            html: row.html,
            at: row.at,
        })
    }
}

#[async_trait]
impl MailboxQueries for PostgresStore {
    async fn mailbox(&self, limit: u32) -> Result<Vec<KeptMail>, StoreError> {
        let rows = self
            .read(async |connection| {
                sqlx::query_as!(
                    MailRow,
                    "SELECT id, recipient, subject, text, html, at FROM mailbox
                     ORDER BY at DESC, id DESC LIMIT $1",
                    i64::from(limit),
                )
                .fetch_all(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        rows.into_iter().map(KeptMail::try_from).collect()
    }

    async fn mailbox_mail(&self, id: Uuid) -> Result<Option<KeptMail>, StoreError> {
        let row = self
            .read(async |connection| {
                sqlx::query_as!(
                    MailRow,
                    "SELECT id, recipient, subject, text, html, at FROM mailbox WHERE id = $1",
                    id,
                )
                .fetch_optional(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        row.map(KeptMail::try_from).transpose()
    }
}

#[async_trait]
impl MailboxRepository for PostgresUnitOfWork {
    async fn mailbox_put(&mut self, mail: &KeptMail, keep: u32) -> Result<bool, StoreError> {
        let added = self
            .run(async |connection| {
                sqlx::query!(
                    "INSERT INTO mailbox (id, recipient, subject, text, html, at)
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
                    mail.id,
                    mail.to.as_given(),
                    mail.subject,
                    mail.text,
                    mail.html,
                    mail.at,
                )
                .execute(connection)
                .await
                .map_err(store_error)
            })
            .await?;
        if added.rows_affected() == 0 {
            return Ok(false);
        }
        self.run(async |connection| {
            sqlx::query!(
                "DELETE FROM mailbox WHERE (at, id) <=
                     (SELECT at, id FROM mailbox ORDER BY at DESC, id DESC LIMIT 1 OFFSET $1)",
                i64::from(keep),
            )
            .execute(connection)
            .await
            .map(|_| true)
            .map_err(store_error)
        })
        .await
    }
}
