//! Doorward beside the limits of its own parts, and beside what people would pick instead, measured in
//! one run on one machine. Only ratios count: absolute figures are those of a machine and an hour.
//!
//! What a person watches goes to the standard error; the table goes to the standard output.

mod bench;
mod cases;
mod doorward;
mod harness;
mod peer;
mod postgres;
mod queue_work;
mod refresh_load;
mod seed;
mod yardstick;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

use self::bench::Bench;
use self::cases::Case;
use self::harness::machine::{Environment, Machine};
use self::harness::report::{CaseReport, Report};
use self::harness::rounds::Pace;
use self::harness::{interrupt, table, wrk};
use self::postgres::Postgres;
use self::yardstick::hash_rate;

/// Doorward's benchmarks; run them with `cargo xtask bench`.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Measures cases, all of them unless some are named.
    Run(Run),
    /// Serves one of the things that Doorward is compared with.
    Yardstick(yardstick::Options),
    /// Hashes passwords, and tells how many.
    HashRate(hash_rate::Options),
    /// Makes the load of sessions that are refreshed again and again.
    RefreshLoad(refresh_load::Options),
    /// Fills, drains or measures a queue of jobs.
    QueueWork(queue_work::Options),
}

#[derive(Debug, Args)]
struct Run {
    /// The cases to measure.
    names: Vec<String>,
    /// Fewer and shorter rounds, for a look while something is changed.
    #[arg(long)]
    quick: bool,
    /// Also writes everything to a file, for programs; anew after each case.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also measures what people would pick instead; installs it with its package manager.
    #[arg(long)]
    peers: bool,
    /// Only tells which cases there are.
    #[arg(long)]
    list: bool,
    /// The release binary of Doorward.
    #[arg(long, value_name = "PATH", required_unless_present = "list")]
    doorward: Option<PathBuf>,
    /// A PostgreSQL server on this machine with its default settings, where databases can be made.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, required_unless_present = "list")]
    database_url: Option<String>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().part {
        Part::Run(options) if options.list => {
            list();
            Ok(true)
        }
        Part::Run(options) => run(options),
        Part::Yardstick(options) => yardstick::serve(&options).map(|()| true),
        Part::HashRate(options) => hash_rate::run(&options).map(|()| true),
        Part::RefreshLoad(options) => refresh_load::run(&options).map(|()| true),
        Part::QueueWork(options) => queue_work::run(&options).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        // The failures are in the table.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    for case in cases::all() {
        println!("{:<14}{}\n{:<14}goal: {}", case.name, case.measures, "", case.goal);
    }
}

/// Measures and reports; false when a case failed.
fn run(options: Run) -> Result<bool> {
    let cases = cases::chosen(&options.names, options.peers)?;
    wrk::install()?;
    let machine = Machine::divide()?;
    // What the harness itself asks for must not disturb what is measured.
    machine.load.pin(std::process::id())?;
    let folder = tempfile::Builder::new().prefix("doorward-bench-").tempdir()?;
    interrupt::watch(folder.path().to_path_buf())?;
    let doorward = options.doorward.context("--doorward is missing")?;
    let doorward = fs::canonicalize(&doorward)
        .with_context(|| format!("{} is not there", doorward.display()))?;
    let url = options.database_url.context("--database-url is missing")?;
    let bench = Bench {
        postgres: Postgres::at(url, &machine.server)?,
        machine,
        pace: if options.quick { Pace::QUICK } else { Pace::FULL },
        peers: options.peers,
        doorward,
        folder: folder.path().to_path_buf(),
        files: AtomicUsize::new(0),
    };
    let mut report = Report {
        environment: Environment::look(&bench.machine, bench.postgres.about.clone()),
        arrangement: bench.machine.arrangement(),
        rounds: bench.pace.rounds,
        peers: bench.peers,
        seconds_per_round: bench.pace.measured,
        cases: Vec::new(),
        failures: Vec::new(),
    };
    eprintln!("{}", report.arrangement);
    for (nth, case) in cases.iter().enumerate() {
        eprintln!("\n[{}/{}] {}: {}", nth + 1, cases.len(), case.name, case.measures);
        match measure(&bench, case) {
            Ok(done) => report.cases.push(done),
            Err(error) => {
                eprintln!("FAILED  {error:#}");
                report.failures.push(format!("{}: {error:#}", case.name));
            }
        }
        // After each case, so that a run that is broken off leaves what it has measured.
        if let Some(file) = &options.json {
            write(&report, file)?;
        }
    }
    print!("{}", table::render(&report));
    Ok(report.failures.is_empty())
}

fn write(report: &Report, file: &Path) -> Result<()> {
    let json = serde_json::to_string_pretty(report)?;
    fs::write(file, json + "\n").with_context(|| format!("{} cannot be written", file.display()))
}

fn measure(bench: &Bench, case: &Case) -> Result<CaseReport> {
    bench.postgres.checkpoint()?;
    let outcome = (case.run)(bench)?;
    ensure!(
        !outcome.rows.is_empty() || !outcome.findings.is_empty(),
        "nothing was measured; that is a defect of the case"
    );
    Ok(CaseReport { case: case.name, measures: case.measures, goal: case.goal, outcome })
}
