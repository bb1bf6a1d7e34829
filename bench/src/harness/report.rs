//! What a case found out, for the table and for programs.

use serde::Serialize;

use super::machine::Environment;
use super::rounds::{Sample, Series, Spread};

/// One subject's figures in one case. What was not measured is `null` in JSON and empty in the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub subject: String,
    /// Requests a second, or whatever else the case counts.
    pub throughput: Option<Spread>,
    pub p50_ms: Option<Spread>,
    pub p99_ms: Option<Spread>,
    /// Processor seconds of the subject for 1,000 requests.
    pub cpu_per_1000: Option<f64>,
    /// Processor seconds of the database for 1,000 requests.
    pub database_cpu_per_1000: Option<f64>,
    /// Resident memory after the load, in MB (10^6 bytes).
    pub memory_mb: Option<f64>,
    /// How much of this subject's throughput Doorward reached: the median of the rounds' ratios.
    pub ratio: Option<Spread>,
    /// The same by processor time, of subject and database together, in place of time: of little use
    /// as a promise, but it hardly moves when somebody else keeps the machine busy.
    pub ratio_by_cpu: Option<Spread>,
    /// Whether the load generator was busy for more than nine tenths of the time, so that the subject
    /// might have done more.
    pub load_bound: bool,
}

impl Row {
    /// A row without figures.
    pub fn named(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            throughput: None,
            p50_ms: None,
            p99_ms: None,
            cpu_per_1000: None,
            database_cpu_per_1000: None,
            memory_mb: None,
            ratio: None,
            ratio_by_cpu: None,
            load_bound: false,
        }
    }

    /// The figures of a series.
    pub fn of(series: &Series) -> Self {
        let milliseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
        let some = |spread: Spread| (!spread.median.is_nan()).then_some(spread.median);
        let busy = series.spread(|sample| {
            sample.load_cpu.as_secs_f64() / sample.took.as_secs_f64().max(f64::EPSILON)
        });
        #[expect(clippy::cast_precision_loss, reason = "no machine has 2^52 bytes")]
        let memory = |sample: &Sample| sample.memory.map_or(f64::NAN, |bytes| bytes as f64 / 1e6);
        let has_times = series.samples.iter().any(|sample| !sample.p50.is_zero());
        let times = |spread: Spread| has_times.then_some(spread);
        Self {
            throughput: Some(series.spread(|sample| sample.throughput)),
            p50_ms: times(series.spread(|sample| milliseconds(sample.p50))),
            p99_ms: times(series.spread(|sample| milliseconds(sample.p99))),
            cpu_per_1000: some(series.spread(|sample| sample.cpu_per_1000().unwrap_or(f64::NAN))),
            database_cpu_per_1000: some(
                series.spread(|sample| sample.database_cpu_per_1000().unwrap_or(f64::NAN)),
            ),
            memory_mb: some(series.spread(memory)),
            load_bound: busy.median > 0.9,
            ..Self::named(series.subject.clone())
        }
    }
}

/// The rows of several series, the first of which is compared with all others.
pub fn rows(series: &[Series]) -> Vec<Row> {
    let first = series.first();
    let row = |(nth, series): (usize, &Series)| {
        let first = first.filter(|_| nth > 0);
        Row {
            ratio: first.map(|first| first.speed(series)),
            ratio_by_cpu: first.map(|first| first.ratio(series, Sample::per_cpu_second)),
            ..Row::of(series)
        }
    };
    series.iter().enumerate().map(row).collect()
}

/// A bound that a figure is held against.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// A figure that a case is about, and its goal if it has one.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What the figure is, such as `× axum-layers` or `p99 ms`.
    pub what: String,
    pub figure: Spread,
    pub goal: Option<Goal>,
    pub stretch: Option<Goal>,
    /// Whether the median reaches the goal.
    pub met: Option<bool>,
}

impl Finding {
    /// A figure without a goal.
    pub fn of(what: impl Into<String>, figure: Spread) -> Self {
        Self { what: what.into(), figure, goal: None, stretch: None, met: None }
    }

    /// A figure with its goal.
    pub fn with_goal(what: impl Into<String>, figure: Spread, goal: Goal) -> Self {
        let met = Some(reaches(figure.median, goal));
        Self { goal: Some(goal), met, ..Self::of(what, figure) }
    }

    /// The same with what would be even better.
    #[must_use]
    pub fn stretch(mut self, goal: Goal) -> Self {
        self.stretch = Some(goal);
        self
    }
}

/// Whether a figure reaches a goal. What is not a number reaches none.
pub fn reaches(figure: f64, goal: Goal) -> bool {
    match goal {
        Goal::AtLeast(least) => figure >= least,
        Goal::AtMost(most) => figure <= most,
    }
}

/// What a case found out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Doorward first, then what it is compared with.
    pub rows: Vec<Row>,
    pub findings: Vec<Finding>,
    /// What a reader must know to understand the figures.
    pub notes: Vec<String>,
}

/// A case that was run.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    pub case: &'static str,
    pub measures: &'static str,
    pub goal: &'static str,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub environment: Environment,
    pub arrangement: String,
    pub rounds: usize,
    /// Whether what people would pick instead was measured as well.
    pub peers: bool,
    pub seconds_per_round: u64,
    pub cases: Vec<CaseReport>,
    /// The cases that could not be measured, each with the reason.
    pub failures: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_at_its_bound() {
        assert!(reaches(3.0, Goal::AtLeast(3.0)) && reaches(3.0, Goal::AtMost(3.0)));
        assert!(!reaches(2.9, Goal::AtLeast(3.0)) && !reaches(3.1, Goal::AtMost(3.0)));
        assert!(!reaches(f64::NAN, Goal::AtLeast(0.0)) && !reaches(f64::NAN, Goal::AtMost(9.0)));
    }
}
