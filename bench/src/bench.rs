//! What every case gets: the machine, the database server, the programs, a folder.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};

use crate::harness::machine::Machine;
use crate::harness::process::{self, Process};
use crate::harness::rounds::Pace;
use crate::postgres::Postgres;

/// The surroundings of a run.
#[derive(Debug)]
pub struct Bench {
    pub machine: Machine,
    pub postgres: Postgres,
    pub pace: Pace,
    /// Whether what people would pick instead is measured as well.
    pub peers: bool,
    /// The release binary of Doorward.
    pub doorward: PathBuf,
    /// For logs, scripts and SQLite files; removed at the end.
    pub folder: PathBuf,
    /// Makes names of files unique.
    pub files: AtomicUsize,
}

impl Bench {
    /// A file that is not there yet, in the folder of the run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}-{name}", self.files.fetch_add(1, Ordering::Relaxed)))
    }

    /// A new, empty folder in the folder of the run.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.file(name);
        fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(folder)
    }

    /// Starts a yardstick's server, which is this very program, on the server's core.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn yardstick(&self, name: &str, options: &[(&str, &str)]) -> Result<Yardstick> {
        let port = process::free_port()?;
        let mut command = self.machine.server.own_program()?;
        command.args(["yardstick", name, "--port", &port.to_string()]);
        for (option, value) in options {
            command.args([option, value]);
        }
        let mut process = Process::start(name, &mut command, self.file(name))?;
        let url = format!("http://127.0.0.1:{port}");
        process.ready(&format!("{url}/ready"))?;
        Ok(Yardstick { process, url })
    }
}

/// A yardstick that serves.
#[derive(Debug)]
pub struct Yardstick {
    pub process: Process,
    /// Its address without a path.
    pub url: String,
}
