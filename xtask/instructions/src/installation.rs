//! A Doorward that answers in process, put together as the server does it.

use std::{io, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use doorward_app::{change, session::Tokens, signing_key};
use doorward_domain::ports::FeedCursor;
use doorward_http::{HttpSettings, HttpState, Lifecycle, router};
use doorward_infra_crypto::{SystemClock, SystemEntropy, TokenService, TokenSettings};
use doorward_log::{JsonLine, JsonMembers};
use doorward_testkit::World;
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use tower::ServiceExt as _;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The real tokens, clock, randomness and router; doubles of the store and of what no path here uses.
pub struct Installation {
    pub world: World,
    pub router: Router,
}

impl Installation {
    /// Over the tests' store. A database has threads of its own, and how often those wake each other differs
    /// from run to run by more than a budget may.
    pub async fn in_memory() -> Result<Self> {
        log_to_nowhere()?;
        let mut world = World::default();
        world.ctx.clock = Arc::new(SystemClock);
        world.ctx.entropy = Arc::new(SystemEntropy::default());
        world.ctx.signer = Arc::new(TokenService::new(TokenSettings {
            secret: "the secret of an installation that only counts".into(),
            previous_secrets: Vec::new(),
            issuer: "http://accounts.test".to_owned(),
            audience: "doorward".to_owned(),
        })?);
        signing_key::ensure(&world.ctx).await?;
        change::catch_up(&world.ctx, FeedCursor::default()).await?;
        let lifecycle = Lifecycle::default();
        lifecycle.serve();
        let state = HttpState::new(Arc::new(world.ctx.clone()), settings(), lifecycle);
        Ok(Self { world, router: router(state) })
    }

    /// Somebody who has just signed up and in.
    pub async fn person(&self, number: usize) -> Tokens {
        let email = format!("ada.{number}@example.com");
        self.world.registered(&email).await;
        self.world.signed_in(&email).await.0
    }

    /// Sends the requests one after the other, and reads each answer to its end.
    pub async fn send(&self, requests: Vec<Request<Body>>, expected: StatusCode) -> Result<()> {
        for request in requests {
            let response = self.router.clone().oneshot(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await.context("the body broke off")?;
            ensure!(
                status == expected,
                "{status} instead of {expected}: {}",
                String::from_utf8_lossy(&body.to_bytes())
            );
        }
        Ok(())
    }
}

/// A `GET` as a client sends it.
pub fn get(address: &str, token: Option<&Tokens>) -> Result<Request<Body>> {
    let mut request =
        Request::get(address).header(header::HOST, "accounts.test").header(header::ACCEPT, "*/*");
    if let Some(token) = token {
        let token = token.access_token.expose_secret();
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    Ok(request.body(Body::empty())?)
}

/// Rate limits are off, because they would refuse what is repeated here as often as it is.
fn settings() -> HttpSettings {
    HttpSettings {
        public_url: "http://accounts.test".to_owned(),
        trusted_proxies: Vec::new(),
        request_timeout: Duration::from_secs(30),
        allowed_origins: Vec::new(),
        rate_limits: None,
        mailbox: false,
        mail_pages: None,
    }
}

/// The log of a server in production, but for the thread that writes it out: that one's instructions
/// depend on how often it is woken.
fn log_to_nowhere() -> Result<()> {
    let json = fmt::layer().fmt_fields(JsonMembers).event_format(JsonLine).with_writer(io::sink);
    let filter = Targets::new().with_default(LevelFilter::INFO);
    tracing_subscriber::registry().with(filter).with(json).try_init()?;
    Ok(())
}
