use async_trait::async_trait;
use time::Duration;

use super::{KeyError, StoreError};
use crate::{
    Timestamp,
    idempotency::{Claimed, Fingerprint, RequestClaim, RequestName},
};

/// Decides who carries a request out that is sent again and again.
#[async_trait]
pub trait RequestClaims: Send + Sync {
    /// Claims a request for the time of `lease`, in one statement: if it is new, if its answer was kept
    /// for as long as [`ANSWER_KEPT_FOR`](crate::idempotency::ANSWER_KEPT_FOR) says, or if it has no
    /// answer and the lease of the claim before is over by the clock of the database. Of any number of
    /// callers at once one is told [`Granted`](Claimed::Granted).
    async fn request_claim(
        &self,
        claim: &RequestClaim,
        fingerprint: &Fingerprint,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claimed, StoreError>;

    /// Forgets a request that came to nothing, so that it is new again. No change if it has an answer, or
    /// if the claim is another one's by now.
    async fn request_release(&self, claim: &RequestClaim) -> Result<(), StoreError>;
}

/// Keeps answers together with what they tell of.
#[async_trait]
pub trait AnswerRepository: Send {
    /// Keeps the answer to a request. For `withheld`, which counts by the clock of the database from
    /// the beginning of the unit of work or a later moment, the request still looks as if it was being
    /// carried out.
    ///
    /// # Errors
    /// `Conflict(RequestClaim)`, and no change, if the claim is another one's by now: then nothing else
    /// that the unit of work did may be committed.
    async fn answer_keep(
        &mut self,
        claim: &RequestClaim,
        answer: &[u8],
        withheld: Duration,
    ) -> Result<(), StoreError>;

    /// Forgets at most `limit` requests that were claimed at `until` or before, and says how many.
    async fn answers_prune(&mut self, until: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// Protects what is kept of requests, since both payloads and answers may hold secrets.
pub trait AnswerSealer: Send + Sync {
    /// A MAC of the payload.
    fn fingerprint(&self, payload: &[u8]) -> Fingerprint;

    /// Whether the fingerprint is that of the payload, made with the present `auth.secret` or with one
    /// of `auth.previous_secrets`.
    fn fits(&self, payload: &[u8], fingerprint: &Fingerprint) -> bool;

    /// Encrypts the answer to this request, and to no other one.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    fn answer_seal(&self, request: &RequestName, answer: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Decrypts what [`answer_seal`](Self::answer_seal) made for this request.
    ///
    /// # Errors
    /// [`KeyError::AnswerUnreadable`] when it was made with an unknown `auth.secret`, or changed since.
    fn answer_open(&self, request: &RequestName, sealed: &[u8]) -> Result<Vec<u8>, KeyError>;
}
