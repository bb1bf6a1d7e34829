//! `cargo xtask bench`: Doorward measured beside what bounds it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::postgres::Throwaway;
use crate::{program, workspace};

const MANIFEST: &str = "bench/Cargo.toml";

/// What is measured; the program in `bench/` knows what it means.
#[derive(Debug, Args)]
pub struct Options {
    /// The cases to measure; all of them if none is named.
    names: Vec<String>,
    /// Fewer and shorter rounds, for a look while something is changed.
    #[arg(long)]
    quick: bool,
    /// Also writes everything to a file, for programs; anew after each case.
    #[arg(long, value_name = "FILE")]
    json: Option<String>,
    /// Also measures what people would pick instead; installs it with its package manager.
    #[arg(long)]
    peers: bool,
    /// Only tells which cases there are.
    #[arg(long)]
    list: bool,
}

/// Checks the form of the benchmarks' code; they are a workspace of their own, which no other check reaches.
/// Their tests, of how figures are read and compared, are for whoever changes them: to link all that is
/// compared would take CI minutes.
///
/// # Errors
/// When one of the checks fails.
pub fn check() -> Result<()> {
    program::run(&mut program::cargo(["fmt", "--check", "--manifest-path", MANIFEST]))?;
    // Most of what both workspaces need is built for the other checks already.
    let mut clippy = program::cargo(["clippy", "--manifest-path", MANIFEST, "--target-dir"]);
    clippy.arg(workspace::target()?);
    program::run(clippy.args(["--all-targets", "--", "-D", "warnings"]))
}

/// Builds Doorward and the benchmarks as releases, and runs these with a PostgreSQL server of their own.
///
/// # Errors
/// When something does not build, there is no PostgreSQL, or a case fails.
pub fn run(options: &Options) -> Result<()> {
    let own_target = own_target()?;
    let mut build = program::cargo(["build", "--release", "--manifest-path", MANIFEST]);
    program::run(build.arg("--target-dir").arg(&own_target))?;
    let mut bench = Command::new(own_target.join("release/doorward-bench"));
    bench.arg("run").args(&options.names);
    for (name, given) in
        [("--quick", options.quick), ("--peers", options.peers), ("--list", options.list)]
    {
        if given {
            bench.arg(name);
        }
    }
    if let Some(file) = &options.json {
        bench.args(["--json", file]);
    }
    if options.list {
        return program::run(&mut bench);
    }
    program::run(&mut program::cargo(["build", "--release", "-p", "doorward-server"]))?;
    let server = Throwaway::start_measured()?;
    // The URL has a password, and a command line is visible to everybody.
    let doorward = workspace::target()?.join("release/doorward");
    program::run(bench.arg("--doorward").arg(doorward).env("DATABASE_URL", server.url()))
}

/// Releases are built apart, so that each can be deleted without the other.
fn own_target() -> Result<PathBuf> {
    Ok(workspace::target()?.join("bench"))
}
