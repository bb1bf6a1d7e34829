//! A load generator for sessions that are refreshed again and again: each answer holds the token of the
//! next request on the same connection.
//!
//! It is here because `wrk` cannot make this load: its Lua state belongs to a thread and does not tell
//! which connection an answer came on, so a chain of tokens for each of 64 connections would take 64
//! threads. `oha` cannot use answers at all. It reads of HTTP/1.1 only what Doorward's answers have,
//! a length and a body, which costs a few microseconds for each.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::harness::process;
use crate::harness::wrk::Measured;

/// What to send where, and for how long.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The address of the server, `127.0.0.1:3000`.
    #[arg(long)]
    server: SocketAddr,
    /// The path that tokens are sent to.
    #[arg(long)]
    path: String,
    /// A file with a refresh token on each line, each for a connection of its own. The newest ones
    /// replace them at the end.
    #[arg(long)]
    tokens: PathBuf,
    #[arg(long)]
    seconds: u64,
}

/// What the load has seen.
#[derive(Serialize, Deserialize)]
struct Seen {
    requests: u64,
    seconds: f64,
    p50_us: u64,
    p99_us: u64,
}

/// Runs the load on the cores that are for it.
///
/// # Errors
/// When a token is refused or a connection breaks.
pub fn measure(
    bench: &Bench,
    server: &str,
    path: &str,
    tokens: &Path,
    seconds: u64,
) -> Result<Measured> {
    let mut command = bench.machine.load.own_program()?;
    command.args(["refresh-load", "--server", server.trim_start_matches("http://")]);
    command.args(["--path", path, "--seconds", &seconds.to_string(), "--tokens"]).arg(tokens);
    let finished = process::run(&mut command)?;
    let seen: Seen = serde_json::from_str(&finished.output)?;
    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 requests")]
    let throughput = seen.requests as f64 / seen.seconds;
    Ok(Measured {
        requests: seen.requests,
        throughput,
        p50: Duration::from_micros(seen.p50_us),
        p99: Duration::from_micros(seen.p99_us),
        load_cpu: finished.cpu,
        ..Measured::default()
    })
}

/// Makes the load and prints what it has seen.
///
/// # Errors
/// When a token is refused or a connection breaks; the tokens are worthless then.
pub fn run(options: &Options) -> Result<()> {
    let tokens = fs::read_to_string(&options.tokens)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs(options.seconds);
    let chains = runtime.block_on(async {
        let mut running = JoinSet::new();
        for token in tokens.lines() {
            let chain = Chain { token: token.to_owned(), latencies: Vec::new() };
            running.spawn(chain.follow(options.clone(), end));
        }
        let mut done = Vec::new();
        while let Some(chain) = running.join_next().await {
            done.push(chain??);
        }
        Ok::<_, anyhow::Error>(done)
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let newest: Vec<&str> = chains.iter().map(|chain| chain.token.as_str()).collect();
    fs::write(&options.tokens, newest.join("\n"))?;
    let mut latencies: Vec<u64> = chains.into_iter().flat_map(|chain| chain.latencies).collect();
    latencies.sort_unstable();
    let seen = Seen {
        requests: latencies.len() as u64,
        seconds,
        p50_us: percentile(&latencies, 50).context("nothing was answered")?,
        p99_us: percentile(&latencies, 99).context("nothing was answered")?,
    };
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().checked_sub(1)?)).copied()
}

/// One session.
struct Chain {
    token: String,
    /// In microseconds.
    latencies: Vec<u64>,
}

impl Chain {
    async fn follow(mut self, options: Options, end: Instant) -> Result<Self> {
        let mut stream = TcpStream::connect(options.server).await?;
        stream.set_nodelay(true)?;
        let mut answer = Vec::with_capacity(4096);
        // What was sent is waited for, or the newest token would be unknown.
        while Instant::now() < end {
            let body = format!("{{\"refresh_token\":\"{}\"}}", self.token);
            let request = format!(
                "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                options.path,
                options.server,
                body.len()
            );
            let sent = Instant::now();
            stream.write_all(request.as_bytes()).await?;
            answer.clear();
            let body = loop {
                if stream.read_buf(&mut answer).await? == 0 {
                    bail!("the server closed a connection");
                }
                if let Some(body) = complete(&answer)? {
                    break body;
                }
            };
            let latency = sent.elapsed().as_micros();
            self.latencies.push(u64::try_from(latency).unwrap_or(u64::MAX));
            self.token = refresh_token(body).context("an answer without a refresh token")?;
        }
        Ok(self)
    }
}

/// The body of an answer, once all of it is there.
fn complete(answer: &[u8]) -> Result<Option<&str>> {
    let Some(head_end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..head_end]).context("a head that is not text")?;
    let lengths = head.lines().filter_map(|line| line.split_once(':'));
    let length = lengths
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.trim().parse::<usize>().ok())
        .with_context(|| format!("an answer without a length:\n{head}"))?;
    let body = &answer[head_end + 4..];
    if body.len() < length {
        return Ok(None);
    }
    let body = std::str::from_utf8(&body[..length]).context("a body that is not text")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "a refresh was refused:\n{head}\n\n{body}");
    Ok(Some(body))
}

fn refresh_token(body: &str) -> Option<String> {
    let (_, rest) = body.split_once("\"refresh_token\":\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 37\r\n\r\n\
                          {\"refresh_token\":\"ab.cd\",\"more\":true}";

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        for end in 0..ANSWER.len() {
            assert!(complete(&ANSWER.as_bytes()[..end]).expect("no fault").is_none(), "{end}");
        }
        let body = complete(ANSWER.as_bytes()).expect("no fault").expect("it is complete");
        assert_eq!(refresh_token(body).as_deref(), Some("ab.cd"));
    }

    #[test]
    fn a_refusal_is_a_failure_and_so_is_an_answer_without_a_length() {
        let refused = ANSWER.replace("200 OK", "401 Unauthorized");
        assert!(complete(refused.as_bytes()).is_err());
        assert!(complete(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn percentiles_are_of_the_sorted_list() {
        let sorted: Vec<u64> = (0..100).collect();
        assert_eq!((percentile(&sorted, 50), percentile(&sorted, 99)), (Some(50), Some(99)));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
