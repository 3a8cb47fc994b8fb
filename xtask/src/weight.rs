//! Counts the crates that a user builds, for each set of features. Compares the numbers with those
//! in the READMEs, so that no number grows unnoticed or becomes wrong.
//!
//! If a crate has features, its README has a table after a mark. The first column has the features,
//! and the second column has the number of crates.

use crate::metadata::Metadata;
use crate::run::{Context, Result, judge, output, run};
use crate::tree::Tree;
use std::collections::BTreeSet;

const MARK: &str = "<!-- The crates of each feature set: checked by `cargo xtask layers`. -->";

/// A row of a table.
#[derive(Debug, PartialEq, Eq)]
struct Stated {
    features: Vec<String>,
    crates: usize,
}

pub fn findings(context: &Context, tree: &Tree, metadata: &Metadata) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for package in metadata.members().filter(|package| package.published()) {
        let path = format!("{}/README.md", metadata.dir(package));
        let stated = table(&tree.text(&path).unwrap_or_default())?;
        if stated.is_empty() && !package.features.is_empty() {
            findings.push(format!("{path}: lacks the table of crates below `{MARK}`"));
        }
        for Stated { features, crates } in stated {
            let features = features.join(",");
            let mut call = context.cargo(TREE.iter().copied());
            call.args(["--package", &package.name, "--no-default-features"]);
            let found = count(&output(call.args(["--features", &features]))?);
            if found != crates {
                findings.push(format!(
                    "{path}: states {crates} crates for [{features}], {found} are built"
                ));
            }
        }
    }
    Ok(findings)
}

/// The arguments with which cargo prints the crates that a user builds. Crates of build scripts
/// count, too. The target is stated, because other systems need other crates.
const TREE: &[&str] = &[
    "tree",
    "--quiet",
    "--edges=normal,build",
    "--target=x86_64-unknown-linux-gnu",
    "--prefix=none",
    "--format={p}",
];

/// Counts the different crates in a printed tree. A star marks a crate that was printed before.
fn count(tree: &str) -> usize {
    let crates = tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|l| !l.is_empty());
    crates.collect::<BTreeSet<_>>().len()
}

fn table(readme: &str) -> Result<Vec<Stated>> {
    let Some((_, rest)) = readme.split_once(MARK) else { return Ok(vec![]) };
    let rows = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(row).collect()
}

/// Reads a row like `` | `http`, `write` | 149 | … | ``.
fn row(line: &str) -> Result<Stated> {
    let mut cells = line.trim_matches('|').split('|').map(str::trim);
    let features = cells.next().unwrap_or_default().split('`').skip(1).step_by(2);
    let features = features.map(str::to_owned).collect();
    let crates = cells.next().and_then(|cell| cell.parse().ok());
    let crates = crates.ok_or_else(|| format!("the second column has no number: {line}"))?;
    Ok(Stated { features, crates })
}

/// The package of the program, and the name of the program.
const PROGRAM: (&str, &str) = ("dacti-cli", "dacti");
/// The maximum length of the program in bytes, as `cargo install` builds it. Of these bytes, 0.7 MB
/// are tables of a crate for checksums. object_store 0.14 depends on it without using the tables.
const PROGRAM_LEN_MAX: u64 = 12_000_000;

/// Builds the program as users install it. Fails if it is too long.
pub fn program(context: &Context, metadata: &Metadata) -> Result {
    let (package, name) = PROGRAM;
    run(&mut context.cargo(["build", "--release", "--locked", "-p", package]))?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = metadata.target_directory.join("release").join(file);
    let len = std::fs::metadata(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?
        .len();
    eprintln!("release: the program {name} has {len} bytes of {PROGRAM_LEN_MAX}");
    judge("programs that are too long", &too_long(name, len))
}

fn too_long(name: &str, len: u64) -> Vec<String> {
    let finding = || format!("{name} has {len} bytes, at most {PROGRAM_LEN_MAX} are allowed");
    (len > PROGRAM_LEN_MAX).then(finding).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{MARK, PROGRAM_LEN_MAX, Stated, count, table, too_long};

    #[test]
    fn a_table_is_read_below_its_mark() {
        let readme = format!(
            "| a | b |\n| - | - |\n| `x` | 1 |\n\n{MARK}\n\n| Features | Crates | Time |\n\
             | --- | ---: | --- |\n| none | 7 | 1 s |\n| `a`, `b` (all) | 12 | 2 s |\n\n| z |\n"
        );
        let stated = |features: &[&str], crates| Stated {
            features: features.iter().map(|&name| name.to_owned()).collect(),
            crates,
        };
        assert_eq!(table(&readme), Ok(vec![stated(&[], 7), stated(&["a", "b"], 12)]));
        assert_eq!(table("| none | 7 |"), Ok(vec![]));
        assert!(table(&readme.replace("| 7 |", "| few |")).is_err());
    }

    #[test]
    fn a_crate_counts_once() {
        let tree = "low v0.1.0 (/w)\nuuid v1.0.0\nsyn v1.0.0 (proc-macro)\nsyn v2.0.0\n\
            uuid v1.0.0 (*)\n\n";
        assert_eq!(count(tree), 4);
    }
    #[test]
    fn a_program_that_is_longer_than_allowed_is_found() {
        assert_eq!(too_long("p", PROGRAM_LEN_MAX), [""; 0]);
        let expected = ["p has 12000001 bytes, at most 12000000 are allowed"];
        assert_eq!(too_long("p", PROGRAM_LEN_MAX + 1), expected);
    }
}
