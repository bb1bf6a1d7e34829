//! Prints the OpenAPI document that follows from the handlers, for an installation with the default settings:
//! `cargo xtask openapi` keeps it in the repository, from which it becomes a part of the program.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    let document = doorward_http::document(doorward_http::DEFAULT_URL);
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    io::stdout().lock().write_all(text.as_bytes())
}
