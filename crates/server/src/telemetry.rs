//! Logs.

use std::io::{self, BufWriter, IsTerminal};

use anyhow::{Context, Result};
use doorward_log::{JsonLine, JsonMembers};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::settings::{Log, LogFormat};

/// How many lines may wait for whoever reads the log. Further ones are lost: a reader that stands still
/// must not make the server stand still.
const LINES_KEPT: usize = 8 * 1024;

/// Starts logging to standard error, and has panics logged like everything else. What is returned is to
/// be kept to the end: dropping it writes out what still waits, for at most a second.
pub(crate) fn start(settings: &Log) -> Result<WorkerGuard> {
    let filter: Targets = settings.filter.parse().context("log.filter cannot be read")?;
    let registry = tracing_subscriber::registry().with(filter);
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_KEPT)
        .finish(BufWriter::new(io::stderr()));
    match settings.format {
        LogFormat::Pretty => {
            let in_colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            registry.with(fmt::layer().with_ansi(in_colour).with_writer(writer)).try_init()
        }
        LogFormat::Json => {
            let json = fmt::layer().fmt_fields(JsonMembers).event_format(JsonLine);
            registry.with(json.with_writer(writer)).try_init()
        }
    }
    .context("cannot start the log")?;
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("(no message)");
        tracing::error!(location, message, "a task panicked; this is a defect of Doorward");
    }));
    Ok(guard)
}
