//! One place that settings come from, as a source for the `config` crate, which merges them.

use std::{collections::BTreeMap, fs, io, path::Path};

use config::{ConfigError, Map, Source, Value, ValueKind};

use super::{
    Environment,
    fault::{Fault, Objection, suggest},
    table::{CONFIG_DIR_VARIABLE, ENVIRONMENT_VARIABLE, Kind, PREFIX, Setting, TABLE},
};

/// The values of one place, by key. A scalar is a string, a list an array of strings, an unset one is nil; each value
/// carries its origin. Everything that is no known setting was left out and reported.
#[derive(Clone, Default)]
pub struct Layer(BTreeMap<&'static str, Value>);

/// A layer may hold secrets, so only its keys are shown.
impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let values = self.0.iter();
        Ok(values.map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }
}

impl Layer {
    /// The value of a key as text, if this layer sets it.
    pub fn shown(&self, key: &str) -> Option<String> {
        self.0.get(key).and_then(text)
    }

    /// Takes a text over for a setting. An empty one unsets what is optional and empties a list; elsewhere it is
    /// refused, because it is what a forgotten or misspelt variable of a deployment expands to.
    fn put(
        &mut self,
        setting: &'static Setting,
        origin: &str,
        text: &str,
        faults: &mut Vec<Fault>,
    ) {
        // Blanks around a secret are part of it: the other instances, which were given the same bytes, must agree.
        let text = if setting.secret && !text.trim().is_empty() { text } else { text.trim() };
        let kind = match setting.kind {
            Kind::List => {
                let items = text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty());
                ValueKind::Array(items.map(Value::from).collect())
            }
            _ if !text.is_empty() => ValueKind::String(text.to_owned()),
            _ if setting.unset.is_some() => ValueKind::Nil,
            _ => {
                let objection =
                    Objection::new("is empty", "give a value, or remove it for the default");
                return faults.push(objection.about(setting.key, origin));
            }
        };
        self.0.insert(setting.key, Value::new(Some(&origin.to_owned()), kind));
    }

    fn put_file(
        &mut self,
        setting: &'static Setting,
        origin: &str,
        path: &str,
        faults: &mut Vec<Fault>,
    ) {
        let objection = match fs::read_to_string(path) {
            _ if self.shown(setting.key).is_some() => {
                let problem = format!("{} is set as well", setting.variable());
                Objection::new(problem, "remove one of the two")
            }
            Ok(content) if content.trim().is_empty() => {
                Objection::new(format!("the file {path} is empty"), "write the value into it")
            }
            Ok(content) => {
                // Editors and `echo` end a file with a line break that is no part of the secret.
                return self.put(setting, origin, content.trim_end_matches(['\r', '\n']), faults);
            }
            Err(error) => Objection::new(
                format!("the file {path} can't be read: {error}"),
                "name a UTF-8 file that the server may read",
            ),
        };
        faults.push(objection.about(setting.key, origin));
    }

    fn put_toml(&mut self, key: &str, value: toml::Value, origin: &str, faults: &mut Vec<Fault>) {
        if let toml::Value::Table(table) = value {
            for (name, value) in table {
                self.put_toml(&format!("{key}.{name}"), value, origin, faults);
            }
            return;
        }
        let Some(setting) = Setting::named(key) else {
            return faults.push(unknown_setting(key, origin));
        };
        let toml::Value::Array(items) = value else {
            return self.put(setting, origin, &scalar(value), faults);
        };
        let nested = items.iter().any(|item| item.is_array() || item.is_table());
        if setting.kind != Kind::List || nested {
            let objection =
                Objection::new("holds a list where a single value belongs", "give single values");
            return faults.push(objection.about(key, origin));
        }
        // As above, blanks around a secret are part of it.
        let kept = |text: String| if setting.secret { text } else { text.trim().to_owned() };
        let items = items.into_iter().map(|item| Value::from(kept(scalar(item))));
        let kind = ValueKind::Array(items.collect());
        self.0.insert(setting.key, Value::new(Some(&origin.to_owned()), kind));
    }
}

/// The text of a merged value; `None` when it is unset.
pub fn text(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Nil => None,
        ValueKind::Array(items) if items.is_empty() => Some("[]".to_owned()),
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            Some(items.join(","))
        }
        scalar => Some(scalar.to_string()),
    }
}

/// A TOML string without its quotes, anything else as it is written.
fn scalar(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        other => other.to_string(),
    }
}

fn unknown_setting(key: &str, origin: &str) -> Fault {
    let known = TABLE.iter().map(|setting| setting.key.to_owned());
    Objection::new("is no setting", suggest(key, known)).about(key, origin)
}

/// The built-in files and, over each of them, the file of the same name in the operator's folder.
pub fn from_files(
    environment: Environment,
    folder: Option<&Path>,
    faults: &mut Vec<Fault>,
) -> Vec<Layer> {
    let specific = match environment {
        Environment::Development => include_str!("../../../../config/development.toml"),
        Environment::Production => include_str!("../../../../config/production.toml"),
    };
    let built_in = [
        ("default.toml".to_owned(), include_str!("../../../../config/default.toml")),
        (format!("{environment}.toml"), specific),
    ];
    let mut layers = Vec::new();
    let mut found = 0;
    for (name, content) in &built_in {
        layers.push(from_toml(&format!("{name} (built in)"), content, faults));
        let Some(path) = folder.map(|folder| folder.join(name)) else {
            continue;
        };
        let origin = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(content) => layers.push(from_toml(&origin, &content, faults)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let objection = Objection::new(
                    format!("can't be read: {error}"),
                    "make it a readable UTF-8 file",
                );
                faults.push(objection.about(name, origin));
            }
        }
        found += 1;
    }
    // A folder without any of the files is a misspelt path or a volume that was not mounted.
    if let Some(folder) = folder.filter(|_| found == 0) {
        let problem = format!("there is neither default.toml nor {environment}.toml in it");
        let objection = Objection::new(problem, "name a folder that holds one of them");
        faults.push(objection.about("--config-dir", folder.display().to_string()));
    }
    layers
}

fn from_toml(origin: &str, content: &str, faults: &mut Vec<Fault>) -> Layer {
    let mut layer = Layer::default();
    match content.parse::<toml::Table>() {
        Ok(table) => {
            for (key, value) in table {
                layer.put_toml(&key, value, origin, faults);
            }
        }
        Err(error) => {
            // The error's own text quotes the line, and that line may hold a secret.
            let start = error.span().map_or(0, |span| span.start);
            let line = content.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
            let problem = format!("line {line} is no TOML: {}", error.message());
            let objection = Objection::new(problem, "correct that line");
            faults.push(objection.about("syntax", origin));
        }
    }
    layer
}

/// The variables that begin with `APP_`, and the files that `APP_…_FILE` names. Origins begin with `place`.
pub fn from_variables(
    place: &str,
    variables: &BTreeMap<String, String>,
    faults: &mut Vec<Fault>,
) -> Layer {
    let mut layer = Layer::default();
    let mut known = vec![ENVIRONMENT_VARIABLE.to_owned(), CONFIG_DIR_VARIABLE.to_owned()];
    for setting in TABLE {
        let name = setting.variable();
        if let Some(value) = variables.get(&name) {
            layer.put(setting, &format!("{place} {name}"), value, faults);
        }
        known.push(name);
        if let Some(name) = setting.file_variable() {
            // Deployments expand what they don't use to an empty value: no file is named then.
            if let Some(path) = variables.get(&name).filter(|path| !path.is_empty()) {
                layer.put_file(setting, &format!("{place} {name}"), path, faults);
            }
            known.push(name);
        }
    }
    for name in variables.keys().filter(|name| name.starts_with(PREFIX)) {
        if !known.contains(name) {
            let advice = suggest(name, known.iter().cloned());
            let objection = Objection::new("names no setting", advice);
            faults.push(objection.about(name, place));
        }
    }
    layer
}

/// The pairs of `--set key=value`; a later one replaces an earlier one.
pub fn from_overrides(overrides: &[(String, String)], faults: &mut Vec<Fault>) -> Layer {
    const ORIGIN: &str = "--set";
    let mut layer = Layer::default();
    for (key, value) in overrides {
        match Setting::named(key) {
            Some(setting) => layer.put(setting, ORIGIN, value, faults),
            None => faults.push(unknown_setting(key, ORIGIN)),
        }
    }
    layer
}
