use std::{sync::Arc, time::Duration};

use doorward_app::Ctx;
use ipnet::IpNet;

use crate::{Lifecycle, MailPages, RateLimits, rate_limit::RateLimiter, routes::DatabaseProbe};

/// What an operator decides about HTTP.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where clients reach this installation, without a trailing slash. Links are built from it and
    /// never from a request's `Host`.
    pub public_url: String,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// A request that is not answered after this long gets 503.
    pub request_timeout: Duration,
    /// Origins whose pages may call the API, as `scheme://host[:port]`.
    pub allowed_origins: Vec<String>,
    /// `None` switches rate limits off.
    pub rate_limits: Option<RateLimits>,
    /// Whether whoever asks sees the mails that were kept in place of being sent: for development only.
    pub mailbox: bool,
    /// The pages to which the links in mails lead; `None` where the application has pages of its own.
    pub mail_pages: Option<MailPages>,
}

/// What handlers share.
#[derive(Clone)]
pub struct HttpState(Arc<Shared>);

pub struct Shared {
    /// Shared by itself too, because use cases that write run in tasks of their own.
    pub(crate) ctx: Arc<Ctx>,
    pub(crate) settings: HttpSettings,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) rate_limiter: Option<RateLimiter>,
    pub(crate) database_probe: DatabaseProbe,
}

impl HttpState {
    /// Joins the application with what HTTP needs. `lifecycle` is shared with whoever starts and
    /// stops the server.
    #[must_use]
    pub fn new(ctx: Arc<Ctx>, settings: HttpSettings, lifecycle: Lifecycle) -> Self {
        let rate_limiter = settings.rate_limits.map(RateLimiter::new);
        let database_probe = DatabaseProbe::default();
        Self(Arc::new(Shared { ctx, settings, lifecycle, rate_limiter, database_probe }))
    }

    /// Forgets the clients that have not been heard of for a while, so that the rate limiter's memory
    /// stays small. To be called every minute or so.
    pub fn forget_idle_clients(&self) {
        if let Some(limiter) = &self.0.rate_limiter {
            limiter.forget_idle();
        }
    }
}

impl std::ops::Deref for HttpState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
