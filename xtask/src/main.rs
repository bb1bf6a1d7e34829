//! The project's chores as one command: `cargo xtask`.
//!
//! What a person reads goes to the standard error; the standard output is for programs.

#![expect(clippy::doc_markdown, reason = "the comments of the arguments are the text of --help")]

mod bench;
mod ci;
mod debian;
mod instructions;
mod layers;
mod openapi;
mod postgres;
mod prepare;
mod program;
mod suite;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use instructions::Purpose;

/// Doorward's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Runs all tests, with a throwaway PostgreSQL server.
    ///
    /// The server comes from an installed PostgreSQL, or from Docker; root on Debian or Ubuntu gets
    /// the package installed. With TEST_DATABASE_URL set, that server is used and none is started;
    /// its user must be allowed to create databases.
    Test {
        /// Runs only the domain's and the application's tests, which need no database.
        #[arg(long)]
        fast: bool,
        /// What to pass to the test runner, such as a filter; leaves out the documentation tests.
        #[arg(last = true)]
        runner: Vec<String>,
    },
    /// Regenerates the metadata that the SQL queries are checked against without a database.
    Prepare {
        /// Changes nothing, and fails when the committed metadata is not what would be generated.
        #[arg(long)]
        check: bool,
    },
    /// Checks that the packages depend on each other, and on others, only as the layers allow.
    Layers,
    /// Regenerates openapi.json, the document that servers give, from the handlers.
    Openapi {
        /// Changes nothing, and fails when the committed document is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Measures Doorward beside the limits of its own parts, with a throwaway PostgreSQL server.
    ///
    /// Builds releases, and needs Linux and wrk; root on Debian or Ubuntu gets wrk installed.
    Bench(bench::Options),
    /// Counts the instructions of the hot paths with valgrind, and shows them beside their budgets.
    ///
    /// Root on Debian or Ubuntu gets valgrind installed. Counts differ from compiler to compiler and
    /// between kinds of processors, so there are budgets for Linux on x86-64 alone.
    Instructions {
        /// Fails when a path is more than 3 % above or 10 % below its budget.
        #[arg(long)]
        check: bool,
        /// Writes the budgets of what changed.
        #[arg(long, conflicts_with = "check")]
        update: bool,
    },
    /// Runs every check that a change must pass, and stops at the first that fails.
    Ci {
        /// Leaves out the tests, for who has just run them.
        #[arg(long)]
        no_test: bool,
    },
    /// Runs a PostgreSQL server for development, which keeps its data.
    Db {
        #[command(subcommand)]
        request: postgres::Request,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match program::watch_signals().and_then(|()| perform(arguments.chore)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref::<program::Interrupted>() {
                Some(interrupted) => ExitCode::from(interrupted.exit_status()),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn perform(chore: Chore) -> Result<()> {
    match chore {
        Chore::Test { fast: false, runner } => suite::run_all(&runner),
        Chore::Test { fast: true, runner } => suite::run_fast(&runner),
        Chore::Prepare { check } => prepare::prepare(check),
        Chore::Layers => layers::check(),
        Chore::Openapi { check } => openapi::generate(check),
        Chore::Bench(options) => bench::run(&options),
        Chore::Instructions { check: true, .. } => instructions::run(Purpose::Check),
        Chore::Instructions { update: true, .. } => instructions::run(Purpose::Update),
        Chore::Instructions { .. } => instructions::run(Purpose::Show),
        Chore::Ci { no_test } => ci::run(no_test),
        Chore::Db { request } => postgres::serve(request),
    }
}
