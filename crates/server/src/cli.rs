//! The command line.

#![expect(clippy::doc_markdown, reason = "the comments of the arguments are the text of --help")]

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use doorward_domain::{RoleName, UserStatus};

use crate::{
    audit, commands, import, keys, output, serve,
    settings::{self, Inputs, Loaded, Settings},
    users::{self, Search, Who},
};

/// A self-hosted accounts service: sign-up, sign-in, sessions and tokens over HTTP.
///
/// Without a command it serves. With nothing configured it keeps its data in ./data/doorward.db and
/// listens on http://127.0.0.1:3000.
#[derive(Parser)]
#[command(
    name = "doorward",
    version,
    after_help = "Settings come from config/default.toml and config/{APP_ENV}.toml (both built in), from \
                  the environment (server.port is APP_SERVER_PORT) and from --set, later ones winning. \
                  `doorward config check` shows each one and where it came from."
)]
struct Cli {
    #[command(flatten)]
    sources: Sources,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Where settings come from besides the environment.
#[derive(Args)]
struct Sources {
    /// A folder with default.toml, development.toml or production.toml; what they say wins over what
    /// is built in. APP_CONFIG_DIR says the same.
    #[arg(long, global = true, value_name = "DIR")]
    config_dir: Option<PathBuf>,
    /// One setting, over everything else, for instance --set server.port=4000. May be repeated. Not
    /// for secrets: others on this machine can see command lines.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = pair)]
    overrides: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (this is what happens without a command).
    Serve,
    /// Do the jobs that servers leave to be done, such as sending mail, and nothing else. Servers do them
    /// as well, unless their jobs.concurrency is 0.
    Worker,
    /// Bring the database's tables up to date.
    Migrate,
    /// Manage administrators.
    #[command(subcommand)]
    Admin(Admin),
    /// Find and manage people, take them all out to a file or in from one, also beside a running server.
    /// Every change takes effect on all servers within a second.
    #[command(subcommand)]
    Users(Users),
    /// Look at and replace the keys that sign access tokens, also beside a running server.
    #[command(subcommand)]
    Keys(Keys),
    /// Prove that nobody has tampered with the audit trail, or vouch for it.
    #[command(subcommand)]
    Audit(Audit),
    /// Ask a running server on this machine whether it is ready; for containers. The exit status is 0
    /// if it is.
    HealthCheck,
    /// Print the OpenAPI document.
    Openapi,
    /// Look at the settings.
    #[command(subcommand)]
    Config(Config),
}

#[derive(Subcommand)]
enum Admin {
    /// Make an administrator, also beside a running server.
    Create {
        /// The e-mail address to sign in with.
        #[arg(long)]
        email: String,
        /// The name to be shown.
        #[arg(long)]
        name: String,
        /// Read the password from standard input; it has no place on a command line.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
}

/// USER is an id or an e-mail address.
#[derive(Subcommand)]
enum Users {
    /// Print the users that fit everything that is asked for, the highest id first, which is the newest
    /// but for imported ones; with --q in the order of what was found.
    List {
        #[command(flatten)]
        search: Search,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print a line of JSON for each, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Print everything about a user.
    Show {
        #[arg(value_parser = Who::parse)]
        user: Who,
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Give a user these roles instead of those they have.
    SetRoles {
        #[arg(value_parser = Who::parse)]
        user: Who,
        /// All of them; none takes every role away.
        #[arg(value_parser = RoleName::parse)]
        roles: Vec<RoleName>,
    },
    /// Lock an account, and end all sessions of its owner.
    Disable {
        #[arg(value_parser = Who::parse)]
        user: Who,
    },
    /// Unlock an account.
    Enable {
        #[arg(value_parser = Who::parse)]
        user: Who,
    },
    /// End all sessions of a user.
    SignOut {
        #[arg(value_parser = Who::parse)]
        user: Who,
    },
    /// Delete a user with everything that belongs to them. It cannot be undone.
    Delete {
        #[arg(value_parser = Who::parse)]
        user: Who,
    },
    /// Print all users, a line of JSON for each, in the order of their ids. `import` reads it.
    Export {
        /// Also the hashes of their passwords, so that they can sign in where they are imported.
        #[arg(long)]
        password_hashes: bool,
    },
    /// Add the users of a file, a JSON object a line: `email` and `name`, and, where they are known,
    /// `id`, `email_verified`, `roles`, `status`, `created_at`, `updated_at`, `last_login_at` and
    /// `password_hash`.
    ///
    /// A line that is refused is named on standard output, with everything that is wrong with it, and
    /// does not stop the others; the exit status is then 1. An import that was broken off goes on behind
    /// the last line that was dealt with when the same file is given again.
    ///
    /// Hashes may have the forms of PHC, modular crypt, passlib and Django: Argon2id and Argon2i, bcrypt,
    /// scrypt, PBKDF2 with SHA-256 or SHA-512. They are replaced at the first sign-in. Without one a user
    /// has to reset their password. Without `roles` a user gets the role `user`.
    Import {
        file: PathBuf,
        /// Say what would be refused, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Print a line of JSON for each refusal, and one for the outcome, for programs.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum Keys {
    /// Print the keys, oldest first, and what each is there for.
    List {
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Make the next key. It is published at once and signs when every copy of the public keys without
    /// it has been given up. Asking again meanwhile changes nothing.
    Rotate {
        /// Replace all keys at once, because one has come into wrong hands. Within seconds all access
        /// tokens are refused, and everybody must refresh theirs; nobody is signed out. Others who check
        /// tokens by the public keys refuse the new ones and accept the old ones until they fetch the
        /// keys anew, which may take auth.public_keys_max_age_seconds.
        #[arg(long)]
        now: bool,
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Encrypt all keys with the present auth.secret, after it was changed. All running servers must
    /// have the new secret already.
    Rewrap,
}

#[derive(Subcommand)]
enum Audit {
    /// Check every sealed event, oldest first, also beside a running server, and name the first that was
    /// changed, removed or put in; the exit status is then 1.
    ///
    /// Events of the last second or so have no seal yet: they are counted and not checked. Note the number
    /// and the hash of the last seal elsewhere to notice, later, when the end of the trail was cut off.
    Verify {
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Sign the trail with the present auth.secret, because the one that signed it is lost. Until then it is
    /// not sealed any more.
    ///
    /// What was written with a secret that is lost cannot be told from what was forged: you vouch for it.
    /// A trail that is not sound in itself is not signed.
    Vouch,
}

#[derive(Subcommand)]
enum Config {
    /// Print every setting and where it came from, secrets masked; or everything that is wrong, with
    /// exit status 1.
    Check {
        /// Print JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Print the table of all settings, in Markdown.
    Table,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must have the form KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Does what the command line says. Whatever goes wrong is told on standard error, with exit status 1;
/// 2 for a command line that cannot be understood.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { sources, command } = Cli::parse();
    match run(&sources, command.unwrap_or(Command::Serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("doorward: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(sources: &Sources, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve => serve::run(load(sources)?.settings),
        Command::Worker => serve::run_worker(&load(sources)?.settings),
        Command::Migrate => commands::migrate(&load(sources)?.settings),
        Command::Admin(Admin::Create { email, name, password_stdin: _ }) => {
            commands::create_admin(&load(sources)?.settings, &email, &name)
        }
        Command::Users(command) => manage_users(&load(sources)?.settings, command),
        Command::Keys(Keys::List { json }) => keys::list(&load(sources)?.settings, json),
        Command::Keys(Keys::Rotate { now, json }) => {
            keys::rotate(&load(sources)?.settings, now, json)
        }
        Command::Keys(Keys::Rewrap) => keys::rewrap(&load(sources)?.settings),
        Command::Audit(Audit::Verify { json }) => audit::verify(&load(sources)?.settings, json),
        Command::Audit(Audit::Vouch) => audit::vouch(&load(sources)?.settings),
        Command::HealthCheck => commands::health_check(&load(sources)?.settings),
        Command::Openapi => commands::openapi(),
        Command::Config(Config::Check { json }) => commands::show(&load(sources)?.effective, json),
        Command::Config(Config::Table) => output::print(&settings::markdown_table()),
    }
}

fn manage_users(settings: &Settings, command: Users) -> anyhow::Result<()> {
    match command {
        Users::List { search, limit, json } => users::list(settings, search, limit as usize, json),
        Users::Show { user, json } => users::show(settings, user, json),
        Users::SetRoles { user, roles } => users::set_roles(settings, user, &roles),
        Users::Disable { user } => users::set_status(settings, user, UserStatus::Disabled),
        Users::Enable { user } => users::set_status(settings, user, UserStatus::Active),
        Users::SignOut { user } => users::sign_out(settings, user),
        Users::Delete { user } => users::delete(settings, user),
        Users::Export { password_hashes } => users::export(settings, password_hashes),
        Users::Import { file, dry_run, json } => import::run(settings, &file, dry_run, json),
    }
}

fn load(sources: &Sources) -> anyhow::Result<Loaded> {
    let inputs = Inputs::from_process(sources.config_dir.clone(), sources.overrides.clone());
    Ok(settings::load(&inputs)?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_pair_keeps_what_stands_behind_the_first_equals_sign() {
        assert_eq!(pair("a.b=c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
        assert_eq!(pair("a.b="), Ok(("a.b".to_owned(), String::new())));
        assert!(pair("a.b").is_err());
    }
}
