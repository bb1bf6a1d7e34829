//! Programs that are measured: started, awaited, looked at, stopped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::interrupt;
use super::procfs::{self, Usage};

/// How long a server may take until it answers.
const START: Duration = Duration::from_mins(1);
/// How long a server may go on working when nothing is asked of it.
const CALM: Duration = Duration::from_secs(15);
/// How long a server must be still to count as calm.
const GLANCE: Duration = Duration::from_millis(100);
/// How long a server may take to end when asked.
const END: Duration = Duration::from_secs(15);
/// How often a server that starts is asked whether it is ready.
const POLL: Duration = Duration::from_millis(20);
/// How much of the log a failure shows.
const LINES_SHOWN: usize = 15;

/// A server that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that writes both its outputs to a file.
    ///
    /// # Errors
    /// When the program or the file is not there.
    pub fn start(name: &str, command: &mut Command, log: PathBuf) -> Result<Self> {
        let file =
            File::create(&log).with_context(|| format!("{} cannot be made", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = interrupt::start(|| command.spawn(), |child| group(child.id()))
            .with_context(|| format!("{name} cannot be started: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Waits until a GET of the address is answered with success.
    ///
    /// # Errors
    /// When the program ends or does not answer within a minute; with the end of its log.
    pub fn ready(&mut self, url: &str) -> Result<()> {
        let agent = super::http::patient_agent();
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at its start ({status}):\n{}", self.name, self.last_lines());
            }
            if agent.get(url).call().is_ok() {
                return Ok(());
            }
            if begun.elapsed() > START {
                bail!("{} does not answer at {url}:\n{}", self.name, self.last_lines());
            }
            thread::sleep(POLL);
        }
    }

    /// What it and its children have used so far.
    ///
    /// # Errors
    /// When it has ended; with the end of its log.
    pub fn usage(&self) -> Result<Usage> {
        procfs::usage(self.child.id())
            .map_err(|_| anyhow!("{} has died:\n{}", self.name, self.last_lines()))
    }

    /// Waits until it does nothing any more: what was asked of it by a load that has ended must not be
    /// done during the next one, or count against the next subject.
    ///
    /// # Errors
    /// When it has died, or is still busy after 15 seconds.
    pub fn settle(&self) -> Result<()> {
        let begun = Instant::now();
        let mut before = self.usage()?.cpu;
        while begun.elapsed() < CALM {
            thread::sleep(GLANCE);
            let now = self.usage()?.cpu;
            // A hundredth of a second is the least that Linux tells.
            if now.saturating_sub(before) <= GLANCE / 5 {
                return Ok(());
            }
            before = now;
        }
        bail!("{} is busy though nothing is asked of it:\n{}", self.name, self.last_lines())
    }

    /// The process' id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as a supervisor would, and waits.
    ///
    /// # Errors
    /// When it has not ended within 15 seconds; it is killed then.
    pub fn stop(mut self) -> Result<()> {
        if let Some(process) = group(self.child.id()) {
            // One that has ended already need not be asked.
            let _ = kill_process(process, Signal::TERM);
        }
        let begun = Instant::now();
        while begun.elapsed() < END {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        bail!("{} did not end when asked:\n{}", self.name, self.last_lines())
    }

    fn last_lines(&self) -> String {
        last_lines(&fs::read(&self.log).unwrap_or_default())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = group(self.child.id()) {
            // What has ended already cannot be killed, and need not be.
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.child.wait();
            interrupt::forget(group);
        }
        // With a line for each request it fills disks; a failure has shown its end already.
        let _ = fs::remove_file(&self.log);
    }
}

/// Runs a program to its end and gives what it wrote and the processor time that it took.
///
/// # Errors
/// When it cannot be started or fails; with what it wrote.
pub fn run(command: &mut Command) -> Result<Finished> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let own = std::process::id();
    let child = interrupt::start(|| command.spawn(), |child| group(child.id()))
        .with_context(|| format!("cannot be started: {command:?}"))?;
    let leader = group(child.id());
    let before = waited_for(own);
    let output = child.wait_with_output();
    if let Some(leader) = leader {
        interrupt::forget(leader);
    }
    let output = output?;
    if !output.status.success() {
        bail!("{command:?} failed ({}):\n{}", output.status, both(&output));
    }
    let cpu = waited_for(own).saturating_sub(before);
    Ok(Finished { output: String::from_utf8_lossy(&output.stdout).into_owned(), cpu })
}

/// A program that has run to its end.
#[derive(Debug)]
pub struct Finished {
    /// Its standard output.
    pub output: String,
    /// The time that it had a processor.
    pub cpu: Duration,
}

/// The processor time of this program's children that have ended.
fn waited_for(own: u32) -> Duration {
    procfs::of_ended_children(own).unwrap_or_default()
}

/// A port of the loopback address that nothing listens on at this moment.
///
/// # Errors
/// When the operating system has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether a program is on the `PATH`.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

fn group(process: u32) -> Option<Pid> {
    i32::try_from(process).ok().and_then(Pid::from_raw)
}

fn both(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    last_lines(&text)
}

fn last_lines(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_dies_at_its_start_shows_its_last_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo the port is taken >&2; exit 3"]);
        let mut process =
            Process::start("thing", &mut shell, folder.path().join("log")).expect("a shell starts");
        let error = process.ready("http://127.0.0.1:1/").expect_err("it has ended").to_string();
        assert!(error.contains("thing ended at its start"), "{error}");
        assert!(error.contains("the port is taken"), "{error}");
    }

    #[test]
    fn a_program_that_fails_shows_what_it_wrote() {
        let mut shell = Command::new("sh");
        let error =
            run(shell.args(["-c", "echo out; echo err >&2; exit 1"])).expect_err("it fails");
        assert!(error.to_string().ends_with("out\nerr"), "{error}");
    }

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        let log = (0..100).map(|line| line.to_string()).collect::<Vec<_>>().join("\n");
        assert!(last_lines(log.as_bytes()).starts_with("85\n"));
    }
}
