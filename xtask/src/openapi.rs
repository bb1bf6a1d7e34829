//! `cargo xtask openapi`: the committed OpenAPI document.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{program, workspace};

const DOCUMENT: &str = "openapi.json";

/// Writes the document that follows from the handlers, or checks that the committed one equals it, which is what
/// servers give.
///
/// # Errors
/// When the handlers do not build, describe themselves in no JSON, or `check` finds a difference.
pub fn generate(check: bool) -> Result<()> {
    eprintln!("Asking the handlers for the OpenAPI document …");
    let mut example = program::cargo(["run", "-p", "doorward-http", "--example", "openapi"]);
    let document = String::from_utf8(program::read(&mut example)?)?;
    serde_json::from_str::<serde_json::Value>(&document)
        .context("the example `openapi` printed something that is not JSON.")?;
    let file = workspace::root().join(DOCUMENT);
    if !check {
        fs::write(&file, document)?;
        eprintln!("{DOCUMENT} is up to date.");
        return Ok(());
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    if committed != document {
        bail!(
            "{DOCUMENT} differs from what the handlers say, first in line {}: \
             run `cargo xtask openapi` and commit the result.",
            first_difference(&committed, &document)
        );
    }
    eprintln!("{DOCUMENT} is up to date.");
    Ok(())
}

/// The number of the first line, from 1, in which two texts differ.
fn first_difference(one: &str, other: &str) -> usize {
    1 + one.split('\n').zip(other.split('\n')).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_different_line_is_named() {
        assert_eq!(first_difference("", "{\n}\n"), 1);
        assert_eq!(first_difference("{\n}\n", "{\n}"), 3);
        assert_eq!(first_difference("a\nb\nc\n", "a\nb\nd\n"), 3);
    }
}
