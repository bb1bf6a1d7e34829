//! `cargo xtask ci`: every check that a change must pass.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::instructions::Purpose;
use crate::{bench, instructions, layers, openapi, prepare, program, suite};

/// A check, with the command that does the same alone.
struct Step {
    name: &'static str,
    reproduce: &'static str,
    perform: fn() -> Result<()>,
}

/// The quick checks come first.
const STEPS: [Step; 9] = [
    Step {
        name: "format",
        reproduce: "cargo fmt --all --check",
        perform: || program::run(&mut program::cargo(["fmt", "--all", "--check"])),
    },
    Step { name: "layers", reproduce: "cargo xtask layers", perform: layers::check },
    Step {
        name: "clippy",
        reproduce: "cargo clippy --workspace --all-targets -- -D warnings",
        perform: || program::run(&mut clippy()),
    },
    Step {
        name: "queries",
        reproduce: "cargo xtask prepare --check",
        perform: || prepare::prepare(true),
    },
    Step {
        name: "openapi",
        reproduce: "cargo xtask openapi --check",
        perform: || openapi::generate(true),
    },
    Step { name: TEST, reproduce: "cargo xtask test", perform: || suite::run_all(&[]) },
    // What a change breaks of the benchmarks is seen at once, though nothing is measured here.
    Step {
        name: "bench",
        reproduce: "cargo clippy --manifest-path bench/Cargo.toml --target-dir target \
                    --all-targets -- -D warnings, then cargo test with the same",
        perform: bench::check,
    },
    Step {
        name: "docs",
        reproduce: "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --workspace",
        perform: || program::run(&mut documentation()),
    },
    Step {
        name: "budgets",
        reproduce: "cargo xtask instructions --check",
        perform: || instructions::run(Purpose::Check),
    },
];

const TEST: &str = "test";

/// Runs the checks in order, shows how long each took, and stops at the first that fails.
///
/// # Errors
/// The first failure, with the command that shows it again.
pub fn run(no_test: bool) -> Result<()> {
    let steps: Vec<&Step> = STEPS.iter().filter(|step| !(no_test && step.name == TEST)).collect();
    let mut report = Vec::new();
    let mut failure = None;
    for (index, step) in steps.iter().enumerate() {
        if failure.is_some() {
            report.push(line(step, "not run", None));
            continue;
        }
        eprintln!("\n[{}/{}] {}: {}", index + 1, steps.len(), step.name, step.reproduce);
        let begun = Instant::now();
        let outcome = (step.perform)();
        let took = Some(begun.elapsed());
        match outcome {
            Ok(()) => report.push(line(step, "ok", took)),
            Err(error) => {
                report.push(line(step, "FAILED", took));
                failure = Some((step.reproduce, error));
            }
        }
    }
    eprintln!("\n{}", report.join("\n"));
    match failure {
        None => Ok(()),
        Some((_, error)) if error.is::<program::Interrupted>() => Err(error),
        Some((reproduce, error)) => {
            Err(anyhow!("{error:#}\nTo see this failure again: {reproduce}"))
        }
    }
}

fn line(step: &Step, outcome: &str, took: Option<Duration>) -> String {
    let took = took.map_or_else(String::new, |took| format!("{:.1} s", took.as_secs_f32()));
    format!("{:<10}{:<9}{:>9}", step.name, outcome, took)
}

fn clippy() -> Command {
    program::cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn documentation() -> Command {
    let mut command = program::cargo(["doc", "--no-deps", "--workspace"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}
