//! No queue at all: rows that are claimed 50 at once and deleted, in one statement, by one connection. What
//! is known of a job that was done is nothing, and one that fails is lost.

use std::sync::Arc;

use anyhow::Result;
use sqlx::{PgPool, postgres::PgPoolOptions};

use super::{CONNECTIONS, Queue};

pub struct Bare(PgPool);

impl Bare {
    pub async fn open(url: &str) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
        sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS bare_jobs (
                 id bigserial PRIMARY KEY, kind text NOT NULL, payload text NOT NULL
             )",
        )
        .execute(&pool)
        .await?;
        Ok(Self(pool))
    }
}

impl Queue for Bare {
    async fn fill(&self, jobs: u64) -> Result<()> {
        sqlx::raw_sql("TRUNCATE bare_jobs").execute(&self.0).await?;
        sqlx::query(
            "INSERT INTO bare_jobs (kind, payload)
             SELECT 'bench.nothing', n::text FROM generate_series(1, $1) n",
        )
        .bind(i64::try_from(jobs)?)
        .execute(&self.0)
        .await?;
        Ok(())
    }

    async fn enqueue(&self, number: u64) -> Result<()> {
        sqlx::query("INSERT INTO bare_jobs (kind, payload) VALUES ('bench.nothing', $1)")
            .bind(number.to_string())
            .execute(&self.0)
            .await?;
        Ok(())
    }

    fn work(&self, begun: Arc<dyn Fn(u64) + Send + Sync>) {
        let pool = self.0.clone();
        tokio::spawn(async move {
            loop {
                let taken: Vec<(String,)> = sqlx::query_as(
                    "DELETE FROM bare_jobs WHERE id = ANY(ARRAY(
                         SELECT id FROM bare_jobs ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED
                     )) RETURNING payload",
                )
                .fetch_all(&pool)
                .await?;
                for (number,) in taken {
                    begun(number.parse()?);
                }
            }
            #[expect(unreachable_code, reason = "it says what the errors are")]
            Ok::<(), anyhow::Error>(())
        });
    }

    async fn is_busy(&self) -> Result<bool> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT FROM bare_jobs)").fetch_one(&self.0).await?)
    }
}
