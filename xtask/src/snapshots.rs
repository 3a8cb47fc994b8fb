//! `snapshots`: accepts the current values of insta's assertions. It does not need cargo-insta.
//! With `--check`, it finds snapshot files that no assertion uses.

use crate::metadata::Metadata;
use crate::run::{Context, Outcome, Result, judge, one_flag, run};
use crate::tree::{Tree, join};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn snapshots(context: &Context, args: &[String]) -> Result<Outcome> {
    let check = one_flag(args, "--check")?;
    let metadata = Metadata::load(context)?;
    let users: Vec<_> = metadata.members().filter(|package| package.depends_on("insta")).collect();
    if users.is_empty() {
        return Err("no package of the workspace depends on insta".into());
    }
    let mut command = context.cargo(["test", "--quiet"]);
    command.args(users.iter().flat_map(|package| ["-p", &package.name]));
    command.env("INSTA_UPDATE", if check { "no" } else { "always" });
    record(&mut command, &list_of(context)?)?;
    run(&mut command)?;
    if check {
        return check_recorded(context);
    }
    for path in unasked(context)? {
        std::fs::remove_file(context.root.join(&path)).map_err(|e| format!("{path}: {e}"))?;
        eprintln!("removed {path}: no test asks for it");
    }
    Ok(Outcome::Done)
}

/// Does the second half of `--check`: finds the snapshot files that the tests did not read. The
/// tests must have run just before.
pub fn check_recorded(context: &Context) -> Result<Outcome> {
    let unasked = unasked(context)?;
    judge("snapshot files that no test asks for (`cargo xtask snapshots` removes them)", &unasked)?;
    Ok(Outcome::Done)
}

/// Returns the path of the file that lists the snapshots which the tests have read.
pub fn list_of(context: &Context) -> Result<PathBuf> {
    Ok(Metadata::load(context)?.target_directory.join("xtask-snapshots-asked-for"))
}

/// Sets an environment variable for the tests. With this variable, insta writes to the file
/// [`list_of`] the path of each snapshot that an assertion reads.
pub fn record(tests: &mut Command, list: &Path) -> Result {
    let text = |error| format!("{}: {error}", list.display());
    if let Some(dir) = list.parent() {
        std::fs::create_dir_all(dir).map_err(text)?;
    }
    std::fs::write(list, "").map_err(text)?;
    tests.env("INSTA_SNAPSHOT_REFERENCES_FILE", list);
    Ok(())
}

fn unasked(context: &Context) -> Result<Vec<String>> {
    let list = list_of(context)?;
    let asked =
        std::fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    Ok(stale(&Tree::load(context)?, &asked_for(&asked, &context.root)))
}

/// Returns the paths in insta's list, relative to the root.
fn asked_for(list: &str, root: &Path) -> BTreeSet<String> {
    let path = |line: &str| {
        let path = Path::new(line);
        let path = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
        join("", &path.replace('\\', "/"))
    };
    list.lines().map(path).collect()
}

/// Returns the snapshot files that no test has read, and the files with rejected values that
/// earlier runs have left.
fn stale(tree: &Tree, asked_for: &BTreeSet<String>) -> Vec<String> {
    let left_behind = |path: &str| path.ends_with(".snap.new") || path.ends_with(".pending-snap");
    let unasked = |path: &str| path.ends_with(".snap") && !asked_for.contains(path);
    let paths = tree.files().map(|(path, _)| path);
    paths.filter(|&path| left_behind(path) || unasked(path)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{asked_for, stale};
    use crate::tree::tests::tree;
    use std::path::Path;

    #[test]
    fn a_snapshot_that_no_test_reads_is_stale() {
        let tree =
            tree(&[("t/a.snap", ""), ("t/b.snap", ""), ("t/a.snap.new", ""), ("t/c.rs", "")]);
        let asked = asked_for("/w/t/a.snap\n/w/t/u/../a.snap\n", Path::new("/w"));
        assert_eq!(stale(&tree, &asked), ["t/a.snap.new", "t/b.snap"]);
    }
}
