//! The settings of the server: where they come from, what they mean, and what is wrong with them.
//!
//! Later wins: the built-in `default.toml`, the one of `APP_ENV`, `.env`, the environment, `--set`. Over each built-in
//! file lies the file of the same name in `--config-dir`. The `table` of known settings is the only place where a
//! setting is named; a value for anything else is refused with a suggestion.
//!
//! **Invariant:** [`load`] reads nothing but its [`Inputs`] and the files that they name, and reports every fault at
//! once.
//! **Invariant:** no secret reaches a `Debug` output, a [`Faults`] list or an [`Effective`] row.

mod effective;
mod fault;
mod inputs;
mod layer;
mod mail;
mod reader;
mod sections;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

pub use effective::{Effective, report};
pub use fault::Faults;
pub use inputs::Inputs;
pub use mail::{Mail, Transport};
pub use sections::{
    Audit, Auth, Bootstrap, Cors, Database, DatabaseUrl, Jobs, Log, LogFormat, MailLinks, Password,
    RateLimit, Server, SignUp,
};
pub use table::markdown_table;

use reader::{Reader, Refused};

/// What the server is run for, chosen by `APP_ENV`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Starts with nothing configured.
    Development,
    /// Refuses what is unsafe.
    Production,
}

/// The word that `APP_ENV` is set to.
impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Production => "production",
        })
    }
}

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub environment: Environment,
    pub server: Server,
    pub database: Database,
    pub auth: Auth,
    pub password: Password,
    pub sign_up: SignUp,
    pub jobs: Jobs,
    pub audit: Audit,
    pub mail_links: MailLinks,
    pub mail: Mail,
    pub log: Log,
    pub cors: Cors,
    pub bootstrap: Bootstrap,
    pub rate_limit: RateLimit,
}

impl Settings {
    /// Puts the port that the system assigned in the place of port 0, also in the URL that was derived from it.
    pub fn listening_on(&mut self, port: u16) {
        let before = sections::listening_url(self.server.host, self.server.port);
        self.server.port = port;
        if self.server.public_url == before {
            self.server.public_url = sections::listening_url(self.server.host, port);
        }
    }
}

/// Settings together with the account of where they came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub settings: Settings,
    /// Every setting in the order of the table, after `APP_ENV`.
    pub effective: Vec<Effective>,
}

/// Merges all layers and checks the result.
///
/// # Errors
///
/// Everything that is wrong, in one list: unknown names, unreadable files, values that can't be used, and what
/// production refuses.
pub fn load(inputs: &Inputs) -> Result<Loaded, Faults> {
    let mut faults = inputs.faults.clone();
    let (environment, environment_origin) = inputs.chosen_environment(&mut faults);
    let folder = inputs.chosen_config_dir();
    let mut layers = layer::from_files(environment, folder.as_deref(), &mut faults);
    layers.push(layer::from_variables(".env", &inputs.dot_env, &mut faults));
    layers.push(layer::from_variables("environment", &inputs.environment, &mut faults));
    layers.push(layer::from_overrides(&inputs.overrides, &mut faults));

    let mut reader = Reader::new(layers, faults);
    let loaded = settings(environment, &mut reader).map(|settings| Loaded {
        effective: effective::all(&settings, environment_origin, &reader),
        settings,
    });
    reader.finish(loaded).map_err(Faults)
}

/// Reads all sections before the first `?`, so that a fault in one does not hide those of the next.
fn settings(environment: Environment, reader: &mut Reader) -> Result<Settings, Refused> {
    let server = sections::server(reader);
    let database = sections::database(environment, reader);
    let given = reader.text("server.public_url").is_some();
    let public_url =
        server.as_ref().ok().filter(|_| given).map(|server| server.public_url.as_str());
    let auth = sections::auth(environment, public_url, reader);
    let password = sections::password(reader);
    let sign_up = sections::sign_up(reader);
    let jobs = sections::jobs(reader);
    let audit = sections::audit(reader);
    let mail_links = sections::mail_links(reader);
    let mail = mail::mail(environment, reader);
    let log = sections::log(reader);
    let cors = sections::cors(reader);
    let bootstrap = sections::bootstrap(environment, reader);
    let rate_limit = sections::rate_limit(reader);
    Ok(Settings {
        environment,
        server: server?,
        database: database?,
        auth: auth?,
        password: password?,
        sign_up: sign_up?,
        jobs: jobs?,
        audit: audit?,
        mail_links: mail_links?,
        mail: mail?,
        log: log?,
        cors: cors?,
        bootstrap: bootstrap?,
        rate_limit: rate_limit?,
    })
}
