//! Taking in users who had their accounts elsewhere, from a file of any length.
//!
//! The file is worked through in batches of lines. How far it has come is committed with each batch, so
//! an import that was broken off goes on behind the last line that was dealt with, and no line is
//! dealt with twice, even when two work on the same file at once.

use std::collections::{BTreeSet, HashSet};

use doorward_domain::{
    AuditAction, AuditEvent, AuditParty, RoleName, UserId,
    ports::{Constraint, ImportDigest, Imported, ImportedUser, StoreError},
};

use crate::{
    Ctx, Failure, audit,
    failure::failed_from_ports,
    grant::{Permitted, Principal, RolesWrite, UsersWrite},
};

/// How often roles that are deleted meanwhile are put up with before a batch fails.
const ROLE_RACES_MAX: u32 = 3;

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It has moved the mark of what was dealt with.
    #[error("another import of the same file is under way")]
    UnderWay,
    #[error(transparent)]
    Failed(Failure),
}

/// Why somebody was not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("email belongs to another user already")]
    EmailTaken,
    #[error("id belongs to another user already")]
    IdTaken,
    #[error("roles: there is no role {0}; make it first")]
    RoleUnknown(RoleName),
}

/// An import of one file.
#[derive(Debug)]
pub struct Import {
    digest: ImportDigest,
    by: Principal,
    lines: u64,
    /// What a rehearsal would have added. It commits nothing, so the store cannot tell.
    rehearsed: Option<Rehearsed>,
}

#[derive(Debug, Default)]
struct Rehearsed {
    ids: HashSet<UserId>,
    addresses: HashSet<String>,
}

impl Import {
    /// Begins an import, or goes on with one that was broken off. With `rehearse` nothing is written.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn begin(
        ctx: &Ctx,
        by: (&Permitted<UsersWrite>, &Permitted<RolesWrite>),
        digest: ImportDigest,
        rehearse: bool,
    ) -> Result<Self, ImportError> {
        let mut work = ctx.store.begin().await?;
        let lines = work.import_lines(digest, ctx.clock.now()).await?;
        let rehearsed = rehearse.then(Rehearsed::default);
        let import = Self { digest, by: by.0.principal(), lines, rehearsed };
        if !rehearse {
            work.audit_append(&import.event(ctx, AuditAction::ImportBegun)).await?;
            work.commit().await?;
            tracing::info!(by = %import.by, lines, "import begun");
        }
        Ok(import)
    }

    fn event(&self, ctx: &Ctx, action: AuditAction) -> AuditEvent {
        audit::event(ctx, action, ctx.clock.now())
            .by(self.by.party())
            .on(AuditParty::import(&self.digest.0))
            .with("lines", self.lines)
    }

    /// How many lines of the file need no dealing with any more.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Adds the users of the next lines, up to the one with the number `lines`, as far as nothing
    /// speaks against it, and makes that durable. Says for each, in order, whether they were added.
    ///
    /// # Errors
    /// [`ImportError::UnderWay`].
    pub async fn add(
        &mut self,
        ctx: &Ctx,
        users: Vec<ImportedUser>,
        lines: u64,
    ) -> Result<Vec<Result<(), Refusal>>, ImportError> {
        let now = ctx.clock.now();
        let mut races = 0;
        let (mut work, outcomes) = loop {
            let known = ctx.store.roles().await?.into_iter().map(|role| role.name).collect();
            let mut outcomes = self.judge(&users, &known);
            let eligible: Vec<ImportedUser> = users
                .iter()
                .zip(&outcomes)
                .filter(|(_, outcome)| outcome.is_ok())
                .map(|(user, _)| user.clone())
                .collect();
            let mut work = ctx.store.begin().await?;
            if work.import_lines(self.digest, now).await? != self.lines {
                return Err(ImportError::UnderWay);
            }
            let added = match work.users_import(&eligible).await {
                Err(StoreError::Conflict(Constraint::RoleUnknown)) if races < ROLE_RACES_MAX => {
                    races += 1;
                    continue;
                }
                added => added?,
            };
            let judged = outcomes.iter_mut().filter(|outcome| outcome.is_ok());
            for (outcome, added) in judged.zip(added) {
                *outcome = refusal(added);
            }
            break (work, outcomes);
        };
        match &mut self.rehearsed {
            None => {
                work.import_advance(self.digest, lines, now).await?;
                work.commit().await?;
                self.lines = lines;
            }
            Some(rehearsed) => rehearsed.note(&users, &outcomes),
        }
        Ok(outcomes)
    }

    /// What can be said before the store is asked.
    fn judge(
        &self,
        users: &[ImportedUser],
        known: &BTreeSet<RoleName>,
    ) -> Vec<Result<(), Refusal>> {
        let mut ids = HashSet::with_capacity(users.len());
        users
            .iter()
            .map(|ImportedUser { user, .. }| {
                if let Some(role) = user.roles.iter().find(|role| !known.contains(role)) {
                    return Err(Refusal::RoleUnknown(role.clone()));
                }
                let rehearsed = self.rehearsed.as_ref();
                if !ids.insert(user.id) || rehearsed.is_some_and(|it| it.ids.contains(&user.id)) {
                    return Err(Refusal::IdTaken);
                }
                if rehearsed.is_some_and(|it| it.addresses.contains(user.email.canonical())) {
                    return Err(Refusal::EmailTaken);
                }
                Ok(())
            })
            .collect()
    }

    /// Notes that there are no more lines. The same file can then be imported again.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn finish(self, ctx: &Ctx) -> Result<(), ImportError> {
        if self.rehearsed.is_none() {
            let mut work = ctx.store.begin().await?;
            work.import_finish(self.digest).await?;
            work.audit_append(&self.event(ctx, AuditAction::ImportFinished)).await?;
            work.commit().await?;
            tracing::info!(lines = self.lines, "import finished");
        }
        Ok(())
    }
}

impl Rehearsed {
    fn note(&mut self, users: &[ImportedUser], outcomes: &[Result<(), Refusal>]) {
        let added = users.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
        for (ImportedUser { user, .. }, _) in added {
            self.ids.insert(user.id);
            self.addresses.insert(user.email.canonical().to_owned());
        }
    }
}

const fn refusal(added: Imported) -> Result<(), Refusal> {
    match added {
        Imported::Added => Ok(()),
        Imported::EmailTaken => Err(Refusal::EmailTaken),
        Imported::IdTaken => Err(Refusal::IdTaken),
    }
}

failed_from_ports!(ImportError);
