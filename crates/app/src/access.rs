//! Who is asking.

use doorward_domain::{SessionId, UserId, ports::TokenError};

use crate::Ctx;

/// The signed-in person on whose behalf a use case runs. Only [`authenticate`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    user_id: UserId,
    session_id: SessionId,
}

impl Actor {
    #[must_use]
    pub const fn user_id(&self) -> UserId {
        self.user_id
    }

    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }
}

/// Why an access token opens nothing. A client is told only that the token is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticateError {
    #[error("the access token is refused: {0}")]
    Token(#[from] TokenError),
    #[error("the session of the access token was revoked")]
    Revoked,
}

/// Finds out who presents this access token. It costs no read: revoked sessions are known in memory.
///
/// # Errors
/// When the token is not valid, or its session was revoked.
pub fn authenticate(ctx: &Ctx, token: &str) -> Result<Actor, AuthenticateError> {
    let now = ctx.clock.now();
    let claims = ctx.signer.access_verify(token, now)?;
    // A token may bear the longer life of an earlier setting. It ends after the present one all the
    // same, because its session's revocation is remembered for no longer than that.
    if now >= claims.issued_at + ctx.policy.access_ttl {
        return Err(TokenError::Expired.into());
    }
    if ctx.revocations.contains(claims.session_id) {
        return Err(AuthenticateError::Revoked);
    }
    Ok(Actor { user_id: claims.user_id, session_id: claims.session_id })
}
