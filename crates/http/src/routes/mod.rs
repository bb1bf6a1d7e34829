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

use axum::{
    Router,
    handler::Handler,
    http::HeaderValue,
    middleware,
    routing::{MethodFilter, on},
};
use http::{HeaderName, Method, header};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
};
use utoipa::openapi::path::HttpMethod;

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
    let routes = Router::new()
        .nest(BASE, api_routes())
        .merge(key_routes())
        .merge(health_routes())
        .merge(docs::router());
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
    in_envelope(health_routes().fallback(no_such_address), http)
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

/// Names operations once for two purposes: a function that makes the router which serves them, and a type
/// that describes them. Describing takes much longer than serving, and most instances are never asked.
macro_rules! operations {
    ($router:ident, $description:ident: $($module:ident::$handler:ident,)+) => {
        fn $router() -> Router<HttpState> {
            let router = Router::new();
            $(
                // The annotation of a handler makes a type of this name, which knows where it is served.
                let router = pastey::paste! {
                    serve::<$module::[<__path_ $handler>], _, _>(router, &$module::$handler)
                };
            )+
            router
        }

        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($module::$handler),+))]
        pub(crate) struct $description;
    };
}

operations! { api_routes, ApiDescription:
    account::register,
    user::list,
    export::users,
    account::profile,
    account::update_profile,
    account::delete,
    account::change_password,
    auth::login,
    auth::refresh,
    auth::logout,
    verification::verify,
    verification::resend,
    password_reset::request,
    password_reset::confirm,
    email_change::request,
    email_change::confirm,
    email_change::cancel,
    session::list,
    session::revoke_others,
    session::revoke,
    user::get,
    user::update,
    user::delete,
    user::set_roles,
    user::sessions,
    user::revoke_sessions,
    job::list,
    job::get,
    job::delete,
    job::retry,
    keys::list,
    keys::rotate,
    audit::list,
    audit::list_own,
    role::list,
    role::put,
    role::delete,
}

operations! { key_routes, KeysDescription: keys::jwks, }

operations! { health_routes, HealthDescription: health::health, health::live, health::ready, }

/// Has a handler serve the operation that its annotation tells of.
fn serve<P: utoipa::Path, H: Handler<T, HttpState>, T: 'static>(
    router: Router<HttpState>,
    handler: &H,
) -> Router<HttpState> {
    P::methods().into_iter().fold(router, |router, method| {
        router.route(&P::path(), on(method_filter(&method), handler.clone()))
    })
}

fn method_filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    }
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
