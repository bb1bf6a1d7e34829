//! Walks one of Doorward's hot paths a number of times, so that its instructions can be counted.
//!
//! Without arguments it lists the paths, each after the number of walks that are worth counting. With
//! `PATH TIMES` it walks one. Everything is prepared for twice that number however often the path is
//! then walked: so two runs differ by nothing but walks, and the difference of their counts is what
//! those cost. All of it is in memory, and on one thread where the database allows that.

mod installation;
mod path;

use std::{env, process::ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::path::PATHS;

fn main() -> ExitCode {
    match perform(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(arguments: &[String]) -> Result<()> {
    let [name, times] = arguments else {
        ensure!(arguments.is_empty(), "say PATH TIMES, or nothing to see the paths");
        for path in &PATHS {
            println!("{} {}", path.walks, path.name);
        }
        return Ok(());
    };
    let Some(path) = PATHS.iter().find(|path| path.name == name) else {
        bail!("there is no path `{name}`");
    };
    let most = path.walks * 2;
    let times = times.parse().ok().filter(|times| *times <= most);
    let times = times.with_context(|| format!("TIMES is a number up to {most}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on((path.walk)(path, times)).with_context(|| format!("walking `{name}`"))
}
