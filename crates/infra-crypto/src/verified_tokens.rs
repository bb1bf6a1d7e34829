//! Access tokens whose signature was checked before.
//!
//! Verifying an Ed25519 signature takes five times as long as everything else that is done about a request,
//! and a client presents the same token for as long as it lives. So what was found right once is remembered
//! by the SHA-256 of the whole token. Only what does not depend on the time is: whether the token is valid
//! *now*, and its key not retired, is judged at each use.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::sync::Cache;

use crate::access_token::SignedToken;

/// How many are remembered; those not asked for lately are forgotten first. They take some 8 MiB.
const TOKENS_MAX: u64 = 16 * 1024;
/// For how many there is room at the beginning.
const TOKENS_AT_FIRST: usize = 256;

type Digest = [u8; SHA256_OUTPUT_LEN];

pub(crate) struct VerifiedTokens(Cache<Digest, SignedToken>);

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Cache::with_weighter(TOKENS_AT_FIRST, TOKENS_MAX, quick_cache::UnitWeighter))
    }
}

impl VerifiedTokens {
    /// The token, if its signature was found right before; otherwise what `verify` finds, which is remembered
    /// if it is right.
    pub(crate) fn get_or_verify<E>(
        &self,
        token: &str,
        verify: impl FnOnce() -> Result<SignedToken, E>,
    ) -> Result<SignedToken, E> {
        let digest = digest_of(token);
        if let Some(known) = self.0.get(&digest) {
            return Ok(known);
        }
        let verified = verify()?;
        self.0.insert(digest, verified.clone());
        Ok(verified)
    }
}

fn digest_of(token: &str) -> Digest {
    let mut octets = Digest::default();
    octets.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    octets
}
