use async_trait::async_trait;
use time::Duration;

use super::{
    AnswerRepository, AuditLog, AuditQueries, GuessQueries, GuessRepository, JobQueries, JobQueue,
    MailboxQueries, MailboxRepository, ProofQueries, ProofRepository, RequestClaims,
};
use crate::{
    Credential, DisplayName, Email, Page, PageRequest, PasswordHash, Revocation, Role, RoleName,
    SealedSigningKey, Session, SessionId, Timestamp, User, UserFilter, UserId, UserKey, UserStatus,
    session::{Generation, RevocationCause},
};

/// The database.
///
/// Reads outside a transaction are answered by the store itself. Writes go through a
/// [unit of work](UnitOfWork).
#[async_trait]
pub trait Store:
    UserQueries
    + RoleQueries
    + CredentialQueries
    + SessionQueries
    + SessionRotations
    + SigningKeyQueries
    + JobQueries
    + ProofQueries
    + AuditQueries
    + RequestClaims
    + MailboxQueries
    + GuessQueries
    + ChangeFeed
{
    /// Begins a unit of work.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when no connection becomes free in time.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;

    /// Asks the database for a sign of life, for readiness.
    ///
    /// # Errors
    /// When it gives none.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Looks for rows that contradict each other, and names each contradiction. A sound store
    /// answers with an empty list; tests ask after each case.
    ///
    /// # Errors
    /// When the database cannot be read.
    async fn inconsistencies(&self) -> Result<Vec<String>, StoreError>;
}

/// Everything that is written together. It takes effect at [`commit`](UnitOfWork::commit);
/// dropping it instead undoes it, without a trace and without leaving a transaction open.
///
/// A [`Conflict`](StoreError::Conflict) leaves it usable; after any other error it should be
/// dropped.
#[async_trait]
pub trait UnitOfWork:
    UserRepository
    + ImportRepository
    + RoleRepository
    + CredentialRepository
    + SessionRepository
    + SigningKeyRepository
    + JobQueue
    + ProofRepository
    + AuditLog
    + AnswerRepository
    + MailboxRepository
    + GuessRepository
{
    /// Makes everything durable, visible to all, and known to the [`ChangeFeed`] and to the workers.
    ///
    /// # Errors
    /// When the outcome is not known to be a success. The caller may retry a whole command.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// Reads users.
#[async_trait]
pub trait UserQueries: Send + Sync {
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user with this address, whether or not they have a credential.
    async fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;

    /// Whether there is any user at all.
    async fn user_exists(&self) -> Result<bool, StoreError>;

    /// A page of the users that fit the filter, in the order of their [keys](UserFilter::key_of). A
    /// page costs the same wherever it is. A key that does not belong to the filter gets the list
    /// from its beginning.
    async fn users(
        &self,
        filter: &UserFilter,
        page: &PageRequest<UserKey>,
    ) -> Result<Page<User, UserKey>, StoreError>;

    /// At most `limit` users, in ascending order of their ids, from the one that follows `after` on:
    /// for reading all of them.
    async fn users_after(&self, after: Option<UserId>, limit: u32)
    -> Result<Vec<User>, StoreError>;
}

/// Writes users.
///
/// **Invariant:** a unit of work that touches a user takes the user's row first ([`user_lock`] or
/// [`user_signed_in`]), then the credential, then the sessions. One order for all means that two of
/// them can wait for each other, but never deadlock.
///
/// [`user_lock`]: UserRepository::user_lock
/// [`user_signed_in`]: UserRepository::user_signed_in
#[async_trait]
pub trait UserRepository: Send {
    /// Reads a user and keeps others from changing or deleting them, or signing them in, until the
    /// unit of work ends.
    async fn user_lock(&mut self, id: UserId) -> Result<Option<User>, StoreError>;

    /// Adds a user with their roles.
    ///
    /// # Errors
    /// `Conflict(UserEmail)` if the canonical address is taken, `Conflict(RoleUnknown)` if a role does
    /// not exist; the transaction stays usable.
    async fn user_insert(&mut self, user: &User) -> Result<(), StoreError>;

    /// Changes the name and returns the user as they are now; `None` if there is no such user.
    async fn user_rename(
        &mut self,
        id: UserId,
        name: &DisplayName,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError>;

    /// Marks the address as verified. `false` if there is no such user.
    async fn user_verify_email(&mut self, id: UserId, now: Timestamp) -> Result<bool, StoreError>;

    /// Gives a user another address, which nobody has verified yet, and returns the user as they are now;
    /// `None` if there is no such user.
    ///
    /// # Errors
    /// `Conflict(UserEmail)` if the canonical address is taken; the transaction stays usable.
    async fn user_set_email(
        &mut self,
        id: UserId,
        email: &Email,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError>;

    /// Locks or unlocks an account, records the [`Change`], which is kept for an hour, and returns the
    /// user as they are now; `None` if there is no such user.
    async fn user_set_status(
        &mut self,
        id: UserId,
        status: UserStatus,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError>;

    /// Gives a user these roles instead of those they have, records the [`Change`], and returns the
    /// user as they are now; `None` if there is no such user.
    ///
    /// # Errors
    /// `Conflict(RoleUnknown)` if a role does not exist; the transaction stays usable.
    async fn user_set_roles(
        &mut self,
        id: UserId,
        roles: &[RoleName],
        now: Timestamp,
    ) -> Result<Option<User>, StoreError>;

    /// How many active users have the role `admin`. Until the unit of work ends, no other one that
    /// asks gets its answer, so that of several who each take one away the last sees it. To be asked
    /// after the user's row was taken.
    async fn user_count_admins(&mut self) -> Result<u64, StoreError>;

    /// Notes a sign-in. `false`, and no change, if the user is gone or not active. Until the unit of
    /// work ends, the user cannot be disabled or deleted by another one.
    async fn user_signed_in(&mut self, id: UserId, now: Timestamp) -> Result<bool, StoreError>;

    /// Removes a user with their credential, roles and sessions. `false` if there is no such user.
    /// Revoke the sessions first: rows that are gone cannot be revoked.
    async fn user_delete(&mut self, id: UserId) -> Result<bool, StoreError>;
}

/// Somebody who had an account elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedUser {
    pub user: User,
    /// Without one they cannot sign in until they have reset their password.
    pub password_hash: Option<PasswordHash>,
}

/// Names a file that is imported: the SHA-256 of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportDigest(pub [u8; 32]);

/// Writes users who had their accounts elsewhere, and how far that has come.
#[async_trait]
pub trait ImportRepository: Send {
    /// Adds each user, with roles and credential, unless their id is taken, or their address, also by
    /// one before them in the list. Says for each, in order, whether they were added; of the others
    /// nothing is there. No two in the list may have the same id.
    ///
    /// # Errors
    /// `Conflict(RoleUnknown)` if a role of any of them does not exist: then nobody was added, and the
    /// transaction stays usable.
    async fn users_import(&mut self, users: &[ImportedUser]) -> Result<Vec<Imported>, StoreError>;

    /// How many lines of the file were dealt with by earlier units of work; 0 for one that is new.
    /// Until this one ends, no other deals with the same file.
    async fn import_lines(
        &mut self,
        digest: ImportDigest,
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Notes that the first `lines` lines of the file were dealt with.
    async fn import_advance(
        &mut self,
        digest: ImportDigest,
        lines: u64,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Forgets the file, because it was dealt with to its end.
    async fn import_finish(&mut self, digest: ImportDigest) -> Result<(), StoreError>;
}

/// What became of one user of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    Added,
    EmailTaken,
    IdTaken,
}

/// Reads roles.
#[async_trait]
pub trait RoleQueries: Send + Sync {
    /// Every role, built-in ones included, by name.
    async fn roles(&self) -> Result<Vec<Role>, StoreError>;
}

/// Writes roles.
#[async_trait]
pub trait RoleRepository: Send {
    /// Makes a role or replaces what it says, and records the [`Change`]; `true` if it was made.
    async fn role_put(&mut self, role: &Role, now: Timestamp) -> Result<bool, StoreError>;

    /// Removes a role, also from everybody who has it, and records the [`Change`]. `false` if there
    /// is none.
    async fn role_delete(&mut self, name: &RoleName, now: Timestamp) -> Result<bool, StoreError>;
}

/// Reads credentials.
#[async_trait]
pub trait CredentialQueries: Send + Sync {
    /// The user who signs in with this address, and the credential to check.
    async fn credential_by_email(
        &self,
        email: &Email,
    ) -> Result<Option<(User, Credential)>, StoreError>;

    async fn credential_by_user(
        &self,
        user_id: UserId,
    ) -> Result<Option<(User, Credential)>, StoreError>;

    /// The credentials of those among these users who have one, in any order.
    async fn credentials_by_users(
        &self,
        user_ids: &[UserId],
    ) -> Result<Vec<Credential>, StoreError>;
}

/// Writes credentials.
#[async_trait]
pub trait CredentialRepository: Send {
    /// Gives a user their first password.
    async fn credential_insert(
        &mut self,
        user_id: UserId,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Gives a user another password whatever the one before, also if they had none. The version rises.
    async fn credential_put(
        &mut self,
        user_id: UserId,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Whether the credential still has this version. If so it keeps it until the unit of work ends.
    async fn credential_is_current(
        &mut self,
        user_id: UserId,
        version: i64,
    ) -> Result<bool, StoreError>;

    /// Replaces the hash and raises the version, if the version is still `expected_version`;
    /// otherwise `false` and no change.
    async fn credential_replace(
        &mut self,
        user_id: UserId,
        expected_version: i64,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces the hash of the *same* password by one with newer parameters; the version stays. No
    /// change if the version is no longer `expected_version`.
    async fn credential_rehash(
        &mut self,
        user_id: UserId,
        expected_version: i64,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

/// Reads sessions.
#[async_trait]
pub trait SessionQueries: Send + Sync {
    /// A session, live or not, with its user.
    async fn session_by_id(&self, id: SessionId) -> Result<Option<(Session, User)>, StoreError>;

    /// The sessions of a user that are live at `now`, newest first.
    async fn sessions_by_user(
        &self,
        user_id: UserId,
        now: Timestamp,
        page: PageRequest<SessionId>,
    ) -> Result<Page<Session, SessionId>, StoreError>;
}

/// A session is to move on to its next generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rotation {
    pub id: SessionId,
    /// The generation that it has now.
    pub from: Generation,
    pub now: Timestamp,
    /// Until when it lives from now on.
    pub expires_at: Timestamp,
}

/// Moves sessions on. This is no part of a [`UnitOfWork`], because nothing else is ever written with it, and
/// an adapter may so write for many callers at once.
#[async_trait]
pub trait SessionRotations: Send + Sync {
    /// Moves a session to its next generation, if it still has the generation `from`, is not revoked and not
    /// expired at `now`, and its user is active; otherwise `false` and no change. Of any number of callers
    /// at once exactly one is told `true`, and then it is durable.
    async fn session_rotate(&self, rotation: Rotation) -> Result<bool, StoreError>;
}

/// Writes sessions.
#[async_trait]
pub trait SessionRepository: Send {
    async fn session_insert(&mut self, session: &Session) -> Result<(), StoreError>;

    /// Ends a live session of this user and records the [`Revocation`], which is forgotten after
    /// `until`. `false`, and no change, if the user has no such session or it is not live at `now`.
    async fn session_revoke(
        &mut self,
        id: SessionId,
        user_id: UserId,
        cause: RevocationCause,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends all live sessions of a user but `except`, records the revocations and returns the ids.
    async fn sessions_revoke(
        &mut self,
        user_id: UserId,
        except: Option<SessionId>,
        cause: RevocationCause,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// Forgets sessions and changes that are over at `now`, at most `limit` of each, and says how
    /// many. Rows that another unit of work holds are left for the next time.
    async fn sessions_prune(&mut self, now: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// Reads signing keys.
#[async_trait]
pub trait SigningKeyQueries: Send + Sync {
    /// All keys, oldest first.
    async fn signing_keys(&self) -> Result<Vec<SealedSigningKey>, StoreError>;
}

/// Writes signing keys.
#[async_trait]
pub trait SigningKeyRepository: Send {
    /// Adds a key.
    ///
    /// # Errors
    /// `Conflict(SigningKeyGeneration)` if another instance made this generation first; the
    /// transaction stays usable.
    async fn signing_key_insert(&mut self, key: &SealedSigningKey) -> Result<(), StoreError>;

    /// Raises the `token_life` of the keys from `generation` on, where it is shorter.
    async fn signing_keys_raise_token_life(
        &mut self,
        generation: i64,
        token_life: Duration,
    ) -> Result<(), StoreError>;

    /// Replaces the encrypted private half of a key. `false` if there is no such key.
    async fn signing_key_reseal(
        &mut self,
        kid: &str,
        sealed_private_key: &[u8],
    ) -> Result<bool, StoreError>;

    /// Removes the keys that are older than `generation`, and says how many those were.
    async fn signing_keys_delete_before(&mut self, generation: i64) -> Result<u64, StoreError>;
}

/// How far a reader of the [`ChangeFeed`] has come. Opaque; it belongs to one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedCursor(pub i64);

/// How long a change of a user or a role is kept for instances to read: far longer than any that
/// serves goes without reading. One that could not read forgets all that it kept in memory.
pub const CHANGE_KEPT_FOR: time::Duration = time::Duration::HOUR;

/// Something that every instance must know of, because it keeps in memory what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// A session ended before its access tokens did.
    Revoked(Revocation),
    /// A user's roles or status changed. That one was deleted needs no telling: their sessions were
    /// revoked.
    User(UserId),
    /// A role was changed or deleted.
    Roles,
}

/// Tells every instance what changed, whoever changed it.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// The changes that were committed since `cursor`, each at least once, and the cursor to go on
    /// with. The default cursor reads all that are still kept.
    ///
    /// A change is never missed because its transaction began before, and ended after, another one
    /// that was read already.
    async fn changes_since(
        &self,
        cursor: FeedCursor,
    ) -> Result<(Vec<Change>, FeedCursor), StoreError>;

    /// Returns when there may be something new. It is a hint and may get lost: readers poll as well.
    async fn change_hint(&self);
}

/// What can go wrong with a store. Adapters map their own errors to it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A uniqueness rule refused the write. The transaction is still usable.
    #[error("the rule {0:?} was broken")]
    Conflict(Constraint),
    /// No connection, or no lock, became free in time. Trying again later may succeed.
    #[error("the database is busy")]
    Busy(#[source] BoxError),
    /// The database cannot be reached, is shutting down, or has no room left. Trying again later may
    /// succeed.
    #[error("the database cannot serve")]
    Unavailable(#[source] BoxError),
    /// A row holds what Doorward never writes.
    #[error("the database holds a damaged {what}")]
    Corrupt { what: &'static str },
    /// Anything else; a defect, or a database that is not set up as expected.
    #[error("the database refused a statement")]
    Backend(#[source] BoxError),
}

impl StoreError {
    /// The same error for another caller who waited for the same statement. Its causes are kept as text.
    #[must_use]
    pub fn retold(&self) -> Self {
        let told = |cause: &BoxError| {
            let mut text = cause.to_string();
            let mut deeper = cause.source();
            while let Some(cause) = deeper {
                text.push_str(": ");
                text.push_str(&cause.to_string());
                deeper = cause.source();
            }
            text.into()
        };
        match self {
            Self::Conflict(rule) => Self::Conflict(*rule),
            Self::Busy(cause) => Self::Busy(told(cause)),
            Self::Unavailable(cause) => Self::Unavailable(told(cause)),
            Self::Corrupt { what } => Self::Corrupt { what },
            Self::Backend(cause) => Self::Backend(told(cause)),
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The uniqueness rules that a store enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constraint {
    /// One account for each canonical e-mail address.
    UserEmail,
    /// A user has only roles that exist.
    RoleUnknown,
    /// One signing key for each generation.
    SigningKeyGeneration,
    /// One claim at a time for each request that may be sent again.
    RequestClaim,
}
