//! A PostgreSQL server in a container, for machines that have Docker and no PostgreSQL.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::cluster::free_port;
use super::{DATABASE, Lifetime, OWNER};
use crate::program;

const IMAGE: &str = "postgres:17-alpine";

/// The file in which Docker itself leaves the container's id, before it starts the container.
const RECORD: &str = "container";

/// How long a started container may take until its server answers.
const DEADLINE: Duration = Duration::from_mins(1);

/// A container, by its id.
#[derive(Debug)]
pub struct Container {
    id: String,
}

/// Whether Docker is installed and its daemon answers.
pub fn is_possible() -> bool {
    program::answers(&mut docker(["info"]))
}

impl Container {
    /// Starts a new container with an empty cluster.
    ///
    /// # Errors
    /// When the image cannot be had or the container does not start.
    pub fn create(folder: &Path, password: &str, lifetime: Lifetime) -> Result<Self> {
        eprintln!("PostgreSQL is not installed: using Docker's {IMAGE}.");
        let mut run = docker(["run", "--detach", "--cidfile"]);
        run.arg(folder.join(RECORD));
        match lifetime {
            Lifetime::Throwaway | Lifetime::Measured => {
                run.args(["--rm", "--publish", "127.0.0.1::5432"])
            }
            // Docker would choose another port at each start.
            Lifetime::Lasting => {
                run.arg("--publish").arg(format!("127.0.0.1:{}:5432", free_port()?))
            }
        };
        // The password goes through the environment: a command line is visible to everybody.
        run.args(["--env", "POSTGRES_PASSWORD"])
            .env("POSTGRES_PASSWORD", password)
            .args(["--env", &format!("POSTGRES_USER={OWNER}")])
            .args(["--env", &format!("POSTGRES_DB={DATABASE}")])
            .args(["--env", "POSTGRES_HOST_AUTH_METHOD=password"])
            .args(["--env", "POSTGRES_INITDB_ARGS=--encoding=UTF8 --no-locale"])
            .args([IMAGE, "-c", "max_connections=200"]);
        if let Lifetime::Throwaway = lifetime {
            run.args(["-c", "fsync=off", "-c", "synchronous_commit=off"]);
        }
        let id = String::from_utf8(program::read(&mut run)?)?;
        Ok(Self { id: id.trim().to_owned() })
    }

    /// The container that a folder is about, if there is one.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn recorded(folder: &Path) -> Result<Option<Self>> {
        match fs::read_to_string(folder.join(RECORD)) {
            Ok(id) => Ok(Some(Self { id: id.trim().to_owned() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Starts a container again that was stopped.
    ///
    /// # Errors
    /// When Docker refuses it.
    pub fn start(&self) -> Result<()> {
        program::run_quietly(&mut docker(["start", &self.id]))
    }

    /// Waits until the server answers, and gives its port on this machine.
    ///
    /// # Errors
    /// When it does not within a minute.
    pub fn ready(&self) -> Result<u16> {
        let begun = Instant::now();
        // The image's first start runs a server without TCP to fill the cluster: it does not count.
        let probe = ["exec", &self.id, "pg_isready", "--quiet", "--host=127.0.0.1"];
        while !program::answers(&mut docker(probe)) {
            program::interrupted()?;
            if begun.elapsed() > DEADLINE {
                bail!("PostgreSQL did not start in its container: see `docker logs {}`.", self.id);
            }
            thread::sleep(Duration::from_millis(100));
        }
        let published = program::read(&mut docker(["port", &self.id, "5432/tcp"]))?;
        let published = String::from_utf8(published)?;
        let port = published.lines().next().and_then(|line| line.rsplit_once(':'));
        let (_, port) = port.with_context(|| anyhow!("Docker published no port: {published:?}"))?;
        Ok(port.trim().parse()?)
    }

    /// Whether the container runs.
    pub fn is_running(&self) -> bool {
        program::answers(&mut docker(["exec", &self.id, "true"]))
    }

    /// Stops the container and keeps its data.
    ///
    /// # Errors
    /// When Docker refuses it.
    pub fn stop(&self) -> Result<()> {
        program::tidy_up(&mut docker(["stop", &self.id]))
    }

    /// Removes the container and its data; one that is already gone is fine.
    ///
    /// # Errors
    /// When Docker refuses it.
    pub fn remove(&self) -> Result<()> {
        program::tidy_up(&mut docker(["rm", "--force", "--volumes", &self.id]))
    }
}

fn docker<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments);
    command
}
