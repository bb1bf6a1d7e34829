//! Doubles on which a test says which calls it expects and what they answer (`mockall`). Prefer the
//! fakes; take these where the call itself is what matters, or where a port must fail.

#![expect(clippy::struct_field_names, reason = "`mock!` names its fields after the methods")]

use async_trait::async_trait;
use doorward_domain::{
    AccessClaims, AuditEvent, AuditEventId, AuditFilter, Credential, DisplayName, Email,
    EmailProof, ForeignHashError, GuessCounter, GuessKey, GuessRule, GuessSubject, Job, JobError,
    JobFilter, JobId, JobKind, JobLease, JobState, KeptMail, KeyPlan, KnownDevice, NewJob, Page,
    PageRequest, Password, PasswordHash, ProofId, ProofPurpose, ProofSecrets, PublicKey, Role,
    RoleName, SealedSigningKey, Session, SessionId, Timestamp, TokenDigest, User, UserFilter,
    UserId, UserKey, UserStatus,
    audit::chain::{ChainLink, Checkpoint, Seal},
    idempotency::{Claimed, Fingerprint, RequestClaim},
    ports::{
        AnswerRepository, AuditLog, AuditQueries, Change, ChangeFeed, Claim, Clock,
        CredentialQueries, CredentialRepository, Entropy, FeedCursor, GuessQueries,
        GuessRepository, HashError, HashingTurn, ImportDigest, ImportRepository, Imported,
        ImportedUser, JobQueries, JobQueue, KeyError, MailboxQueries, MailboxRepository,
        PasswordHasher, ProofInserted, ProofQueries, ProofRepository, RequestClaims, RoleQueries,
        RoleRepository, Rotation, SealedEvents, SessionQueries, SessionRepository,
        SessionRotations, SigningKeyQueries, SigningKeyRepository, Store, StoreError, TokenError,
        TokenSigner, UnitOfWork, UserQueries, UserRepository, Verdict,
    },
    session::{Generation, RevocationCause},
};
use mockall::mock;
use secrecy::SecretString;
use time::Duration;
use uuid::Uuid;

mock! {
    pub Clock {}
    impl Clock for Clock {
        fn now(&self) -> Timestamp;
    }
}

mock! {
    pub Entropy {}
    impl Entropy for Entropy {
        fn fill(&self, bytes: &mut [u8]);
    }
}

mock! {
    pub PasswordHasher {
        pub fn hash(&self, password: &Password) -> Result<PasswordHash, HashError>;
        pub fn verify(&self, password: &Password, hash: Option<PasswordHash>) -> Result<Verdict, HashError>;
        pub fn adopt(&self, foreign: &str) -> Result<PasswordHash, ForeignHashError>;
    }
}

/// Written out because `mock!` cannot name the lifetime of an optional reference in an async method.
#[async_trait]
impl PasswordHasher for MockPasswordHasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        Self::hash(self, password)
    }

    async fn turn(&self) -> Result<Box<dyn HashingTurn + '_>, HashError> {
        Ok(Box::new(MockTurn(self)))
    }

    fn adopt(&self, foreign: &str) -> Result<PasswordHash, ForeignHashError> {
        Self::adopt(self, foreign)
    }
}

/// There is always a turn; what is checked in it is up to the mock.
struct MockTurn<'a>(&'a MockPasswordHasher);

#[async_trait]
impl HashingTurn for MockTurn<'_> {
    async fn verify(
        &mut self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Verdict, HashError> {
        self.0.verify(password, hash.cloned())
    }
}

mock! {
    pub TokenSigner {}
    impl TokenSigner for TokenSigner {
        fn key_generate(&self, plan: KeyPlan) -> Result<SealedSigningKey, KeyError>;
        fn key_reseal(&self, key: &SealedSigningKey) -> Result<SealedSigningKey, KeyError>;
        fn keys_adopt(&self, keys: &[SealedSigningKey]) -> Result<(), KeyError>;
        fn keys_public(&self, now: Timestamp) -> Vec<PublicKey>;
        fn access_sign(&self, claims: &AccessClaims) -> Result<SecretString, KeyError>;
        fn access_verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenError>;
        fn refresh_sign(&self, session: SessionId, generation: Generation) -> SecretString;
        fn refresh_verify(&self, token: &str) -> Option<(SessionId, Generation)>;
        fn proof_sign(&self, purpose: ProofPurpose, id: ProofId) -> ProofSecrets;
        fn proof_verify(&self, purpose: ProofPurpose, token: &str) -> Option<(ProofId, TokenDigest)>;
        fn proof_code_verify(&self, purpose: ProofPurpose, id: ProofId, code: &str) -> bool;
        fn device_sign(&self, device: KnownDevice) -> SecretString;
        fn device_verify(&self, token: &str) -> Option<KnownDevice>;
        fn guess_key(&self, subject: &GuessSubject) -> GuessKey;
    }
}

mock! {
    pub Store {}
    #[async_trait]
    impl Store for Store {
        async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;
        async fn ping(&self) -> Result<(), StoreError>;
        async fn inconsistencies(&self) -> Result<Vec<String>, StoreError>;
    }
    #[async_trait]
    impl UserQueries for Store {
        async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError>;
        async fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;
        async fn user_exists(&self) -> Result<bool, StoreError>;
        async fn users(&self, filter: &UserFilter, page: &PageRequest<UserKey>) -> Result<Page<User, UserKey>, StoreError>;
        async fn users_after(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError>;
    }
    #[async_trait]
    impl RoleQueries for Store {
        async fn roles(&self) -> Result<Vec<Role>, StoreError>;
    }
    #[async_trait]
    impl CredentialQueries for Store {
        async fn credential_by_email(&self, email: &Email) -> Result<Option<(User, Credential)>, StoreError>;
        async fn credential_by_user(&self, user_id: UserId) -> Result<Option<(User, Credential)>, StoreError>;
        async fn credentials_by_users(&self, user_ids: &[UserId]) -> Result<Vec<Credential>, StoreError>;
    }
    #[async_trait]
    impl SessionQueries for Store {
        async fn session_by_id(&self, id: SessionId) -> Result<Option<(Session, User)>, StoreError>;
        async fn sessions_by_user(&self, user_id: UserId, now: Timestamp, page: PageRequest<SessionId>) -> Result<Page<Session, SessionId>, StoreError>;
    }
    #[async_trait]
    impl SessionRotations for Store {
        async fn session_rotate(&self, rotation: Rotation) -> Result<bool, StoreError>;
    }
    #[async_trait]
    impl SigningKeyQueries for Store {
        async fn signing_keys(&self) -> Result<Vec<SealedSigningKey>, StoreError>;
    }
    #[async_trait]
    impl ProofQueries for Store {
        async fn proof_by_id(&self, id: ProofId) -> Result<Option<EmailProof>, StoreError>;
        async fn proofs_with_code(&self, purpose: ProofPurpose, address: &Email, now: Timestamp) -> Result<Vec<ProofId>, StoreError>;
    }
    #[async_trait]
    impl JobQueries for Store {
        async fn jobs_claim(&self, kinds: &[JobKind], limit: u32, lease: Duration, now: Timestamp) -> Result<Claim, StoreError>;
        async fn jobs_heartbeat(&self, leases: &[JobLease], lease: Duration) -> Result<Vec<JobLease>, StoreError>;
        async fn jobs_complete(&self, leases: &[JobLease], now: Timestamp) -> Result<Vec<JobLease>, StoreError>;
        async fn job_next_due(&self, kinds: &[JobKind]) -> Result<Option<Timestamp>, StoreError>;
        async fn jobs(&self, filter: &JobFilter, page: PageRequest<JobId>) -> Result<Page<Job, JobId>, StoreError>;
        async fn job_by_id(&self, id: JobId) -> Result<Option<Job>, StoreError>;
        async fn job_counts(&self) -> Result<Vec<(JobState, u64)>, StoreError>;
        async fn job_hint(&self);
    }
    #[async_trait]
    impl AuditQueries for Store {
        async fn audit_events(&self, filter: &AuditFilter, page: PageRequest<AuditEventId>) -> Result<Page<AuditEvent, AuditEventId>, StoreError>;
        async fn audit_count_unsealed(&self) -> Result<u64, StoreError>;
        async fn audit_seals(&self, after: i64, limit: u32) -> Result<Vec<Seal>, StoreError>;
        async fn audit_events_of_seals(&self, first: i64, last: i64) -> Result<SealedEvents, StoreError>;
        async fn audit_stray(&self) -> Result<Option<AuditEventId>, StoreError>;
        async fn audit_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError>;
    }
    #[async_trait]
    impl RequestClaims for Store {
        async fn request_claim(&self, claim: &RequestClaim, fingerprint: &Fingerprint, lease: Duration, now: Timestamp) -> Result<Claimed, StoreError>;
        async fn request_release(&self, claim: &RequestClaim) -> Result<(), StoreError>;
    }
    #[async_trait]
    impl MailboxQueries for Store {
        async fn mailbox(&self, limit: u32) -> Result<Vec<KeptMail>, StoreError>;
        async fn mailbox_mail(&self, id: Uuid) -> Result<Option<KeptMail>, StoreError>;
    }
    #[async_trait]
    impl GuessQueries for Store {
        async fn guess_counters(&self, keys: &[GuessKey]) -> Result<Vec<Option<GuessCounter>>, StoreError>;
    }
    #[async_trait]
    impl ChangeFeed for Store {
        async fn changes_since(&self, cursor: FeedCursor) -> Result<(Vec<Change>, FeedCursor), StoreError>;
        async fn change_hint(&self);
    }
}

mock! {
    pub UnitOfWork {}
    #[async_trait]
    impl UnitOfWork for UnitOfWork {
        async fn commit(self: Box<Self>) -> Result<(), StoreError>;
    }
    #[async_trait]
    impl UserRepository for UnitOfWork {
        async fn user_lock(&mut self, id: UserId) -> Result<Option<User>, StoreError>;
        async fn user_insert(&mut self, user: &User) -> Result<(), StoreError>;
        async fn user_rename(&mut self, id: UserId, name: &DisplayName, now: Timestamp) -> Result<Option<User>, StoreError>;
        async fn user_verify_email(&mut self, id: UserId, now: Timestamp) -> Result<bool, StoreError>;
        async fn user_set_email(&mut self, id: UserId, email: &Email, now: Timestamp) -> Result<Option<User>, StoreError>;
        async fn user_set_status(&mut self, id: UserId, status: UserStatus, now: Timestamp) -> Result<Option<User>, StoreError>;
        async fn user_set_roles(&mut self, id: UserId, roles: &[RoleName], now: Timestamp) -> Result<Option<User>, StoreError>;
        async fn user_count_admins(&mut self) -> Result<u64, StoreError>;
        async fn user_signed_in(&mut self, id: UserId, now: Timestamp) -> Result<bool, StoreError>;
        async fn user_delete(&mut self, id: UserId) -> Result<bool, StoreError>;
    }
    #[async_trait]
    impl ImportRepository for UnitOfWork {
        async fn users_import(&mut self, users: &[ImportedUser]) -> Result<Vec<Imported>, StoreError>;
        async fn import_lines(&mut self, digest: ImportDigest, now: Timestamp) -> Result<u64, StoreError>;
        async fn import_advance(&mut self, digest: ImportDigest, lines: u64, now: Timestamp) -> Result<(), StoreError>;
        async fn import_finish(&mut self, digest: ImportDigest) -> Result<(), StoreError>;
    }
    #[async_trait]
    impl RoleRepository for UnitOfWork {
        async fn role_put(&mut self, role: &Role, now: Timestamp) -> Result<bool, StoreError>;
        async fn role_delete(&mut self, name: &RoleName, now: Timestamp) -> Result<bool, StoreError>;
    }
    #[async_trait]
    impl CredentialRepository for UnitOfWork {
        async fn credential_insert(&mut self, user_id: UserId, hash: &PasswordHash, now: Timestamp) -> Result<(), StoreError>;
        async fn credential_put(&mut self, user_id: UserId, hash: &PasswordHash, now: Timestamp) -> Result<(), StoreError>;
        async fn credential_is_current(&mut self, user_id: UserId, version: i64) -> Result<bool, StoreError>;
        async fn credential_replace(&mut self, user_id: UserId, expected_version: i64, hash: &PasswordHash, now: Timestamp) -> Result<bool, StoreError>;
        async fn credential_rehash(&mut self, user_id: UserId, expected_version: i64, hash: &PasswordHash, now: Timestamp) -> Result<(), StoreError>;
    }
    #[async_trait]
    impl SessionRepository for UnitOfWork {
        async fn session_insert(&mut self, session: &Session) -> Result<(), StoreError>;
        async fn session_revoke(&mut self, id: SessionId, user_id: UserId, cause: RevocationCause, now: Timestamp, until: Timestamp) -> Result<bool, StoreError>;
        async fn sessions_revoke(&mut self, user_id: UserId, except: Option<SessionId>, cause: RevocationCause, now: Timestamp, until: Timestamp) -> Result<Vec<SessionId>, StoreError>;
        async fn sessions_prune(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError>;
    }
    #[async_trait]
    impl SigningKeyRepository for UnitOfWork {
        async fn signing_key_insert(&mut self, key: &SealedSigningKey) -> Result<(), StoreError>;
        async fn signing_keys_raise_token_life(&mut self, generation: i64, token_life: Duration) -> Result<(), StoreError>;
        async fn signing_key_reseal(&mut self, kid: &str, sealed_private_key: &[u8]) -> Result<bool, StoreError>;
        async fn signing_keys_delete_before(&mut self, generation: i64) -> Result<u64, StoreError>;
    }
    #[async_trait]
    impl ProofRepository for UnitOfWork {
        async fn proof_insert(&mut self, proof: &EmailProof) -> Result<ProofInserted, StoreError>;
        async fn proof_mailed(&mut self, id: ProofId, digest: &TokenDigest, code_expires_at: Timestamp, now: Timestamp) -> Result<bool, StoreError>;
        async fn proof_use(&mut self, id: ProofId, now: Timestamp) -> Result<bool, StoreError>;
        async fn proofs_reserve(&mut self, address: &Email, except: UserId, now: Timestamp) -> Result<bool, StoreError>;
        async fn proofs_try_code(&mut self, purpose: ProofPurpose, address: &Email, now: Timestamp) -> Result<Vec<EmailProof>, StoreError>;
        async fn proofs_void(&mut self, user_id: UserId, purpose: ProofPurpose, since: Timestamp, now: Timestamp) -> Result<u64, StoreError>;
        async fn proofs_prune(&mut self, expired_before: Timestamp, limit: u32) -> Result<u64, StoreError>;
    }
    #[async_trait]
    impl JobQueue for UnitOfWork {
        async fn job_enqueue(&mut self, job: &NewJob) -> Result<bool, StoreError>;
        async fn job_complete(&mut self, lease: &JobLease, now: Timestamp) -> Result<bool, StoreError>;
        async fn job_fail(&mut self, lease: &JobLease, error: &JobError, next: Option<Timestamp>, now: Timestamp) -> Result<bool, StoreError>;
        async fn job_postpone(&mut self, lease: &JobLease, reason: &JobError, next: Timestamp) -> Result<bool, StoreError>;
        async fn job_hand_back(&mut self, lease: &JobLease) -> Result<bool, StoreError>;
        async fn job_retry(&mut self, id: JobId, now: Timestamp) -> Result<bool, StoreError>;
        async fn job_delete(&mut self, id: JobId) -> Result<bool, StoreError>;
        async fn job_tick(&mut self, kind: &JobKind, tick: Timestamp) -> Result<bool, StoreError>;
        async fn jobs_prune(&mut self, succeeded_before: Timestamp, died_before: Timestamp, limit: u32) -> Result<u64, StoreError>;
    }
    #[async_trait]
    impl AuditLog for UnitOfWork {
        async fn audit_append(&mut self, event: &AuditEvent) -> Result<(), StoreError>;
        async fn audit_chain_hold(&mut self) -> Result<Option<ChainLink>, StoreError>;
        async fn audit_unsealed(&mut self, limit: u32) -> Result<Vec<AuditEvent>, StoreError>;
        async fn audit_seal(&mut self, seal: &Seal) -> Result<(), StoreError>;
        async fn audit_resign(&mut self, end: &ChainLink, checkpoint: Option<Checkpoint>) -> Result<(), StoreError>;
        async fn audit_prune(&mut self, checkpoint: &Checkpoint) -> Result<bool, StoreError>;
    }
    #[async_trait]
    impl AnswerRepository for UnitOfWork {
        async fn answer_keep(&mut self, claim: &RequestClaim, answer: &[u8], withheld: Duration) -> Result<(), StoreError>;
        async fn answers_prune(&mut self, until: Timestamp, limit: u32) -> Result<u64, StoreError>;
    }
    #[async_trait]
    impl MailboxRepository for UnitOfWork {
        async fn mailbox_put(&mut self, mail: &KeptMail, keep: u32) -> Result<bool, StoreError>;
    }
    #[async_trait]
    impl GuessRepository for UnitOfWork {
        async fn guess_hold(&mut self, key: GuessKey, now: Timestamp) -> Result<GuessCounter, StoreError>;
        async fn guess_put(&mut self, key: GuessKey, counter: GuessCounter, rule: GuessRule) -> Result<(), StoreError>;
        async fn guesses_prune(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError>;
    }
}
