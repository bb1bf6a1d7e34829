//! What is wrong with the settings, said so that it can be put right without reading source code.

use std::fmt;

/// Why a value is refused and what to do instead. It never quotes the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// What is wrong, as a clause without a full stop.
    pub problem: String,
    /// What to do, as a clause without a full stop.
    pub remedy: String,
}

impl Objection {
    /// Builds an objection from both clauses.
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }

    /// Says which setting the objection is about and where its value came from.
    pub fn about(self, subject: impl Into<String>, origin: impl Into<String>) -> Fault {
        Fault { subject: subject.into(), origin: origin.into(), objection: self }
    }
}

/// One thing that keeps the server from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key of a setting, or the name of a variable or file where no setting is concerned.
    pub subject: String,
    /// The layer that the value came from.
    pub origin: String,
    /// Why it is refused.
    pub objection: Objection,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Objection { problem, remedy } = &self.objection;
        write!(f, "{} ({}): {problem}; {remedy}", self.subject, self.origin)
    }
}

/// Everything that is wrong, so that one start shows all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "there is a fault in the settings:")?,
            count => write!(f, "there are {count} faults in the settings:")?,
        }
        for fault in &self.0 {
            write!(f, "\n  - {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Words the advice for a name that nothing is known by: the likeliest known name, when one is near enough to be meant.
pub fn suggest(unknown: &str, known: impl Iterator<Item = String>) -> String {
    let nearest = known.map(|name| (strsim::damerau_levenshtein(unknown, &name), name)).min();
    match nearest {
        // Beyond a third of the letters the nearest name is a coincidence, and naming it would mislead.
        Some((distance, name)) if distance * 3 <= unknown.len().max(name.len()) => {
            format!("did you mean `{name}`?")
        }
        _ => "remove it; `doorward config check` without it lists every setting".to_owned(),
    }
}
