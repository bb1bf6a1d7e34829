//! Roles and what they permit.

use doorward_domain::{Page, PageRequest, Role, RoleName};

use crate::{
    Ctx, Failure,
    failure::failed_from_ports,
    grant::{Permitted, RolesRead, RolesWrite},
};

#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    #[error("the role is built in")]
    BuiltIn,
    #[error("there is no such role")]
    NotFound,
    #[error(transparent)]
    Failed(Failure),
}

/// Every role by name.
///
/// # Errors
/// Only when the store fails.
pub async fn list(
    ctx: &Ctx,
    _by: &Permitted<RolesRead>,
    page: &PageRequest<RoleName>,
) -> Result<Page<Role, RoleName>, RoleError> {
    let roles = ctx.store.roles().await?;
    let after = |role: &Role| page.after.as_ref().is_none_or(|after| role.name > *after);
    let surplus = usize::from(page.limit.get()) + 1;
    let rows = roles.into_iter().filter(after).take(surplus).collect();
    Ok(Page::from_surplus(rows, page.limit, |role| role.name.clone()))
}

/// Makes a role or replaces what it says; `true` if it was made.
///
/// # Errors
/// [`RoleError::BuiltIn`].
pub async fn put(ctx: &Ctx, by: &Permitted<RolesWrite>, role: &Role) -> Result<bool, RoleError> {
    if role.name.is_built_in() {
        return Err(RoleError::BuiltIn);
    }
    let mut work = ctx.store.begin().await?;
    let made = work.role_put(role, ctx.clock.now()).await?;
    work.commit().await?;
    ctx.grants.forget_all();
    tracing::info!(role = %role.name, by = %by.principal(), made, "role written");
    Ok(made)
}

/// Removes a role, also from everybody who has it.
///
/// # Errors
/// [`RoleError::BuiltIn`], [`RoleError::NotFound`].
pub async fn delete(
    ctx: &Ctx,
    by: &Permitted<RolesWrite>,
    name: &RoleName,
) -> Result<(), RoleError> {
    if name.is_built_in() {
        return Err(RoleError::BuiltIn);
    }
    let mut work = ctx.store.begin().await?;
    if !work.role_delete(name, ctx.clock.now()).await? {
        return Err(RoleError::NotFound);
    }
    work.commit().await?;
    ctx.grants.forget_all();
    tracing::info!(role = %name, by = %by.principal(), "role deleted");
    Ok(())
}

failed_from_ports!(RoleError);
