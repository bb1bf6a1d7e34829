//! Ending in good order when a person presses Ctrl-C.
//!
//! Every program that is started here leads a process group of its own. A signal kills these groups,
//! removes the folder with their files and ends the harness: a measurement that was broken off is
//! worth nothing, so there is nothing to save.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::{fs, process, thread};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The process groups that run now.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The folder that is removed at the end.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Begins to wait for the signals that end a program. The folder is what a signal must remove.
///
/// # Errors
/// When the operating system refuses the signal handlers.
pub fn watch(folder: PathBuf) -> Result<()> {
    // Only the first call counts, and there is only one.
    let _ = FOLDER.set(folder);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // The lock stays with this thread, so no other program is started after this.
            let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            for group in running.iter() {
                // A group that has just ended cannot be signalled, and needs no signal.
                let _ = kill_process_group(*group, Signal::KILL);
            }
            if let Some(folder) = FOLDER.get() {
                let _ = fs::remove_dir_all(folder);
            }
            eprintln!("\nStopped by signal {signal}.");
            process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Starts a program unless a signal came before, and remembers its group.
pub fn start<T, E>(
    spawn: impl FnOnce() -> Result<T, E>,
    group_of: impl FnOnce(&T) -> Option<Pid>,
) -> Result<T, E> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let started = spawn()?;
    running.extend(group_of(&started));
    Ok(started)
}

/// Forgets a group whose leader has ended.
pub fn forget(group: Pid) {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|running| *running != group);
}
