//! Installs Debian's packages of programs that the chores need and cargo does not provide.

use crate::run::{Outcome, Result, output, run, under_ci};
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
        // Keeps Debian from starting the servers among the packages. The tests start the servers,
        // on ports of their own.
        .env("RUNLEVEL", "1")
        .env(noninteractive.0, noninteractive.1))
}

/// Makes sure that programs are installed. Each program is given by its file and its Debian
/// package. In CI, missing programs are installed. Returns `Skipped` if one is still missing.
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
