//! The development mailbox.

use async_trait::async_trait;
use doorward_domain::{
    Email, KeptMail,
    ports::{MailboxQueries, MailboxRepository, StoreError},
};
use uuid::Uuid;

use crate::{
    error::store_error,
    pool::SqliteStore,
    timestamp::{from_micros, to_micros},
    unit_of_work::SqliteUnitOfWork,
};

const WHAT: &str = "mail";

/// A mail as read.
struct MailRow {
    id: Uuid,
    recipient: String,
    subject: String,
    text: String,
    html: String,
    at: i64,
}

impl TryFrom<MailRow> for KeptMail {
    type Error = StoreError;

    fn try_from(row: MailRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            to: Email::parse(&row.recipient).map_err(|_| StoreError::Corrupt { what: WHAT })?,
            subject: row.subject,
            text: row.text,
            html: row.html,
            at: from_micros(row.at, WHAT)?,
        })
    }
}

#[async_trait]
impl MailboxQueries for SqliteStore {
    async fn mailbox(&self, limit: u32) -> Result<Vec<KeptMail>, StoreError> {
        let rows = sqlx::query_as!(
            MailRow,
            r#"SELECT id AS "id: Uuid", recipient, subject, text, html, at FROM mailbox
               ORDER BY at DESC, id DESC LIMIT ?1"#,
            limit,
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(KeptMail::try_from).collect()
    }

    async fn mailbox_mail(&self, id: Uuid) -> Result<Option<KeptMail>, StoreError> {
        let row = sqlx::query_as!(
            MailRow,
            r#"SELECT id AS "id: Uuid", recipient, subject, text, html, at FROM mailbox
               WHERE id = ?1"#,
            id,
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(store_error)?;
        row.map(KeptMail::try_from).transpose()
    }
}

#[async_trait]
impl MailboxRepository for SqliteUnitOfWork {
    async fn mailbox_put(&mut self, mail: &KeptMail, keep: u32) -> Result<bool, StoreError> {
        let (recipient, at) = (mail.to.as_given(), to_micros(mail.at));
        let added = sqlx::query!(
            "INSERT INTO mailbox (id, recipient, subject, text, html, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
            mail.id,
            recipient,
            mail.subject,
            mail.text,
            mail.html,
            at,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        if added.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!(
            "DELETE FROM mailbox WHERE (at, id) <=
                 (SELECT at, id FROM mailbox ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?1)",
            keep,
        )
        .execute(self.connection())
        .await
        .map_err(store_error)?;
        Ok(true)
    }
}
