//! Other people's accounts, for operators.

use doorward_domain::{
    DisplayName, Page, PageRequest, RoleName, Session, SessionId, User, UserId, UserStatus,
    ports::{Constraint, StoreError, UnitOfWork},
    session::RevocationCause,
};

use crate::{
    Ctx, Failure,
    failure::failed_from_ports,
    grant::{Permitted, RolesWrite, SessionsWrite, UsersRead, UsersWrite},
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
    if let Some(name) = command.name {
        user = work.user_rename(id, &name, now).await?.ok_or(UserError::NotFound)?;
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
    }
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    ctx.grants.forget(id);
    tracing::info!(user_id = %id, by = %by.actor().user_id(), status = user.status.as_str(), "user changed");
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
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    ctx.grants.forget(id);
    tracing::info!(user_id = %id, by = %by.actor().user_id(), sessions = ended.len(), "user deleted");
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
    let user = work.user_lock(id).await?.ok_or(UserError::NotFound)?;
    if !roles.contains(&RoleName::admin()) && is_last_admin(&mut *work, &user).await? {
        return Err(UserError::LastAdmin);
    }
    let user = match work.user_set_roles(id, roles, now).await {
        Err(StoreError::Conflict(Constraint::RoleUnknown)) => return Err(UserError::RoleUnknown),
        other => other?.ok_or(UserError::NotFound)?,
    };
    work.commit().await?;
    ctx.grants.forget(id);
    tracing::info!(user_id = %id, by = %by.actor().user_id(), roles = ?user.roles, "roles set");
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
    work.commit().await?;
    revocation::apply(ctx, &ended, until);
    tracing::info!(user_id = %id, by = %by.actor().user_id(), sessions = ended.len(), "sessions ended");
    Ok(())
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
