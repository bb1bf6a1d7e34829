//! The public keys that anybody may check access tokens with, and the signing keys behind them.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use doorward_app::{
    Ctx,
    grant::KeysRotate,
    signing_key::{self, ListedKey, Rotation, SigningKeyError},
};
use doorward_domain::{
    Page, PageRequest, PublicKey, idempotency::Caller, signing_key::PublicKeyParameters,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    HttpState,
    bearer::Let,
    client::Asked,
    idempotency::{Answer, IdempotencyHeader, Once},
    lifecycle::Stage,
    listing::{Listing, PageQuery, PageView},
    problem::Problem,
};

/// The tag of these operations in the document.
const TAG: &str = "keys";

/// A JWK Set (RFC 7517 §5).
#[derive(Serialize, ToSchema)]
#[schema(as = JwkSet)]
pub(crate) struct JwkSetView {
    keys: Vec<JwkView>,
}

/// A public key (RFC 7517 §4).
#[derive(Serialize, ToSchema)]
#[schema(as = Jwk)]
pub(crate) struct JwkView {
    /// The JWK thumbprint (RFC 7638).
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    kid: String,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    usage: &'static str,
    #[schema(example = "EdDSA")]
    alg: &'static str,
    #[schema(example = "OKP")]
    kty: &'static str,
    /// The curve, for `OKP` and `EC`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Ed25519")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    e: Option<String>,
}

impl From<PublicKey> for JwkView {
    fn from(key: PublicKey) -> Self {
        let (kty, crv, [x, y, n, e]) = match key.parameters {
            PublicKeyParameters::Ed25519 { x } => {
                ("OKP", Some("Ed25519"), [Some(x), None, None, None])
            }
            PublicKeyParameters::P256 { x, y } => {
                ("EC", Some("P-256"), [Some(x), Some(y), None, None])
            }
            PublicKeyParameters::Rsa { n, e } => ("RSA", None, [None, None, Some(n), Some(e)]),
        };
        let alg = key.algorithm.as_str();
        Self { kid: key.kid, usage: "sig", alg, kty, crv, x, y, n, e }
    }
}

/// Read the public keys.
///
/// With them anybody can check access tokens without asking Doorward. A key is listed here for longer
/// than the answer may be cached before it signs.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "get_public_keys", tag = TAG,
    extensions(("x-problems" = json!([]))),
    responses(
        (status = 200, description = "The keys.", body = JwkSetView,
         headers(("Cache-Control"))),
    ),
)]
pub(crate) async fn jwks(
    State(http): State<HttpState>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<JwkSetView>), Problem> {
    // An empty set would be cached, and every token refused for as long.
    if http.lifecycle.stage() == Stage::Starting {
        return Err(Problem::unavailable("The server is starting."));
    }
    let keys = signing_key::published(&http.ctx).into_iter().map(JwkView::from).collect();
    let max_age = http.ctx.policy.public_keys_max_age.whole_seconds();
    let caching = HeaderValue::try_from(format!("public, max-age={max_age}"));
    let caching = caching.unwrap_or(HeaderValue::from_static("no-cache"));
    Ok(([(header::CACHE_CONTROL, caching)], Json(JwkSetView { keys })))
}

/// A signing key as an operator sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub(crate) struct SigningKeyView {
    /// The JWK thumbprint (RFC 7638).
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    kid: String,
    /// Numbers the keys of an installation from 1.
    #[schema(example = 2)]
    generation: i64,
    #[schema(example = "EdDSA")]
    algorithm: &'static str,
    /// `published`: signs soon; `active`: signs; `retiring`: its last tokens are still accepted.
    #[schema(example = "active", pattern = "^(published|active|retiring)$")]
    state: &'static str,
    #[schema(example = "2026-01-01T00:00:00Z")]
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it begins to sign, or began to.
    #[schema(example = "2026-01-01T00:10:15Z")]
    #[serde(with = "time::serde::rfc3339")]
    activates_at: OffsetDateTime,
    /// When it ceases to sign; `null` as long as there is no newer key.
    #[schema(required, example = json!(null))]
    #[serde(with = "time::serde::rfc3339::option")]
    signs_until: Option<OffsetDateTime>,
    /// When it is forgotten; `null` as long as there is no newer key.
    #[schema(required, example = json!(null))]
    #[serde(with = "time::serde::rfc3339::option")]
    retires_at: Option<OffsetDateTime>,
}

impl From<ListedKey> for SigningKeyView {
    fn from(key: ListedKey) -> Self {
        Self {
            kid: key.kid,
            generation: key.generation,
            algorithm: key.algorithm.as_str(),
            state: key.state.as_str(),
            created_at: key.created_at,
            activates_at: key.activates_at,
            signs_until: key.signs_until,
            retires_at: key.retires_at,
        }
    }
}

/// List the signing keys.
///
/// Oldest first, without those that are retired.
#[utoipa::path(
    get, path = "/signing-keys", operation_id = "list_signing_keys", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("keys:rotate")), ("x-problems" = json!([]))),
    params(PageQuery),
    responses(
        (status = 200, description = "A page of keys.", body = PageView<SigningKeyView>,
         headers(("Link"))),
    ),
)]
pub(crate) async fn list(
    State(http): State<HttpState>,
    Let(_by): Let<KeysRotate>,
    listing: Listing<i64>,
) -> Result<Response, Problem> {
    let keys = signing_key::list(&http.ctx).await?;
    let PageRequest { limit, after } = listing.page;
    let follows = |key: &ListedKey| after.is_none_or(|after| key.generation > after);
    let rows = keys.into_iter().filter(follows).take(usize::from(limit.get()) + 1).collect();
    let found = Page::from_surplus(rows, limit, |key: &ListedKey| key.generation);
    Ok(listing.respond(found, SigningKeyView::from))
}

/// Rotate the signing key.
///
/// Makes the next key, or names the one that is about to sign already. It is published at once and
/// signs when nobody can hold a copy of the public keys without it any more; the present one stays
/// until its last token has expired. Nobody is signed out.
#[utoipa::path(
    post, path = "/signing-keys/rotate", operation_id = "rotate_signing_key", tag = TAG,
    security(("bearer" = [])),
    extensions(("x-permission" = json!("keys:rotate")), ("x-problems" = json!([]))),
    params(IdempotencyHeader),
    responses((status = 202, description = "The key that signs next.", body = SigningKeyView)),
)]
pub(crate) async fn rotate(
    Asked(ctx): Asked,
    Let(by): Let<KeysRotate>,
    Once { repeat, .. }: Once<()>,
) -> Result<Response, Problem> {
    let caller = Caller::from(by.principal());
    let next = |rotation: &Rotation| {
        Answer::json(StatusCode::ACCEPTED, &SigningKeyView::from(rotation.key.clone()))
    };
    let use_case = move |ctx: Arc<Ctx>, receipt| async move {
        let rotation = signing_key::rotate(&ctx, by.principal().party(), receipt).await?;
        tracing::info!(kid = rotation.key.kid, by = %by.principal(), "signing key rotated");
        Ok::<_, SigningKeyError>(rotation)
    };
    repeat.run(ctx, caller, next, use_case).await
}
