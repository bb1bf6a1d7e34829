//! Counting instructions with valgrind's callgrind.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{debian, program};

/// Whether a count of this machine can be held against the committed ones.
pub const fn counts_alike() -> bool {
    cfg!(all(target_os = "linux", target_arch = "x86_64"))
}

/// Makes sure that valgrind is there; root on Debian or Ubuntu gets it installed.
///
/// # Errors
/// When it is not and cannot be installed; the message says what to install.
pub fn provide() -> Result<()> {
    if program::answers(Command::new("valgrind").arg("--version")) {
        return Ok(());
    }
    if !debian::can_install() {
        bail!("valgrind was not found: install it (Debian: `apt-get install valgrind`).");
    }
    debian::install("valgrind").context("valgrind could not be installed")
}

/// Where the program counts.
const COUNTED: &str = "xtask_instructions::counted";

/// How many instructions the program takes to walk a path as often as it does.
///
/// # Errors
/// When it fails, or callgrind finds nothing to count in it.
pub fn count(program: &Path, path: &str) -> Result<u64> {
    let profile = tempfile::Builder::new().prefix("callgrind.").tempfile()?;
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", profile.path().display()))
        .arg(program)
        .arg(path);
    program::run_quietly(&mut valgrind)?;
    let total = total(&fs::read_to_string(profile.path())?);
    total.filter(|total| *total > 0).with_context(|| {
        format!("callgrind counted nothing: does this valgrind find the function `{COUNTED}`?")
    })
}

fn total(profile: &str) -> Option<u64> {
    profile.lines().rev().find_map(|line| line.strip_prefix("totals:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_total_is_found_in_a_profile() {
        let profile =
            "version: 1\ncreator: callgrind-3.19.0\nevents: Ir\n\nfn=(1)\n1 2\n\ntotals: 4711\n";
        assert_eq!(total(profile), Some(4711));
        assert_eq!(total("events: Ir\n"), None);
    }
}
