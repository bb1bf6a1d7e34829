//! Walks one of Doorward's hot paths so that its instructions can be counted.
//!
//! Without arguments it lists the paths, each after the number of its walks. With the name of one it
//! prepares everything, walks the path as often once for practice, and then again in [`counted`], which
//! is where callgrind counts. It counts that function's thread alone; so all of it is in memory.

mod installation;
mod path;

use std::{env, hint::black_box, process::ExitCode};

use anyhow::{Context, Result, bail, ensure};
use tokio::runtime::Runtime;

use crate::path::{PATHS, Walk};

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
    let [name] = arguments else {
        ensure!(arguments.is_empty(), "say which PATH to walk, or nothing to see them");
        for path in &PATHS {
            println!("{} {}", path.walks, path.name);
        }
        return Ok(());
    };
    let Some(path) = PATHS.iter().find(|path| path.name == name) else {
        bail!("there is no path `{name}`");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let walked = runtime.block_on((path.prepare)(path.walks)).and_then(|(practice, walk)| {
        runtime.block_on(practice)?;
        counted(&runtime, walk)
    });
    walked.with_context(|| format!("walking `{name}`"))
}

/// The name of this function is what callgrind is told. It is one of its own in the binary, and it is not
/// left before the walk is over, as it were by a jump at its end.
#[inline(never)]
fn counted(runtime: &Runtime, walk: Walk) -> Result<()> {
    black_box(runtime.block_on(walk))
}
