//! The machine: which cores measure and which are measured.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity};
use serde::Serialize;

/// Some of the machine's cores.
#[derive(Clone, Debug, PartialEq)]
pub struct Cores(Vec<usize>);

impl Cores {
    /// As `taskset` and `cpuset` write it: `0,2,3`.
    pub fn list(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// A command that runs on these cores only, as do all that it starts.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", &self.list()]).arg(program);
        command
    }

    /// A command that runs another part of this very program on these cores only.
    ///
    /// # Errors
    /// When the operating system does not tell where this program is.
    pub fn own_program(&self) -> Result<Command> {
        Ok(self.command(std::env::current_exe().context("this program's file is unknown")?))
    }

    /// Moves a process that runs already, with all its threads, to these cores.
    ///
    /// # Errors
    /// When `taskset` fails, for instance because the process has ended.
    pub fn pin(&self, process: u32) -> Result<()> {
        let mut command = Command::new("taskset");
        command.args(["-a", "-c", "-p", &self.list(), &process.to_string()]);
        let output = command.output().context("`taskset` cannot be started")?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!("process {process} cannot be moved to core {}: {}", self.list(), why.trim());
        }
        Ok(())
    }
}

/// How the cores are divided: what is measured and its database share one core, so that "per second"
/// means one core's work, and who makes the load has the others.
#[derive(Clone, Debug)]
pub struct Machine {
    /// For what is measured, and its database.
    pub server: Cores,
    /// For the load generators.
    pub load: Cores,
    /// All of them.
    pub all: Cores,
}

impl Machine {
    /// Divides the cores that this process may use.
    ///
    /// # Errors
    /// When this is not Linux, or `taskset` is missing.
    pub fn divide() -> Result<Self> {
        if Command::new("taskset").arg("--version").output().is_err() {
            bail!("`taskset` is missing; it is in the package util-linux, and needs Linux");
        }
        let allowed = sched_getaffinity(None)?;
        let cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
        Ok(Self::divided(cores))
    }

    fn divided(all: Vec<usize>) -> Self {
        let (server, load) = all.split_at(1.min(all.len()));
        let load = if load.is_empty() { server } else { load };
        Self { server: Cores(server.to_vec()), load: Cores(load.to_vec()), all: Cores(all) }
    }

    /// What was done with the cores, in a sentence.
    pub fn arrangement(&self) -> String {
        if self.server == self.load {
            return "There is one core only: the load takes part of it, so ratios are flattered."
                .to_owned();
        }
        format!(
            "Servers and database on core {}, load on core {}.",
            self.server.list(),
            self.load.list()
        )
    }
}

/// What the figures were measured on and with.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// The commit of Doorward, with `-dirty` if files differed from it.
    pub commit: String,
    /// The model of the processor and the number of cores.
    pub machine: String,
    pub kernel: String,
    pub rustc: String,
    pub postgres: String,
    /// When the run began, by RFC 3339.
    pub date: String,
    /// How many others wanted a core when the run began: the load average of the last minute.
    pub load_average: String,
}

impl Environment {
    /// Looks around; what cannot be found out is called unknown.
    pub fn look(machine: &Machine, postgres: String) -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").ok();
        let model = processor.as_deref().and_then(model).unwrap_or("unknown processor");
        let date = time::UtcDateTime::now();
        let average = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            commit: answer("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
            machine: format!("{model}, {} cores", machine.all.count()),
            kernel: answer("uname", &["-sr"]),
            rustc: answer("rustc", &["--version"]),
            postgres,
            date: date
                .format(&time::format_description::well_known::Rfc3339)
                .unwrap_or_else(|_| "unknown".to_owned()),
            load_average: average.split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

fn model(processor: &str) -> Option<&str> {
    let line = processor.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

fn answer(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_core_is_measured_and_the_others_make_the_load() {
        let machine = Machine::divided(vec![2, 3, 5]);
        assert_eq!((machine.server.list(), machine.load.list()), ("2".into(), "3,5".into()));
        let single = Machine::divided(vec![0]);
        assert_eq!(single.server, single.load);
    }

    #[test]
    fn the_model_is_read() {
        assert_eq!(model("processor\t: 0\nmodel name\t: AMD EPYC\n"), Some("AMD EPYC"));
        assert_eq!(model(""), None);
    }
}
