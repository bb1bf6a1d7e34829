//! The framework's limit: one route, nothing around it.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};

use super::Options;
use super::profile::Profile;
use crate::cases::{LIVE, ME};

/// A profile as JSON, as long as Doorward's.
pub fn json(options: &Options) -> Router {
    let profile = Arc::new(Profile::of_length(options.bytes));
    Router::new().route(ME, get(async move || Json(Arc::clone(&profile))))
}

/// What Doorward says to who asks whether it lives: nothing but that.
pub fn live() -> Router {
    Router::new().route(LIVE, get(alive))
}

/// As Doorward's handler.
pub async fn alive() -> StatusCode {
    StatusCode::OK
}
