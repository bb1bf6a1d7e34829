//! What the process was given: its variables, a `.env` file and its arguments.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    Environment,
    fault::{Fault, Objection},
    table::{CONFIG_DIR_VARIABLE, ENVIRONMENT_VARIABLE, PREFIX},
};

/// Everything that [`load`](super::load) may look at. It holds secrets and therefore has no `Debug`.
#[derive(Default)]
pub struct Inputs {
    /// The variables of the process.
    pub environment: BTreeMap<String, String>,
    /// The variables of the `.env` file, which those of the process override.
    pub dot_env: BTreeMap<String, String>,
    /// The folder with the operator's files; overrides `APP_CONFIG_DIR`.
    pub config_dir: Option<PathBuf>,
    /// The pairs of `--set key=value`.
    pub overrides: Vec<(String, String)>,
    /// What could not be taken over from the process; [`load`](super::load) reports it with everything else.
    pub faults: Vec<Fault>,
}

impl Inputs {
    /// Reads the variables of this process and, unless `APP_ENV` is `production` there, the `.env` file of the working
    /// folder. The process's own variables are not changed.
    pub fn from_process(config_dir: Option<PathBuf>, overrides: Vec<(String, String)>) -> Self {
        let mut inputs = Self { config_dir, overrides, ..Self::default() };
        inputs.take_variables(std::env::vars_os());
        inputs.take_dot_env(Path::new(".env"));
        inputs
    }

    pub(super) fn take_variables(&mut self, variables: impl Iterator<Item = (OsString, OsString)>) {
        for (name, value) in variables {
            if !name.to_string_lossy().starts_with(PREFIX) {
                continue;
            }
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => {
                    self.environment.insert(name, value);
                }
                (name, _) => {
                    let name = name.unwrap_or_else(|name| name.to_string_lossy().into_owned());
                    let objection =
                        Objection::new("is not UTF-8", "set it to a text in UTF-8, or remove it");
                    self.faults.push(objection.about(name, "environment"));
                }
            }
        }
    }

    /// A `.env` file is a convenience of development. In production a forgotten one must not change anything.
    pub(super) fn take_dot_env(&mut self, path: &Path) {
        let chosen = self.environment.get(ENVIRONMENT_VARIABLE);
        if chosen.is_some_and(|name| *name == Environment::Production.to_string()) {
            return;
        }
        let objection = match dotenvy::from_path_iter(path) {
            Ok(lines) => match lines.collect::<Result<Vec<_>, _>>() {
                Ok(pairs) => {
                    let ours = pairs.into_iter().filter(|(name, _)| name.starts_with(PREFIX));
                    return self.dot_env.extend(ours);
                }
                // The error's own text quotes the line, and that line may hold a secret.
                Err(dotenvy::Error::LineParse(..)) => Objection::new(
                    "a line is not of the form NAME=value",
                    "put values with blanks or special characters between single quotes",
                ),
                Err(error) => {
                    Objection::new(format!("can't be read: {error}"), "make it a UTF-8 file")
                }
            },
            Err(error) if error.not_found() => return,
            Err(error) => {
                Objection::new(format!("can't be read: {error}"), "make it readable, or remove it")
            }
        };
        self.faults.push(objection.about(".env", path.display().to_string()));
    }

    /// Looks a variable up that is not a setting: in the environment, else in the `.env` file. Also names where it was.
    fn variable(&self, name: &str) -> Option<(&str, String)> {
        let places = [("environment", &self.environment), (".env", &self.dot_env)];
        places.into_iter().find_map(|(place, variables)| {
            let value = variables.get(name)?;
            Some((value.as_str(), format!("{place} {name}")))
        })
    }

    /// The environment that `APP_ENV` chooses, and where that came from. An empty or misspelt name is refused rather
    /// than taken for development, whose settings are unsafe in production.
    pub(super) fn chosen_environment(&self, faults: &mut Vec<Fault>) -> (Environment, String) {
        let Some((name, origin)) = self.variable(ENVIRONMENT_VARIABLE) else {
            return (Environment::Development, "default".to_owned());
        };
        let known = [Environment::Development, Environment::Production];
        if let Some(chosen) = known.into_iter().find(|known| known.to_string() == name) {
            return (chosen, origin);
        }
        let objection = Objection::new(
            format!("`{name}` is no environment"),
            "give `development` or `production`",
        );
        faults.push(objection.about(ENVIRONMENT_VARIABLE, origin));
        (Environment::Development, "default".to_owned())
    }

    pub(super) fn chosen_config_dir(&self) -> Option<PathBuf> {
        let named = self.variable(CONFIG_DIR_VARIABLE).map(|(folder, _)| folder);
        let named = named.filter(|folder| !folder.is_empty()).map(PathBuf::from);
        self.config_dir.clone().or(named)
    }
}
