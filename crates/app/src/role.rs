//! Roles and what they permit.

use doorward_domain::{AuditAction, AuditParty, Page, PageRequest, Permission, Role, RoleName};

use crate::{
    Ctx, Failure, audit,
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
    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    let made = work.role_put(role, now).await?;
    let action = if made { AuditAction::RoleCreated } else { AuditAction::RoleChanged };
    let permissions: Vec<&str> = role.permissions.iter().map(Permission::as_str).collect();
    let event = audit::event(ctx, action, now).by(by.principal().party());
    let event = event.on(AuditParty::role(&role.name)).with("permissions", permissions.join(" "));
    work.audit_append(&event).await?;
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
    let now = ctx.clock.now();
    let mut work = ctx.store.begin().await?;
    if !work.role_delete(name, now).await? {
        return Err(RoleError::NotFound);
    }
    let event = audit::event(ctx, AuditAction::RoleDeleted, now).by(by.principal().party());
    work.audit_append(&event.on(AuditParty::role(name))).await?;
    work.commit().await?;
    ctx.grants.forget_all();
    tracing::info!(role = %name, by = %by.principal(), "role deleted");
    Ok(())
}

failed_from_ports!(RoleError);
