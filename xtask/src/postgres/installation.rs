//! Finding PostgreSQL's server programs on this machine, or installing them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::account::Account;
use super::container;
use crate::debian;

/// Where package managers put PostgreSQL without adding it to the `PATH`: the folder that holds one
/// folder per version, how the latter's name begins, and where the programs are inside.
const PLACES: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
];

/// What can run a PostgreSQL server here.
#[derive(Debug)]
pub enum Engine {
    /// The folder of installed server programs.
    Installed(PathBuf),
    Docker,
}

impl Engine {
    /// Takes installed programs; else installs Debian's package, which root can; else Docker.
    ///
    /// # Errors
    /// When none of the three is possible; the message says in one line what to install.
    pub fn choose() -> Result<Self> {
        if let Some(programs) = installed()? {
            return Ok(Self::Installed(programs));
        }
        if debian::can_install() {
            // The package makes a cluster of its own, which nothing here uses or looks at.
            debian::install("postgresql").context(
                "PostgreSQL could not be installed; TEST_DATABASE_URL can name a server instead.",
            )?;
            let programs = installed()?.context(
                "Debian's package `postgresql` is installed, but has no server under /usr/lib/postgresql.",
            )?;
            return Ok(Self::Installed(programs));
        }
        if container::is_possible() {
            return Ok(Self::Docker);
        }
        bail!(
            "No PostgreSQL server was found: install one (Debian: `apt-get install postgresql`, \
             macOS: `brew install postgresql@17`), start Docker, or set TEST_DATABASE_URL."
        )
    }
}

/// The server programs on the `PATH`, else the newest of those that package managers installed.
fn installed() -> Result<Option<PathBuf>> {
    let account = Account::choose()?;
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).find(|folder| version(account, folder).is_some());
    Ok(on_path.or_else(|| {
        PLACES
            .iter()
            .flat_map(|(parent, prefix, programs)| versions(parent, prefix, programs))
            .filter_map(|folder| Some((version(account, &folder)?, folder)))
            .max()
            .map(|(_, folder)| folder)
    }))
}

fn versions(parent: &str, prefix: &str, programs: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(programs))
        .collect()
}

/// The version of the server in a folder, if it is complete and the account can run it.
fn version(account: Account, folder: &Path) -> Option<Vec<u32>> {
    if !["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file()) {
        return None;
    }
    let mut command = account.command(folder.join("postgres"), Path::new("/"));
    let output = command.arg("--version").output().ok()?;
    version_number(&String::from_utf8(output.stdout).ok()?)
}

/// The number in an answer like `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn version_number(answer: &str) -> Option<Vec<u32>> {
    let number = answer.split_whitespace().nth(2)?;
    let leading = number.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    leading.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::version_number;

    #[test]
    fn versions_are_read_from_every_packagers_answer() {
        for (answer, number) in [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", Some(vec![15, 14])),
            ("postgres (PostgreSQL) 17.2 (Homebrew)\n", Some(vec![17, 2])),
            ("postgres (PostgreSQL) 18beta1\n", Some(vec![18])),
            ("postgres (PostgreSQL) devel\n", None),
            ("", None),
        ] {
            assert_eq!(version_number(answer), number, "{answer:?}");
        }
    }

    #[test]
    fn ten_is_newer_than_nine() {
        assert!(
            version_number("postgres (PostgreSQL) 10.1")
                > version_number("postgres (PostgreSQL) 9.6")
        );
    }
}
