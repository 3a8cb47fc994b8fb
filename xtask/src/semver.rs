//! `semver`: checks which other crates the public interfaces use, and whether a change of an
//! interface breaks callers of the last release.

use crate::metadata::Metadata;
use crate::public_types::{self, as_rustdoc};
use crate::run::{Context, Outcome, Result, judge, no_args, output, run, succeeds, under_ci};

/// For each of our crates, the other projects' crates that its public interface uses, under their
/// names in Rust. If one of these crates makes a breaking change, so does our crate.
const PUBLIC: &[(&str, &[&str])] = &[
    ("daicon-core", &["bytemuck", "uuid"]),
    ("dacti-index", &["bytemuck", "uuid"]),
    ("dacti-lookup", &["bytemuck", "uuid"]),
    ("dacti-names", &["uuid"]),
    ("dacti-seal", &["uuid"]),
    ("dacti-cdn", &["serde_core", "uuid"]),
    ("dacti-dar", &["cid", "multihash"]),
    // Programs that read with `AsyncPackage` use traits of `futures_core`, `futures_io` and
    // `tokio`.
    ("dacti", &["bytes", "futures_core", "futures_io", "tokio", "uuid"]),
];

const TOOL: &str = "cargo-semver-checks";

pub fn semver(context: &Context, args: &[String]) -> Result<Outcome> {
    no_args(args)?;
    let metadata = Metadata::load(context)?;
    external_types(context, &metadata)?;
    let tags = output(&mut context.git(["tag", "--list", "v*", "--sort=-version:refname"]))?;
    let Some(last) = tags.lines().next() else {
        eprintln!("semver: no version was released yet, so there is nothing to compare with");
        return Ok(Outcome::Done);
    };
    let installed = || succeeds(&mut context.cargo(["semver-checks", "--version"]));
    if !installed() && under_ci() {
        run(&mut context.cargo(["install", "--locked", TOOL]))?;
    }
    if !installed() {
        return Ok(Outcome::Skipped(format!("run `cargo install --locked {TOOL}`")));
    }
    let mut command = context.cargo(["semver-checks", "--all-features", "--baseline-rev", last]);
    for package in metadata.members().filter(|p| p.published() && p.lib().is_some()) {
        command.args(["-p", &package.name]);
    }
    run(&mut command)?;
    Ok(Outcome::Done)
}

fn external_types(context: &Context, metadata: &Metadata) -> Result {
    let libraries = metadata.members().filter(|p| p.published() && p.lib().is_some());
    // Other packages of the workspace enable all features, so `--all-features` is not needed.
    // Without this flag, cargo can use its earlier builds.
    let mut doc = context.cargo(["doc", "--quiet", "--no-deps", "--lib", "--workspace"]);
    run(as_rustdoc(&mut doc))?;
    let mut findings = Vec::new();
    for package in libraries {
        let path = metadata.target_directory.join("doc").join(package.rust_name() + ".json");
        let json = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let mut found = public_types::crates(&json)?;
        found.retain(|name, _| metadata.members().all(|own| own.rust_name() != *name));
        let listed = PUBLIC.iter().find(|(name, _)| *name == package.name);
        findings.extend(differences(&package.name, listed.map_or(&[], |(_, list)| list), &found));
    }
    judge("differences from the list of public dependencies in xtask/src/semver.rs", &findings)
}

/// Returns the crates that an interface uses but the list lacks, and the listed crates that no
/// interface uses.
fn differences(package: &str, listed: &[&str], found: &public_types::Crates) -> Vec<String> {
    let unlisted = found.iter().filter(|(name, _)| !listed.contains(&&***name));
    let unlisted = unlisted.map(|(name, place)| format!("{package}: {place} names {name}"));
    let gone = listed.iter().filter(|name| !found.contains_key(**name));
    unlisted.chain(gone.map(|name| format!("{package}: nothing names {name} any more"))).collect()
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn the_list_is_exact() {
        let found = [("uuid".to_owned(), "a::B".to_owned())].into();
        assert_eq!(differences("low", &["uuid"], &found), [""; 0]);
        assert_eq!(differences("low", &[], &found), ["low: a::B names uuid"]);
        let expected = ["low: a::B names uuid", "low: nothing names bytes any more"];
        assert_eq!(differences("low", &["bytes"], &found), expected);
    }
}
