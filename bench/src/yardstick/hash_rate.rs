//! The limit of whatever takes a password: Argon2id with Doorward's parameters, by the crate as it is
//! built for any processor, over as many threads as Doorward has hashers.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::harness::machine::Cores;
use crate::harness::process;
use crate::harness::rounds::{Pace, Sample, Subject};

/// How many threads hash, and for how long.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[arg(long)]
    threads: u32,
    #[arg(long)]
    seconds: u64,
}

/// What the threads did.
#[derive(Serialize, Deserialize)]
struct Done {
    hashes: u32,
    seconds: f64,
}

/// The hashers that Doorward has on so many cores: one core is left to everything else.
fn hashers(cores: &Cores) -> u32 {
    u32::try_from(cores.count()).map_or(u32::MAX, |count| count.saturating_sub(1).max(1))
}

/// As many threads as Doorward has hashers, on the same cores.
pub fn subject(cores: &Cores) -> Subject<'_> {
    let threads = hashers(cores);
    let plural = if threads == 1 { "" } else { "s" };
    Subject::new(format!("Argon2id, {threads} thread{plural}"), move |pace| {
        measure(cores, threads, pace)
    })
}

fn measure(cores: &Cores, threads: u32, pace: &Pace) -> Result<Sample> {
    let mut command = cores.own_program()?;
    command.arg("hash-rate").args(["--threads", &threads.to_string()]);
    let finished = process::run(command.args(["--seconds", &pace.measured.to_string()]))?;
    let done: Done = serde_json::from_str(&finished.output)
        .with_context(|| format!("the hashes were not counted: {}", finished.output))?;
    let each = Duration::from_secs_f64(done.seconds * f64::from(threads) / f64::from(done.hashes));
    Ok(Sample {
        throughput: f64::from(done.hashes) / done.seconds,
        p50: each,
        p99: each,
        requests: done.hashes.into(),
        server_cpu: Some(finished.cpu),
        took: Duration::from_secs_f64(done.seconds),
        ..Sample::default()
    })
}

/// Hashes and prints how often.
///
/// # Errors
/// When a hash fails.
pub fn run(options: &Options) -> Result<()> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(options.seconds);
    let hashes = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..options.threads).map(|_| scope.spawn(|| hash_until(end))).collect();
        let count = threads.into_iter().map(|thread| match thread.join() {
            Ok(count) => count,
            Err(_) => Err(anyhow!("a hashing thread panicked")),
        });
        count.sum::<Result<u32>>()
    })?;
    let done = Done { hashes, seconds: begun.elapsed().as_secs_f64() };
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}

fn hash_until(end: Instant) -> Result<u32> {
    let params = Params::default();
    // A fresh block for each hash would cost up to as much as the hash, by page faults.
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (mut hash, mut count) = ([0; 32], 0);
    while Instant::now() < end {
        argon2
            .hash_password_into_with_memory(
                b"correct horse battery staple",
                b"sixteen octets !",
                &mut hash,
                memory.as_mut_slice(),
            )
            .map_err(|error| anyhow!("a password cannot be hashed: {error}"))?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_those_of_doorward() {
        let params = Params::default();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19_456, 2, 1));
    }
}
