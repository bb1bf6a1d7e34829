//! `cargo xtask test`: the whole test suite.

use anyhow::Result;

use crate::postgres::{OVERRIDE, Throwaway};
use crate::program;

/// The packages whose tests need no database, and end in seconds.
const FAST: [&str; 4] = ["-p", "doorward-domain", "-p", "doorward-app"];

/// Runs every test of the workspace, with a PostgreSQL server.
///
/// # Errors
/// When a test fails or there is no PostgreSQL.
pub fn run_all(runner_arguments: &[String]) -> Result<()> {
    let server = Throwaway::start()?;
    run(&["--workspace"], runner_arguments, Some(&server))
}

/// Runs the domain's and the application's tests.
///
/// # Errors
/// When a test fails.
pub fn run_fast(runner_arguments: &[String]) -> Result<()> {
    run(&FAST, runner_arguments, None)
}

fn run(packages: &[&str], runner_arguments: &[String], server: Option<&Throwaway>) -> Result<()> {
    let nextest = program::answers(&mut program::cargo(["nextest", "--version"]));
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    let mut tests = program::cargo(runner);
    tests.args(packages).args(runner_arguments);
    // Only cargo's own runner runs the examples in the documentation.
    let mut examples = program::cargo(["test", "--doc", "--quiet"]);
    examples.args(packages);
    if let Some(server) = server {
        tests.env(OVERRIDE, server.url());
        examples.env(OVERRIDE, server.url());
    }
    if runner_arguments.is_empty() {
        tests.arg("--no-fail-fast");
        if nextest {
            // They come first, so that the last lines are the summary of the whole suite.
            program::run(&mut examples)?;
        }
    }
    program::run(&mut tests)
}
