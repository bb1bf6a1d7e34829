//! The routes of the generated `controllers/auth.rs` that are measured, without the mail of a sign-up.

use axum::debug_handler;
use loco_rs::prelude::*;
use serde::Serialize;

use crate::users::{self, LoginParams, RegisterParams};

#[derive(Serialize)]
struct LoginResponse {
    token: String,
    pid: String,
    name: String,
    is_verified: bool,
}

#[derive(Serialize)]
struct CurrentResponse {
    pid: String,
    name: String,
    email: String,
}

#[debug_handler]
async fn register(State(ctx): State<AppContext>, Json(params): Json<RegisterParams>) -> Result<Response> {
    let user = match users::Model::create_with_password(&ctx.db, &params).await {
        Ok(user) => user,
        Err(err) => {
            tracing::info!(message = err.to_string(), user_email = &params.email, "could not register user");
            return format::json(());
        }
    };
    user.into_active_model().set_email_verification_sent(&ctx.db).await?;
    format::json(())
}

#[debug_handler]
async fn login(State(ctx): State<AppContext>, Json(params): Json<LoginParams>) -> Result<Response> {
    let Ok(user) = users::Model::find_by_email(&ctx.db, &params.email).await else {
        return unauthorized("Invalid credentials!");
    };
    if !user.verify_password(&params.password) {
        return unauthorized("unauthorized!");
    }
    let jwt_secret = ctx.config.get_jwt_config()?;
    let token = user
        .generate_jwt(&jwt_secret.secret, jwt_secret.expiration)
        .or_else(|_| unauthorized("unauthorized!"))?;
    format::json(LoginResponse {
        token,
        pid: user.pid.to_string(),
        name: user.name.clone(),
        is_verified: user.email_verified_at.is_some(),
    })
}

#[debug_handler]
async fn current(auth: auth::JWT, State(ctx): State<AppContext>) -> Result<Response> {
    let user = users::Model::find_by_pid(&ctx.db, &auth.claims.pid).await?;
    format::json(CurrentResponse {
        pid: user.pid.to_string(),
        name: user.name.clone(),
        email: user.email.clone(),
    })
}

pub fn routes() -> Routes {
    Routes::new()
        .prefix("/api/auth")
        .add("/register", post(register))
        .add("/login", post(login))
        .add("/current", get(current))
}
