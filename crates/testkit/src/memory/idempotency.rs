use async_trait::async_trait;
use doorward_domain::{
    ClaimId, Timestamp,
    idempotency::{ANSWER_KEPT_FOR, Claimed, Fingerprint, RequestClaim},
    ports::{AnswerRepository, Constraint, RequestClaims, StoreError},
};
use time::Duration;
use tokio::time::Instant;

use super::{MemoryStore, state::State, unit_of_work::MemoryUnitOfWork};

/// A request that may be sent again, as it is kept.
#[derive(Debug, Clone)]
pub(super) struct KeptRequest {
    fingerprint: Fingerprint,
    claim_id: ClaimId,
    /// By the clock of the runtime, which a test may pause and move.
    leased_until: Instant,
    answer: Option<Vec<u8>>,
    claimed_at: Timestamp,
}

fn instant_after(lease: Duration) -> Instant {
    Instant::now() + lease.try_into().unwrap_or_default()
}

impl State {
    fn unanswered(&mut self, claim: &RequestClaim) -> Option<&mut KeptRequest> {
        let kept = self.requests.get_mut(&claim.request);
        kept.filter(|kept| kept.claim_id == claim.id && kept.answer.is_none())
    }
}

#[async_trait]
impl RequestClaims for MemoryStore {
    async fn request_claim(
        &self,
        claim: &RequestClaim,
        fingerprint: &Fingerprint,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let _turn = self.shared.writer.lock().await;
        let mut state = State::clone(&self.shared.read());
        if let Some(kept) = state.requests.get(&claim.request) {
            let is_over = kept.leased_until <= Instant::now();
            let is_free = kept.answer.is_none() && is_over;
            if !is_free && kept.claimed_at > now - ANSWER_KEPT_FOR {
                let answer = kept.answer.clone().filter(|_| is_over);
                return Ok(Claimed::Before { fingerprint: kept.fingerprint, answer });
            }
        }
        let kept = KeptRequest {
            fingerprint: *fingerprint,
            claim_id: claim.id,
            leased_until: instant_after(lease),
            answer: None,
            claimed_at: now,
        };
        state.requests.insert(claim.request.clone(), kept);
        self.shared.replace(state);
        Ok(Claimed::Granted)
    }

    async fn request_release(&self, claim: &RequestClaim) -> Result<(), StoreError> {
        let _turn = self.shared.writer.lock().await;
        let mut state = State::clone(&self.shared.read());
        if state.unanswered(claim).is_some() {
            state.requests.remove(&claim.request);
            self.shared.replace(state);
        }
        Ok(())
    }
}

#[async_trait]
impl AnswerRepository for MemoryUnitOfWork {
    async fn answer_keep(
        &mut self,
        claim: &RequestClaim,
        answer: &[u8],
        withheld: Duration,
    ) -> Result<(), StoreError> {
        let kept = self.state.unanswered(claim);
        let kept = kept.ok_or(StoreError::Conflict(Constraint::RequestClaim))?;
        kept.answer = Some(answer.to_vec());
        kept.leased_until = instant_after(withheld);
        Ok(())
    }

    async fn answers_prune(&mut self, until: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let before = self.state.requests.len();
        let mut left = limit;
        let mut goes = |over: bool| over && left.checked_sub(1).map(|rest| left = rest).is_some();
        self.state.requests.retain(|_, kept| !goes(kept.claimed_at <= until));
        Ok((before - self.state.requests.len()) as u64)
    }
}
