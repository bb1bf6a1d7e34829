//! The cases: each says what it measures, and what its goal is, in a sentence.

mod cold;
mod connections;
mod flood;
mod growth;
mod jobs;
mod list;
mod live;
mod me;
mod not_found;
mod password;
mod peers;
mod refresh;
mod revocation;
mod size;

use anyhow::{Context as _, Result};

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
    list::POSTGRES,
    list::SQLITE,
    growth::POSTGRES,
    growth::SQLITE,
    cold::CASE,
    connections::CASE,
    size::CASE,
    jobs::DRAIN,
    jobs::ENQUEUE,
    jobs::START,
];

/// The cases that need what people would pick instead: part of a run only when they are asked for.
pub const PEERS: &[Case] = &[peers::ME, peers::LOGIN, peers::SIGN_UP];

/// The cases of these names; without any, all, and those with peers if they are wanted.
///
/// # Errors
/// When there is none of a name; with the names that there are.
pub fn chosen(names: &[String], peers: bool) -> Result<Vec<Case>> {
    if names.is_empty() {
        let peers = PEERS.iter().filter(|_| peers);
        return Ok(CASES.iter().chain(peers).copied().collect());
    }
    names
        .iter()
        .map(|name| {
            let case = all().find(|case| case.name == name).copied();
            case.with_context(|| {
                let known: Vec<_> = all().map(|case| case.name).collect();
                format!("there is no case {name}; there are {}", known.join(", "))
            })
        })
        .collect()
}

/// Every case that there is.
pub fn all() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(PEERS)
}

#[cfg(test)]
mod tests {
    use super::{CASES, PEERS, all, chosen};

    #[test]
    fn cases_are_found_by_their_names_and_unknown_ones_are_told() {
        for (peers, count) in [(false, CASES.len()), (true, CASES.len() + PEERS.len())] {
            assert_eq!(chosen(&[], peers).map(|cases| cases.len()).ok(), Some(count));
        }
        for case in all() {
            let found = chosen(&[case.name.to_owned()], false).expect("it is there");
            assert_eq!(found.iter().map(|case| case.name).collect::<Vec<_>>(), [case.name]);
        }
        let error = chosen(&["nothing".to_owned()], false).err().map(|error| error.to_string());
        assert!(
            error.is_some_and(|error| error.starts_with("there is no case nothing; there are "))
        );
    }
}
