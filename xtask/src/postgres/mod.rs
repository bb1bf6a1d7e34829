//! PostgreSQL servers for the tests, for `prepare` and for development.
//!
//! Each has a folder under `target/postgres`, which says where its data is: a throwaway server's is
//! named for the process that uses it and locked by it, so that a later run finds what a killed one
//! left behind; the development server's is `dev`.

mod account;
mod cluster;
mod container;
mod development;
mod installation;

use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail};

use self::cluster::Cluster;
use self::container::Container;
use self::installation::Engine;
use crate::workspace;

pub use self::development::{Request, serve};

/// The superuser of every server that is started here.
const OWNER: &str = "doorward";

/// The database that every new cluster has.
const DATABASE: &str = "postgres";

/// The variable that names a server to use instead of a throwaway one.
pub const OVERRIDE: &str = "TEST_DATABASE_URL";

/// Whether a server's data outlives the task that starts it.
#[derive(Clone, Copy, Debug)]
pub enum Lifetime {
    Throwaway,
    /// Gone with its task too, but set up as PostgreSQL comes, because it is measured.
    Measured,
    Lasting,
}

/// A PostgreSQL server for one task. Dropping it stops it and removes everything about it.
#[derive(Debug)]
pub struct Throwaway {
    url: String,
    _own: Option<Belongings>,
}

/// The folder of a throwaway server and the lock that says it is in use.
#[derive(Debug)]
struct Belongings {
    folder: PathBuf,
    _lock: File,
}

impl Throwaway {
    /// Starts an empty server, or takes the one that `TEST_DATABASE_URL` names.
    ///
    /// # Errors
    /// When there is no PostgreSQL on this machine and none can be installed, or it does not start.
    pub fn start() -> Result<Self> {
        if let Ok(url) = env::var(OVERRIDE)
            && !url.is_empty()
        {
            eprintln!("Using the PostgreSQL server that {OVERRIDE} names.");
            return Ok(Self { url, _own: None });
        }
        let engine = Engine::choose()?;
        Self::start_own(engine, Lifetime::Throwaway)
    }

    /// Starts an empty server with the settings that PostgreSQL comes with, and no other, so that what
    /// it does in a second says something.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or does not start. A container will not do: what its
    /// processes use cannot be told.
    pub fn start_measured() -> Result<Self> {
        let engine = Engine::choose()?;
        if let Engine::Docker = engine {
            bail!("benchmarks need an installed PostgreSQL (Debian: `apt-get install postgresql`)");
        }
        Self::start_own(engine, Lifetime::Measured)
    }

    fn start_own(engine: Engine, lifetime: Lifetime) -> Result<Self> {
        // From here on, dropping `own` tidies up, however far the start got.
        let own = Belongings::claim()?;
        let password = new_password()?;
        let (port, place) = match engine {
            Engine::Installed(programs) => {
                let cluster = Cluster::create(&own.folder, &programs, &password)?;
                let port = cluster.start(None, lifetime)?;
                (port, cluster.home().display().to_string())
            }
            Engine::Docker => {
                let container = Container::create(&own.folder, &password, lifetime)?;
                (container.ready()?, "a container".to_owned())
            }
        };
        eprintln!("Throwaway PostgreSQL on 127.0.0.1:{port}, in {place}.");
        Ok(Self { url: url(port, &password), _own: Some(own) })
    }

    /// The URL of a database in which the user may create others.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL of another database of this server.
    pub fn database_url(&self, database: &str) -> String {
        with_database(&self.url, database)
    }
}

impl Belongings {
    /// Makes and locks a folder for this process, after removing those of processes that died.
    fn claim() -> Result<Self> {
        let (parent, _exclusive) = servers_folder()?;
        remove_abandoned(&parent)?;
        let folder = parent.join(format!("test-{}", process::id()));
        fs::create_dir(&folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        Ok(Self { folder, _lock: lock })
    }
}

impl Drop for Belongings {
    fn drop(&mut self) {
        // Without the lock, a run that starts now could take the half-removed folder for abandoned.
        let removed = servers_folder().and_then(|(_, _exclusive)| discard(&self.folder));
        if let Err(error) = removed {
            eprintln!("The throwaway PostgreSQL server could not be removed: {error:#}");
        }
    }
}

/// The folder of all servers, and a lock without which none is claimed or removed.
fn servers_folder() -> Result<(PathBuf, File)> {
    let folder = workspace::target()?.join("postgres");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    Ok((folder, lock))
}

fn remove_abandoned(parent: &Path) -> Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("test-") {
            continue;
        }
        let lock = match File::open(entry.path().join("lock")) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        // Its process holds the lock for as long as it lives; the system lets go when it dies.
        match lock.as_ref().map(File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => {}
            Some(Err(TryLockError::Error(error))) => return Err(error.into()),
            Some(Ok(())) | None => {
                eprintln!("Removing what a killed run left in {}.", entry.path().display());
                if let Err(error) = discard(&entry.path()) {
                    eprintln!("It could not be removed: {error:#}");
                }
            }
        }
    }
    Ok(())
}

/// Ends the server that a folder is about and removes its data and the folder, if it is there.
fn discard(folder: &Path) -> Result<()> {
    if let Some(cluster) = Cluster::recorded(folder)? {
        cluster.remove()?;
    }
    if let Some(container) = Container::recorded(folder)? {
        container.remove()?;
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// A password of 128 random bits: other people on this machine can reach the port as well, and a
/// superuser of PostgreSQL can run programs.
fn new_password() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// Writes a file that only its owner can read.
fn private_file(path: &Path, content: &str) -> Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes())?;
    Ok(())
}

fn url(port: u16, password: &str) -> String {
    format!("postgres://{OWNER}:{password}@127.0.0.1:{port}/{DATABASE}")
}

/// Replaces the database in a URL and keeps its parameters.
fn with_database(url: &str, database: &str) -> String {
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let after_scheme = address.find("://").map_or(0, |at| at + 3);
    let host_end = address[after_scheme..].find('/').map_or(address.len(), |at| after_scheme + at);
    format!("{}/{database}{parameters}", &address[..host_end])
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn the_database_of_any_url_is_replaced() {
        for (url, replaced) in [
            ("postgres://u:p@h:1/postgres", "postgres://u:p@h:1/new"),
            ("postgres://u:p@h:1", "postgres://u:p@h:1/new"),
            ("postgres://u:p@h/", "postgres://u:p@h/new"),
            ("postgres://h?sslmode=disable", "postgres://h/new?sslmode=disable"),
            ("postgres://h/a?host=/run/sock", "postgres://h/new?host=/run/sock"),
        ] {
            assert_eq!(with_database(url, "new"), replaced);
        }
    }
}
