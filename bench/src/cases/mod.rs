//! The cases: each says what it measures, and what its goal is, in a sentence.

mod flood;
mod jobs;
mod live;
mod me;
mod not_found;
mod password;
mod refresh;
mod revocation;

use anyhow::{Result, bail};

use crate::bench::Bench;
use crate::harness::report::Outcome;

/// The connections of every load that is not about connections.
pub const CONNECTIONS: usize = 64;

/// The address that says whether a server lives.
pub const LIVE: &str = "/health/live";
/// The address that says who is asking.
pub const ME: &str = "/api/v1/users/me";

/// Something that is measured by itself.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// What is measured, and against what.
    pub measures: &'static str,
    /// What must hold, as ratios of one run.
    pub goal: &'static str,
    /// Measures it.
    pub run: fn(&Bench) -> Result<Outcome>,
}

/// Every case, in the order of a whole run.
pub const CASES: &[Case] = &[
    live::CASE,
    not_found::CASE,
    me::POSTGRES,
    me::SQLITE,
    password::LOGIN,
    password::SIGN_UP,
    refresh::CASE,
    flood::CASE,
    revocation::CASE,
    jobs::DRAIN,
    jobs::ENQUEUE,
    jobs::START,
];

/// The cases of these names, or all.
///
/// # Errors
/// When there is none of a name; with the names that there are.
pub fn chosen(names: &[String]) -> Result<Vec<Case>> {
    if names.is_empty() {
        return Ok(CASES.to_vec());
    }
    names
        .iter()
        .map(|name| match CASES.iter().find(|case| case.name == name) {
            Some(case) => Ok(*case),
            None => {
                let known: Vec<_> = CASES.iter().map(|case| case.name).collect();
                bail!("there is no case {name}; there are {}", known.join(", "))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{CASES, chosen};

    #[test]
    fn cases_are_found_by_their_names_and_unknown_ones_are_told() {
        assert_eq!(chosen(&[]).map(|cases| cases.len()).ok(), Some(CASES.len()));
        for case in CASES {
            let found = chosen(&[case.name.to_owned()]).expect("it is there");
            assert_eq!(found.iter().map(|case| case.name).collect::<Vec<_>>(), [case.name]);
        }
        let error = chosen(&["nothing".to_owned()]).err().map(|error| error.to_string());
        assert!(
            error.is_some_and(|error| error.starts_with("there is no case nothing; there are "))
        );
    }
}
