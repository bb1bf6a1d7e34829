//! The table for people: at most 120 columns wide.

use std::fmt::Write as _;

use super::report::{CaseReport, Finding, Goal, Report, Row};
use super::rounds::Spread;

/// The whole report as text.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    let about = &report.environment;
    for (name, value) in [
        ("commit", &about.commit),
        ("machine", &about.machine),
        ("kernel", &about.kernel),
        ("rustc", &about.rustc),
        ("database", &about.postgres),
        ("date", &about.date),
        ("load before", &about.load_average),
    ] {
        line(&mut text, &format!("{name:<12}{value}"));
    }
    line(&mut text, &report.arrangement);
    line(
        &mut text,
        &format!(
            "{} rounds of {} s each, interleaved; medians; ratios are of the same round.",
            report.rounds, report.seconds_per_round
        ),
    );
    for case in &report.cases {
        text.push('\n');
        text.push_str(&render_case(case));
    }
    for failure in &report.failures {
        line(&mut text, &format!("\nFAILED  {failure}"));
    }
    text
}

/// One case as text.
pub fn render_case(case: &CaseReport) -> String {
    let mut text = String::new();
    line(&mut text, &format!("{}: {}", case.case, case.measures));
    if !case.outcome.rows.is_empty() {
        line(
            &mut text,
            &format!(
                "  {:<27}{:>9}{:>8}{:>8}{:>11}{:>10}{:>7}  {:<19}{}",
                "",
                "per s",
                "p50 ms",
                "p99 ms",
                "CPU s/1000",
                "database",
                "MB",
                "Doorward ÷ it",
                "by CPU"
            ),
        );
    }
    for row in &case.outcome.rows {
        line(&mut text, &render_row(row));
    }
    if case.outcome.rows.iter().any(|row| row.load_bound) {
        line(&mut text, "  * The load generator was busy all the time: the subject might do more.");
    }
    for finding in &case.outcome.findings {
        line(&mut text, &render_finding(finding));
    }
    for note in &case.outcome.notes {
        line(&mut text, &format!("  {note}"));
    }
    text
}

fn render_row(row: &Row) -> String {
    let median = |spread: Option<Spread>| figure(spread.map(|spread| spread.median));
    let subject = if row.load_bound { format!("{} *", row.subject) } else { row.subject.clone() };
    let ratio = row.ratio.map_or_else(String::new, spread);
    let line = format!(
        "  {subject:<27}{:>9}{:>8}{:>8}{:>11}{:>10}{:>7}  {ratio:<19}{}",
        median(row.throughput),
        median(row.p50_ms),
        median(row.p99_ms),
        figure(row.cpu_per_1000),
        figure(row.database_cpu_per_1000),
        figure(row.memory_mb),
        median(row.ratio_by_cpu),
    );
    line.trim_end().to_owned()
}

fn render_finding(finding: &Finding) -> String {
    let mut text = format!("  → {}: {}", finding.what, spread(finding.figure));
    if let Some(goal) = finding.goal {
        let verdict = if finding.met == Some(true) { "met" } else { "MISSED" };
        // Writing to a text cannot fail.
        let _ = write!(text, "; goal {}: {verdict}", bound(goal));
    }
    if let Some(stretch) = finding.stretch {
        let reached = super::report::reaches(finding.figure.median, stretch);
        let verdict = if reached { "met" } else { "not yet" };
        let _ = write!(text, "; stretch {}: {verdict}", bound(stretch));
    }
    text
}

fn bound(goal: Goal) -> String {
    match goal {
        Goal::AtLeast(least) => format!("≥ {least}"),
        Goal::AtMost(most) => format!("≤ {most}"),
    }
}

fn spread(spread: Spread) -> String {
    format!("{} ({}–{})", short(spread.median), short(spread.min), short(spread.max))
}

fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(String::new, short)
}

/// Three digits that count, and whole numbers in groups of three.
fn short(figure: f64) -> String {
    if !figure.is_finite() {
        return "?".to_owned();
    }
    match figure.abs() {
        1000.0.. => grouped(figure),
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        0.1.. => format!("{figure:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{figure:.4}"),
    }
}

fn grouped(figure: f64) -> String {
    let digits = format!("{:.0}", figure.abs());
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if figure < 0.0 { format!("-{text}") } else { text }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::report::Outcome;
    use super::*;

    fn flat(figure: f64) -> Spread {
        Spread { median: figure, min: figure, max: figure }
    }

    #[test]
    fn figures_have_three_digits_that_count() {
        for (figure, text) in [
            (149_312.4, "149,312"),
            (1_000.0, "1,000"),
            (999.4, "999"),
            (12.345, "12.3"),
            (0.6234, "0.62"),
            (0.006_612, "0.0066"),
            (0.0, "0"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(short(figure), text);
        }
    }

    #[test]
    fn a_table_fits_into_120_columns() {
        let row = Row {
            throughput: Some(flat(149_300.0)),
            p50_ms: Some(flat(12.25)),
            p99_ms: Some(flat(1_250.5)),
            cpu_per_1000: Some(0.0066),
            database_cpu_per_1000: Some(0.0291),
            memory_mb: Some(123.4),
            ratio: Some(Spread { median: 12.34, min: 11.11, max: 13.33 }),
            ratio_by_cpu: Some(flat(12.34)),
            load_bound: true,
            ..Row::named("axum-verify-select-sqlite")
        };
        let case = CaseReport {
            case: "me",
            measures: "GET /users/me.",
            goal: "",
            outcome: Outcome {
                rows: vec![row],
                findings: vec![
                    Finding::with_goal("× axum-json", flat(0.4), Goal::AtLeast(0.5))
                        .stretch(Goal::AtLeast(0.9)),
                ],
                notes: Vec::new(),
            },
        };
        let text = render_case(&case);
        for line in text.lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
        assert!(text.contains("goal ≥ 0.5: MISSED; stretch ≥ 0.9: not yet"), "{text}");
    }
}
