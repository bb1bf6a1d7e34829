//! `cargo xtask prepare`: the committed metadata of the SQL queries.
//!
//! SQLx's query macros check each query when they are expanded: against the committed metadata, or,
//! with `SQLX_OFFLINE=false`, against a database, whose answers they leave in `SQLX_OFFLINE_DIR`.
//! The second is done here for both adapters, each with a new database of its dialect.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{self, Command};

use anyhow::{Result, bail};

use crate::postgres::Throwaway;
use crate::{program, workspace};

/// An adapter whose queries are checked, by paths from the workspace's root.
struct Adapter {
    package: &'static str,
    folder: &'static str,
    migrations: &'static str,
    /// Where the macros look for the metadata. The dialects cannot share a folder: a file's name is
    /// a hash of the SQL alone, and the crate's own folder is searched before the workspace's.
    metadata: &'static str,
    /// The variable that the adapter's `sqlx.toml` names.
    url_variable: &'static str,
}

const POSTGRES: Adapter = Adapter {
    package: "doorward-infra-postgres",
    folder: "crates/infra-postgres",
    migrations: "migrations/postgres",
    metadata: ".sqlx",
    url_variable: "PG_DATABASE_URL",
};

const SQLITE: Adapter = Adapter {
    package: "doorward-infra-sqlite",
    folder: "crates/infra-sqlite",
    migrations: "migrations/sqlite",
    metadata: "crates/infra-sqlite/.sqlx",
    url_variable: "SQLITE_DATABASE_URL",
};

/// The package that makes and migrates the databases. It also takes part in the adapters' builds, so
/// that SQLx has the same features in all of them and is compiled once.
const SCHEMA: &str = "xtask-schema";

/// The content of metadata files, by name.
type Metadata = BTreeMap<String, Vec<u8>>;

/// Regenerates the metadata of both adapters, or only compares it with what is committed.
///
/// # Errors
/// When a migration or a query is wrong, or `check` finds a difference.
pub fn prepare(check: bool) -> Result<()> {
    // Built by itself, so that nothing is left to compile when the database must be dropped.
    program::run(&mut program::cargo(["build", "-p", SCHEMA]))?;
    let server = Throwaway::start()?;
    let url = server.database_url(&format!("doorward_prepare_{}", process::id()));
    let postgres = with_database(&POSTGRES, &url);
    // Not every server is a throwaway one, and a failure must not leave the database there either.
    let dropped = schema(&url, &["drop"], program::tidy_up);
    let postgres = postgres?;
    dropped?;

    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("schema.db").display());
    let sqlite = with_database(&SQLITE, &url)?;

    let mut differences = Vec::new();
    for (adapter, generated) in [(&POSTGRES, postgres), (&SQLITE, sqlite)] {
        let folder = workspace::root().join(adapter.metadata);
        let committed = read_all(&folder)?;
        if check {
            differences.extend(compare(adapter.metadata, &committed, &generated));
        } else {
            replace(&folder, &committed, &generated)?;
        }
        eprintln!("{}: {} queries.", adapter.package, generated.len());
    }
    if !differences.is_empty() {
        bail!(
            "the metadata of the queries is out of date:\n  {}\n\
             Run `cargo xtask prepare` and commit the result.",
            differences.join("\n  ")
        );
    }
    Ok(())
}

/// Makes and migrates an adapter's database and lets the macros describe the queries with it.
fn with_database(adapter: &Adapter, url: &str) -> Result<Metadata> {
    eprintln!("Checking the queries of {} …", adapter.package);
    schema(url, &["create", adapter.migrations], program::run)?;
    let generated = tempfile::tempdir()?;
    let source = workspace::root().join(adapter.folder).join("src/lib.rs");
    let mut check = program::cargo(["check", "--all-targets"]);
    check
        .args(["-p", adapter.package, "-p", SCHEMA])
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", generated.path())
        .env(adapter.url_variable, url);
    outdate(&source)?;
    let checked = program::run(&mut check);
    // What was compiled with this database must not pass for compiled with the committed metadata.
    outdate(&source)?;
    checked?;
    let metadata = read_all(generated.path())?;
    if metadata.is_empty() {
        bail!(
            "{} has no query that is checked when it is compiled; is {}/sqlx.toml in place?",
            adapter.package,
            adapter.folder
        );
    }
    Ok(metadata)
}

/// Runs the schema package; `how` decides what becomes of its output and of signals.
fn schema(url: &str, action: &[&str], how: fn(&mut Command) -> Result<()>) -> Result<()> {
    let mut command = program::cargo(["run", "--quiet", "-p", SCHEMA, "--"]);
    how(command.args(action).env("DATABASE_URL", url))
}

/// Makes Cargo compile a package again, and so expand its macros again.
fn outdate(source: &Path) -> Result<()> {
    program::tidy_up(Command::new("touch").arg("-c").arg(source))
}

fn read_all(folder: &Path) -> Result<Metadata> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Metadata::new()),
        Err(error) => return Err(error.into()),
    };
    let mut files = Metadata::new();
    for entry in entries {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    Ok(files)
}

fn replace(folder: &Path, committed: &Metadata, generated: &Metadata) -> Result<()> {
    fs::create_dir_all(folder)?;
    for name in committed.keys().filter(|name| !generated.contains_key(*name)) {
        fs::remove_file(folder.join(name))?;
    }
    for (name, content) in generated {
        // An unchanged file keeps its date, so nothing is compiled again because of it.
        if committed.get(name) != Some(content) {
            fs::write(folder.join(name), content)?;
        }
    }
    Ok(())
}

/// What is wrong with the committed files, as a line each.
fn compare(folder: &str, committed: &Metadata, generated: &Metadata) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, content) in generated {
        match committed.get(name) {
            None => differences.push(format!("missing:     {folder}/{name}")),
            Some(other) if other != content => {
                differences.push(format!("stale:       {folder}/{name}"));
            }
            Some(_) => {}
        }
    }
    for name in committed.keys().filter(|name| !generated.contains_key(*name)) {
        differences.push(format!("superfluous: {folder}/{name}"));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::{Metadata, compare, read_all, replace};

    fn files(files: &[(&str, &str)]) -> Metadata {
        let owned = |(name, content): &(&str, &str)| ((*name).into(), content.as_bytes().into());
        files.iter().map(owned).collect()
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let committed = files(&[("same", "1"), ("changed", "2"), ("gone", "3")]);
        let generated = files(&[("same", "1"), ("changed", "other"), ("new", "4")]);
        assert_eq!(
            compare(".sqlx", &committed, &generated),
            ["stale:       .sqlx/changed", "missing:     .sqlx/new", "superfluous: .sqlx/gone",]
        );
        assert_eq!(compare(".sqlx", &generated, &generated), [""; 0]);
    }

    #[test]
    fn replacing_leaves_exactly_what_was_generated() {
        let parent = tempfile::tempdir().expect("a folder for the test");
        let folder = parent.path().join(".sqlx");
        for generated in [files(&[("a", "1"), ("b", "2")]), files(&[("b", "other"), ("c", "3")])] {
            let committed = read_all(&folder).expect("the folder is readable");
            replace(&folder, &committed, &generated).expect("the folder is writable");
            assert_eq!(read_all(&folder).expect("the folder is readable"), generated);
        }
    }
}
