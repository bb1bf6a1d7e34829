//! The framework and the verification of a token by `jsonwebtoken`, as its documentation shows it.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use sqlx::types::Uuid;

use super::Options;
use super::profile::Profile;
use crate::cases::ME;
use crate::doorward::{AUDIENCE, ISSUER};
use crate::harness::http;

/// The keys of who signs the tokens, and what tokens must say.
pub struct Verifier {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
}

impl Verifier {
    /// Fetches the public keys.
    pub fn of(options: &Options) -> Result<Arc<Self>> {
        let set: JwkSet = serde_json::from_str(&http::get(&options.keys, None)?)?;
        let key = |jwk: &jsonwebtoken::jwk::Jwk| {
            let id = jwk.common.key_id.clone().context("a key without an id")?;
            Ok((id, DecodingKey::from_jwk(jwk)?))
        };
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        Ok(Arc::new(Self { keys: set.keys.iter().map(key).collect::<Result<_>>()?, validation }))
    }

    fn verify(&self, parts: &Parts) -> Option<Uuid> {
        let token = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let token = token.strip_prefix("Bearer ")?;
        let key = self.keys.get(decode_header(token).ok()?.kid.as_deref()?)?;
        Some(decode::<Claims>(token, key, &self.validation).ok()?.claims.sub)
    }
}

/// What is read of a token.
#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
}

/// Whoever signed in.
pub struct Person(pub Uuid);

impl<S: AsRef<Verifier> + Send + Sync> FromRequestParts<S> for Person {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StatusCode> {
        state.as_ref().verify(parts).map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}

/// A profile as JSON for who is signed in, without looking anything up.
pub fn json(options: &Options) -> Result<Router> {
    let profile = Arc::new(Profile::of_length(options.bytes));
    let answer = async move |_: Person| Json(Arc::clone(&profile));
    Ok(Router::new().route(ME, get(answer)).with_state(Verifier::of(options)?))
}
