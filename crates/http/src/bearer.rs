//! Who is asking, from the `Authorization` header (RFC 6750).

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use doorward_app::{
    Actor, access,
    grant::{self, Needed, PermitError, Permitted},
};

use crate::{
    HttpState,
    client::Asked,
    detached::detached,
    problem::{Code, Problem},
};

/// Extracts the signed-in person. A handler that has this argument cannot be reached without a valid
/// access token.
pub(crate) struct SignedIn(pub Actor);

impl FromRequestParts<HttpState> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, Problem> {
        let token = bearer_token(&parts.headers)?;
        let actor = access::authenticate(&http.ctx, token).map_err(|error| {
            tracing::debug!(%error, "access token refused");
            Problem::from(error)
        })?;
        Ok(Self(actor))
    }
}

/// Extracts the signed-in person, if their present roles have the permission `P`. The use cases that need
/// a permission take nothing else, so it cannot be forgotten; and it comes before the body, so that
/// who is not let learns nothing about theirs.
pub(crate) struct Let<P>(pub Permitted<P>);

impl<P: Needed> FromRequestParts<HttpState> for Let<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, Problem> {
        let SignedIn(actor) = SignedIn::from_request_parts(parts, http).await?;
        let refused = match grant::permit(&http.ctx, actor).await {
            Ok(permitted) => return Ok(Self(permitted)),
            Err(refused) => refused,
        };
        if let PermitError::Forbidden(permission) = &refused {
            let (Asked(ctx), permission) = (asked(parts, http).await, permission.clone());
            detached(async move { grant::note_refusal(&ctx, &actor, &permission).await }).await?;
        }
        Err(refused.into())
    }
}

async fn asked(parts: &mut Parts, http: &HttpState) -> Asked {
    match Asked::from_request_parts(parts, http).await {
        Ok(asked) => asked,
        Err(never) => match never {},
    }
}

/// The one answer to every access token that is refused: it does not say why.
pub(crate) fn invalid_token() -> Problem {
    const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    Problem::new(Code::InvalidToken).with_header(header::WWW_AUTHENTICATE, CHALLENGE)
}

fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Problem::new(Code::AuthenticationRequired));
    };
    if values.next().is_some() {
        return Err(Problem::new(Code::BadRequest)
            .with_detail("There is more than one Authorization header."));
    }
    let Ok(value) = value.to_str() else { return Err(invalid_token()) };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        // Another scheme is no attempt to sign in here.
        _ if !value.trim().eq_ignore_ascii_case("bearer") => {
            Err(Problem::new(Code::AuthenticationRequired))
        }
        _ => Err(invalid_token()),
    }
}
