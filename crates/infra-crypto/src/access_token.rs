//! Access tokens: JWTs by RFC 9068, made and read.
//!
//! Reading is stricter than the standards ask for, because every token comes from this very code:
//! whatever it would not have written is refused, and nothing in a token is ever followed (`jku`,
//! `x5u`), unpacked (`zip`) or believed about itself (`alg`, `jwk`).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_domain::{
    AccessClaims, RoleName, SessionId, Timestamp, TokenId, UserId,
    ports::{KeyError, TokenError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    keyring::{AdoptedKey, Keyring},
    verified_tokens::VerifiedTokens,
};

/// Octets of the longest token. Its length is looked at before anything else is.
const MAX_TOKEN: usize = 8 * 1024;
/// The media type of access tokens (RFC 9068 §2.1). It tells them from all other JWTs.
const TYPE: &str = "at+jwt";
/// How far the clock of the instance that issued a token may be ahead of the one that reads it. It
/// is not granted at the other end: a token is over when it says so.
const CLOCK_SKEW: Duration = Duration::seconds(5);

/// The issuer and the audience that all tokens of an installation share.
pub(crate) struct AccessTokens {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) verified: VerifiedTokens,
}

/// A token that one of the keys has signed, and that is one of ours; whether it is valid depends on the time.
#[derive(Clone)]
pub(crate) struct SignedToken {
    kid: Arc<str>,
    /// The later one of `iat` and `nbf`.
    not_before: Timestamp,
    claims: Arc<AccessClaims>,
}

/// The JOSE header. An unknown member is refused, since it may change what the token means
/// (`crit`, `b64`), and so is a member that occurs twice.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
    kid: String,
}

/// The claims. Unknown ones are ignored, as RFC 7519 §4 demands: while an update is rolled out, the
/// instances of the former version read tokens of the newer one. The times are integers only.
#[derive(Serialize, Deserialize)]
struct Payload {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    jti: Uuid,
    iat: i64,
    exp: i64,
    /// Never written, but heeded: a claim with a standard meaning must not be ignored.
    #[serde(default, skip_serializing)]
    nbf: Option<i64>,
    roles: Vec<String>,
    auth_time: i64,
    amr: Vec<String>,
}

impl AccessTokens {
    /// Writes and signs a token.
    ///
    /// # Errors
    /// [`KeyError::Library`] when signing fails, or when the token would be longer than is accepted.
    pub(crate) fn sign(&self, key: &AdoptedKey, claims: &AccessClaims) -> Result<String, KeyError> {
        let header = Header {
            typ: TYPE.to_owned(),
            alg: key.algorithm().as_str().to_owned(),
            kid: key.kid().to_string(),
        };
        let mut token = format!("{}.{}", part(&header)?, part(&self.payload(claims))?);
        let signature = key.sign(token.as_bytes())?;
        token.push('.');
        token.push_str(&signature);
        if token.len() > MAX_TOKEN {
            return Err(KeyError::Library(format!(
                "the access token would have {} octets, more than the {MAX_TOKEN} that are \
                 accepted; user {} has too many roles",
                token.len(),
                claims.user_id,
            )));
        }
        Ok(token)
    }

    fn payload(&self, claims: &AccessClaims) -> Payload {
        Payload {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: claims.user_id.as_uuid(),
            sid: claims.session_id.as_uuid(),
            jti: claims.token_id.as_uuid(),
            iat: claims.issued_at.unix_timestamp(),
            exp: claims.expires_at.unix_timestamp(),
            nbf: None,
            roles: claims.roles.iter().map(|role| role.as_str().to_owned()).collect(),
            auth_time: claims.auth_time.unix_timestamp(),
            amr: claims.auth_methods.clone(),
        }
    }

    /// Checks a token in all respects.
    ///
    /// # Errors
    /// [`TokenError`] for each token that must be refused.
    pub(crate) fn verify(
        &self,
        keyring: &Keyring,
        token: &str,
        now: Timestamp,
    ) -> Result<AccessClaims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let read = || self.read(keyring, token, now);
        let SignedToken { kid, not_before, claims } = self.verified.get_or_verify(token, read)?;
        if keyring.find(&kid, now).is_none() {
            return Err(TokenError::UnknownKey);
        }
        if now >= claims.expires_at {
            return Err(TokenError::Expired);
        }
        if not_before - now > CLOCK_SKEW {
            return Err(TokenError::NotYetValid);
        }
        Ok(AccessClaims::clone(&claims))
    }

    /// Checks everything about a token that does not depend on the time.
    fn read(
        &self,
        keyring: &Keyring,
        token: &str,
        now: Timestamp,
    ) -> Result<SignedToken, TokenError> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let header: Header = parse(header)?;
        if header.typ != TYPE {
            return Err(TokenError::WrongUse);
        }
        let key = keyring.find(&header.kid, now).ok_or(TokenError::UnknownKey)?;
        // The key decides about the algorithm; the header may only agree.
        if header.alg != key.algorithm().as_str() {
            return Err(TokenError::Signature);
        }
        let signed = &token[..token.len() - signature.len() - 1];
        if !key.verifies(signed.as_bytes(), signature) {
            return Err(TokenError::Signature);
        }
        self.accept(key, parse(payload)?)
    }

    /// Judges claims that this key has signed.
    fn accept(&self, key: &AdoptedKey, payload: Payload) -> Result<SignedToken, TokenError> {
        if payload.iss != self.issuer || payload.aud != self.audience {
            return Err(TokenError::WrongUse);
        }
        let issued_at = moment(payload.iat)?;
        let expires_at = moment(payload.exp)?;
        let not_before = payload.nbf.map_or(Ok(issued_at), moment)?;
        let roles =
            payload.roles.iter().map(|role| RoleName::parse(role)).collect::<Result<_, _>>();
        let claims = AccessClaims {
            user_id: UserId::from_uuid(payload.sub),
            session_id: SessionId::from_uuid(payload.sid),
            token_id: TokenId::from_uuid(payload.jti),
            issued_at,
            expires_at,
            auth_time: moment(payload.auth_time)?,
            auth_methods: payload.amr,
            roles: roles.map_err(|_| TokenError::Malformed)?,
        };
        let not_before = not_before.max(issued_at);
        Ok(SignedToken { kid: Arc::clone(key.kid()), not_before, claims: Arc::new(claims) })
    }
}

/// Writes one part of a token.
fn part(value: &impl Serialize) -> Result<String, KeyError> {
    let json = serde_json::to_vec(value)
        .map_err(|error| KeyError::Library(format!("a token could not be written: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// Reads one part of a token. The decoder takes canonical base64url only.
fn parse<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    // serde would read an array as well, taking its elements for the members in order.
    if json.first() != Some(&b'{') {
        return Err(TokenError::Malformed);
    }
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
}

fn moment(seconds: i64) -> Result<Timestamp, TokenError> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| TokenError::Malformed)
}
