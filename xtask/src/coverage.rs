//! `fuzz TARGET`: runs libFuzzer on one entry point, with inputs chosen by coverage. The run ends
//! at the first fault, or when its time is over.
//!
//! The fuzz program is a separate workspace, `fuzz/`, because all its crates are built with
//! instrumentation. A stable Rust compiler can do this. A C++ compiler is also needed, because
//! libFuzzer is written in C++.

use crate::metadata::Metadata;
use crate::run::{Context, Outcome, Result, output, run, succeeds};
use std::path::Path;
use std::process::Command;

/// The flags that `cargo fuzz` would use. A sanitizer is not needed, because there is no `unsafe`
/// code to check.
const RUSTFLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

/// The maximum length of an input in bytes. Fixtures with a head of 64 KiB are shorter.
const LEN_MAX: &str = "-max_len=200000";

pub fn fuzz(context: &Context, target: &str, seconds: Option<u64>) -> Result<Outcome> {
    if !succeeds(Command::new("c++").arg("--version")) {
        return Ok(Outcome::Skipped("libFuzzer needs a C++ compiler (`c++`)".into()));
    }
    let target_dir = Metadata::load(context)?.target_directory.join("fuzz");
    let host = host(context)?;
    let mut build = context.cargo(["build", "--release", "--manifest-path", "fuzz/Cargo.toml"]);
    // If the target is stated, cargo builds build scripts and macros without these flags.
    build.args(["--target", &host]).env("CARGO_TARGET_DIR", &target_dir);
    run(build.env("RUSTFLAGS", RUSTFLAGS))?;
    let program = target_dir.join(host).join("release/dacti-fuzz");
    let corpus = target_dir.join("corpus").join(target);
    let faults = target_dir.join("faults").join(target);
    for folder in [&corpus, &faults] {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let fuzzer = |folder: &Path| {
        let mut command = Command::new(&program);
        command.arg(folder).env("DACTI_FUZZ_ENTRY", target);
        command
    };
    run(fuzzer(&corpus).env("DACTI_FUZZ_SEEDS", &corpus))?;
    let mut command = fuzzer(&corpus);
    command.arg(LEN_MAX).arg(format!("-artifact_prefix={}/", faults.display()));
    command.args(seconds.map(|seconds| format!("-max_total_time={seconds}")));
    run(&mut command)?;
    Ok(Outcome::Done)
}

/// Returns the system for which this compiler builds programs.
fn host(context: &Context) -> Result<String> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let said = output(rustc.current_dir(&context.root).arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("`rustc -vV` names no host")?.to_owned())
}
