//! `cargo xtask instructions`: how many instructions the hot paths take, held against what is committed.
//!
//! Times differ from run to run and from machine to machine; the instructions that callgrind counts
//! hardly do. So a change that makes a path dearer is seen before it is merged, even on a busy machine.

mod budget;
mod callgrind;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use self::budget::{Budgets, Verdict};
use crate::{program, workspace};

/// The budgets, from the workspace's root.
const BUDGETS: &str = "xtask/instructions/budgets.txt";
const PACKAGE: &str = "xtask-instructions";
/// The profile that the package is built with.
const PROFILE: &str = "instructions";

/// What becomes of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Show,
    /// Fail when a path is away from its budget.
    Check,
    /// Write the budgets of those that are.
    Update,
}

/// Counts every path and shows it beside its budget.
///
/// # Errors
/// When the paths do not build or cannot be walked, callgrind is not there, the budgets cannot be read
/// or written, and when a path is to be checked and away from its budget.
pub fn run(purpose: Purpose) -> Result<()> {
    if !callgrind::counts_alike() {
        eprintln!("Instructions are not counted here: their budgets are those of Linux on x86-64.");
        return Ok(());
    }
    let file = workspace::root().join(BUDGETS);
    let text = fs::read_to_string(&file).with_context(|| format!("{BUDGETS} cannot be read"))?;
    let budgets = Budgets::parse(&text).with_context(|| format!("{BUDGETS} cannot be read"))?;
    callgrind::provide()?;
    let program = build()?;
    let measured = measure(&program, &budgets)?;
    match purpose {
        Purpose::Show => Ok(()),
        Purpose::Update => {
            fs::write(&file, budgets.updated(&measured).to_string())?;
            eprintln!("{BUDGETS} is up to date.");
            Ok(())
        }
        Purpose::Check => check(&budgets, &measured),
    }
}

fn build() -> Result<PathBuf> {
    eprintln!("Building the hot paths …");
    program::run(&mut program::cargo(["build", "--profile", PROFILE, "--package", PACKAGE]))?;
    Ok(workspace::target()?.join(PROFILE).join(PACKAGE))
}

/// Counts each path, and shows it as soon as it is.
fn measure(program: &Path, budgets: &Budgets) -> Result<Vec<(String, u64)>> {
    let paths = String::from_utf8(program::read(&mut Command::new(program))?)?;
    eprintln!("\n{:<34}{:>12}{:>12}{:>10}", "path", "budget", "measured", "change");
    let mut measured = Vec::new();
    for path in paths.lines() {
        let (walks, path) =
            path.split_once(' ').context("the program lists its paths unreadably")?;
        let each = callgrind::count(program, path)? / walks.parse::<u64>()?.max(1);
        eprintln!("{}", line(path, budgets.of(path), each));
        measured.push((path.to_owned(), each));
    }
    Ok(measured)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn line(path: &str, budget: Option<u64>, measured: u64) -> String {
    let (budget, change) = match budget {
        Some(budget) => {
            let change = (measured as f64 / budget as f64 - 1.0) * 100.0;
            (budget.to_string(), format!("{change:+.1} %"))
        }
        None => ("none".to_owned(), String::new()),
    };
    format!("{path:<34}{budget:>12}{measured:>12}{change:>10}")
}

fn check(budgets: &Budgets, measured: &[(String, u64)]) -> Result<()> {
    let mut faults: Vec<String> = measured
        .iter()
        .filter_map(|(path, count)| {
            let word = match budgets.judge(path, *count) {
                Verdict::Kept => return None,
                Verdict::Over => "takes more instructions than its budget",
                Verdict::Under => "got better: have the budget follow, so that it stays so",
                Verdict::Unknown => "has no budget yet",
            };
            Some(format!("{path}: {word}"))
        })
        .collect();
    let is_measured = |path: &str| measured.iter().any(|(name, _)| name == path);
    let gone = budgets.paths().filter(|path| !is_measured(path));
    faults.extend(gone.map(|path| format!("{path}: has a budget, but is no path any more")));
    if faults.is_empty() {
        eprintln!("Every path keeps its budget.");
        return Ok(());
    }
    bail!(
        "the budgets of instructions do not hold:\n  {}\nWhat is meant to cost this goes into {BUDGETS} \
         by `cargo xtask instructions --update`; CONTRIBUTING.md says how to find where it goes.",
        faults.join("\n  ")
    )
}
