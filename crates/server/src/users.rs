//! The commands about people. They work on the database, beside running servers, which hear of it.

use std::io::{self, BufWriter, Write};

use anyhow::{Context, Result, bail};
use clap::Args;
use doorward_app::{
    Ctx,
    grant::{Permitted, UsersRead},
    user::{self, UpdateUser},
};
use doorward_domain::{
    Email, PageLimit, PageRequest, PasswordHash, RoleName, SearchPrefix, User, UserFilter, UserId,
    UserStatus,
};
use doorward_http::UserView;
use doorward_infra_sqlite::Workload;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    commands::on_database,
    output::{self, print, shown, shown_or_dash},
    settings::Settings,
};

/// A user as they are named on the command line.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    Id(UserId),
    Email(Email),
}

impl Who {
    /// Reads an id or an address.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self::Id(UserId::from_uuid(id)));
        }
        Email::parse(text).map(Self::Email).map_err(|fault| {
            format!("names a user by id or e-mail address; as an address it {fault}")
        })
    }

    async fn find(self, ctx: &Ctx) -> Result<User> {
        let by = console::<UsersRead>();
        match self {
            Self::Id(id) => Ok(user::get(ctx, &by, id).await?),
            Self::Email(email) => {
                let filter = UserFilter { email: Some(email), ..UserFilter::default() };
                let found = user::list(ctx, &by, &filter, &PageRequest::default()).await?;
                found.items.into_iter().next().context("nobody has this address")
            }
        }
    }
}

/// Whom to list.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// The one with this address.
    #[arg(long, value_parser = Email::parse)]
    email: Option<Email>,
    /// Those whose address or name begins so.
    #[arg(long, value_name = "TEXT", value_parser = SearchPrefix::parse)]
    q: Option<SearchPrefix>,
    /// Those with this status: active or disabled.
    #[arg(long, value_parser = read_status)]
    status: Option<UserStatus>,
    /// Those who have this role.
    #[arg(long, value_parser = RoleName::parse)]
    role: Option<RoleName>,
}

fn read_status(word: &str) -> Result<UserStatus, &'static str> {
    UserStatus::from_word(word).ok_or("must be active or disabled")
}

#[expect(clippy::disallowed_methods, reason = "this is the command line")]
pub(crate) const fn console<P>() -> Permitted<P> {
    Permitted::at_console()
}

/// Prints those who fit.
pub(crate) fn list(settings: &Settings, search: Search, limit: usize, json: bool) -> Result<()> {
    let Search { email, q: prefix, status, role } = search;
    let filter = UserFilter { email, prefix, status, role };
    let (users, more) =
        on_database(settings, Workload::Serving, async |ctx| first(&ctx, &filter, limit).await)?;
    if json {
        let mut lines = Vec::new();
        write_lines(&mut lines, users)?;
        print(&String::from_utf8(lines)?)?;
    } else if users.is_empty() {
        eprintln!("Nobody fits.");
    } else {
        let head = ["id", "email", "name", "status", "roles", "created", "last sign-in"];
        print(&output::table(head, users.iter().map(row)))?;
    }
    if more {
        eprintln!("There are more; --limit says how many to print.");
    }
    Ok(())
}

/// The first so many who fit, and whether there are more.
async fn first(ctx: &Ctx, filter: &UserFilter, limit: usize) -> Result<(Vec<User>, bool)> {
    let (mut users, mut page) = (Vec::new(), PageRequest::default());
    loop {
        let left = u16::try_from(limit - users.len()).unwrap_or(u16::MAX);
        let Some(size) = PageLimit::new(left.min(doorward_domain::page::PAGE_LIMIT_MAX)) else {
            return Ok((users, page.after.is_some()));
        };
        page.limit = size;
        let found = user::list(ctx, &console(), filter, &page).await?;
        users.extend(found.items);
        page.after = found.next;
        if page.after.is_none() {
            return Ok((users, false));
        }
    }
}

fn row(user: &User) -> [String; 7] {
    [
        user.id.to_string(),
        user.email.as_given().to_owned(),
        user.name.as_str().to_owned(),
        user.status.as_str().to_owned(),
        roles(user),
        shown(user.created_at),
        shown_or_dash(user.last_login_at),
    ]
}

fn roles(user: &User) -> String {
    let names: Vec<&str> = user.roles.iter().map(RoleName::as_str).collect();
    names.join(" ")
}

/// Prints one user.
pub(crate) fn show(settings: &Settings, who: Who, json: bool) -> Result<()> {
    let user = on_database(settings, Workload::Serving, async |ctx| who.find(&ctx).await)?;
    if json {
        return print(&format!("{}\n", serde_json::to_string_pretty(&UserView::from(user))?));
    }
    let verified = if user.email_verified { "verified" } else { "not verified" };
    let rows = [
        ("id", user.id.to_string()),
        ("email", format!("{} ({verified})", user.email.as_given())),
        ("name", user.name.as_str().to_owned()),
        ("status", user.status.as_str().to_owned()),
        ("roles", roles(&user)),
        ("created", shown(user.created_at)),
        ("changed", shown(user.updated_at)),
        ("last sign-in", shown_or_dash(user.last_login_at)),
    ];
    for (name, value) in rows {
        print(&format!("{name:12}  {value}\n"))?;
    }
    Ok(())
}

/// Replaces somebody's roles.
pub(crate) fn set_roles(settings: &Settings, who: Who, roles: &[RoleName]) -> Result<()> {
    let user = on_database(settings, Workload::Serving, async |ctx| {
        let user = who.find(&ctx).await?;
        Ok(user::set_roles(&ctx, &console(), user.id, roles).await?)
    })?;
    match user.roles.as_slice() {
        [] => eprintln!("{} has no roles now.", user.email.as_given()),
        _ => eprintln!("{} has the roles {} now.", user.email.as_given(), self::roles(&user)),
    }
    Ok(())
}

/// Locks or unlocks an account.
pub(crate) fn set_status(settings: &Settings, who: Who, status: UserStatus) -> Result<()> {
    let user = on_database(settings, Workload::Serving, async |ctx| {
        let user = who.find(&ctx).await?;
        let command = UpdateUser { status: Some(status), ..UpdateUser::default() };
        Ok(user::update(&ctx, &console(), user.id, command).await?)
    })?;
    eprintln!("The account of {} is {} now.", user.email.as_given(), user.status.as_str());
    Ok(())
}

/// Ends somebody's sessions.
pub(crate) fn sign_out(settings: &Settings, who: Who) -> Result<()> {
    let user = on_database(settings, Workload::Serving, async |ctx| {
        let user = who.find(&ctx).await?;
        user::revoke_sessions(&ctx, &console(), user.id).await?;
        Ok(user)
    })?;
    eprintln!("All sessions of {} are over.", user.email.as_given());
    Ok(())
}

/// Deletes somebody.
pub(crate) fn delete(settings: &Settings, who: Who) -> Result<()> {
    let user = on_database(settings, Workload::Serving, async |ctx| {
        let user = who.find(&ctx).await?;
        user::delete(&ctx, &console(), user.id).await?;
        Ok(user)
    })?;
    eprintln!("{} ({}) is deleted.", user.email.as_given(), user.id);
    Ok(())
}

/// Prints everybody, as the API exports them.
pub(crate) fn export(settings: &Settings, password_hashes: bool) -> Result<()> {
    let count = on_database(settings, Workload::Serving, async |ctx| {
        let mut output = BufWriter::new(io::stdout().lock());
        let (mut after, mut count) = (None, 0_u64);
        user::begin_export(&ctx, &console(), password_hashes).await?;
        loop {
            let users = user::export(&ctx, &console(), after).await?;
            let Some(last) = users.last() else { break };
            after = Some(last.id);
            count += users.len() as u64;
            let written = if password_hashes {
                let hashes = user::password_hashes(&ctx, &users).await?;
                write_with_hashes(&mut output, users, &hashes)
            } else {
                write_lines(&mut output, users)
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    bail!("the reader has gone away")
                }
                written => written.context("cannot write the users")?,
            }
        }
        output.flush().context("cannot write the users")?;
        Ok(count)
    })?;
    eprintln!("Exported {count} users.");
    Ok(())
}

fn write_lines(output: &mut impl Write, users: Vec<User>) -> io::Result<()> {
    for user in users {
        serde_json::to_writer(&mut *output, &UserView::from(user))?;
        output.write_all(b"\n")?;
    }
    Ok(())
}

fn write_with_hashes(
    output: &mut impl Write,
    users: Vec<User>,
    hashes: &std::collections::HashMap<UserId, PasswordHash>,
) -> io::Result<()> {
    for user in users {
        let hash = hashes.get(&user.id).map(|hash| Value::from(hash.as_str()));
        let mut line = serde_json::to_value(UserView::from(user))?;
        if let (Some(members), Some(hash)) = (line.as_object_mut(), hash) {
            members.insert("password_hash".to_owned(), hash);
        }
        serde_json::to_writer(&mut *output, &line)?;
        output.write_all(b"\n")?;
    }
    Ok(())
}
