//! Installing what a chore needs from Debian's or Ubuntu's packages.

use std::io;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use rustix::process::geteuid;

use crate::program;

/// Whether packages can be installed here: on Debian or a descendant, as root.
pub fn can_install() -> bool {
    geteuid().is_root() && Path::new("/etc/debian_version").exists()
}

/// Installs a package, once; one that is there stays as it is.
///
/// # Errors
/// When `apt-get` fails, for instance without a network.
pub fn install(package: &str) -> Result<()> {
    eprintln!("Installing Debian's package `{package}`, once.");
    apt_get(&["update"])?;
    apt_get(&["install", "-y", "--no-install-recommends", "--no-upgrade", package])
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(["-o", "Dpkg::Use-Pty=0"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(io::stderr());
    program::run(&mut command)
}
