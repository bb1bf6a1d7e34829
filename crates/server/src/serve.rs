//! The running server: from nothing to serving to gone.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use axum::{Router, response::Response};
use doorward_app::{Ctx, bootstrap, bootstrap::FirstAdmin, change, job::JobRegistry, signing_key};
use doorward_domain::{
    DisplayName, Email,
    ports::{FeedCursor, StoreError},
};
use doorward_http::{HttpSettings, HttpState, Lifecycle, RateLimits, RequestId};
use doorward_infra_crypto::{SystemClock, SystemEntropy};
use doorward_infra_sqlite::Workload;
use doorward_listener::{self as listener, Limits, Refusal, Refusals, Shutdown};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    banner,
    settings::{self, Environment, Settings, Transport},
    telemetry, upkeep, wiring,
    wiring::Database,
    worker::{self, WorkerSettings},
};

/// The address of the first administrator, at a name that RFC 6761 reserves: no mail to it ever
/// leaves the machine.
const FIRST_ADMIN: (&str, &str) = ("admin@doorward.localhost", "Administrator");
/// How long connections are still accepted after readiness has turned to 503, so that a load balancer
/// sees it before it is turned away.
const DRAIN_DELAY: Duration = Duration::from_secs(1);
/// How long giving the database back may take once all requests are answered.
const END_PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait before a database that cannot be reached is tried again.
const START_PAUSE: Duration = Duration::from_millis(500);
/// Descriptors that are neither connections of clients nor of the pool.
const OTHER_DESCRIPTORS: usize = 64;
/// The admin listener is for probes and scrapers.
const ADMIN_CONNECTIONS: usize = 64;

/// Serves until a signal says to stop.
pub(crate) fn run(settings: Settings) -> Result<()> {
    let _log = telemetry::start(&settings.log)?;
    runtime()?.block_on(serve(settings))
}

/// Does jobs, and nothing else, until a signal says to stop.
pub(crate) fn run_worker(settings: &Settings) -> Result<()> {
    ensure!(
        settings.jobs.concurrency > 0,
        "jobs.concurrency is 0, so this worker would do nothing; raise it"
    );
    let _log = telemetry::start(&settings.log)?;
    runtime()?.block_on(work(settings))
}

fn runtime() -> Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime")
}

async fn work(settings: &Settings) -> Result<()> {
    let shutdown = Shutdown::default();
    tokio::spawn(listener::signals(shutdown.clone()).context("cannot handle signals")?);
    let database = Database::open(&settings.database, Workload::Serving).await?;
    let ctx = Arc::new(wiring::context(settings, &database)?);
    let migrates = settings.database.migrate_on_start;
    let ready = wait_for_database(&shutdown, || database.prepare(migrates)).await?;
    if ready.is_some() {
        let stop = shutdown.draining().clone();
        warn_of_waiting_mails(&settings.mail);
        tracing::info!(concurrency = settings.jobs.concurrency, "doing jobs");
        worker::run(ctx, Arc::new(JobRegistry::built_in()), work_settings(settings), stop).await;
    }
    if timeout(END_PATIENCE, database.close()).await.is_err() {
        tracing::warn!("the database did not let go in time; it will notice by itself");
    }
    tracing::info!("stopped");
    Ok(())
}

fn warn_of_waiting_mails(mail: &settings::Mail) {
    if matches!(mail.transport, Transport::None) {
        tracing::warn!(
            "no mail is sent: mails wait as jobs until mail.smtp_url and mail.from are set"
        );
    }
}

fn work_settings(settings: &Settings) -> WorkerSettings {
    WorkerSettings {
        concurrency: settings.jobs.concurrency,
        lease: settings.jobs.lease,
        // The other half is for handing back what was not finished.
        patience: settings.server.shutdown_grace / 2,
    }
}

/// Tries until it works: a database that cannot be reached is waited for, because the order in which
/// things start must not matter. `None` when the program is told to stop meanwhile.
async fn wait_for_database<T, F: Future<Output = Result<T>>>(
    shutdown: &Shutdown,
    attempt: impl Fn() -> F,
) -> Result<Option<T>> {
    let mut waiting = false;
    loop {
        let Some(outcome) = shutdown.draining().run_until_cancelled(attempt()).await else {
            return Ok(None);
        };
        match outcome {
            Ok(done) => return Ok(Some(done)),
            Err(error) if is_passing(&error) => {
                if !std::mem::replace(&mut waiting, true) {
                    tracing::warn!(error = format!("{error:#}"), "waiting for the database");
                }
                let pause = sleep(START_PAUSE);
                if shutdown.draining().run_until_cancelled(pause).await.is_none() {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

async fn serve(mut settings: Settings) -> Result<()> {
    let shutdown = Shutdown::default();
    let tasks = TaskTracker::new();
    tokio::spawn(listener::signals(shutdown.clone()).context("cannot handle signals")?);
    let database = Database::open(&settings.database, Workload::Serving).await?;
    let address = SocketAddr::new(settings.server.host, settings.server.port);
    let main = bind(address, "server.port")?;
    settings.listening_on(main.local_addr()?.port());
    let admin = settings.server.admin_addr.map(|address| bind(address, "server.admin_addr"));
    let admin = admin.transpose()?;

    let ctx = Arc::new(wiring::context(&settings, &database)?);
    let lifecycle = Lifecycle::default();
    let http = HttpState::new(Arc::clone(&ctx), http_settings(&settings), lifecycle.clone());
    tasks.spawn(drain(lifecycle.clone(), shutdown.draining().clone()));
    let workers = TaskTracker::new();
    let start = Start {
        settings: settings.clone(),
        database: database.clone(),
        ctx,
        lifecycle,
        workers: workers.clone(),
    };
    let (upkeep, stop) = (http.clone(), CancellationToken::new());
    let start = tokio::spawn(start.run(upkeep, tasks.clone(), stop.clone(), shutdown.clone()));

    let main = listen(main, doorward_http::router(http.clone()), &settings, &shutdown);
    let admin = async {
        if let Some(admin) = admin {
            let router = doorward_http::health_router(http);
            listen(admin, router, &settings, &shutdown).await;
        }
    };
    tokio::join!(main, admin, finish(&workers, settings.server.shutdown_grace, &shutdown));
    stop.cancel();
    let end = async {
        let started = start.await.context("starting failed")?;
        tasks.close();
        tasks.wait().await;
        database.close().await;
        started
    };
    // Nobody is waiting for an answer any more, so a database that keeps silent is not waited for.
    if let Ok(started) = timeout(END_PATIENCE, end).await {
        started?;
    } else {
        tracing::warn!("the database did not let go in time; it will notice by itself");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Waits until the workers have stopped, at most for the grace that connections have as well. They are
/// told to stop when the listeners are, and hand back what they have not done.
async fn finish(workers: &TaskTracker, grace: Duration, shutdown: &Shutdown) {
    shutdown.draining().cancelled().await;
    workers.close();
    if timeout(grace, workers.wait()).await.is_err() {
        tracing::warn!(
            "some jobs could not be handed back; others take them over after their lease"
        );
    }
}

fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    listener::bind(address)
        .with_context(|| format!("cannot listen on {address}; free it or choose another {setting}"))
}

async fn drain(lifecycle: Lifecycle, draining: CancellationToken) {
    draining.cancelled().await;
    lifecycle.drain();
}

async fn listen(listener: TcpListener, app: Router, settings: &Settings, shutdown: &Shutdown) {
    let server = &settings.server;
    let is_admin = listener.local_addr().ok() == server.admin_addr;
    let grace = server.shutdown_grace;
    let drain_delay = DRAIN_DELAY.min(grace / 2);
    let limits = Limits {
        max_connections: if is_admin { ADMIN_CONNECTIONS } else { server.max_connections },
        descriptor_reserve: settings.database.max_connections as usize
            + OTHER_DESCRIPTORS
            + ADMIN_CONNECTIONS,
        drain_delay,
        grace: grace.saturating_sub(drain_delay),
        ..Limits::default()
    };
    let refusals = refusals(server.public_url.clone());
    listener::serve(listener, app, limits, refusals, shutdown.clone()).await;
}

/// Gives what the protocol layer refuses the form of every other error.
fn refusals(public_url: String) -> Refusals {
    let entropy = SystemEntropy::default();
    Arc::new(move |Refusal { status, detail }: Refusal| -> Response {
        let id = RequestId::new(&SystemClock, &entropy);
        tracing::info!(
            request_id = id.as_str(),
            status = status.as_u16(),
            detail,
            "request refused"
        );
        doorward_http::refusal(status, detail, &public_url, &id)
    })
}

fn http_settings(settings: &Settings) -> HttpSettings {
    let settings::RateLimit {
        enabled,
        sign_up_per_minute,
        login_per_minute,
        refresh_per_minute,
        other_per_minute,
    } = settings.rate_limit;
    let limits =
        RateLimits { sign_up_per_minute, login_per_minute, refresh_per_minute, other_per_minute };
    HttpSettings {
        public_url: settings.server.public_url.clone(),
        trusted_proxies: settings.server.trusted_proxies.clone(),
        request_timeout: settings.server.request_timeout,
        allowed_origins: settings.cors.allowed_origins.clone(),
        rate_limits: enabled.then_some(limits),
        mailbox: matches!(settings.mail.transport, Transport::Mailbox),
        mail_pages: settings.mail.pages.clone(),
    }
}

/// What has to be done before the API opens.
struct Start {
    settings: Settings,
    database: Database,
    ctx: Arc<Ctx>,
    lifecycle: Lifecycle,
    workers: TaskTracker,
}

impl Start {
    /// Gets everything ready and opens the API. A database that cannot be reached is waited for. Any
    /// other failure ends the server.
    async fn run(
        self,
        http: HttpState,
        tasks: TaskTracker,
        stop: CancellationToken,
        shutdown: Shutdown,
    ) -> Result<()> {
        let done = match wait_for_database(&shutdown, || self.attempt()).await {
            Ok(done) => done,
            Err(error) => {
                shutdown.begin();
                return Err(error);
            }
        };
        let Some((first_admin, cursor)) = done else { return Ok(()) };
        upkeep::start(&self.ctx, http, cursor, &tasks, &stop);
        if self.settings.jobs.concurrency > 0 {
            let (ctx, registry) = (Arc::clone(&self.ctx), Arc::new(JobRegistry::built_in()));
            let stop = shutdown.draining().clone();
            self.workers.spawn(worker::run(ctx, registry, work_settings(&self.settings), stop));
        }
        self.lifecycle.serve();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            environment = %self.settings.environment,
            url = self.settings.server.public_url,
            "serving"
        );
        warn_of_waiting_mails(&self.settings.mail);
        banner::show(&self.settings, first_admin.as_ref());
        Ok(())
    }

    async fn attempt(&self) -> Result<(Option<FirstAdmin>, FeedCursor)> {
        self.database.prepare(self.settings.database.migrate_on_start).await?;
        signing_key::ensure(&self.ctx).await?;
        let cursor = change::catch_up(&self.ctx, FeedCursor::default()).await?;
        let may_make =
            self.settings.environment == Environment::Development && self.settings.bootstrap.admin;
        let first_admin = if may_make {
            let (email, name) = FIRST_ADMIN;
            let (email, name) = (Email::parse(email)?, DisplayName::parse(name)?);
            bootstrap::first_admin(&self.ctx, email, name).await?
        } else {
            None
        };
        Ok((first_admin, cursor))
    }
}

/// Whether waiting may help.
fn is_passing(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<StoreError>(),
            Some(StoreError::Busy(_) | StoreError::Unavailable(_))
        )
    })
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn refusals_are_problems() {
        let refusal = Refusal { status: StatusCode::URI_TOO_LONG, detail: "too long" };
        let response = refusals("http://localhost".to_owned())(refusal);
        assert_eq!(response.status(), StatusCode::URI_TOO_LONG);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(response.headers().contains_key("x-request-id"));
    }
}
