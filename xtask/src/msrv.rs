//! `msrv`: builds the published crates with the oldest compiler that they support, which is their
//! `rust-version`.

use crate::metadata::Metadata;
use crate::run::{Context, Outcome, Result, no_args, output, run, succeeds, under_ci};
use std::process::Command;

pub fn msrv(context: &Context, args: &[String]) -> Result<Outcome> {
    no_args(args)?;
    let metadata = Metadata::load(context)?;
    let promised = promised(&metadata)?;
    let in_use = output(Command::new(rustc()).current_dir(&context.root).arg("--version"))?;
    if is_release(&in_use, &promised) {
        eprintln!("msrv: the compiler in use is {promised}, so every verb builds with it");
        return Ok(Outcome::Done);
    }
    if !installed(&promised) && under_ci() {
        let install = ["toolchain", "install", &promised, "--profile", "minimal"];
        run(Command::new("rustup").args(install))?;
    }
    if !installed(&promised) {
        return Ok(Outcome::Skipped(format!("run `rustup toolchain install {promised}`")));
    }
    let mut command = Command::new("rustup");
    command.current_dir(&context.root).args(["run", &promised, "cargo", "check", "--all-features"]);
    for package in metadata.members().filter(|package| package.published()) {
        command.args(["-p", &package.name]);
    }
    // Another compiler would replace earlier builds, so this verb has its own target directory.
    run(command.env("CARGO_TARGET_DIR", metadata.target_directory.join("msrv")))?;
    Ok(Outcome::Done)
}

/// Returns the `rust-version`, which must be the same for all published crates.
fn promised(metadata: &Metadata) -> Result<String> {
    let mut versions = metadata.members().filter(|p| p.published()).map(|p| (&p.name, &p.msrv));
    let (first, Some(version)) = versions.next().ok_or("nothing is published")? else {
        return Err("a published crate has no rust-version".into());
    };
    match versions.find(|(_, other)| other.as_ref() != Some(version)) {
        None => Ok(version.clone()),
        Some((name, _)) => Err(format!("{first} and {name} differ in their rust-version").into()),
    }
}

fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// Returns whether `rustc --version` printed a release of this version. The patch number does not
/// matter.
fn is_release(printed: &str, version: &str) -> bool {
    let number = printed.split_whitespace().nth(1).unwrap_or_default();
    number == version || number.strip_prefix(version).is_some_and(|patch| patch.starts_with('.'))
}

fn installed(version: &str) -> bool {
    succeeds(Command::new("rustup").args(["run", version, "cargo", "--version"]))
}

#[cfg(test)]
mod tests {
    use super::{is_release, promised};
    use crate::metadata::{Metadata, tests::SAMPLE};

    #[test]
    fn a_release_is_told_from_others() {
        assert!(is_release("rustc 1.95.0 (59807616e 2026-04-14)\n", "1.95"));
        assert!(is_release("rustc 1.95.1 (59807616e 2026-04-14)\n", "1.95.1"));
        assert!(!is_release("rustc 1.96.0-nightly (1.95.0)\n", "1.95"));
        assert!(!is_release("rustc 1.950.0\n", "1.95"));
        assert!(!is_release("", "1.95"));
    }

    #[test]
    fn all_published_crates_promise_the_same() {
        let with = |low: &str, high: &str| {
            let json =
                SAMPLE.replace(r#""name": "low", "m"#, &format!(r#""name": "low", {low} "m"#));
            let json =
                json.replace(r#""name": "high", "m"#, &format!(r#""name": "high", {high} "m"#));
            promised(&Metadata::parse(&json).expect("sample"))
        };
        let (old, new) = (r#""rust_version": "1.95","#, r#""rust_version": "1.96","#);
        assert_eq!(with(old, old), Ok("1.95".to_owned()));
        assert_eq!(with(old, new), Err("low and high differ in their rust-version".into()));
        assert_eq!(with("", new), Err("a published crate has no rust-version".into()));
    }
}
