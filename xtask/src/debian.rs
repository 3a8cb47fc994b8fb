//! Installs packages of Debian: programs that the verbs need and cargo cannot install.

use crate::run::{Outcome, Result, output, run, under_ci};
use std::path::Path;
use std::process::Command;

/// Installs packages, but only in CI, on Debian, as root. Otherwise it does nothing. Callers then
/// print the names of the packages.
pub fn install_under_ci(packages: &[&str]) -> Result {
    if !under_ci() || !Path::new("/etc/debian_version").exists() || !is_root() {
        return Ok(());
    }
    let noninteractive = ("DEBIAN_FRONTEND", "noninteractive");
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get")
        .args(["install", "-y", "--no-install-recommends"])
        .args(packages)
        // This keeps Debian from starting servers that it installs. The tests start them, at ports
        // of their own.
        .env("RUNLEVEL", "1")
        .env(noninteractive.0, noninteractive.1))
}

/// Checks that programs are installed. A program is given by its path and its Debian package. In
/// CI, missing programs are installed first. Returns `Skipped` if a program is missing.
pub fn need(programs: &[(&str, &str)]) -> Result<Outcome> {
    let missing = || -> Vec<&str> {
        let missing = programs.iter().filter(|(file, _)| !Path::new(file).exists());
        missing.map(|&(_, package)| package).collect()
    };
    let install = missing();
    if !install.is_empty() {
        install_under_ci(&install)?;
    }
    let missing = missing();
    if missing.is_empty() {
        return Ok(Outcome::Done);
    }
    let install = missing.join(" ");
    Ok(Outcome::Skipped(format!("on Debian, as root: `apt-get install {install}`")))
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
