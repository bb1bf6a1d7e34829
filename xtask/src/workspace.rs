//! Where the workspace's files are.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

/// The workspace's root folder.
pub fn root() -> PathBuf {
    // Cargo says it at run time too, and is then right even if checkouts share one target folder.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().unwrap_or(&package).to_path_buf()
}

/// The folder of everything that is built or thrown away: Cargo's target folder.
///
/// # Errors
/// When `CARGO_TARGET_DIR` is relative and the current folder cannot be found out.
pub fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => Ok(std::path::absolute(folder)?),
        None => Ok(root().join("target")),
    }
}
