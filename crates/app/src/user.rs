//! Other people's accounts, for operators.

use std::collections::HashMap;

use doorward_domain::{
    AuditAction, AuditEvent, AuditParty, DisplayName, Page, PageRequest, PasswordHash, RoleName,
    Session, SessionId, Timestamp, User, UserFilter, UserId, UserKey, UserStatus,
    ports::{Constraint, StoreError, UnitOfWork},
    session::RevocationCause,
};

use crate::{
    Ctx, Failure, audit,
    failure::failed_from_ports,
    grant::{self, PermitError, Permitted, RolesWrite, SessionsWrite, UsersRead, UsersWrite},
    revocation, session,
};

#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("there is no such user")]
    NotFound,
    /// Nobody could undo it.
    #[error("it would leave no active administrator")]
    LastAdmin,
    #[error("one of the roles does not exist")]
    RoleUnknown,
    #[error(transparent)]
    Failed(Failure),
}

/// What to change of an account; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateUser {
    pub name: Option<DisplayName>,
    pub status: Option<UserStatus>,
}

/// How many users an export reads at once: enough to make the reading cheap, few enough to be small.
const EXPORT_BATCH: u32 = 500;

/// A page of the users that fit the filter; see [`UserFilter::key_of`] for the order.
///
/// # Errors
/// Only when the store fails.
pub async fn list(
    ctx: &Ctx,
    _by: &Permitted<UsersRead>,
    filter: &UserFilter,
    page: &PageRequest<UserKey>,
) -> Result<Page<User, UserKey>, UserError> {
    Ok(ctx.store.users(filter, page).await?)
}

/// Writes down that somebody takes out all users. To be called before [`export`].
///
/// # Errors
/// [`PermitError::Failed`] when the store fails: what cannot be written down does not happen.
pub async fn begin_export(
    ctx: &Ctx,
    by: &Permitted<UsersRead>,
    with_password_hashes: bool,
) -> Result<(), PermitError> {
    let exported = audit::event(ctx, AuditAction::UsersExported, ctx.clock.now());
    let exported = exported.with("password_hashes", with_password_hashes);
    Ok(audit::record(ctx, &exported.by(by.principal().party())).await?)
}

/// The next of all users, in the order of their ids; none when `after` was the last. Whoever is there
/// from the beginning of an export to its end is in it exactly once, as they were when their turn came.
///
/// # Errors
/// [`PermitError::Forbidden`] when the permission was taken away meanwhile.
pub async fn export(
    ctx: &Ctx,
    by: &Permitted<UsersRead>,
    after: Option<UserId>,
) -> Result<Vec<User>, PermitError> {
    grant::confirm(ctx, by).await?;
    Ok(ctx.store.users_after(after, EXPORT_BATCH).await?)
}

/// The password hashes of those among these users who have one. Not for the API: nobody gets them who
/// cannot read the database.
///
/// # Errors
/// Only when the store fails.
pub async fn password_hashes(
    ctx: &Ctx,
    users: &[User],
) -> Result<HashMap<UserId, PasswordHash>, UserError> {
    let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let credentials = ctx.store.credentials_by_users(&ids).await?;
    Ok(credentials.into_iter().map(|it| (it.user_id, it.hash)).collect())
}

/// A user.
///
/// # Errors
/// [`UserError::NotFound`].
pub async fn get(ctx: &Ctx, _by: &Permitted<UsersRead>, id: UserId) -> Result<User, UserError> {
    ctx.store.user_by_id(id).await?.ok_or(UserError::NotFound)
}

/// Changes a user. Disabling ends all sessions.
///
/// # Errors
/// [`UserError::NotFound`], [`UserError::LastAdmin`].
pub async fn update(
    ctx: &Ctx,
    by: &Permitted<UsersWrite>,
    id: UserId,
    command: UpdateUser,
) -> Result<User, UserError> {
    let now = ctx.clock.now();
    let until = session::tokens_until(ctx, now);
    let mut work = ctx.store.begin().await?;
    let mut user = work.user_lock(id).await?.ok_or(UserError::NotFound)?;
    let mut ended = Vec::new();
    let mut done = Vec::new();
    if let Some(name) = command.name {
        user = work.user_rename(id, &name, now).await?.ok_or(UserError::NotFound)?;
        done.push(AuditAction::UserRenamed);
    }
    if let Some(status) = command.status.filter(|status| *status != user.status) {
        if status == UserStatus::Disabled {
            if is_last_admin(&mut *work, &user).await? {
                return Err(UserError::LastAdmin);
            }
            let cause = RevocationCause::ByOperator;
            ended = work.sessions_revoke(id, None, cause, now, until).await?;
        }
        user = work.user_set_status(id, status, now).await?.ok_or(UserError::NotFound)?;
        done.push(match status {
            UserStatus::Active => AuditAction::UserEnabled,
            UserStatus::Disabled => AuditAction::UserDisabled,
        });
    }
    for action in done {
        work.audit_append(&event(ctx, action, by, id, now)).await?;
    }
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    ctx.grants.forget(id);
    tracing::info!(user_id = %id, by = %by.principal(), status = user.status.as_str(), "user changed");
    Ok(user)
}

/// Deletes a user with everything that belongs to them, and ends all their sessions.
///
/// # Errors
/// [`UserError::NotFound`], [`UserError::LastAdmin`].
pub async fn delete(ctx: &Ctx, by: &Permitted<UsersWrite>, id: UserId) -> Result<(), UserError> {
    let now = ctx.clock.now();
    let until = session::tokens_until(ctx, now);
    let mut work = ctx.store.begin().await?;
    let user = work.user_lock(id).await?.ok_or(UserError::NotFound)?;
    if is_last_admin(&mut *work, &user).await? {
        return Err(UserError::LastAdmin);
    }
    let cause = RevocationCause::ByOperator;
    let ended = work.sessions_revoke(id, None, cause, now, until).await?;
    work.user_delete(id).await?;
    work.audit_append(&event(ctx, AuditAction::UserDeleted, by, id, now)).await?;
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    ctx.grants.forget(id);
    tracing::info!(user_id = %id, by = %by.principal(), sessions = ended.len(), "user deleted");
    Ok(())
}

/// Gives a user these roles instead of those they have.
///
/// # Errors
/// [`UserError::RoleUnknown`], [`UserError::NotFound`], [`UserError::LastAdmin`].
pub async fn set_roles(
    ctx: &Ctx,
    by: &Permitted<RolesWrite>,
    id: UserId,
    roles: &[RoleName],
) -> Result<User, UserError> {
    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    let before = work.user_lock(id).await?.ok_or(UserError::NotFound)?;
    if !roles.contains(&RoleName::admin()) && is_last_admin(&mut *work, &before).await? {
        return Err(UserError::LastAdmin);
    }
    let user = match work.user_set_roles(id, roles, now).await {
        Err(StoreError::Conflict(Constraint::RoleUnknown)) => return Err(UserError::RoleUnknown),
        other => other?.ok_or(UserError::NotFound)?,
    };
    for (action, these, those) in [
        (AuditAction::RoleGranted, &user.roles, &before.roles),
        (AuditAction::RoleRevoked, &before.roles, &user.roles),
    ] {
        let names: Vec<&str> =
            these.iter().filter(|role| !those.contains(role)).map(RoleName::as_str).collect();
        if !names.is_empty() {
            let changed = event(ctx, action, by, id, now).with("roles", names.join(" "));
            work.audit_append(&changed).await?;
        }
    }
    work.commit().await?;
    ctx.grants.forget(id);
    tracing::info!(user_id = %id, by = %by.principal(), roles = ?user.roles, "roles set");
    Ok(user)
}

/// The live sessions of a user, newest first.
///
/// # Errors
/// [`UserError::NotFound`].
pub async fn sessions(
    ctx: &Ctx,
    _by: &Permitted<UsersRead>,
    id: UserId,
    page: PageRequest<SessionId>,
) -> Result<Page<Session, SessionId>, UserError> {
    ctx.store.user_by_id(id).await?.ok_or(UserError::NotFound)?;
    Ok(ctx.store.sessions_by_user(id, ctx.clock.now(), page).await?)
}

/// Ends all sessions of a user.
///
/// # Errors
/// [`UserError::NotFound`].
pub async fn revoke_sessions(
    ctx: &Ctx,
    by: &Permitted<SessionsWrite>,
    id: UserId,
) -> Result<(), UserError> {
    let now = ctx.clock.now();
    let until = session::tokens_until(ctx, now);
    let mut work = ctx.store.begin().await?;
    work.user_lock(id).await?.ok_or(UserError::NotFound)?;
    let cause = RevocationCause::ByOperator;
    let ended = work.sessions_revoke(id, None, cause, now, until).await?;
    if !ended.is_empty() {
        let revoked = event(ctx, AuditAction::SessionRevoked, by, id, now);
        work.audit_append(&revoked.with("sessions", ended.len())).await?;
    }
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    tracing::info!(user_id = %id, by = %by.principal(), sessions = ended.len(), "sessions ended");
    Ok(())
}

/// Something that an operator does to a user.
fn event<P>(
    ctx: &Ctx,
    action: AuditAction,
    by: &Permitted<P>,
    id: UserId,
    now: Timestamp,
) -> AuditEvent {
    audit::event(ctx, action, now).by(by.principal().party()).on(AuditParty::user(id))
}

/// Whether this user is the last administrator who can sign in. To be asked before they lose that, in
/// the unit of work that takes it, after their row was taken.
pub(crate) async fn is_last_admin(
    work: &mut dyn UnitOfWork,
    user: &User,
) -> Result<bool, StoreError> {
    let is_admin = user.status == UserStatus::Active && user.roles.contains(&RoleName::admin());
    Ok(is_admin && work.user_count_admins().await? <= 1)
}

failed_from_ports!(UserError);
