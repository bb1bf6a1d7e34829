//! A whole API over doubles of everything but the store.

use std::{
    collections::BTreeSet,
    future,
    net::SocketAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, header},
    response::Response,
};
use doorward_app::{
    account::{Register, RegisterError},
    bootstrap, change, idempotency,
};
use doorward_domain::{
    DisplayName, Email, JobError, JobId, JobKind, JobPayload, NewJob, Password, User, UserId,
    idempotency::Caller,
    ports::{FeedCursor, Imported, ImportedUser, Store},
};
use doorward_http::{HttpSettings, HttpState, Lifecycle, RateLimits, router};
use doorward_testkit::World;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::documented;

pub const PUBLIC_URL: &str = "http://accounts.test";
pub use doorward_testkit::PASSWORD;

/// An API that answers in process.
pub struct Api {
    pub world: World,
    pub lifecycle: Lifecycle,
    /// The problems that were answered with: the operation and the code.
    pub problems: Mutex<BTreeSet<(String, String)>>,
    router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub octets: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.octets).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The member `code` of a problem, after checking that it is one in good form.
    pub fn problem(&self) -> String {
        let body = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(body["status"], self.status.as_u16(), "{body}");
        let code = body["code"].as_str().expect("a problem has a code").to_owned();
        assert_eq!(body["type"], format!("{PUBLIC_URL}/docs/problems#{code}"));
        for member in ["title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
        }
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"));
        if self.status == StatusCode::UNAUTHORIZED {
            assert!(self.header("www-authenticate").is_some_and(|v| v.starts_with("Bearer")));
        }
        if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&self.status) {
            let seconds = self.header("retry-after").and_then(|v| v.parse::<u64>().ok());
            assert!(seconds.is_some_and(|seconds| seconds >= 1), "{self:?}");
        }
        code
    }

    /// The pointers and codes of a validation problem.
    pub fn faults(&self) -> Vec<(String, String)> {
        assert_eq!(self.status, StatusCode::UNPROCESSABLE_ENTITY, "{self:?}");
        assert_eq!(self.problem(), "validation_failed");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let body = self.json();
        let errors = body["errors"].as_array().expect("a validation problem lists its errors");
        errors.iter().map(|e| (text(&e["pointer"]), text(&e["code"]))).collect()
    }
}

pub fn settings() -> HttpSettings {
    HttpSettings {
        public_url: PUBLIC_URL.to_owned(),
        trusted_proxies: Vec::new(),
        request_timeout: Duration::from_secs(30),
        allowed_origins: Vec::new(),
        rate_limits: None,
        mailbox: false,
        mail_pages: None,
    }
}

pub fn limits(each: u32) -> RateLimits {
    let each = NonZeroU32::new(each).unwrap();
    RateLimits {
        sign_up_per_minute: each,
        login_per_minute: each,
        refresh_per_minute: each,
        other_per_minute: each,
    }
}

impl Api {
    /// Adds a job of which nobody knows how it is done.
    pub async fn enqueue(&self, kind: &str, max_attempts: u32) -> JobId {
        let ctx = &self.world.ctx;
        let kind = JobKind::parse(kind).expect("a valid kind");
        let (now, entropy) = (ctx.clock.now(), ctx.entropy.as_ref());
        let new = NewJob::new(kind, JobPayload::empty(), now, entropy);
        let mut work = ctx.store.begin().await.expect("a unit of work begins");
        work.job_enqueue(&NewJob { max_attempts, ..new.clone() }).await.expect("the job is added");
        work.commit().await.expect("the unit of work commits");
        new.id
    }

    /// Has an attempt at each job of the kind fail.
    pub async fn kill(&self, kind: &str) {
        let ctx = &self.world.ctx;
        let (kinds, now) = ([JobKind::parse(kind).expect("a valid kind")], ctx.clock.now());
        let claim = ctx.store.jobs_claim(&kinds, 9, time::Duration::HOUR, now).await;
        for job in claim.expect("jobs are claimed").taken {
            let failed = doorward_app::job::fail(ctx, &job, &JobError::new("out of luck")).await;
            failed.expect("the failure is noted");
        }
    }

    /// Over the store in memory.
    pub async fn new() -> Self {
        Self::with(World::default(), settings()).await
    }

    pub async fn over(store: Arc<dyn Store>) -> Self {
        Self::with(World::over(store), settings()).await
    }

    pub async fn with(world: World, settings: HttpSettings) -> Self {
        let lifecycle = Lifecycle::default();
        lifecycle.serve();
        doorward_app::signing_key::ensure(&world.ctx).await.expect("a signing key can be made");
        let start = FeedCursor::default();
        change::catch_up(&world.ctx, start).await.expect("the revocations can be read");
        Self::open(world, settings, lifecycle)
    }

    /// Over a server that does not serve yet.
    pub fn starting() -> Self {
        Self::open(World::default(), settings(), Lifecycle::default())
    }

    /// The same world, after the test has changed its context.
    pub fn reopened(self) -> Self {
        Self::open(self.world, settings(), self.lifecycle)
    }

    fn open(world: World, settings: HttpSettings, lifecycle: Lifecycle) -> Self {
        let state = HttpState::new(Arc::new(world.ctx.clone()), settings, lifecycle.clone());
        Self { world, lifecycle, problems: Mutex::default(), router: router(state) }
    }

    /// Sends any request at all, and leaves the answer's body to the test.
    pub async fn begin(&self, mut request: Request<Body>) -> Response {
        let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
        request.extensions_mut().insert(ConnectInfo(peer));
        self.router.clone().oneshot(request).await.expect("the router never fails")
    }

    /// Sends any request at all, and holds the answer against the document.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (parts, body) = self.begin(request).await.into_parts();
        let octets = body.collect().await.expect("the body can be read").to_bytes().to_vec();
        let answer = Answer { status: parts.status, headers: parts.headers, octets };
        self.problems.lock().unwrap().extend(documented::check(&method, &path, &answer));
        answer
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, None, Some(body)).await
    }

    /// Signs a person up with [`PASSWORD`].
    pub async fn sign_up(&self, email: &str) -> Answer {
        let body = json!({"email": email, "password": PASSWORD, "name": "Ada Lovelace"});
        self.post("/api/v1/users", body).await
    }

    /// Adds so many users at once, who cannot sign in.
    pub async fn add_users(&self, count: usize) {
        let emails: Vec<_> =
            (0..count).map(|number| format!("extra-{number}@example.com")).collect();
        self.import(&emails).await;
    }

    /// Adds users with these addresses, who cannot sign in.
    pub async fn import(&self, emails: &[impl AsRef<str>]) {
        let (now, entropy) = (self.world.ctx.clock.now(), self.world.ctx.entropy.as_ref());
        let user = |email: &str| {
            let email = Email::parse(email).unwrap();
            let name = DisplayName::parse("Extra").unwrap();
            let user = User::new(UserId::new(now, entropy), email, name, vec![], now);
            ImportedUser { user, password_hash: None }
        };
        let users: Vec<ImportedUser> = emails.iter().map(|email| user(email.as_ref())).collect();
        let mut work = self.world.ctx.store.begin().await.unwrap();
        let added = vec![Imported::Added; users.len()];
        assert_eq!(work.users_import(&users).await.unwrap(), added);
        work.commit().await.unwrap();
    }

    /// Signs a person in with [`PASSWORD`] and returns the token pair.
    pub async fn sign_in(&self, email: &str) -> Value {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.post("/api/v1/auth/login", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// Signs the administrator in, who is made at the first call, and returns their access token.
    pub async fn admin(&self) -> String {
        let command = Register {
            email: Email::parse("admin@example.com").unwrap(),
            password: Password::parse(PASSWORD).unwrap(),
            name: DisplayName::parse("Administrator").unwrap(),
        };
        let made = bootstrap::create_admin(&self.world.ctx, command).await;
        assert!(matches!(made, Ok(_) | Err(RegisterError::EmailTaken)), "{made:?}");
        text(&self.sign_in("admin@example.com").await["access_token"])
    }

    /// The administrator, who was made before, as the caller of a request.
    pub async fn admin_caller(&self) -> Caller {
        let email = Email::parse("admin@example.com").unwrap();
        let found = self.world.ctx.store.credential_by_email(&email).await.unwrap();
        Caller::User(found.expect("the administrator was made").0.id)
    }

    /// Claims a request as if its process had been killed right afterwards.
    pub async fn begin_and_be_killed(&self, request: idempotency::Request) {
        let never = |_| future::pending::<Result<(), RegisterError>>();
        let write = |(): &()| Vec::new();
        let killed = idempotency::once(&self.world.ctx, Some(request), write, never);
        let soon = tokio::time::timeout(Duration::from_millis(50), killed).await;
        assert!(soon.is_err(), "{soon:?}");
    }

    /// Signs a person up and in, and returns their access token.
    pub async fn signed_in(&self, email: &str) -> String {
        assert_eq!(self.sign_up(email).await.status, StatusCode::CREATED);
        text(&self.sign_in(email).await["access_token"])
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
