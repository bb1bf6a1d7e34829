use async_trait::async_trait;

use super::StoreError;
use crate::{Email, EmailProof, ProofId, ProofPurpose, Timestamp, TokenDigest, UserId};

/// Reads proofs.
#[async_trait]
pub trait ProofQueries: Send + Sync {
    /// A proof, live or not. `None` also for one of a user who is gone.
    async fn proof_by_id(&self, id: ProofId) -> Result<Option<EmailProof>, StoreError>;

    /// The proofs for this address whose mail went out no longer ago than a code works, used up and
    /// tried too often or not.
    async fn proofs_with_code(
        &self,
        purpose: ProofPurpose,
        address: &Email,
        now: Timestamp,
    ) -> Result<Vec<ProofId>, StoreError>;
}

/// What became of a proof that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofInserted {
    Added,
    /// It is there already.
    Known,
    /// Enough mails of this purpose went to the address.
    TooMany,
}

/// Writes proofs.
///
/// **Invariant:** who has the user's row as well took that first; see
/// [`UserRepository`](super::UserRepository).
#[async_trait]
pub trait ProofRepository: Send {
    /// Adds a proof, unless as many as [`MAILS_MAX`](crate::email_proof::MAILS_MAX) of the same purpose
    /// and address were made in the [`MAILS_WINDOW`](crate::email_proof::MAILS_WINDOW) that ends when
    /// this one was made, whoever they were for, also those whose user is gone. Of any number of callers
    /// at once no more get through. Its code works only when it [is mailed](Self::proof_mailed).
    async fn proof_insert(&mut self, proof: &EmailProof) -> Result<ProofInserted, StoreError>;

    /// Notes that a mail with this token goes out, whose code works until then. `false`, and no change, if
    /// there is no such proof that is live at `now`.
    async fn proof_mailed(
        &mut self,
        id: ProofId,
        digest: &TokenDigest,
        code_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Uses a proof up, if it is live at `now`; otherwise `false` and no change. Of any number of callers at
    /// once exactly one is told `true`.
    async fn proof_use(&mut self, id: ProofId, now: Timestamp) -> Result<bool, StoreError>;

    /// Counts a try at the codes for this address, and returns those proofs whose code may be compared:
    /// live at `now`, mailed no longer ago than a code works, and tried less than
    /// [`CODE_TRIES_MAX`](crate::email_proof::CODE_TRIES_MAX) times before. Commit before you tell how the
    /// comparison ended.
    async fn proofs_try_code(
        &mut self,
        purpose: ProofPurpose,
        address: &Email,
        now: Timestamp,
    ) -> Result<Vec<EmailProof>, StoreError>;

    /// Whether the address is kept for another user than this one, who gave it up and may take the change
    /// back: a proof is live at `now` that cancels it, and the user has another address by now.
    async fn proofs_reserve(
        &mut self,
        address: &Email,
        except: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Uses up all proofs of a user with this purpose that were made at `since` or later, and says how many.
    async fn proofs_void(
        &mut self,
        user_id: UserId,
        purpose: ProofPurpose,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Forgets proofs that expired before the given moment, at most `limit`, and says how many. Rows that
    /// another unit of work holds are left for the next time.
    async fn proofs_prune(
        &mut self,
        expired_before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;
}
