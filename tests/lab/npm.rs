//! Programs in JavaScript that use libraries of other projects from npm.

use dacti_tests::lab::Tool;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a command to its end, and returns its output.
#[track_caller]
pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

/// Returns the folder of the JavaScript programs and their npm packages. npm downloads the packages
/// when they are first needed.
pub(super) fn programs() -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/npm");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("npm");
    fs::create_dir_all(&folder).unwrap();
    let same = |name: &str| fs::read(from.join(name)).ok() == fs::read(folder.join(name)).ok();
    let is_fetched = same("package.json") && folder.join("node_modules").is_dir();
    for name in ["package.json", "car.mjs", "gateway.mjs"] {
        fs::copy(from.join(name), folder.join(name)).unwrap();
    }
    if !is_fetched {
        let mut npm = Tool::NPM.command().unwrap();
        run(npm.args(["install", "--no-audit", "--no-fund"]).current_dir(&folder));
    }
    folder
}
