//! The account that PostgreSQL's programs run as: they refuse to run as root.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use rustix::process::geteuid;

use crate::program;

/// The person's own account, or the unprivileged one that stands in for root.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    stand_in: Option<(u32, u32)>,
}

impl Account {
    /// The account to use here. Root is replaced by `postgres`, or by `nobody` if there is none.
    ///
    /// # Errors
    /// When root runs this on a system that has neither account.
    pub fn choose() -> Result<Self> {
        if !is_root() {
            return Ok(Self { stand_in: None });
        }
        for name in ["postgres", "nobody"] {
            if let (Some(user), Some(group)) = (id("-u", name), id("-g", name)) {
                return Ok(Self { stand_in: Some((user, group)) });
            }
        }
        bail!(
            "PostgreSQL does not run as root: add an account for it (`useradd --system postgres`) \
             or run this as another user."
        )
    }

    /// A command that runs as this account, in a folder that the account can enter.
    pub fn command(self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        // The server takes what it formats from the locale, and macOS's aborts without a valid one.
        command.current_dir(folder).env("LC_ALL", "C");
        if let Some((user, group)) = self.stand_in {
            command.uid(user).gid(group);
        }
        command
    }

    /// Makes a file or folder this account's own.
    ///
    /// # Errors
    /// When the file system refuses it.
    pub fn own(self, path: &Path) -> io::Result<()> {
        match self.stand_in {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    /// Whether this account can reach a folder.
    pub fn can_enter(self, folder: &Path) -> bool {
        program::answers(&mut self.command("true", folder))
    }
}

/// Whether root runs this.
fn is_root() -> bool {
    geteuid().is_root()
}

fn id(option: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([option, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
