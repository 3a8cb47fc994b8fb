//! Debian's packages of what the chores need and cargo does not bring.

use crate::run::{Result, output, run, under_ci};
use std::path::Path;
use std::process::Command;

/// Installs packages where that is nobody's decision but ours: as root, on Debian, in CI.
/// Elsewhere nothing happens, and whoever asks says what to install.
pub fn install_under_ci(packages: &[&str]) -> Result {
    if !under_ci() || !Path::new("/etc/debian_version").exists() || !is_root() {
        return Ok(());
    }
    let noninteractive = ("DEBIAN_FRONTEND", "noninteractive");
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get")
        .args(["install", "-y", "--no-install-recommends"])
        .args(packages)
        // Servers among them are started by those who need them, on ports of their own.
        .env("RUNLEVEL", "1")
        .env(noninteractive.0, noninteractive.1))
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
