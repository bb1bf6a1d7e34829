//! Showing how far an import has come: a bar on a terminal, a line now and then elsewhere.

use std::{
    cell::Cell,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a log that is no terminal is told.
const LINE_PERIOD: Duration = Duration::from_secs(10);

pub(super) enum Progress {
    Bar(ProgressBar),
    Lines { total: u64, told: Cell<Instant> },
}

impl Progress {
    /// For so many octets. It is shown on standard error.
    pub fn start(total: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines { total, told: Cell::new(Instant::now()) };
        }
        let bar = ProgressBar::new(total);
        let template = "{bar:30} {percent:>3}%  {msg}, {elapsed} gone, {eta} to go";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    /// So far into the file, with so many users.
    pub fn show(&self, octets: u64, added: u64, refused: u64) {
        match self {
            Self::Bar(bar) => {
                bar.set_message(format!("{added} added, {refused} refused"));
                bar.set_position(octets);
            }
            Self::Lines { total, told } if told.get().elapsed() >= LINE_PERIOD => {
                told.set(Instant::now());
                let percent = (octets * 100).checked_div(*total).unwrap_or(100);
                eprintln!("{percent} %: {added} added, {refused} refused");
            }
            Self::Lines { .. } => {}
        }
    }

    /// Does something that may print, with the bar out of its way.
    pub fn pause<T>(&self, print: impl FnOnce() -> T) -> T {
        match self {
            Self::Bar(bar) => bar.suspend(print),
            Self::Lines { .. } => print(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
