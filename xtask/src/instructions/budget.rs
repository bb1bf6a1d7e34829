//! What each path may take, as it is committed.

use std::fmt::{self, Display};

use anyhow::{Context, Result, ensure};

/// How far above its budget a path may be, in percent.
const OVER: u64 = 3;
/// How far below its budget a path may be, in percent.
const UNDER: u64 = 10;
/// What differs less than this from run to run is not worth a diff, in percent.
const NOISE: u64 = 1;

const HEAD: &str = "\
# Instructions of each hot path, for one walk. Made by `cargo xtask instructions --update`, checked by CI.
";

/// How a count stands to its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Kept,
    Over,
    Under,
    Unknown,
}

/// The budgets in the order of their file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budgets(Vec<(String, u64)>);

impl Budgets {
    /// Reads lines of a count and the path's name; those that begin with `#` are comments.
    ///
    /// # Errors
    /// The first line that is neither, or that names a path again.
    pub fn parse(text: &str) -> Result<Self> {
        let mut budgets = Self(Vec::new());
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = at + 1;
            let entry = line.split_once(' ').and_then(|(count, path)| {
                let count = count.parse().ok().filter(|count| *count > 0)?;
                Some((path.trim().to_owned(), count))
            });
            let (path, count) = entry
                .with_context(|| format!("line {number} is no count and the name of a path"))?;
            ensure!(budgets.of(&path).is_none(), "line {number} names `{path}` again");
            budgets.0.push((path, count));
        }
        Ok(budgets)
    }

    pub fn of(&self, path: &str) -> Option<u64> {
        self.0.iter().find(|(name, _)| name == path).map(|(_, count)| *count)
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub fn judge(&self, path: &str, measured: u64) -> Verdict {
        match self.of(path) {
            None => Verdict::Unknown,
            Some(budget) if measured * 100 > budget * (100 + OVER) => Verdict::Over,
            Some(budget) if measured * 100 < budget * (100 - UNDER) => Verdict::Under,
            Some(_) => Verdict::Kept,
        }
    }

    /// Budgets for exactly what was measured. One that differs by noise alone stays as it is.
    pub fn updated(&self, measured: &[(String, u64)]) -> Self {
        let follow = |(path, count): &(String, u64)| {
            let kept = self.of(path).filter(|old| old.abs_diff(*count) * 100 <= old * NOISE);
            (path.clone(), kept.unwrap_or(*count))
        };
        Self(measured.iter().map(follow).collect())
    }
}

/// The file.
impl Display for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        self.0.iter().try_for_each(|(path, count)| writeln!(f, "{count:>9} {path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets(entries: &[(&str, u64)]) -> Budgets {
        Budgets(entries.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let written = budgets(&[("GET /users, 100 of them", 1_234_567), ("a path", 1)]);
        assert_eq!(Budgets::parse(&written.to_string()).unwrap(), written);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        for (text, complaint) in [
            ("# fine\n\nGET /users", "line 3 is no count"),
            ("12", "line 1 is no count"),
            ("0 nothing is free", "line 1 is no count"),
            ("1 a\n2 b\n3 a", "line 3 names `a` again"),
        ] {
            let error = Budgets::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(complaint), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_budget_is_exceeded_and_undercut_by_more_than_its_tolerance() {
        let budgets = budgets(&[("me", 10_000)]);
        for (measured, verdict) in [
            (8_999, Verdict::Under),
            (9_000, Verdict::Kept),
            (10_300, Verdict::Kept),
            (10_301, Verdict::Over),
        ] {
            assert_eq!(budgets.judge("me", measured), verdict, "{measured}");
        }
        assert_eq!(budgets.judge("you", 1), Verdict::Unknown);
    }

    #[test]
    fn an_update_follows_what_changed_and_leaves_noise_alone() {
        let measured = [("noise", 10_100), ("better", 9_000), ("new", 5)]
            .map(|(path, count)| (path.to_owned(), count));
        let updated =
            budgets(&[("gone", 1), ("better", 10_000), ("noise", 10_000)]).updated(&measured);
        assert_eq!(updated, budgets(&[("noise", 10_000), ("better", 9_000), ("new", 5)]));
    }
}
