//! `doorward users import`.

mod lines;
mod progress;
mod record;

use std::{
    fs::File,
    io::{self, Seek, Write},
    path::Path,
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use doorward_app::{Ctx, import::Import};
use doorward_domain::ports::{ImportDigest, ImportedUser};
use doorward_infra_crypto::content_digest;
use doorward_infra_sqlite::Workload;
use lines::{Line, Lines};
use progress::Progress;
use record::Reader;
use serde_json::json;
use tokio::sync::mpsc;

use crate::{commands::on_database, settings::Settings, users::console};

/// How many lines are committed together: enough to share the cost of a commit, few enough that those who
/// write meanwhile wait for a fraction of a second.
const BATCH_LINES: u64 = 5_000;
/// The part of the time that is left to others after each batch, as a divisor. Whoever waits for SQLite's
/// write lock looks for it now and then, and must find it free.
const PAUSE_DIVISOR: u32 = 8;
/// The octets of lines after which a batch ends before, so that memory stays small.
const BATCH_OCTETS: u64 = 4 * 1024 * 1024;

/// Adds the users of a file, or only says what would be refused.
pub(crate) fn run(settings: &Settings, path: &Path, rehearse: bool, json: bool) -> Result<()> {
    let named = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(named)?;
    let metadata = file.metadata().with_context(named)?;
    ensure!(
        metadata.is_file(),
        "{} is not a file: an import that is broken off could not go on",
        path.display()
    );
    let digest = ImportDigest(content_digest(&file).with_context(named)?);
    file.rewind().with_context(named)?;
    let report = Report { json, refused: 0, added: 0 };
    let report = on_database(settings, Workload::Bulk, async |ctx| {
        let by = (&console(), &console());
        let import = Import::begin(&ctx, by, digest, rehearse).await?;
        if import.lines() > 0 {
            eprintln!("Going on behind line {}, where it was broken off.", import.lines());
        }
        let progress = Progress::start(metadata.len());
        work_through(&ctx, import, file, report, progress).await
    })?;
    report.conclude(rehearse)
}

/// Works through the file. A thread reads and parses the next lines while the store takes those before.
async fn work_through(
    ctx: &Arc<Ctx>,
    mut import: Import,
    file: File,
    mut report: Report,
    progress: Progress,
) -> Result<Report> {
    let (sender, mut batches) = mpsc::channel(2);
    let (reader, start) = (Reader::new(Arc::clone(ctx)), import.lines());
    let parser = tokio::task::spawn_blocking(move || parse(file, &reader, start, &sender));
    while let Some(Batch { users, mut refused, last_line, octets }) = batches.recv().await {
        let (numbers, users): (Vec<u64>, Vec<ImportedUser>) = users.into_iter().unzip();
        let (line, started) = (import.lines(), Instant::now());
        let broken_off =
            || format!("the import stopped behind line {line}; the same command goes on there");
        let outcomes = import.add(ctx, users, last_line).await.with_context(broken_off)?;
        for (number, outcome) in numbers.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => report.added += 1,
                Err(refusal) => refused.push((number, vec![refusal.to_string()])),
            }
        }
        refused.sort_by_key(|(number, _)| *number);
        // Not while the store is held: whoever reads the report may take their time.
        progress.pause(|| report.write(&refused)).context("cannot write the report")?;
        progress.show(octets, report.added, report.refused);
        tokio::time::sleep(started.elapsed() / PAUSE_DIVISOR).await;
    }
    parser.await.context("the reader of the file panicked")??;
    // Before anything else is told, so that it does not stand behind the bar.
    drop(progress);
    import.finish(ctx).await?;
    Ok(report)
}

/// Some lines, parsed.
struct Batch {
    users: Vec<(u64, ImportedUser)>,
    refused: Vec<(u64, Vec<String>)>,
    /// The number of the last line, read or empty.
    last_line: u64,
    /// How far into the file that is.
    octets: u64,
}

/// Sends the lines behind number `start`, batch by batch, until there are no more or nobody listens.
fn parse(file: File, reader: &Reader, start: u64, sender: &mpsc::Sender<Batch>) -> Result<()> {
    let mut lines = Lines::new(file);
    while lines.number() < start {
        if lines.next().context("cannot read the file")?.is_none() {
            bail!("the file has fewer lines than were dealt with; it changed while it was read");
        }
    }
    loop {
        let (mut users, mut refused) = (Vec::new(), Vec::new());
        let (first_line, first_octet) = (lines.number(), lines.octets());
        while lines.number() - first_line < BATCH_LINES
            && lines.octets() - first_octet < BATCH_OCTETS
        {
            let Some(line) = lines.next().context("cannot read the file")? else { break };
            let parsed = match line {
                Line::Text(text) if text.trim_ascii().is_empty() => continue,
                Line::Text(text) => reader.read(text),
                Line::TooLong => Err(vec![format!("is longer than {} octets", lines::MAX_OCTETS)]),
            };
            match parsed {
                Ok(user) => users.push((lines.number(), user)),
                Err(faults) => refused.push((lines.number(), faults)),
            }
        }
        let (last_line, octets) = (lines.number(), lines.octets());
        if last_line == first_line {
            return Ok(());
        }
        if sender.blocking_send(Batch { users, refused, last_line, octets }).is_err() {
            return Ok(());
        }
    }
}

/// What became of the lines.
struct Report {
    json: bool,
    added: u64,
    refused: u64,
}

impl Report {
    /// Names the lines that were refused.
    fn write(&mut self, refused: &[(u64, Vec<String>)]) -> io::Result<()> {
        let mut text = Vec::new();
        for (line, faults) in refused {
            if self.json {
                writeln!(text, "{}", json!({"line": line, "errors": faults}))?;
            } else {
                // Names in the file may hold what terminals obey.
                let faults = faults.join("; ").replace(char::is_control, "\u{fffd}");
                writeln!(text, "line {line}: {faults}")?;
            }
        }
        self.refused += refused.len() as u64;
        io::stdout().write_all(&text)
    }

    /// Tells the outcome; an error if anything was refused.
    fn conclude(&self, rehearse: bool) -> Result<()> {
        let Self { json, added, refused } = self;
        if *json {
            println!("{}", json!({"added": added, "refused": refused, "dry_run": rehearse}));
        }
        let would = if rehearse { "would be " } else { "" };
        eprintln!("{added} users {would}added, {refused} lines {would}refused.");
        ensure!(
            *refused == 0,
            "some lines {}",
            if rehearse { "would be refused" } else { "were refused" }
        );
        Ok(())
    }
}
