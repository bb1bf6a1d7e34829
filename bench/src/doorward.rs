//! Doorward itself, started as production would start it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use argon2::{Argon2, Block, Params, PasswordHasher as _};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::harness::http;
use crate::harness::machine::Cores;
use crate::harness::process::{self, Process};

/// Where the API lives.
pub const API: &str = "/api/v1";
/// Everybody's password: no worse to hash than another one.
pub const PASSWORD: &str = "correct horse battery staple";
/// Who issues the tokens: the public address.
pub const ISSUER: &str = "https://accounts.example.org";
/// Whom the tokens are for, by default.
pub const AUDIENCE: &str = "doorward";
/// The same for all instances of a run.
const SECRET: &str = "a secret of benchmarks, which protects nobody's accounts";

/// A running instance.
#[derive(Debug)]
pub struct Doorward {
    pub process: Process,
    /// Its address without a path.
    pub url: String,
    settings: Vec<(String, String)>,
    folder: PathBuf,
}

impl Doorward {
    /// Migrates a database, which must be new or Doorward's, and serves from it.
    ///
    /// Nothing differs from production's defaults but what is said here: the rate limits are off,
    /// because all requests come from one address, and the log goes to a file.
    ///
    /// # Errors
    /// When a step fails; with what Doorward wrote.
    pub fn start(bench: &Bench, database_url: &str, cores: &Cores) -> Result<Self> {
        Self::start_with(bench, database_url, cores, &[])
    }

    /// The same with further settings, by the names of their environment variables.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        bench: &Bench,
        database_url: &str,
        cores: &Cores,
        further: &[(&str, &str)],
    ) -> Result<Self> {
        let port = process::free_port()?;
        let port_text = port.to_string();
        let folder = bench.new_folder("doorward")?;
        let settings: Vec<(String, String)> = [
            ("APP_ENV", "production"),
            ("APP_AUTH_SECRET", SECRET),
            ("APP_DATABASE_URL", database_url),
            ("APP_SERVER_PORT", &port_text),
            ("APP_SERVER_PUBLIC_URL", ISSUER),
            ("APP_RATE_LIMIT_ENABLED", "false"),
        ]
        .iter()
        .chain(further)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        let mut migrate = configured(cores.command(&bench.doorward), &settings, &folder);
        process::run(migrate.arg("migrate")).context("the database could not be migrated")?;
        let mut serve = configured(cores.command(&bench.doorward), &settings, &folder);
        let mut process = Process::start("doorward", &mut serve, folder.join("log"))?;
        let url = format!("http://127.0.0.1:{port}");
        process.ready(&format!("{url}/health/ready"))?;
        Ok(Self { process, url, settings, folder })
    }

    /// Makes accounts with verified addresses and [`PASSWORD`], from the console.
    ///
    /// # Errors
    /// When the import fails; with what Doorward wrote.
    pub fn import(&self, bench: &Bench, addresses: &[String]) -> Result<()> {
        let hash = password_hash()?;
        let line = |address: &String| {
            let user = json!({
                "email": address,
                "name": "Ada Lovelace",
                "email_verified": true,
                "password_hash": hash,
            });
            format!("{user}\n")
        };
        let file = bench.file("people.ndjson");
        fs::write(&file, addresses.iter().map(line).collect::<String>())?;
        self.import_file(bench, &file)?;
        fs::remove_file(file)?;
        Ok(())
    }

    /// Imports a file of people.
    ///
    /// # Errors
    /// When the import fails; with what Doorward wrote.
    pub fn import_file(&self, bench: &Bench, file: &Path) -> Result<()> {
        let mut import = self.console(bench);
        process::run(import.args(["users", "import"]).arg(file))
            .context("people could not be imported")?;
        Ok(())
    }

    /// Stops it, starts it again on the same port and database, and gives the moment of the start.
    /// Nobody waits until it is ready.
    ///
    /// # Errors
    /// When it does not end or cannot be started.
    pub fn restart(self, bench: &Bench, cores: &Cores) -> Result<(Self, Instant)> {
        let Self { process, url, settings, folder } = self;
        process.stop()?;
        let mut serve = configured(cores.command(&bench.doorward), &settings, &folder);
        let begun = Instant::now();
        let process = Process::start("doorward", &mut serve, folder.join("log"))?;
        Ok((Self { process, url, settings, folder }, begun))
    }

    /// A command of the console, with the server's settings.
    pub fn console(&self, bench: &Bench) -> Command {
        configured(bench.machine.load.command(&bench.doorward), &self.settings, &self.folder)
    }

    /// The address of a path of the API.
    pub fn api(&self, path: &str) -> String {
        format!("{}{API}{path}", self.url)
    }

    /// Signs somebody in who has [`PASSWORD`].
    ///
    /// # Errors
    /// When Doorward refuses.
    pub fn sign_in(&self, address: &str) -> Result<SignedIn> {
        let body = json!({ "email": address, "password": PASSWORD });
        let answer = http::post(&self.api("/auth/login"), &body)?;
        let text = |name: &str| {
            let text = answer.get(name).and_then(Value::as_str);
            text.map(str::to_owned).with_context(|| format!("a sign-in without {name}: {answer}"))
        };
        Ok(SignedIn {
            access_token: text("access_token")?,
            refresh_token: text("refresh_token")?,
            session_id: text("session_id")?,
        })
    }

    /// Makes so many people and signs each of them in.
    ///
    /// # Errors
    /// When one of the steps fails.
    pub fn signed_in_people(&self, bench: &Bench, count: usize) -> Result<Vec<SignedIn>> {
        let addresses = addresses(count);
        self.import(bench, &addresses)?;
        addresses.iter().map(|address| self.sign_in(address)).collect()
    }
}

/// What a sign-in gives.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub access_token: String,
    pub refresh_token: String,
    pub session_id: String,
}

/// What [`PASSWORD`] is stored as, for everybody: checking it costs as much as checking any.
///
/// # Errors
/// When it cannot be hashed.
pub fn password_hash() -> Result<String> {
    let hash = Argon2::default()
        .hash_password_with_salt(PASSWORD.as_bytes(), b"salt of everyone")
        .map_err(|error| anyhow!("the password cannot be hashed: {error}"))?;
    Ok(hash.to_string())
}

/// Seconds of the processor for one hash of Doorward's parameters by the `argon2` crate, which every
/// processor of this kind can run, in memory that is there already.
///
/// # Errors
/// When it cannot be hashed.
pub fn hash_seconds() -> Result<f64> {
    const HASHES: u32 = 10;
    let argon = Argon2::default();
    let mut memory = vec![Block::default(); Params::DEFAULT.block_count()];
    let mut hash = || {
        let (salt, mut out) = (b"salt of everyone", [0; 32]);
        argon
            .hash_password_into_with_memory(PASSWORD.as_bytes(), salt, &mut out, &mut memory)
            .map_err(|error| anyhow!("the password cannot be hashed: {error}"))
    };
    // The first one gets the memory.
    hash()?;
    let before = processor_seconds();
    for _ in 0..HASHES {
        hash()?;
    }
    Ok((processor_seconds() - before) / f64::from(HASHES))
}

/// The processor time of this thread.
#[expect(clippy::cast_precision_loss, reason = "no thread runs for 2^52 seconds")]
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The address of the person with this number.
pub fn address(person: u32) -> String {
    format!("person-{person}@example.com")
}

/// Addresses of so many people.
pub fn addresses(count: usize) -> Vec<String> {
    (1..=count).map(|nth| format!("person-{nth}@example.com")).collect()
}

/// Nothing else of the environment reaches Doorward, or a setting of whoever runs this would count.
fn configured(mut command: Command, settings: &[(String, String)], folder: &Path) -> Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .current_dir(folder);
    command
}
