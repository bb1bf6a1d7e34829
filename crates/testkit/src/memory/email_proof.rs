use async_trait::async_trait;
use doorward_domain::{
    Email, EmailProof, ProofId, ProofPurpose, Timestamp, TokenDigest, UserId,
    email_proof::{CODE_TRIES_MAX, MAILS_MAX, MAILS_WINDOW},
    ports::{ProofInserted, ProofQueries, ProofRepository, StoreError},
};

use super::{MemoryStore, unit_of_work::MemoryUnitOfWork};

/// A proof as it is kept.
#[derive(Debug, Clone)]
pub(super) struct KeptProof {
    proof: EmailProof,
    code_expires_at: Option<Timestamp>,
    code_tries: u32,
}

#[async_trait]
impl ProofQueries for MemoryStore {
    async fn proof_by_id(&self, id: ProofId) -> Result<Option<EmailProof>, StoreError> {
        let state = self.shared.read();
        let kept = state.proofs.get(&id).filter(|it| state.users.contains_key(&it.proof.user_id));
        Ok(kept.map(|kept| kept.proof.clone()))
    }

    async fn proofs_with_code(
        &self,
        purpose: ProofPurpose,
        address: &Email,
        now: Timestamp,
    ) -> Result<Vec<ProofId>, StoreError> {
        let state = self.shared.read();
        let found = state.proofs.values().filter(|kept| {
            kept.proof.purpose == purpose
                && kept.proof.address == *address
                && kept.code_expires_at.is_some_and(|end| now < end)
        });
        Ok(found.map(|kept| kept.proof.id).collect())
    }
}

impl MemoryUnitOfWork {
    fn live(&mut self, id: ProofId, now: Timestamp) -> Option<&mut KeptProof> {
        let users = &self.state.users;
        let kept = self.state.proofs.get_mut(&id);
        kept.filter(|it| it.proof.is_live(now) && users.contains_key(&it.proof.user_id))
    }
}

#[async_trait]
impl ProofRepository for MemoryUnitOfWork {
    async fn proof_insert(&mut self, proof: &EmailProof) -> Result<ProofInserted, StoreError> {
        if self.state.proofs.contains_key(&proof.id) {
            return Ok(ProofInserted::Known);
        }
        let since = proof.created_at - MAILS_WINDOW;
        let made = self.state.proofs.values().filter(|KeptProof { proof: other, .. }| {
            other.purpose == proof.purpose
                && other.address == proof.address
                && other.created_at > since
        });
        if made.count() >= MAILS_MAX as usize {
            return Ok(ProofInserted::TooMany);
        }
        let kept = KeptProof { proof: proof.clone(), code_expires_at: None, code_tries: 0 };
        self.state.proofs.insert(proof.id, kept);
        Ok(ProofInserted::Added)
    }

    async fn proof_mailed(
        &mut self,
        id: ProofId,
        digest: &TokenDigest,
        code_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.live(id, now).is_some_and(|kept| {
            kept.proof.token_digest = *digest;
            kept.code_expires_at = Some(code_expires_at);
            true
        }))
    }

    async fn proof_use(&mut self, id: ProofId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.live(id, now).is_some_and(|kept| {
            kept.proof.used_at = Some(now);
            true
        }))
    }

    async fn proofs_try_code(
        &mut self,
        purpose: ProofPurpose,
        address: &Email,
        now: Timestamp,
    ) -> Result<Vec<EmailProof>, StoreError> {
        let users = &self.state.users;
        let mut tried = Vec::new();
        for kept in self.state.proofs.values_mut() {
            let KeptProof { proof, code_expires_at, code_tries } = kept;
            if proof.purpose == purpose
                && proof.address == *address
                && proof.is_live(now)
                && code_expires_at.is_some_and(|end| now < end)
                && *code_tries < CODE_TRIES_MAX
                && users.contains_key(&proof.user_id)
            {
                *code_tries += 1;
                tried.push(proof.clone());
            }
        }
        Ok(tried)
    }

    async fn proofs_reserve(
        &mut self,
        address: &Email,
        except: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let users = &self.state.users;
        Ok(self.state.proofs.values().any(|KeptProof { proof, .. }| {
            proof.purpose == ProofPurpose::CancelEmailChange
                && proof.address == *address
                && proof.user_id != except
                && proof.is_live(now)
                && users.get(&proof.user_id).is_some_and(|user| user.email != *address)
        }))
    }

    async fn proofs_void(
        &mut self,
        user_id: UserId,
        purpose: ProofPurpose,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut count = 0;
        for KeptProof { proof, .. } in self.state.proofs.values_mut() {
            if proof.user_id == user_id
                && proof.purpose == purpose
                && proof.created_at >= since
                && proof.used_at.is_none()
            {
                proof.used_at = Some(now);
                count += 1;
            }
        }
        Ok(count)
    }

    async fn proofs_prune(
        &mut self,
        expired_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let over = self.state.proofs.values().filter(|it| it.proof.expires_at < expired_before);
        let over: Vec<ProofId> = over.take(limit as usize).map(|it| it.proof.id).collect();
        for id in &over {
            self.state.proofs.remove(id);
        }
        Ok(over.len() as u64)
    }
}
