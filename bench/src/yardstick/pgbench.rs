//! The database's limit: the same statements from `pgbench`, which does nothing else.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::selecting::SELECT;
use crate::bench::Bench;
use crate::harness::process;
use crate::harness::rounds::{Pace, Sample, Subject};

/// The connections of `pgbench`: as many as the plain way's pool has.
const CLIENTS: u64 = 16;

/// The one person of the id, by the statement of the plain way.
///
/// # Errors
/// When `pgbench` is not installed.
pub fn select<'a>(bench: &'a Bench, url: &str, id: &str) -> Result<Subject<'a>> {
    let statement = SELECT.replace("$1", ":id");
    let run = Run::of(bench, url, &format!("{statement};\n"), &[("id", id)])?;
    Ok(Subject::new("pgbench, the same SELECT", move |pace| run.measure(pace)))
}

/// The rotation of a session in one statement: each of the clients has rows of its own, as sessions
/// are of one person each, so none waits for another.
///
/// # Errors
/// When `pgbench` is not installed or the table cannot be made.
pub fn rotation<'a>(bench: &'a Bench, url: &str, sessions: u64) -> Result<Subject<'a>> {
    let each = sessions.div_ceil(CLIENTS);
    bench.postgres.execute(
        url,
        &format!(
            "CREATE TABLE pgbench_sessions (id bigint PRIMARY KEY, generation bigint NOT NULL, \
             rotated_at timestamptz NOT NULL, expires_at timestamptz NOT NULL, \
             revoked_at timestamptz) WITH (fillfactor = 80); \
             INSERT INTO pgbench_sessions SELECT n, 0, now(), now() + interval '30 days' \
             FROM generate_series(0, {}) n; ANALYZE pgbench_sessions",
            each * CLIENTS - 1
        ),
    )?;
    let script = format!(
        "\\set id :client_id * {each} + random(0, {})\n\
         UPDATE pgbench_sessions SET generation = generation + 1, rotated_at = now(), \
         expires_at = now() + interval '30 days' WHERE id = :id AND generation >= 0 \
         AND revoked_at IS NULL AND expires_at > now() RETURNING generation;\n",
        each - 1
    );
    let run = Run::of(bench, url, &script, &[])?;
    Ok(Subject::new("pgbench, rotation", move |pace| run.measure(pace)))
}

/// A row that is added and committed by itself, with no more indexes than its key.
///
/// # Errors
/// When `pgbench` is not installed or the table cannot be made.
pub fn insert<'a>(bench: &'a Bench, url: &str) -> Result<Subject<'a>> {
    bench.postgres.execute(
        url,
        "CREATE TABLE pgbench_jobs (id bigserial PRIMARY KEY, kind text NOT NULL, \
         payload text NOT NULL)",
    )?;
    let script = "INSERT INTO pgbench_jobs (kind, payload) VALUES ('bench.nothing', '1');\n";
    let run = Run::of(bench, url, script, &[])?;
    Ok(Subject::new("pgbench, a bare INSERT", move |pace| run.measure(pace)))
}

/// A script that `pgbench` runs again and again.
struct Run<'a> {
    bench: &'a Bench,
    program: PathBuf,
    url: String,
    script: PathBuf,
    variables: Vec<String>,
}

impl<'a> Run<'a> {
    fn of(bench: &'a Bench, url: &str, script: &str, variables: &[(&str, &str)]) -> Result<Self> {
        let file = bench.file("pgbench.sql");
        fs::write(&file, script)?;
        let variables = variables.iter().map(|(name, value)| format!("--define={name}={value}"));
        Ok(Self {
            bench,
            program: bench.postgres.program("pgbench")?,
            url: url.to_owned(),
            script: file,
            variables: variables.collect(),
        })
    }

    fn measure(&self, pace: &Pace) -> Result<Sample> {
        process::run(&mut self.command(pace.warm_up))?;
        let (database, begun) = (self.bench.postgres.cpu()?, Instant::now());
        let finished = process::run(&mut self.command(pace.measured))?;
        let took = begun.elapsed();
        let seen = parse(&finished.output)
            .with_context(|| format!("pgbench printed:\n{}", finished.output))?;
        ensure!(seen.failed == 0, "pgbench: {} statements failed", seen.failed);
        Ok(Sample {
            throughput: seen.throughput,
            requests: seen.transactions,
            database_cpu: Some(self.bench.postgres.cpu()?.saturating_sub(database)),
            load_cpu: finished.cpu,
            took,
            ..Sample::default()
        })
    }

    fn command(&self, seconds: u64) -> Command {
        let mut command = self.bench.machine.load.command(&self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=1"])
            .args([format!("--client={CLIENTS}"), format!("--time={seconds}")])
            .args(&self.variables)
            .arg("--file")
            .arg(&self.script);
        connect(&mut command, &self.url);
        command
    }
}

/// Names the database by variables: pgbench takes no URL with a password that others may not see.
fn connect(command: &mut Command, url: &str) {
    let address = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (account, place) = address.split_once('@').unwrap_or(("", address));
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    let (server, database) = place.split_once('/').unwrap_or((place, ""));
    let database = database.split('?').next().unwrap_or_default();
    let (host, port) = server.split_once(':').unwrap_or((server, "5432"));
    for (name, value) in [
        ("PGHOST", host),
        ("PGPORT", port),
        ("PGUSER", user),
        ("PGPASSWORD", password),
        ("PGDATABASE", database),
    ] {
        command.env(name, value);
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    transactions: u64,
    failed: u64,
    throughput: f64,
}

fn parse(output: &str) -> Option<Seen> {
    let after = |beginning: &str| {
        let rest = output.lines().find_map(|line| line.strip_prefix(beginning))?;
        rest.split_whitespace().next()
    };
    Some(Seen {
        transactions: after("number of transactions actually processed: ")?.parse().ok()?,
        failed: match after("number of failed transactions: ") {
            Some(count) => count.parse().ok()?,
            // Before version 15 the first failure ended pgbench.
            None => 0,
        },
        throughput: after("tps = ")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
pgbench (15.14 (Debian 15.14-0+deb12u1))
transaction type: /tmp/1-pgbench.sql
scaling factor: 1
query mode: prepared
number of clients: 16
number of threads: 1
maximum number of tries: 1
duration: 2 s
number of transactions actually processed: 105804
number of failed transactions: 3 (0.003%)
latency average = 0.302 ms
initial connection time = 21.311 ms
tps = 53012.347856 (without initial connection time)
";

    #[test]
    fn everything_is_read_from_what_pgbench_prints() {
        let seen = Seen { transactions: 105_804, failed: 3, throughput: 53_012.347_856 };
        assert_eq!(parse(OUTPUT), Some(seen));
        assert_eq!(parse("pgbench: error: connection refused"), None);
    }

    #[test]
    fn a_url_is_taken_apart() {
        let mut command = Command::new("pgbench");
        connect(&mut command, "postgres://me:secret@127.0.0.1:5433/bench_1?sslmode=disable");
        let values: Vec<_> = command.get_envs().filter_map(|(_, value)| value?.to_str()).collect();
        // They come in the order of the variables' names.
        assert_eq!(values, ["bench_1", "127.0.0.1", "secret", "5433", "me"]);
    }
}
