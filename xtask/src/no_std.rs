//! `no-std`: builds the lower crates for a target that has no `std`. So neither the crates nor
//! their dependencies can use `std`.
//!
//! Many other targets would prove nothing: wasm32-unknown-unknown, for example, has a `std`.

use crate::debian::install_under_ci;
use crate::metadata::Metadata;
use crate::run::{Context, Outcome, Result, no_args, output, run, succeeds};
use std::path::Path;
use std::process::Command;

/// The packages, each with the sets of features with which it is built.
const PACKAGES: &[(&str, &[&str])] = &[
    ("daicon-core", &[""]),
    ("dacti-index", &["", "alloc", "brotli"]),
    ("dacti-lookup", &[""]),
    ("dacti-http", &[""]),
    ("dacti-names", &[""]),
    ("dacti-seal", &[""]),
    ("dacti-cdn", &["", "serde"]),
    // This package is an example of a format.
    ("photo-card", &[""]),
];

const TARGET: &str = "x86_64-unknown-none";

/// The target has no vector registers. Without this flag, curve25519-dalek would use them on every
/// x86-64.
const RUSTFLAGS: (&str, &str) =
    ("CARGO_TARGET_X86_64_UNKNOWN_NONE_RUSTFLAGS", "--cfg curve25519_dalek_backend=\"serial\"");

/// The compiler of Debian, and the place where Debian installs the sources of its standard library.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/core";
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "rust-web-src"];

pub fn no_std(context: &Context, args: &[String]) -> Result<Outcome> {
    no_args(args)?;
    let metadata = Metadata::load(context)?;
    check_list(&metadata)?;
    let Some(toolchain) = Toolchain::find(context)? else {
        return Ok(Outcome::Skipped(format!(
            "no `core` for {TARGET}: run `rustup target add {TARGET}` (or on Debian, as root, \
             `apt-get install {}`)",
            DEBIAN_PACKAGES.join(" ")
        )));
    };
    // Another compiler would discard what other verbs have built, so this verb has its own target
    // directory.
    let target_dir = metadata.target_directory.join("no-std");
    for &(package, sets) in PACKAGES {
        for &set in sets {
            let mut command = toolchain.build(context);
            command.args(["--target", TARGET, "-p", package, "--no-default-features"]);
            if !set.is_empty() {
                command.args(["--features", set]);
            }
            let (flags, value) = RUSTFLAGS;
            run(command.env("CARGO_TARGET_DIR", &target_dir).env(flags, value))?;
        }
    }
    Ok(Outcome::Done)
}

fn check_list(metadata: &Metadata) -> Result {
    for &(name, sets) in PACKAGES {
        let package = metadata.member(name)?;
        for &feature in sets.iter().filter(|set| !set.is_empty()) {
            if !package.features.contains_key(feature) {
                return Err(format!("`{name}` has no feature `{feature}`").into());
            }
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Toolchain {
    /// The toolchain in use has the target installed.
    InUse,
    /// The compiler of Debian builds only `core` and `alloc`, from the sources of Debian.
    Debian,
}

impl Toolchain {
    fn find(context: &Context) -> Result<Option<Self>> {
        if target_installed(context) {
            return Ok(Some(Self::InUse));
        }
        if !debian_ready() {
            install_under_ci(DEBIAN_PACKAGES)?;
        }
        Ok(debian_ready().then_some(Self::Debian))
    }

    fn build(&self, context: &Context) -> Command {
        let mut command = context.cargo(["build", "--quiet"]);
        if *self == Self::Debian {
            command.arg("-Zbuild-std=core,alloc");
            command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            // `cargo run` sets this variable to the libraries of the toolchain in use, which
            // Debian's compiler must not load.
            command.env_remove("LD_LIBRARY_PATH");
        }
        command
    }
}

fn target_installed(context: &Context) -> bool {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.current_dir(&context.root).args(["--print", "target-libdir", "--target", TARGET]);
    let Ok(dir) = output(&mut rustc) else { return false };
    let Ok(files) = std::fs::read_dir(dir.trim()) else { return false };
    files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
}

fn debian_ready() -> bool {
    Path::new(DEBIAN_SOURCES).is_dir()
        && succeeds(Command::new(DEBIAN_RUSTC).arg("--version").env_remove("LD_LIBRARY_PATH"))
}

#[cfg(test)]
mod tests {
    use super::check_list;
    use crate::metadata::{Metadata, tests::SAMPLE};

    #[test]
    fn an_entry_that_the_workspace_does_not_have_is_an_error() {
        let metadata = Metadata::parse(SAMPLE).expect("sample");
        let expected = Err("the workspace has no package `daicon-core`".into());
        assert_eq!(check_list(&metadata), expected);
        let json =
            SAMPLE.replace("\"low\"", "\"daicon-core\"").replace("\"high\"", "\"dacti-index\"");
        let metadata = Metadata::parse(&json).expect("sample");
        assert_eq!(check_list(&metadata), Err("`dacti-index` has no feature `alloc`".into()));
    }
}
