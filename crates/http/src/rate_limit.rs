//! How many requests one client may send, by the generic cell rate algorithm.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use doorward_domain::guess::address_block;
use governor::{
    Quota, RateLimiter as Limiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::problem::{Code, Problem, whole_seconds};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");
const WINDOW: Duration = Duration::from_mins(1);

/// Requests a minute for each client address; IPv6 clients count by /64, because whoever has one
/// address has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    pub sign_up_per_minute: NonZeroU32,
    pub login_per_minute: NonZeroU32,
    pub refresh_per_minute: NonZeroU32,
    pub other_per_minute: NonZeroU32,
}

type ByClient =
    Limiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>;

struct Class {
    name: &'static str,
    limit: NonZeroU32,
    clients: ByClient,
}

pub(crate) struct RateLimiter {
    sign_up: Class,
    login: Class,
    refresh: Class,
    other: Class,
    clock: DefaultClock,
}

/// Where a client stands after a request: the headers that tell it
/// (draft-ietf-httpapi-ratelimit-headers).
pub(crate) struct Standing {
    policy: String,
    standing: String,
}

impl Standing {
    pub fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in [(POLICY, &self.policy), (STANDING, &self.standing)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}

impl RateLimiter {
    pub fn new(limits: RateLimits) -> Self {
        let class = |name, limit| Class {
            name,
            limit,
            clients: Limiter::dashmap_with_clock(Quota::per_minute(limit), DefaultClock::default())
                .with_middleware::<StateInformationMiddleware>(),
        };
        Self {
            sign_up: class("sign_up", limits.sign_up_per_minute),
            login: class("login", limits.login_per_minute),
            refresh: class("refresh", limits.refresh_per_minute),
            other: class("other", limits.other_per_minute),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request to the route `template`. `None` where no limit applies: probes must not be
    /// turned away.
    pub fn count(
        &self,
        method: &Method,
        template: &str,
        client: IpAddr,
    ) -> Option<Result<Standing, Box<(Problem, Standing)>>> {
        if template.starts_with("/health") {
            return None;
        }
        let class = match (method, template.rsplit("/api/v1").next().unwrap_or_default()) {
            // Whatever has somebody mailed who may not want it.
            (&Method::POST, "/users" | "/auth/verify-email/resend" | "/auth/password-reset") => {
                &self.sign_up
            }
            // Whatever checks a password or a code is a place to guess it.
            (
                &Method::POST,
                "/auth/login"
                | "/auth/verify-email"
                | "/auth/password-reset/confirm"
                | "/auth/email-change/confirm"
                | "/auth/email-change/cancel"
                | "/users/me/email",
            )
            | (&Method::PUT, "/users/me/password")
            | (&Method::DELETE, "/users/me") => &self.login,
            (&Method::POST, "/auth/refresh") => &self.refresh,
            _ => &self.other,
        };
        Some(self.count_in(class, client))
    }

    fn count_in(
        &self,
        class: &Class,
        client: IpAddr,
    ) -> Result<Standing, Box<(Problem, Standing)>> {
        let Class { name, limit, clients } = class;
        let policy = format!("\"{name}\";q={limit};w={}", WINDOW.as_secs());
        match clients.check_key(&address_block(client)) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let used = limit.get().saturating_sub(remaining);
                let full_in = whole_seconds(WINDOW * used / limit.get());
                let standing = format!("\"{name}\";r={remaining};t={full_in}");
                Ok(Standing { policy, standing })
            }
            Err(refusal) => {
                let wait = refusal.wait_time_from(self.clock.now());
                let standing = format!("\"{name}\";r=0;t={}", whole_seconds(wait));
                let problem = Problem::new(Code::RateLimited).with_retry_after(wait);
                Err(Box::new((problem, Standing { policy, standing })))
            }
        }
    }

    pub fn forget_idle(&self) {
        for class in [&self.sign_up, &self.login, &self.refresh, &self.other] {
            class.clients.retain_recent();
            class.clients.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(each: u32) -> RateLimiter {
        let each = NonZeroU32::new(each).unwrap();
        RateLimiter::new(RateLimits {
            sign_up_per_minute: each,
            login_per_minute: each,
            refresh_per_minute: each,
            other_per_minute: each,
        })
    }

    fn login(limiter: &RateLimiter, client: &str) -> bool {
        let client = client.parse().unwrap();
        limiter.count(&Method::POST, "/api/v1/auth/login", client).unwrap().is_ok()
    }

    #[test]
    fn the_client_over_the_limit_waits_and_the_others_do_not() {
        let limiter = limiter(3);
        for _ in 0..3 {
            assert!(login(&limiter, "192.0.2.1"));
        }
        assert!(!login(&limiter, "192.0.2.1"));
        assert!(!login(&limiter, "::ffff:192.0.2.1"));
        assert!(login(&limiter, "192.0.2.2"));
        // Each class counts for itself.
        let client = "192.0.2.1".parse().unwrap();
        assert!(limiter.count(&Method::POST, "/api/v1/users", client).unwrap().is_ok());
        // Other ways to try a password or a code share the limit of signing in.
        for (method, path) in [
            (Method::PUT, "/users/me/password"),
            (Method::DELETE, "/users/me"),
            (Method::POST, "/users/me/email"),
            (Method::POST, "/auth/verify-email"),
            (Method::POST, "/auth/password-reset/confirm"),
        ] {
            let template = format!("/api/v1{path}");
            assert!(limiter.count(&method, &template, client).unwrap().is_err(), "{path}");
        }
        assert!(limiter.count(&Method::GET, "/health/live", client).is_none());
    }

    #[test]
    fn an_ipv6_client_counts_by_its_network() {
        let limiter = limiter(2);
        assert!(login(&limiter, "2001:db8:0:1::1"));
        assert!(login(&limiter, "2001:db8:0:1::2"));
        assert!(!login(&limiter, "2001:db8:0:1:ffff::3"));
        assert!(login(&limiter, "2001:db8:0:2::1"));
    }

    #[test]
    fn the_headers_say_what_is_left_and_when_to_come_back() {
        let limiter = limiter(2);
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        let count = || limiter.count(&Method::POST, "/api/v1/auth/refresh", client).unwrap();
        let Ok(first) = count() else { panic!("within the limit") };
        assert_eq!(first.policy, "\"refresh\";q=2;w=60");
        assert_eq!(first.standing, "\"refresh\";r=1;t=30");
        assert!(count().is_ok());
        let Err(refusal) = count() else { panic!("over the limit") };
        assert_eq!(refusal.1.standing, "\"refresh\";r=0;t=30");
    }
}
