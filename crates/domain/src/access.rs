//! What an access token says.

use crate::{RoleName, SessionId, Timestamp, TokenId, UserId};

/// The claims of an access token (RFC 9068 §2.2). Issuer and audience are the same for every token
/// of an installation and belong to the [signer](crate::ports::TokenSigner).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    pub user_id: UserId,
    pub session_id: SessionId,
    pub token_id: TokenId,
    /// Whole seconds, as in the token.
    pub issued_at: Timestamp,
    /// The token is refused *at* this moment. Whole seconds.
    pub expires_at: Timestamp,
    /// When the person last proved who they are. Whole seconds.
    pub auth_time: Timestamp,
    /// How they proved it (RFC 8176), for instance `pwd`.
    pub auth_methods: Vec<String>,
    /// The roles when the token was issued. Doorward itself checks the present roles instead.
    pub roles: Vec<RoleName>,
}
