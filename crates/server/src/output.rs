//! What commands print: tables and times for people, JSON for programs.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use anyhow::{Context, Result};
use doorward_domain::Timestamp;
use time::{format_description::well_known::Rfc3339, macros::format_description};

/// Prints to standard output. A reader that has gone away is no error; a disk that is full is one.
pub(crate) fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Rows under their heads, in columns two blanks apart.
pub(crate) fn table<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut table = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table
}

/// A time as people read it, in UTC.
pub(crate) fn shown(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    at.format(format).unwrap_or_else(|_| at.to_string())
}

/// A time as people read it, or a dash.
pub(crate) fn shown_or_dash(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), shown)
}

/// A time as programs read it (RFC 3339).
pub(crate) fn text(at: Timestamp) -> String {
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}
