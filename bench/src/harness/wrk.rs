//! `wrk`, the load generator, and what it prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::geteuid;

use super::machine::Machine;
use super::process;

/// What every answer must be. A case whose answers are others measures something else, and fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expected {
    /// A status below 400.
    Success,
    /// A status of 400 or above.
    Refusal,
    /// Either: what matters is measured elsewhere.
    Any,
}

/// A load of requests over connections that are kept alive, each of which sends its next request when
/// the last one is answered.
#[derive(Clone, Debug)]
pub struct Load {
    /// The address of a plain GET; with a script, the server.
    pub url: String,
    pub connections: usize,
    /// A Lua script that makes the requests.
    pub script: Option<PathBuf>,
    pub expected: Expected,
}

/// What a load has seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Requests that were answered.
    pub requests: u64,
    /// Answers a second.
    pub throughput: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// Answers with a status of 400 or above.
    pub refused: u64,
    /// Connections that could not be made, broke, or kept a request waiting for more than two seconds.
    pub broken: u64,
    /// Processor time that the load itself took.
    pub load_cpu: Duration,
}

impl Load {
    /// A GET of one address.
    pub fn get(url: String, connections: usize) -> Self {
        Self { url, connections, script: None, expected: Expected::Success }
    }

    /// Requests that a script makes.
    pub fn scripted(server: String, connections: usize, script: PathBuf) -> Self {
        Self { script: Some(script), ..Self::get(server, connections) }
    }

    /// Makes the load for so many whole seconds.
    ///
    /// # Errors
    /// When `wrk` fails, a connection broke or an answer was not as expected.
    pub fn run(&self, machine: &Machine, seconds: u64) -> Result<Measured> {
        let mut command = machine.load.command("wrk");
        command.args(["-t1", "--latency", "--timeout", "10s"]);
        command.arg(format!("-c{}", self.connections)).arg(format!("-d{seconds}s"));
        if let Some(script) = &self.script {
            command.arg("-s").arg(script);
        }
        let finished = process::run(command.arg(&self.url))?;
        let measured = parse(&finished.output)
            .with_context(|| format!("wrk printed what is not understood:\n{}", finished.output))?;
        let measured = Measured { load_cpu: finished.cpu, ..measured };
        self.check(&measured).with_context(|| finished.output)?;
        Ok(measured)
    }

    fn check(&self, measured: &Measured) -> Result<()> {
        ensure!(measured.broken == 0, "{}: {} connections broke", self.url, measured.broken);
        let wrong = match self.expected {
            Expected::Success => measured.refused,
            Expected::Refusal => measured.requests.saturating_sub(measured.refused),
            Expected::Any => 0,
        };
        ensure!(
            wrong == 0,
            "{}: {wrong} of {} answers had the wrong status",
            self.url,
            measured.requests
        );
        Ok(())
    }
}

/// Makes sure that `wrk` is there: installs Debian's package where root can.
///
/// # Errors
/// When it is missing and cannot be installed; the message says how to get it.
pub fn install() -> Result<()> {
    if process::is_installed("wrk") {
        return Ok(());
    }
    if geteuid().is_root() && Path::new("/etc/debian_version").exists() {
        eprintln!("wrk is not installed: installing Debian's package, once.");
        for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", "wrk"]] {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            process::run(&mut command).context("wrk could not be installed")?;
        }
        if process::is_installed("wrk") {
            return Ok(());
        }
    }
    bail!("wrk is missing; install it (Debian: `apt-get install wrk`, Fedora: `dnf install wrk`)")
}

/// Writes a script that sends these requests in turn, made once before the load begins. `lua` is a
/// list of calls of `wrk.format`.
///
/// # Errors
/// When the file cannot be written.
pub fn script(file: &Path, requests: impl IntoIterator<Item = String>) -> Result<PathBuf> {
    let requests: Vec<String> = requests.into_iter().map(|call| format!("    {call},\n")).collect();
    let list = requests.concat();
    let text =
        format!("local requests\nfunction init()\n  requests = {{\n{list}  }}\nend\n{IN_TURN}");
    fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(file.to_path_buf())
}

const IN_TURN: &str = "
local last = 0
function request()
  last = last % #requests + 1
  return requests[last]
end
";

/// A call that makes any request, for [`script`]. The body must not contain `]==]`.
pub fn call(method: &str, path: &str, headers: &[(String, String)], body: Option<&str>) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let headers: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("[{}] = {}", quoted(name), quoted(value)))
        .collect();
    let body = body.map(|body| format!(", [==[{body}]==]")).unwrap_or_default();
    format!("wrk.format({}, {}, {{ {} }}{body})", quoted(method), quoted(path), headers.join(", "))
}

/// A call that makes a GET with a bearer token, for [`script`].
pub fn signed_in_get(path: &str, token: &str) -> String {
    format!(r#"wrk.format("GET", "{path}", {{ ["Authorization"] = "Bearer {token}" }})"#)
}

/// A call that makes a POST of JSON, for [`script`]. The JSON must not contain `]==]`.
pub fn json_post(path: &str, body: &serde_json::Value) -> String {
    format!(
        r#"wrk.format("POST", "{path}", {{ ["Content-Type"] = "application/json" }}, [==[{body}]==])"#
    )
}

fn parse(output: &str) -> Option<Measured> {
    let lines = || output.lines().map(str::trim);
    let after = |beginning: &str| lines().find_map(|line| line.strip_prefix(beginning));
    let broken = match after("Socket errors:") {
        Some(counts) => {
            let numbers =
                counts.split(',').map(|count| count.split_whitespace().nth(1)?.parse::<u64>().ok());
            numbers.sum::<Option<u64>>()?
        }
        None => 0,
    };
    let requests = lines().find_map(|line| line.split_once(" requests in "))?.0;
    Some(Measured {
        requests: requests.parse().ok()?,
        throughput: after("Requests/sec:")?.trim().parse().ok()?,
        p50: time(after("50%")?.trim())?,
        p99: time(after("99%")?.trim())?,
        refused: match after("Non-2xx or 3xx responses:") {
            Some(count) => count.trim().parse().ok()?,
            None => 0,
        },
        broken,
        load_cpu: Duration::ZERO,
    })
}

/// A time as `wrk` writes it: `812.00us`, `5.53ms`, `1.20s`, `1.05m`.
fn time(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let seconds = match &text[unit..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(text[..unit].parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
Running 2s test @ http://127.0.0.1:3000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   635.91us    0.89ms  12.92ms   99.69%
    Req/Sec    56.20k     8.07k   62.00k    86.67%
  Latency Distribution
     50%  250.00us
     75%  491.00us
     90%  700.00us
     99%    5.80ms
  224646 requests in 2.00s, 17.76MB read
  Socket errors: connect 1, read 20, write 300, timeout 4000
  Non-2xx or 3xx responses: 646
Requests/sec: 112323.53
Transfer/sec:      6.33MB
";

    #[test]
    fn everything_is_read_from_what_wrk_prints() {
        let measured = Measured {
            requests: 224_646,
            throughput: 112_323.53,
            p50: Duration::from_micros(250),
            p99: Duration::from_micros(5800),
            refused: 646,
            broken: 4321,
            load_cpu: Duration::ZERO,
        };
        assert_eq!(parse(OUTPUT), Some(measured));
    }

    #[test]
    fn without_errors_there_are_none() {
        let calm: Vec<&str> = OUTPUT
            .lines()
            .filter(|line| !line.contains("errors") && !line.contains("Non-2xx"))
            .collect();
        let measured = parse(&calm.join("\n")).expect("it is understood");
        assert_eq!((measured.broken, measured.refused), (0, 0));
    }

    #[test]
    fn what_is_cut_off_is_not_taken_for_a_measurement() {
        for end in [0, 100, OUTPUT.find("Requests/sec").unwrap_or_default()] {
            assert_eq!(parse(&OUTPUT[..end]), None);
        }
    }

    #[test]
    fn what_lua_would_read_as_something_else_is_escaped() {
        let headers = [("Cookie".to_owned(), r#"a="1\2""#.to_owned())];
        assert_eq!(
            call("POST", "/a?b=%20", &headers, Some(r#"{"c":"\n"}"#)),
            r#"wrk.format("POST", "/a?b=%20", { ["Cookie"] = "a=\"1\\2\"" }, [==[{"c":"\n"}]==])"#
        );
        assert_eq!(call("GET", "/", &[], None), r#"wrk.format("GET", "/", {  })"#);
    }

    #[test]
    fn every_unit_of_time_is_known() {
        for (text, micros) in
            [("812.00us", 812), ("5.53ms", 5530), ("1.20s", 1_200_000), ("1.50m", 90_000_000)]
        {
            assert_eq!(time(text), Some(Duration::from_micros(micros)), "{text}");
        }
        for text in ["", "12", "us", "1.0d", "-1.0s"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn answers_of_the_wrong_kind_fail_a_load() {
        let load = Load::get("http://h/".into(), 1);
        let seen = Measured { requests: 10, refused: 1, ..Measured::default() };
        assert!(load.check(&seen).is_err());
        assert!(load.check(&Measured { refused: 0, ..seen.clone() }).is_ok());
        assert!(load.check(&Measured { refused: 0, broken: 1, ..seen.clone() }).is_err());
        let refusing = Load { expected: Expected::Refusal, ..load };
        assert!(refusing.check(&seen).is_err());
        assert!(refusing.check(&Measured { refused: 10, ..seen }).is_ok());
    }
}
