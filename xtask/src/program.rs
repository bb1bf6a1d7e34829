//! Running other programs, and ending them in good order when a person presses Ctrl-C.
//!
//! Each program runs in a process group of its own, and every signal that ends a task is passed on
//! to that group, once. So it does not matter whether the signal came from the terminal, which
//! signals whole groups, or from a supervisor, which signals one process; and the task lives long
//! enough to stop the servers that it started. No program gets the terminal as its input: a read
//! from it would stop a group that is not the terminal's own.

use std::ffi::OsStr;
use std::fmt::Display;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{os::unix::process::CommandExt as _, thread};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::workspace;

/// The signal that asked this task to end, 0 before there was one.
static RECEIVED: AtomicI32 = AtomicI32::new(0);

/// The process group of the program that runs now.
static RUNNING: Mutex<Option<Pid>> = Mutex::new(None);

/// A signal asked the task to end.
#[derive(Debug)]
pub struct Interrupted {
    signal: i32,
}

impl Interrupted {
    /// The exit status that shells give to a program that this signal ended.
    pub fn exit_status(&self) -> u8 {
        u8::try_from(128 + self.signal).unwrap_or(1)
    }
}

impl Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "interrupted by signal {}", self.signal)
    }
}

impl std::error::Error for Interrupted {}

/// Begins to pass the signals on; called once, before the first program runs.
///
/// # Errors
/// When the operating system refuses the signal handlers.
pub fn watch_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            RECEIVED.store(signal, Ordering::SeqCst);
            if let (Some(group), Some(signal)) = (*running, Signal::from_named_raw(signal)) {
                // A group that has just ended cannot be signalled, and needs no signal.
                let _ = kill_process_group(group, signal);
            }
        }
    });
    Ok(())
}

/// Tells whether a signal has asked the task to end.
///
/// # Errors
/// [`Interrupted`] when one has.
pub fn interrupted() -> Result<(), Interrupted> {
    match RECEIVED.load(Ordering::SeqCst) {
        0 => Ok(()),
        signal => Err(Interrupted { signal }),
    }
}

/// `cargo` with these arguments, in the workspace's root.
pub fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(workspace::root());
    command
}

/// Runs a program whose output a person watches.
///
/// # Errors
/// When it cannot be started or fails, and [`Interrupted`] when a signal came.
pub fn run(command: &mut Command) -> Result<()> {
    let child = spawn(command)?;
    let status = finish(child)?.status;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a program and gives what it wrote to its standard output; its errors are for a person.
///
/// # Errors
/// As [`run`].
pub fn read(command: &mut Command) -> Result<Vec<u8>> {
    let child = spawn(command.stdout(Stdio::piped()))?;
    let output = finish(child)?;
    if !output.status.success() {
        bail!("`{}` failed ({})", line(command), output.status);
    }
    Ok(output.stdout)
}

/// Runs a program whose output matters only when it fails, and is then part of the error.
///
/// # Errors
/// As [`run`].
pub fn run_quietly(command: &mut Command) -> Result<()> {
    let child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    succeed(command, &finish(child)?)
}

/// Runs a program that tidies up: it takes place after a signal too, and no signal reaches it.
///
/// # Errors
/// When it cannot be started or fails.
pub fn tidy_up(command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null()).process_group(0);
    let output = command.output().with_context(|| unstartable(command))?;
    succeed(command, &output)
}

/// Whether a program can be run and succeeds; what it writes is dropped.
pub fn answers(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).process_group(0);
    command.output().is_ok_and(|output| output.status.success())
}

/// Starts a program unless a signal came before; the lock makes sure that none falls in between.
fn spawn(command: &mut Command) -> Result<Child> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    interrupted()?;
    let child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| unstartable(command))?;
    *running = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    Ok(child)
}

fn finish(child: Child) -> Result<Output> {
    let output = child.wait_with_output()?;
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = None;
    interrupted()?;
    Ok(output)
}

fn succeed(command: &Command, output: &Output) -> Result<()> {
    if !output.status.success() {
        bail!(
            "`{}` failed ({})\n{}{}",
            line(command),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }
    Ok(())
}

fn unstartable(command: &Command) -> String {
    format!("`{}` cannot be started", line(command))
}

/// A command as a person would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
