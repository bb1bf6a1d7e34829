//! Typed access to the merged values. Each failure is noted and reading goes on, so that all faults come to light.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use config::{Config, ConfigBuilder, Map, Source, Value, ValueKind, builder::DefaultState};

use super::{
    fault::{Fault, Objection},
    layer::{self, Layer},
    table::{Kind, Setting, TABLE},
};

/// A value can't be used; the [`Reader`] has noted why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// The values that won, and the faults met so far.
pub struct Reader {
    values: BTreeMap<&'static str, Value>,
    faults: Vec<Fault>,
}

impl Reader {
    /// Merges the layers, later ones over earlier ones.
    pub fn new(layers: Vec<Layer>, mut faults: Vec<Fault>) -> Self {
        let builder =
            layers.into_iter().fold(Config::builder(), ConfigBuilder::<DefaultState>::add_source);
        let merged = builder.build().and_then(|merged| merged.collect());
        let merged = merged.unwrap_or_else(|error| {
            let objection = Objection::new(error.to_string(), "correct the value that it names");
            faults.push(objection.about("settings", "merged layers"));
            Map::default()
        });
        let values = TABLE.iter().filter_map(|setting| {
            let (section, name) = setting.key.split_once('.')?;
            let ValueKind::Table(section) = &merged.get(section)?.kind else {
                return None;
            };
            Some((setting.key, section.get(name)?.clone()))
        });
        Self { values: values.collect(), faults }
    }

    /// The text of a setting that is set.
    pub fn text(&self, key: &str) -> Option<String> {
        self.values.get(key).and_then(layer::text)
    }

    /// Where the value of a setting came from, even if that place unset it.
    pub fn origin(&self, key: &str) -> &str {
        let value = self.values.get(key);
        value.and_then(Value::origin).unwrap_or("not given")
    }

    /// Notes that the value of a setting can't be used.
    pub fn refuse(&mut self, key: &str, objection: Objection) -> Refused {
        let fault = objection.about(key, self.origin(key));
        self.faults.push(fault);
        Refused
    }

    /// Whether a fault of this setting is known already, so that its absence needs no second one.
    pub fn refused(&self, key: &str) -> bool {
        self.faults.iter().any(|fault| fault.subject == key)
    }

    /// Ends the reading: the result if nothing was wrong, else everything that was.
    pub fn finish<T>(self, result: Result<T, Refused>) -> Result<T, Vec<Fault>> {
        match result {
            Ok(result) if self.faults.is_empty() => Ok(result),
            _ => Err(self.faults),
        }
    }

    /// A setting that may be unset.
    pub fn optional<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, Objection>,
    ) -> Result<Option<T>, Refused> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        match parse(&text) {
            Ok(value) => Ok(Some(value)),
            Err(objection) => Err(self.refuse(key, objection)),
        }
    }

    /// A setting that always has a value, by way of the built-in files.
    pub fn required<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, Objection>,
    ) -> Result<T, Refused> {
        let value = self.optional(key, parse)?;
        value.ok_or_else(|| self.refuse(key, Objection::new("has no value", "give one")))
    }

    /// Every item of a list; each one that is refused is a fault of its own.
    pub fn each<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Objection>,
    ) -> Result<Vec<T>, Refused> {
        let items: Vec<String> = match self.values.get(key).map(|value| &value.kind) {
            Some(ValueKind::Array(items)) => items.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        let mut accepted = Ok(Vec::with_capacity(items.len()));
        for item in items {
            match (parse(&item), &mut accepted) {
                (Ok(value), Ok(accepted)) => accepted.push(value),
                (Ok(_), Err(_)) => {}
                (Err(objection), _) => accepted = Err(self.refuse(key, objection)),
            }
        }
        accepted
    }

    /// A whole number within the bounds of the table.
    pub fn number<T: TryFrom<u64>>(&mut self, key: &str) -> Result<T, Refused> {
        self.required(key, |text| number(key, text))
    }

    /// A duration in whole seconds within the bounds of the table.
    pub fn seconds(&mut self, key: &str) -> Result<Duration, Refused> {
        self.number(key).map(Duration::from_secs)
    }

    /// `true` or `false`.
    pub fn switch(&mut self, key: &str) -> Result<bool, Refused> {
        self.required(key, |text| {
            bool::from_str(text).map_err(|_| {
                Objection::new(
                    format!("`{text}` is neither true nor false"),
                    "give `true` or `false`",
                )
            })
        })
    }

    /// One of the words of the table, as the value that stands for it.
    pub fn choice<T: Copy>(&mut self, key: &str, values: &[(&str, T)]) -> Result<T, Refused> {
        self.required(key, |text| one_of(values, text))
    }

    /// As [`choice`](Self::choice), of a setting that may be unset.
    pub fn optional_choice<T: Copy>(
        &mut self,
        key: &str,
        values: &[(&str, T)],
    ) -> Result<Option<T>, Refused> {
        self.optional(key, |text| one_of(values, text))
    }
}

fn one_of<T: Copy>(values: &[(&str, T)], text: &str) -> Result<T, Objection> {
    let found = values.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = values.iter().map(|(word, _)| *word).collect();
        Objection::new(
            format!("`{text}` is none of its values"),
            format!("give `{}`", words.join("` or `")),
        )
    })
}

/// Parses a whole number within the bounds that the table gives for this key.
pub fn number<T: TryFrom<u64>>(key: &str, text: &str) -> Result<T, Objection> {
    let (least, most) = match Setting::named(key).map(|setting| setting.kind) {
        Some(Kind::Number { least, most }) => (least, most),
        _ => (0, u64::MAX),
    };
    let number = text.parse::<u64>().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| {
            Objection::new(
                format!("`{text}` is no whole number from {least} to {most}"),
                "give one within these bounds, without unit or separators",
            )
        })
}
