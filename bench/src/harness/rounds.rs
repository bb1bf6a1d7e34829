//! Measuring in turns: A B A B …, so that whatever else the machine does meets all of them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::process::Process;
use super::wrk::{Load, Measured};
use crate::bench::Bench;

/// How long and how often is measured.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub rounds: usize,
    /// Seconds of load that count for nothing, before each measurement.
    pub warm_up: u64,
    /// Seconds of load that are measured.
    pub measured: u64,
}

impl Pace {
    /// For figures that are published.
    pub const FULL: Self = Self { rounds: 5, warm_up: 1, measured: 4 };
    /// For a look while something is changed.
    pub const QUICK: Self = Self { rounds: 3, warm_up: 1, measured: 2 };
}

/// What one subject did in one round.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Requests a second.
    pub throughput: f64,
    pub p50: Duration,
    pub p99: Duration,
    pub requests: u64,
    /// Processor time of the subject's processes, where it is not a database alone.
    pub server_cpu: Option<Duration>,
    /// Processor time of the database's processes, where there is a database.
    pub database_cpu: Option<Duration>,
    /// Processor time of the load generator.
    pub load_cpu: Duration,
    /// How long it took, for what share of its core the load generator needed.
    pub took: Duration,
    /// Resident memory of the subject's processes after the load, in bytes.
    pub memory: Option<u64>,
}

impl Sample {
    /// Processor seconds of the subject for 1,000 requests.
    pub fn cpu_per_1000(&self) -> Option<f64> {
        self.server_cpu.map(|cpu| self.per_1000(cpu))
    }

    /// Processor seconds of the database for 1,000 requests.
    pub fn database_cpu_per_1000(&self) -> Option<f64> {
        self.database_cpu.map(|cpu| self.per_1000(cpu))
    }

    /// Requests for a second of processor time, of subject and database together: what throughput
    /// would be if nobody else wanted a processor.
    pub fn per_cpu_second(&self) -> f64 {
        let both = self.cpu_per_1000().unwrap_or(0.0) + self.database_cpu_per_1000().unwrap_or(0.0);
        1000.0 / both
    }

    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 requests")]
    fn per_1000(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1000.0 / self.requests.max(1) as f64
    }
}

/// What one subject did in all rounds.
#[derive(Clone, Debug)]
pub struct Series {
    pub subject: String,
    pub samples: Vec<Sample>,
}

impl Series {
    /// The median of something over the rounds, and its bounds.
    pub fn spread(&self, of: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(of))
    }

    /// This subject's figure divided by another's of the same round, over the rounds.
    pub fn ratio(&self, to: &Self, of: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().zip(&to.samples).map(|(own, other)| of(own) / of(other)))
    }

    /// The same of throughput.
    pub fn speed(&self, to: &Self) -> Spread {
        self.ratio(to, |sample| sample.throughput)
    }
}

/// The median of several figures, with the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// The spread of at least one figure; of none, all three are not a number.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.as_slice() {
            [] => f64::NAN,
            figures if figures.len() % 2 == 1 => figures[middle],
            figures => f64::midpoint(figures[middle - 1], figures[middle]),
        };
        let end = |figure: Option<&f64>| figure.copied().unwrap_or(f64::NAN);
        Self { median, min: end(sorted.first()), max: end(sorted.last()) }
    }
}

/// Measures something once.
type Measure<'a> = dyn FnMut(&Pace) -> Result<Sample> + 'a;

/// Something that can be measured again and again.
pub struct Subject<'a> {
    name: String,
    measure: Box<Measure<'a>>,
}

impl<'a> Subject<'a> {
    /// A subject that measures itself.
    pub fn new(name: impl Into<String>, measure: impl FnMut(&Pace) -> Result<Sample> + 'a) -> Self {
        Self { name: name.into(), measure: Box::new(measure) }
    }

    /// A server under a load of `wrk`.
    pub fn server(
        bench: &'a Bench,
        name: impl Into<String>,
        process: &'a Process,
        uses_database: bool,
        load: Load,
    ) -> Self {
        let load = move |seconds| load.run(&bench.machine, seconds);
        Self::loaded(bench, name, process, uses_database, load)
    }

    /// A server under any load that lasts as many seconds as it is told.
    pub fn loaded(
        bench: &'a Bench,
        name: impl Into<String>,
        process: &'a Process,
        uses_database: bool,
        load: impl Fn(u64) -> Result<Measured> + 'a,
    ) -> Self {
        Self::new(name, move |pace| {
            load(pace.warm_up)?;
            process.settle()?;
            let metered = Metered::begin(bench, process, uses_database)?;
            let measured = load(pace.measured)?;
            ensure!(measured.requests > 0, "nothing was answered");
            let sample = metered.end(&measured)?;
            process.settle()?;
            Ok(sample)
        })
    }
}

/// Processor time before a load.
pub struct Metered<'a> {
    bench: &'a Bench,
    process: &'a Process,
    server: Duration,
    database: Option<Duration>,
}

impl<'a> Metered<'a> {
    /// Notes what server and database have used so far.
    ///
    /// # Errors
    /// When one of them has died.
    pub fn begin(bench: &'a Bench, process: &'a Process, uses_database: bool) -> Result<Self> {
        let database = uses_database.then(|| bench.postgres.cpu()).transpose()?;
        Ok(Self { bench, process, server: process.usage()?.cpu, database })
    }

    /// What they have used since, with what the load has seen.
    ///
    /// # Errors
    /// When one of them has died.
    pub fn end(self, measured: &Measured) -> Result<Sample> {
        let usage = self.process.usage()?;
        let database = match self.database {
            Some(before) => Some(self.bench.postgres.cpu()?.saturating_sub(before)),
            None => None,
        };
        #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 requests")]
        let took = Duration::from_secs_f64(measured.requests as f64 / measured.throughput);
        Ok(Sample {
            throughput: measured.throughput,
            p50: measured.p50,
            p99: measured.p99,
            requests: measured.requests,
            server_cpu: Some(usage.cpu.saturating_sub(self.server)),
            database_cpu: database,
            load_cpu: measured.load_cpu,
            took,
            memory: Some(usage.memory),
        })
    }
}

/// Measures the subjects in turns, as often as the run's pace says.
///
/// # Errors
/// The first failure, with the subject's name.
pub fn interleave(bench: &Bench, mut subjects: Vec<Subject<'_>>) -> Result<Vec<Series>> {
    let mut series: Vec<Series> = subjects
        .iter()
        .map(|subject| Series { subject: subject.name.clone(), samples: Vec::new() })
        .collect();
    for round in 1..=bench.pace.rounds {
        for (subject, series) in subjects.iter_mut().zip(&mut series) {
            let sample = (subject.measure)(&bench.pace)
                .with_context(|| format!("{} could not be measured", subject.name))?;
            eprintln!(
                "  round {round}/{}  {:<26} {:>12.0}/s",
                bench.pace.rounds, subject.name, sample.throughput
            );
            series.samples.push(sample);
        }
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        let spread = Spread::of([5.0, 1.0, 3.0]);
        assert_eq!(spread, Spread { median: 3.0, min: 1.0, max: 5.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 8.0]).median.to_bits(), 3.0_f64.to_bits());
        assert!(Spread::of([]).median.is_nan());
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let series = |figures: &[f64]| Series {
            subject: String::new(),
            samples: figures
                .iter()
                .map(|throughput| Sample { throughput: *throughput, ..Sample::default() })
                .collect(),
        };
        // The machine halves its speed in the second round: the ratio does not move.
        let ratio = series(&[100.0, 50.0, 120.0]).speed(&series(&[200.0, 100.0, 200.0]));
        assert_eq!(ratio, Spread { median: 0.5, min: 0.5, max: 0.6 });
    }

    #[test]
    fn processor_time_is_divided_among_requests() {
        let sample = Sample {
            requests: 4000,
            server_cpu: Some(Duration::from_secs(2)),
            database_cpu: Some(Duration::from_secs(1)),
            ..Sample::default()
        };
        assert!((sample.cpu_per_1000().unwrap_or_default() - 0.5).abs() < 1e-9);
        assert!((sample.per_cpu_second() - 1000.0 / 0.75).abs() < 1e-9);
        assert!((sample.database_cpu_per_1000().unwrap_or_default() - 0.25).abs() < 1e-9);
    }
}
