//! What people would pick instead of Doorward: folders that say how they are installed, started and asked.

mod manifest;
mod protocol;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bench::Bench;
use crate::harness::process::{self, Process};

use self::manifest::Manifest;
pub use self::manifest::Mode;
pub use self::protocol::{Person, Protocol, Request, SignedIn};

/// One of the folders under `bench/peers`.
#[derive(Debug)]
pub struct Peer {
    folder: PathBuf,
    /// What belongs to the peer and can be made anew: what it installed, what it compiled.
    state: PathBuf,
    manifest: Manifest,
}

impl Peer {
    /// All peers, by the names of their folders.
    ///
    /// # Errors
    /// When one of them says something that cannot be understood.
    pub fn all() -> Result<Vec<Self>> {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let state = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench/peers");
        let entries =
            fs::read_dir(&peers).with_context(|| format!("{} cannot be read", peers.display()))?;
        let mut found = Vec::new();
        for entry in entries {
            let folder = entry?.path();
            let file = folder.join("peer.toml");
            if let Some(name) = folder.file_name().filter(|_| file.is_file()) {
                let text = fs::read_to_string(&file)?;
                let manifest = Manifest::parse(&text)
                    .with_context(|| format!("{} cannot be understood", file.display()))?;
                found.push(Self { state: state.join(name), folder, manifest });
            }
        }
        found.sort_by(|one, other| one.folder.cmp(&other.folder));
        Ok(found)
    }

    /// The name of its folder.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What it is, with its versions, and how it hashes passwords.
    pub fn about(&self) -> String {
        format!("{}: {}; {}.", self.name(), self.manifest.about, self.manifest.hash)
    }

    /// What it is measured as, once in each.
    pub fn modes(&self) -> &[Mode] {
        &self.manifest.modes
    }

    /// How it is asked.
    pub fn protocol(&self) -> Protocol {
        self.manifest.protocol()
    }

    /// Whether it keeps its people in PostgreSQL, as opposed to files of its own.
    pub fn uses_postgres(&self) -> bool {
        !self.manifest.prepare.is_empty()
    }

    /// Whether its package manager has done its work.
    pub fn is_installed(&self) -> bool {
        let installed = self.filled(&self.manifest.installed, None);
        self.folder.join(installed).exists()
    }

    /// Installs it by its package manager, at the versions of its lock file.
    ///
    /// # Errors
    /// When the package manager is not there or fails; with what it wrote.
    pub fn install(&self) -> Result<()> {
        fs::create_dir_all(&self.state)?;
        eprintln!("  installing {}, once", self.name());
        for command in &self.manifest.install {
            let [program, arguments @ ..] = command.as_slice() else { continue };
            let mut command = Command::new(self.filled(program, None));
            command.args(arguments.iter().map(|argument| self.filled(argument, None)));
            process::run(command.current_dir(&self.folder))
                .with_context(|| format!("{} cannot be installed", self.name()))?;
        }
        ensure!(self.is_installed(), "{} is not there after it was installed", self.name());
        Ok(())
    }

    /// Makes its tables in a new database and serves, on the server's core.
    ///
    /// # Errors
    /// When it does not get ready; with what it wrote.
    pub fn start(&self, bench: &Bench, mode: &Mode) -> Result<(Process, String)> {
        let place = Place {
            port: process::free_port()?,
            data: bench.new_folder(&mode.name)?,
            database_url: bench.postgres.database()?,
        };
        for command in &self.manifest.prepare {
            process::run(&mut self.command(bench, mode, command, &place))
                .with_context(|| format!("{} has no tables", mode.name))?;
        }
        let mut serve = self.command(bench, mode, &self.manifest.start, &place);
        let mut process = Process::start(&mode.name, &mut serve, bench.file(&mode.name))?;
        let url = format!("http://127.0.0.1:{}", place.port);
        process.ready(&format!("{url}{}", self.manifest.ready))?;
        Ok((process, url))
    }

    /// The processor time of one verification of a password in seconds, by the peer's own library, where
    /// it has a command that tells.
    ///
    /// # Errors
    /// When the command fails or prints something other than a number of milliseconds.
    pub fn hash_seconds(&self, bench: &Bench) -> Result<Option<f64>> {
        let [program, arguments @ ..] = self.manifest.time_hash.as_slice() else {
            return Ok(None);
        };
        let mut command = bench.machine.server.command(self.filled(program, None));
        command.args(arguments.iter().map(|argument| self.filled(argument, None)));
        let printed =
            process::run(command.envs(&self.manifest.env).current_dir(&self.folder))?.output;
        let milliseconds: f64 = printed
            .trim()
            .parse()
            .with_context(|| format!("{} told no time of a hash: {printed}", self.name()))?;
        Ok(Some(milliseconds / 1e3))
    }

    fn command(&self, bench: &Bench, mode: &Mode, words: &[String], place: &Place) -> Command {
        let mut words = words.iter().map(|word| self.filled(word, Some(place)));
        let mut command = bench.machine.server.command(words.next().unwrap_or_default());
        command
            .args(words)
            .envs(&self.manifest.env)
            .envs(&mode.env)
            .env("PORT", place.port.to_string())
            .env("DATABASE_URL", &place.database_url)
            .current_dir(&self.folder);
        command
    }

    fn filled(&self, word: &str, place: Option<&Place>) -> String {
        let word = word.replace("{state}", &self.state.to_string_lossy());
        match place {
            Some(place) => word
                .replace("{port}", &place.port.to_string())
                .replace("{data}", &place.data.to_string_lossy()),
            None => word,
        }
    }
}

/// Where one of its processes works.
struct Place {
    port: u16,
    data: PathBuf,
    database_url: String,
}

#[cfg(test)]
mod tests {
    use super::Peer;

    #[test]
    fn every_peer_in_the_repository_is_understood_and_named_once() {
        let peers = Peer::all().expect("all are understood");
        assert!(peers.len() >= 2, "better-auth and fastapi-users are there");
        let mut names: Vec<_> =
            peers.iter().flat_map(Peer::modes).map(|mode| mode.name.clone()).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn no_lock_file_names_a_registry_of_its_own() {
        for peer in Peer::all().expect("all are understood") {
            for lock in ["package-lock.json", "Cargo.lock", "requirements.txt"] {
                let text = std::fs::read_to_string(peer.folder.join(lock)).unwrap_or_default();
                let foreign = text.lines().find(|line| {
                    line.contains("://")
                        && !line.contains("https://registry.npmjs.org/")
                        && !line.contains("https://github.com/rust-lang/crates.io-index")
                        // Where npm is told to whom a package is thankful for money.
                        && !line.trim_start().starts_with("\"url\"")
                });
                assert_eq!(foreign, None, "{} of {}", lock, peer.name());
            }
        }
    }
}
