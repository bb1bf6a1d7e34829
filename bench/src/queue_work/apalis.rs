//! `apalis-postgres`, set up as its example `basic.rs` does for throughput: large batches, no lock of its own
//! for each task, tasks in parallel, woken by `NOTIFY`.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use apalis::prelude::{BoxDynError, Data, ParallelizeExt as _, TaskSink as _, WorkerBuilder};
use apalis_postgres::{Config, PostgresStorage};
use futures::stream;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::{AT_ONCE, CONNECTIONS, Queue};

pub struct Apalis {
    pool: PgPool,
    storage: PostgresStorage<u64>,
}

impl Apalis {
    pub async fn open(url: &str) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
        PostgresStorage::setup(&pool).await?;
        let config = Config::default()
            .queue("bench")
            .batch_size(usize::try_from(AT_ONCE)?)
            .lock_tasks(false);
        let storage = PostgresStorage::new(&pool).with_config(config);
        Ok(Self { pool, storage })
    }
}

type Begun = Arc<dyn Fn(u64) + Send + Sync>;

async fn nothing(number: u64, begun: Data<Begun>) -> Result<(), BoxDynError> {
    begun(number);
    Ok(())
}

impl Queue for Apalis {
    async fn fill(&self, jobs: u64) -> Result<()> {
        sqlx::raw_sql("TRUNCATE apalis.jobs").execute(&self.pool).await?;
        let mut storage = self.storage.clone();
        storage.push_stream(&mut stream::iter(0..jobs)).await.context("jobs are refused")?;
        Ok(())
    }

    async fn enqueue(&self, number: u64) -> Result<()> {
        self.storage.clone().push(number).await.context("a job is refused")?;
        Ok(())
    }

    fn work(&self, begun: Begun) {
        let worker = WorkerBuilder::new("bench-worker")
            .backend(self.storage.clone().with_pubsub())
            .data(begun)
            .parallelize(tokio::spawn)
            .build(nothing);
        tokio::spawn(worker.run());
    }

    async fn is_busy(&self) -> Result<bool> {
        let busy = "SELECT EXISTS (SELECT FROM apalis.jobs WHERE status <> 'Done')";
        Ok(sqlx::query_scalar(busy).fetch_one(&self.pool).await?)
    }
}
