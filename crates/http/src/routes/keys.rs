//! The public keys that anybody may check access tokens with.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue, header},
};
use doorward_app::signing_key;
use doorward_domain::{PublicKey, signing_key::PublicKeyParameters};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{HttpState, lifecycle::Stage, problem::Problem};

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
    get, path = "/.well-known/jwks.json", operation_id = "get_public_keys", tag = "keys",
    responses((status = 200, description = "The keys.", body = JwkSetView)),
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
