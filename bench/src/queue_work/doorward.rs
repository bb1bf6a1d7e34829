//! Doorward's queue: its worker, its store, as the server wires them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use doorward_app::Ctx;
use doorward_app::job::{Attempt, AttemptError, JobRegistry};
use doorward_domain::{JobKind, JobPayload, NewJob};
use doorward_infra_sqlite::Workload;
use doorward_server::settings::{self, Inputs};
use doorward_server::wiring::{self, Database};
use doorward_server::worker::{self, WorkerSettings};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;

use super::{AT_ONCE, CONNECTIONS, Queue};

/// How many jobs are added in one unit of work when there are many.
const FILLED_AT_ONCE: u64 = 1000;

pub struct Doorward {
    ctx: Arc<Ctx>,
    /// Keeps the connections open.
    _database: Database,
    /// To look into the table.
    pool: PgPool,
    kind: JobKind,
    /// Whether each job commits a unit of work.
    has_effect: bool,
}

impl Doorward {
    pub async fn open(url: &str, has_effect: bool) -> Result<Self> {
        let environment = [
            ("APP_DATABASE_URL", url),
            ("APP_DATABASE_MAX_CONNECTIONS", &CONNECTIONS.to_string()),
            ("APP_AUTH_SECRET", "f3J9w-benchmark-Qm2Zx7Lr5Tn8Vb4Kc6Hd"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let inputs = Inputs { environment: BTreeMap::from(environment), ..Inputs::default() };
        let settings = settings::load(&inputs).context("the settings are refused")?.settings;
        let database = Database::open(&settings.database, Workload::Serving).await?;
        database.migrate().await?;
        Ok(Self {
            ctx: Arc::new(wiring::context(&settings, &database)?),
            _database: database,
            pool: PgPoolOptions::new().max_connections(1).connect(url).await?,
            kind: JobKind::parse("bench.nothing")?,
            has_effect,
        })
    }

    fn job(&self, number: u64) -> Result<NewJob> {
        let payload = JobPayload::new(number.to_string())?;
        let (now, entropy) = (self.ctx.clock.now(), self.ctx.entropy.as_ref());
        Ok(NewJob::new(self.kind.clone(), payload, now, entropy))
    }
}

impl Queue for Doorward {
    async fn fill(&self, jobs: u64) -> Result<()> {
        sqlx::raw_sql("TRUNCATE jobs").execute(&self.pool).await?;
        let mut number = 0;
        while number < jobs {
            let mut work = self.ctx.store.begin().await?;
            for _ in 0..FILLED_AT_ONCE.min(jobs - number) {
                work.job_enqueue(&self.job(number)?).await?;
                number += 1;
            }
            work.commit().await?;
        }
        Ok(())
    }

    async fn enqueue(&self, number: u64) -> Result<()> {
        let mut work = self.ctx.store.begin().await?;
        work.job_enqueue(&self.job(number)?).await?;
        Ok(work.commit().await?)
    }

    fn work(&self, begun: Arc<dyn Fn(u64) + Send + Sync>) {
        let (mut registry, has_effect) = (JobRegistry::default(), self.has_effect);
        registry.handle(self.kind.clone(), move |ctx, attempt: Attempt| {
            let begun = Arc::clone(&begun);
            async move {
                begun(attempt.payload().expose().parse().map_err(|_| AttemptError::Lost)?);
                if !has_effect {
                    return Ok(attempt.complete_alone());
                }
                let work = ctx.store.begin().await?;
                attempt.complete(work, ctx.clock.now()).await
            }
        });
        let settings = WorkerSettings {
            concurrency: AT_ONCE,
            lease: Duration::from_secs(30),
            patience: Duration::ZERO,
        };
        let (ctx, stop) = (Arc::clone(&self.ctx), CancellationToken::new());
        tokio::spawn(worker::run(ctx, Arc::new(registry), settings, stop));
    }

    async fn is_busy(&self) -> Result<bool> {
        let busy = "SELECT EXISTS (SELECT FROM jobs WHERE state IN ('ready', 'retrying'))
                        OR EXISTS (SELECT FROM jobs WHERE state = 'running')";
        Ok(sqlx::query_scalar(busy).fetch_one(&self.pool).await?)
    }
}
