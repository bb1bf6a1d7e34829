//! A PostgreSQL cluster that runs from installed server programs.

use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::account::Account;
use super::{Lifetime, OWNER, private_file};
use crate::program;

/// Names the cluster in the folder that xtask keeps about it: the programs' folder, then the home.
const RECORD: &str = "cluster";

/// How often another port is tried: one that was free can be taken before the server binds it.
const PORTS_TO_TRY: usize = 5;

/// Server programs and the folder of the cluster that they run, with its data and its log.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    home: PathBuf,
    account: Account,
}

impl Cluster {
    /// Makes a cluster whose superuser needs the password. Its home is inside `folder`, or, where
    /// PostgreSQL's account cannot enter that, in a new folder for temporary files.
    ///
    /// # Errors
    /// When the folders cannot be made or `initdb` fails.
    pub fn create(folder: &Path, programs: &Path, password: &str) -> Result<Self> {
        let account = Account::choose()?;
        let home = new_home(folder, account)?;
        let cluster = Self { programs: programs.to_path_buf(), home, account };
        fs::write(
            folder.join(RECORD),
            format!("{}\n{}\n", programs.display(), cluster.home.display()),
        )?;
        cluster.initialise(password)?;
        Ok(cluster)
    }

    /// The cluster that a folder is about, if there is one.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn recorded(folder: &Path) -> Result<Option<Self>> {
        let record = match fs::read_to_string(folder.join(RECORD)) {
            Ok(record) => record,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut lines = record.lines().map(PathBuf::from);
        let (Some(programs), Some(home)) = (lines.next(), lines.next()) else {
            return Ok(None);
        };
        Ok(Some(Self { programs, home, account: Account::choose()? }))
    }

    /// Starts the server and gives its port, which is the preferred one if that is free.
    ///
    /// # Errors
    /// When the server does not get ready within a minute; with what it logged.
    pub fn start(&self, preferred: Option<u16>, lifetime: Lifetime) -> Result<u16> {
        let mut preferred = preferred;
        for _ in 0..PORTS_TO_TRY {
            let port = match preferred.take() {
                Some(port) => port,
                None => free_port()?,
            };
            self.configure(port, lifetime)?;
            // The log is of this start only, or an old failure to bind would be read again.
            remove_if_there(&self.log())?;
            let mut start = self.pg_ctl("start");
            start.args(["--wait", "--timeout=60", "--log"]).arg(self.log());
            match program::run_quietly(&mut start) {
                Ok(()) => return self.verified(port),
                Err(error) => {
                    program::interrupted()?;
                    let log = fs::read_to_string(self.log()).unwrap_or_default();
                    if !log.contains("could not bind") {
                        return Err(error.context(format!("PostgreSQL did not start:\n{log}")));
                    }
                }
            }
        }
        bail!(
            "PostgreSQL found no free port in {PORTS_TO_TRY} attempts; is another program taking them all?"
        )
    }

    /// Whether a server runs on this cluster.
    pub fn is_running(&self) -> bool {
        self.data().exists() && program::answers(&mut self.pg_ctl("status"))
    }

    /// Stops the server if it runs; a throwaway one at once, without writing its data out.
    ///
    /// # Errors
    /// When the server does not stop within a minute.
    pub fn stop(&self, lifetime: Lifetime) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        let mode = match lifetime {
            Lifetime::Throwaway | Lifetime::Measured => "--mode=immediate",
            Lifetime::Lasting => "--mode=fast",
        };
        program::tidy_up(self.pg_ctl("stop").args(["--wait", "--timeout=60", mode]))
    }

    /// Stops the server and removes the cluster's home.
    ///
    /// # Errors
    /// When the server does not stop or its files cannot be removed.
    pub fn remove(&self) -> Result<()> {
        self.stop(Lifetime::Throwaway)?;
        match fs::remove_dir_all(&self.home) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(anyhow!(error).context(format!("{} is left behind", self.home.display())))
            }
            _ => Ok(()),
        }
    }

    /// The folder with everything that belongs to the cluster.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The folder of the server's programs.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    fn pg_ctl(&self, action: &str) -> std::process::Command {
        let mut command = self.account.command(self.programs.join("pg_ctl"), &self.home);
        command.arg(action).arg("--pgdata").arg(self.data());
        command
    }

    fn initialise(&self, password: &str) -> Result<()> {
        let password_file = self.home.join("password");
        private_file(&password_file, password)?;
        self.account.own(&password_file)?;
        let mut command = self.account.command(self.programs.join("initdb"), &self.home);
        // Plain passwords: on the loopback nobody listens, and SCRAM's 4096 rounds would cost each
        // connection of an unoptimised test tens of milliseconds.
        command
            .args(["--auth-host=password", "--auth-local=reject", "--no-sync"])
            .args(["--encoding=UTF8", "--no-locale"])
            .arg(format!("--username={OWNER}"))
            .arg("--pwfile")
            .arg(&password_file)
            .arg("--pgdata")
            .arg(self.data());
        let initialised = program::run_quietly(&mut command);
        fs::remove_file(&password_file)?;
        initialised.context("PostgreSQL's data folder could not be made.")
    }

    /// Replaces the settings that `initdb` guessed by the few that matter here.
    fn configure(&self, port: u16, lifetime: Lifetime) -> Result<()> {
        let choices = match lifetime {
            Lifetime::Throwaway => {
                "max_connections = 200\nshared_buffers = 64MB\n\
                 fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
            }
            Lifetime::Measured => "",
            Lifetime::Lasting => "max_connections = 200\nshared_buffers = 64MB\n",
        };
        let settings = format!(
            "listen_addresses = '127.0.0.1'\n\
             port = {port}\n\
             unix_socket_directories = ''\n\
             timezone = 'UTC'\n\
             log_timezone = 'UTC'\n\
             {choices}"
        );
        let file = self.data().join("postgresql.conf");
        fs::write(&file, settings).with_context(|| format!("{} is not writable", file.display()))
    }

    /// Makes sure that it is this cluster's server which has the port. The server itself writes the
    /// file once it has bound the port, and takes the file away when it ends.
    fn verified(&self, port: u16) -> Result<u16> {
        let file = self.data().join("postmaster.pid");
        let text = fs::read_to_string(&file).with_context(|| {
            format!("PostgreSQL ended after its start: {} is missing", file.display())
        })?;
        if text.lines().nth(3) != Some(port.to_string().as_str()) {
            bail!("PostgreSQL did not take port {port}: {} says\n{text}", file.display());
        }
        Ok(port)
    }
}

/// Makes the folder for a cluster, where the account that runs it can enter.
fn new_home(folder: &Path, account: Account) -> Result<PathBuf> {
    let inside = folder.join("home");
    fs::create_dir(&inside)?;
    restrict(&inside, account)?;
    if account.can_enter(&inside) {
        return Ok(inside);
    }
    fs::remove_dir(&inside)?;
    // This one, unlike /tmp, outlives a restart of the machine, as the development database must.
    let lasting = Path::new("/var/tmp");
    let mut builder = tempfile::Builder::new();
    let home = match builder.prefix("doorward-postgres-").tempdir_in(lasting) {
        Ok(home) => home.keep(),
        Err(_) => builder.tempdir()?.keep(),
    };
    restrict(&home, account)?;
    if !account.can_enter(&home) {
        fs::remove_dir(&home)?;
        bail!(
            "PostgreSQL's account can enter neither {} nor {}.",
            inside.display(),
            home.display()
        );
    }
    Ok(home)
}

fn restrict(folder: &Path, account: Account) -> Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    account.own(folder)?;
    Ok(())
}

/// A port of the loopback address that nothing listens on at this moment.
///
/// # Errors
/// When the operating system has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn remove_if_there(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
