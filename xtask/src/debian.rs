//! Installs Debian's packages of programs that the chores need and cargo does not provide.

use crate::run::{Result, output, run, under_ci};
use std::path::Path;
use std::process::Command;

/// Installs packages in CI, as root, on Debian. Elsewhere this does nothing, and its callers say
/// which package to install.
pub fn install_under_ci(packages: &[&str]) -> Result {
    if !under_ci() || !Path::new("/etc/debian_version").exists() || !is_root() {
        return Ok(());
    }
    let noninteractive = ("DEBIAN_FRONTEND", "noninteractive");
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get")
        .args(["install", "-y", "--no-install-recommends"])
        .args(packages)
        // Debian must not start the servers among them. The tests start them, on ports of their
        // own.
        .env("RUNLEVEL", "1")
        .env(noninteractive.0, noninteractive.1))
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
