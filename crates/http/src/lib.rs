//! Doorward over HTTP: an [`axum::Router`] that can be served as it is or mounted in another
//! application.
//!
//! A handler extracts, makes a command of domain values, calls one use case and maps the result to a
//! view. Everything that all requests share (request ids, limits, deadlines, errors as problems,
//! headers, the log line) happens in one place, `envelope`.

mod bearer;
mod body_drain;
mod client;
mod cursor;
mod detached;
mod envelope;
mod fields;
mod idempotency;
mod lifecycle;
mod listing;
mod openapi;
mod packed;
mod payload;
pub mod problem;
mod rate_limit;
mod request_id;
mod routes;
mod state;
mod uncompressed;

pub use envelope::refusal;
pub use lifecycle::Lifecycle;
pub use openapi::{DEFAULT_URL, document, published};
pub use rate_limit::RateLimits;
pub use request_id::RequestId;
pub use routes::{MailPages, PagePathError, UserView, health_router, router};
pub use state::{HttpSettings, HttpState};
