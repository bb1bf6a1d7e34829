//! The routes. Each file holds the bodies, the views and the handlers of one concept.

mod account;
mod audit;
mod auth;
mod docs;
mod email_change;
mod export;
mod health;
mod job;
mod keys;
mod mail_pages;
mod mailbox;
mod password_reset;
mod proof;
mod role;
mod session;
mod user;
mod verification;

pub use account::UserView;
pub(crate) use health::{Checks, DatabaseProbe};
pub use mail_pages::{MailPages, PagePathError};

use axum::{Router, http::HeaderValue, middleware};
use http::{HeaderName, Method, header};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    HttpState, envelope,
    idempotency::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED},
    problem::{Code, Problem},
    uncompressed::Compressible,
};

/// Where the API lives.
pub(crate) const BASE: &str = "/api/v1";

/// The whole of Doorward: the API, the public keys, health, the OpenAPI document and its page. Errors
/// are problems throughout, unknown addresses included. In development there is the mailbox as well, and where
/// they are wanted the pages of the links in mails.
pub fn router(http: HttpState) -> Router {
    let (routes, _) = documented().split_for_parts();
    let routes = routes.merge(docs::router());
    let routes = if http.settings.mailbox { routes.merge(mailbox::router()) } else { routes };
    let routes = match &http.settings.mail_pages {
        Some(pages) => routes.merge(pages.router(&http)),
        None => routes,
    };
    let routes = routes.fallback(no_such_address);
    in_envelope(routes, http)
}

/// Health alone, for a listener of its own.
pub fn health_router(http: HttpState) -> Router {
    let (routes, _) = health_routes().split_for_parts();
    in_envelope(routes.fallback(no_such_address), http)
}

fn in_envelope(routes: Router<HttpState>, http: HttpState) -> Router {
    let origins = http.settings.allowed_origins.clone();
    // The layer added last is the outermost.
    let routes = routes
        .layer(CatchPanicLayer::custom(envelope::panicked))
        .layer(middleware::from_fn_with_state(http.clone(), envelope::limits))
        .layer(CompressionLayer::new().compress_when(Compressible));
    let routes = if origins.is_empty() { routes } else { routes.layer(cors(&origins)) };
    routes.layer(middleware::from_fn_with_state(http.clone(), envelope::envelope)).with_state(http)
}

/// The routes that the OpenAPI document describes.
pub(crate) fn documented() -> OpenApiRouter<HttpState> {
    let api = OpenApiRouter::new()
        .routes(routes!(account::register, user::list))
        .routes(routes!(export::users))
        .routes(routes!(account::profile, account::update_profile, account::delete))
        .routes(routes!(account::change_password))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(verification::verify))
        .routes(routes!(verification::resend))
        .routes(routes!(password_reset::request))
        .routes(routes!(password_reset::confirm))
        .routes(routes!(email_change::request))
        .routes(routes!(email_change::confirm))
        .routes(routes!(email_change::cancel))
        .routes(routes!(session::list, session::revoke_others))
        .routes(routes!(session::revoke))
        .routes(routes!(user::get, user::update, user::delete))
        .routes(routes!(user::set_roles))
        .routes(routes!(user::sessions, user::revoke_sessions))
        .routes(routes!(job::list))
        .routes(routes!(job::get, job::delete))
        .routes(routes!(job::retry))
        .routes(routes!(keys::list))
        .routes(routes!(keys::rotate))
        .routes(routes!(audit::list))
        .routes(routes!(audit::list_own))
        .routes(routes!(role::list))
        .routes(routes!(role::put, role::delete));
    OpenApiRouter::new().nest(BASE, api).routes(routes!(keys::jwks)).merge(health_routes())
}

fn health_routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

async fn no_such_address() -> Problem {
    Problem::new(Code::NotFound)
}

/// Lets the pages of the listed origins call the API. Tokens travel in a header that a page must set
/// itself, so credentials of the browser are never allowed.
fn cors(origins: &[String]) -> CorsLayer {
    const EXPOSED: [HeaderName; 8] = [
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("ratelimit"),
        HeaderName::from_static("ratelimit-policy"),
        header::RETRY_AFTER,
        header::LOCATION,
        header::LINK,
        header::WWW_AUTHENTICATE,
        IDEMPOTENCY_REPLAYED,
    ];
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            IDEMPOTENCY_KEY,
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("x-device-token"),
            HeaderName::from_static("traceparent"),
        ])
        .expose_headers(EXPOSED)
        .max_age(std::time::Duration::from_mins(10))
}
