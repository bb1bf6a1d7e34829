//! What people may do, known without asking the database at each request.

use std::{
    collections::HashMap,
    fmt,
    marker::PhantomData,
    sync::{Arc, PoisonError, RwLock},
};

use doorward_domain::{
    AuditAction, AuditParty, Permission, Role, RoleName, SessionId, UserId, UserStatus,
    ports::StoreError,
};

use crate::{Actor, Ctx, Failure, audit};

/// The roles of people who asked for something lately, and what the roles permit.
///
/// It is filled on demand and forgotten at each change that the store's feed tells of
/// ([`catch_up`](crate::change::catch_up)).
///
/// **Invariant:** what was read before a change is never kept after it. A reader notes how many changes
/// there were before it asks the store, and keeps the answer only if there were none since.
#[derive(Debug, Default)]
pub struct GrantCache(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    changes: u64,
    roles: Option<Arc<[Role]>>,
    users: HashMap<UserId, Arc<[RoleName]>>,
}

/// What is known of one person at one moment.
struct Glimpse {
    changes: u64,
    roles: Option<Arc<[Role]>>,
    names: Option<Arc<[RoleName]>>,
}

/// More people than this are not kept in memory at once.
const USERS_MAX: usize = 100_000;

impl GrantCache {
    /// Forgets what one person may do.
    pub fn forget(&self, user: UserId) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.changes += 1;
        known.users.remove(&user);
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *known = Known { changes: known.changes + 1, ..Known::default() };
    }

    fn look_up(&self, user: UserId) -> Glimpse {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Glimpse {
            changes: known.changes,
            roles: known.roles.clone(),
            names: known.users.get(&user).cloned(),
        }
    }

    fn keep(&self, changes: u64, user: UserId, roles: &Arc<[Role]>, names: &Arc<[RoleName]>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.changes != changes {
            return;
        }
        if known.users.len() >= USERS_MAX {
            known.users.clear();
        }
        known.roles = Some(Arc::clone(roles));
        known.users.insert(user, Arc::clone(names));
    }
}

/// Why somebody is not let.
#[derive(Debug, thiserror::Error)]
pub enum PermitError {
    #[error("this needs the permission {0}")]
    Forbidden(Permission),
    #[error(transparent)]
    Failed(Failure),
}

/// Names a permission in a type, so that a use case can ask for it in its signature.
pub trait Needed: Send + Sync + 'static {
    const PERMISSION: Permission;
}

macro_rules! needed {
    ($($name:ident = $permission:ident),+ $(,)?) => {$(
        #[doc = concat!("See [`Permission::", stringify!($permission), "`].")]
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Needed for $name {
            const PERMISSION: Permission = Permission::$permission;
        }
    )+};
}

needed! {
    UsersRead = USERS_READ,
    UsersWrite = USERS_WRITE,
    SessionsWrite = SESSIONS_WRITE,
    RolesRead = ROLES_READ,
    RolesWrite = ROLES_WRITE,
    JobsRead = JOBS_READ,
    JobsWrite = JOBS_WRITE,
    AuditRead = AUDIT_READ,
    KeysRotate = KEYS_ROTATE,
}

/// On whose behalf something is done that not everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// Somebody who is signed in.
    User(Actor),
    /// Whoever runs `doorward` with the settings of this installation, and so owns its database.
    Console,
}

/// The user's id, or `console`: who it was, in logs.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(actor) => actor.user_id().fmt(f),
            Self::Console => f.write_str("console"),
        }
    }
}

/// Somebody who was found to have a permission. A use case that takes one cannot be called without the
/// check, because only [`permit`] makes it, and the command line, which needs none.
#[derive(Debug, Clone, Copy)]
pub struct Permitted<P> {
    principal: Principal,
    permission: PhantomData<P>,
}

impl<P> Permitted<P> {
    /// For the command line and nothing else: whoever reads the settings can write the database without
    /// asking anybody.
    #[must_use]
    pub const fn at_console() -> Self {
        Self { principal: Principal::Console, permission: PhantomData }
    }

    #[must_use]
    pub const fn principal(&self) -> Principal {
        self.principal
    }

    /// The session in which this was asked for, if it was in one.
    #[must_use]
    pub const fn session_id(&self) -> Option<SessionId> {
        match self.principal {
            Principal::User(actor) => Some(actor.session_id()),
            Principal::Console => None,
        }
    }
}

/// Lets the actor go on if their present roles permit it, whatever the roles in their token say. It
/// costs a read only when the roles of this person are not in memory.
///
/// # Errors
/// [`PermitError::Forbidden`].
pub async fn permit<P: Needed>(ctx: &Ctx, actor: Actor) -> Result<Permitted<P>, PermitError> {
    let permission = P::PERMISSION;
    let user = actor.user_id();
    let Glimpse { changes, roles, names } = ctx.grants.look_up(user);
    let (roles, names) = match (roles, names) {
        (Some(roles), Some(names)) => (roles, names),
        (roles, names) => {
            let roles = match roles {
                Some(roles) => roles,
                None => ctx.store.roles().await?.into(),
            };
            let names = match names {
                Some(names) => names,
                None => present_roles(ctx, user).await?,
            };
            ctx.grants.keep(changes, user, &roles, &names);
            (roles, names)
        }
    };
    let permits = |name: &RoleName| {
        roles.iter().any(|role: &Role| role.name == *name && role.permits(&permission))
    };
    if names.iter().any(permits) {
        Ok(Permitted { principal: Principal::User(actor), permission: PhantomData })
    } else {
        Err(PermitError::Forbidden(permission))
    }
}

/// Writes down that the actor was not let.
///
/// # Errors
/// When the store fails.
pub async fn note_refusal(
    ctx: &Ctx,
    actor: &Actor,
    permission: &Permission,
) -> Result<(), PermitError> {
    let denied = audit::event(ctx, AuditAction::AccessDenied, ctx.clock.now());
    let denied = denied.by(AuditParty::user(actor.user_id()));
    Ok(audit::record(ctx, &denied.with("permission", permission.as_str())).await?)
}

/// Whether what was found is still so, for work that takes long.
///
/// # Errors
/// [`PermitError::Forbidden`] when the permission is gone or the session has ended.
pub async fn confirm<P: Needed>(ctx: &Ctx, by: &Permitted<P>) -> Result<(), PermitError> {
    match by.principal {
        Principal::User(actor) if ctx.revocations.contains(actor.session_id()) => {
            Err(PermitError::Forbidden(P::PERMISSION))
        }
        Principal::User(actor) => permit::<P>(ctx, actor).await.map(|_| ()),
        Principal::Console => Ok(()),
    }
}

/// None at all for somebody who is gone or disabled.
async fn present_roles(ctx: &Ctx, user: UserId) -> Result<Arc<[RoleName]>, StoreError> {
    let user = ctx.store.user_by_id(user).await?;
    let active = user.filter(|user| user.status == UserStatus::Active);
    Ok(active.map(|user| user.roles).unwrap_or_default().into())
}

impl From<StoreError> for PermitError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}
