//! The PostgreSQL server that all subjects share: its processor time, and databases in it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::runtime::{Builder, Runtime};

use crate::harness::machine::Cores;
use crate::harness::procfs;

/// A server that somebody else started, on this machine, where this user may make databases.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    /// The process that starts a process for every connection.
    postmaster: u32,
    /// The version, and how it is set up.
    pub about: String,
    runtime: Runtime,
    databases: AtomicUsize,
}

impl Postgres {
    /// Finds the processes of the server and moves all of them to the cores, so that those that are
    /// started later run there too.
    ///
    /// # Errors
    /// When the server does not answer, is on another machine or keeps less than it promises.
    pub fn at(url: String, cores: &Cores) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        // The connection stays open until its process was looked at.
        let mut connection = runtime
            .block_on(PgConnection::connect(&url))
            .context("PostgreSQL cannot be reached")?;
        let look = sqlx::query_as(
            "SELECT pg_backend_pid(), current_setting('server_version'), \
             current_setting('synchronous_commit'), current_setting('fsync')",
        );
        let (backend, version, commit, fsync): (i32, String, String, String) =
            runtime.block_on(look.fetch_one(&mut connection))?;
        ensure!(
            commit == "on" && fsync == "on",
            "this PostgreSQL loses what it acknowledges (synchronous_commit is {commit}, fsync is \
             {fsync}); what it does in a second says nothing"
        );
        let postmaster = procfs::parent(u32::try_from(backend)?).context(
            "PostgreSQL's processes cannot be seen: it must run on this machine, in no container",
        )?;
        for process in procfs::family_ids(postmaster)? {
            cores.pin(process)?;
        }
        runtime.block_on(connection.close())?;
        Ok(Self {
            url,
            postmaster,
            about: format!("PostgreSQL {version}, its defaults, synchronous_commit on"),
            runtime,
            databases: AtomicUsize::new(0),
        })
    }

    /// The processor time of all its processes so far, of connections that are closed as well.
    ///
    /// # Errors
    /// When the server has died.
    pub fn cpu(&self) -> Result<Duration> {
        Ok(procfs::usage(self.postmaster).context("PostgreSQL has died")?.cpu)
    }

    /// Makes a new, empty database and gives its URL.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn database(&self) -> Result<String> {
        self.create("")
    }

    fn create(&self, how: &str) -> Result<String> {
        let nth = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("bench_{}_{nth}", std::process::id());
        self.execute(&self.url, &format!("CREATE DATABASE {name}{how}"))?;
        Ok(with_database(&self.url, &name))
    }

    /// Runs statements in a database; several are one transaction.
    ///
    /// # Errors
    /// When one of them fails.
    pub fn execute(&self, url: &str, statements: &str) -> Result<()> {
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(url).await?;
            sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await?;
            connection.close().await?;
            Ok(())
        })
    }

    /// Whether there is a database of this name.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn has(&self, name: &str) -> Result<bool> {
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url).await?;
            let found =
                sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
                    .bind(name)
                    .fetch_one(&mut connection)
                    .await?;
            connection.close().await?;
            Ok(found)
        })
    }

    /// Gives a database that nobody is connected to another name.
    ///
    /// # Errors
    /// When somebody is, or there is one of that name.
    pub fn rename(&self, url: &str, name: &str) -> Result<()> {
        let (address, _) = url.split_once('?').unwrap_or((url, ""));
        let former = address.rsplit('/').next().unwrap_or_default();
        self.execute(&self.url, &format!("ALTER DATABASE {former} RENAME TO {name}"))
    }

    /// Makes a new database with everything that is in another one, to which nobody is connected, and
    /// gives its URL.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn copy(&self, of: &str) -> Result<String> {
        self.create(&format!(" TEMPLATE {of} STRATEGY FILE_COPY"))
    }

    /// Writes out what waits to be written, so that no subject pays for what another one left.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn checkpoint(&self) -> Result<()> {
        self.execute(&self.url, "CHECKPOINT")
    }

    /// A program that comes with the server, `pgbench` for instance.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let server = fs::read_link(format!("/proc/{}/exe", self.postmaster))
            .context("the file of PostgreSQL's server is unknown")?;
        let program = server.with_file_name(name);
        ensure!(
            program.is_file(),
            "{} is missing; install it (Debian: `apt-get install postgresql-contrib`)",
            program.display()
        );
        Ok(program)
    }
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
            ("postgres://h?sslmode=disable", "postgres://h/new?sslmode=disable"),
        ] {
            assert_eq!(with_database(url, "new"), replaced);
        }
    }
}
