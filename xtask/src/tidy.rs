//! `tidy`: looks for faults that readers notice and compilers do not notice.

use crate::metadata::Metadata;
use crate::prose::HABITS;
use crate::run::{Context, Outcome, Result, judge, no_args};
use crate::rust::{attributes, functions, modules, parse};
use crate::subjects;
use crate::tree::{Tree, dir_of};
use std::collections::BTreeSet;
use std::path::Path;

const COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;

/// The folders in which the lengths of functions are limited. Tests have no limit, because a test
/// may be a long table.
const MEASURED: &[&str] = &["crates/", "xtask/"];

/// Words that mark unfinished work. They are written in two halves, because this file must not
/// contain them.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("db", "g!")];

/// Attributes of tests that prove nothing: a test that does not run, and a test that any panic
/// makes pass.
const BANNED_ATTRIBUTES: &[&str] = &["ignore", "should_panic"];

/// Paths of folders on one machine, which must not appear in the repository. The home directory and
/// the folder of the workspace are added when the check runs.
const PRIVATE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

const FIXTURES: &str = "tests/fixtures/";
const README_HEADING: &str = "Who needs this";

pub fn tidy(context: &Context, args: &[String]) -> Result<Outcome> {
    no_args(args)?;
    let tree = Tree::load(context)?;
    let metadata = Metadata::load(context)?;
    let mut findings = Vec::new();
    for (path, text) in tree.texts(".rs") {
        findings.extend(source(path, &text)?);
    }
    findings.extend(dead_files(&tree, &metadata)?);
    findings.extend(half_fixtures(&tree));
    findings.extend(crate_papers(&tree, &metadata));
    findings.extend(private_paths(&tree, &private(&context.root)));
    findings.extend(subjects::long(context)?);
    for habit in HABITS {
        let (comments, messages) = (habit.in_comments(&tree), habit.in_messages(&tree)?);
        let count = habit.told(comments, messages);
        eprintln!("tidy: {count}");
        findings.extend((comments > habit.comments_max).then_some(count));
    }
    judge("things to tidy", &findings)?;
    eprintln!("tidy: {} files", tree.files().count());
    Ok(Outcome::Done)
}

/// Returns the faults of one Rust file.
fn source(path: &str, text: &str) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    // A file may include the README of its crate as its documentation.
    if !["//!", "#![doc = include_str!("].iter().any(|start| text.starts_with(start)) {
        findings.push(format!("{path}:1: does not begin with `//!`: what is it for?"));
    }
    for (at, line) in (1..).zip(text.lines()) {
        let columns = line.chars().count();
        // A URL cannot be broken into two lines.
        if columns > COLUMNS_MAX && !line.contains("://") {
            findings.push(format!("{path}:{at}: {columns} columns, at most {COLUMNS_MAX}"));
        }
        for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
            findings.push(format!("{path}:{at}: {word}"));
        }
    }
    let file = parse(path, text)?;
    if MEASURED.iter().any(|dir| path.starts_with(dir)) {
        for function in functions(&file).iter().filter(|f| f.lines > FUNCTION_LINES_MAX) {
            findings.push(format!(
                "{path}:{}: fn {} has {} lines, at most {FUNCTION_LINES_MAX}",
                function.line, function.name, function.lines
            ));
        }
    }
    for (line, name) in attributes(&file, BANNED_ATTRIBUTES) {
        findings.push(format!("{path}:{line}: `{name}`"));
    }
    if path.starts_with("crates/") {
        for (line, _) in attributes(&file, &["allow"]) {
            findings.push(format!("{path}:{line}: `allow`; say `expect` with a reason"));
        }
    }
    Ok(findings)
}

/// Returns the Rust files of our packages that belong to no target.
fn dead_files(tree: &Tree, metadata: &Metadata) -> Result<Vec<String>> {
    let packages: BTreeSet<String> = metadata.members().map(|p| metadata.dir(p)).collect();
    let roots = metadata.members().flat_map(|p| &p.targets).map(|t| metadata.relative(&t.src_path));
    let roots: Vec<String> = roots.collect();
    let reached = modules(tree, roots.iter().map(String::as_str))?.all;
    let dead = tree.files().map(|(path, _)| path).filter(|&path| {
        // Packages outside the workspace are not checked here.
        let ours = package_dir(tree, path).is_none_or(|dir| packages.contains(dir));
        path.ends_with(".rs") && ours && !reached.contains(path)
    });
    Ok(dead.map(|path| format!("{path}: no target reaches this file")).collect())
}

/// Of the folders above `path`, returns the nearest with a manifest. The root of the workspace does
/// not count.
fn package_dir<'p>(tree: &Tree, path: &'p str) -> Option<&'p str> {
    let mut dir = dir_of(path);
    while !dir.is_empty() {
        if tree.has(&format!("{dir}/Cargo.toml")) {
            return Some(dir);
        }
        dir = dir_of(dir);
    }
    None
}

/// Returns the fixtures that lack one of their two files: `.bin` has the bytes, and `.expect` has
/// the verdict.
fn half_fixtures(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, _) in tree.files().filter(|(path, _)| path.starts_with(FIXTURES)) {
        for (own, other) in [(".bin", ".expect"), (".expect", ".bin")] {
            if let Some(stem) = path.strip_suffix(own)
                && !tree.has(&format!("{stem}{other}"))
            {
                findings.push(format!("{path}: lacks its {other} file"));
            }
        }
    }
    findings
}

/// Checks that published packages have a change log, and a README with the heading
/// `README_HEADING`.
fn crate_papers(tree: &Tree, metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for package in metadata.members().filter(|package| package.published()) {
        let dir = metadata.dir(package);
        let readme = tree.text(&format!("{dir}/README.md")).unwrap_or_default();
        let heading = |line: &str| line.starts_with('#') && line.contains(README_HEADING);
        if !readme.lines().any(heading) {
            findings.push(format!("{dir}/README.md: lacks the heading `{README_HEADING}`"));
        }
        if !tree.has(&format!("{dir}/CHANGELOG.md")) {
            findings.push(format!("{dir}/CHANGELOG.md: is missing"));
        }
    }
    findings
}

fn private(root: &Path) -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let found = [root.display().to_string(), home].into_iter();
    // A path needs at least two parts. A home directory `/` or a workspace `/src` would forbid too
    // many texts.
    let found = found.filter(|path| path.split('/').filter(|part| !part.is_empty()).count() > 1);
    PRIVATE.iter().map(|&path| path.to_owned()).chain(found).collect()
}

/// Searches all files of the repository for paths of one machine. Binary files are included,
/// because a fixture can contain a path.
fn private_paths(tree: &Tree, private: &[String]) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, bytes) in tree.files() {
        for (at, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            for folder in private.iter().filter(|folder| names(line, folder.as_bytes())) {
                findings.push(format!("{path}:{at}: names `{folder}`"));
            }
        }
    }
    findings
}

/// Returns whether a line contains this path. If the path is only the end of a longer path or
/// address, it does not count.
fn names(line: &[u8], folder: &[u8]) -> bool {
    line.windows(folder.len()).enumerate().any(|(at, window)| {
        let before = at.checked_sub(1).and_then(|at| line.get(at));
        let tail = before.is_some_and(|&b| b.is_ascii_alphanumeric() || b"._-/~*}>".contains(&b));
        window == folder && !tail
    })
}

#[cfg(test)]
mod tests {
    use super::{crate_papers, dead_files, half_fixtures, names, private, private_paths, source};
    use crate::metadata::{Metadata, tests::SAMPLE};
    use crate::tree::tests::tree;
    use std::path::Path;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        assert_eq!(source(path, text).expect("parses"), expected);
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        check("crates/a/src/lib.rs", "//! Doc.\n", &[]);
        check("crates/a/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n", &[]);
        let expected = "crates/a/src/lib.rs:1: does not begin with `//!`: what is it for?";
        check("crates/a/src/lib.rs", "#![no_std]\n//! Doc.\n", &[expected]);
    }

    #[test]
    fn lines_end_at_column_100() {
        let line = |columns: usize| format!("//! {}\n", "é".repeat(columns - 4));
        check("a.rs", &line(100), &[]);
        check("a.rs", &line(101), &["a.rs:1: 101 columns, at most 100"]);
        check("a.rs", &format!("//! <https://e.org/{}>\n", "a".repeat(100)), &[]);
    }

    #[test]
    fn functions_end_at_line_70() {
        let text = |lines: usize| format!("//! D.\nfn f() {{{}}}\n", "\n".repeat(lines - 1));
        check("crates/a.rs", &text(70), &[]);
        check("crates/a.rs", &text(71), &["crates/a.rs:2: fn f has 71 lines, at most 70"]);
        check("tests/a.rs", &text(71), &[]);
    }

    #[test]
    fn unfinished_work_and_tests_that_do_not_test_are_found() {
        let word = super::UNFINISHED[0];
        check("a.rs", &format!("//! D.\n// {word}\n"), &[&format!("a.rs:2: {word}")]);
        let text = "//! D.\n#[test]\n#[ignore]\nfn f() {}\n#[allow(x)]\nfn g() {}\n";
        check("tests/a.rs", text, &["tests/a.rs:3: `ignore`"]);
        let expected =
            ["crates/a.rs:3: `ignore`", "crates/a.rs:5: `allow`; say `expect` with a reason"];
        check("crates/a.rs", text, &expected);
    }

    #[test]
    fn a_file_that_no_target_reaches_is_dead() {
        let metadata = Metadata::parse(SAMPLE).expect("sample");
        let tree = tree(&[
            ("crates/low/Cargo.toml", ""),
            ("crates/low/src/lib.rs", "mod used;"),
            ("crates/low/src/used.rs", ""),
            ("crates/low/src/unused.rs", ""),
            ("crates/high/Cargo.toml", ""),
            ("crates/high/src/lib.rs", ""),
            ("crates/high/notes.md", ""),
            ("crates/high/fuzz/Cargo.toml", ""),
            ("crates/high/fuzz/own.rs", ""),
            ("stray.rs", ""),
        ]);
        let expected = [
            "crates/low/src/unused.rs: no target reaches this file",
            "stray.rs: no target reaches this file",
        ];
        assert_eq!(dead_files(&tree, &metadata).expect("parses"), expected);
    }

    #[test]
    fn a_fixture_has_both_halves() {
        let tree = tree(&[
            ("tests/fixtures/a.bin", ""),
            ("tests/fixtures/a.expect", ""),
            ("tests/fixtures/b/c.bin", ""),
            ("tests/fixtures/d.expect", ""),
            ("tests/fixtures/notes.md", ""),
            ("other/e.bin", ""),
        ]);
        let expected = [
            "tests/fixtures/b/c.bin: lacks its .expect file",
            "tests/fixtures/d.expect: lacks its .bin file",
        ];
        assert_eq!(half_fixtures(&tree), expected);
    }

    #[test]
    fn a_published_crate_has_its_papers() {
        let metadata = Metadata::parse(SAMPLE).expect("sample");
        let tree = tree(&[
            ("crates/low/README.md", "# low\n\n## Who needs this crate\n"),
            ("crates/low/CHANGELOG.md", ""),
            ("crates/high/README.md", "Who needs this?\n"),
        ]);
        let expected = [
            "crates/high/README.md: lacks the heading `Who needs this`",
            "crates/high/CHANGELOG.md: is missing",
        ];
        assert_eq!(crate_papers(&tree, &metadata), expected);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        assert!(names(b"see /srv/x/y", b"/srv/x/"));
        assert!(names(b"/srv/x/y", b"/srv/x/"));
        assert!(names(b"a=\"/srv/x/\"", b"/srv/x/"));
        assert!(!names(b"https://e.org/srv/x/y", b"/srv/x/"));
        assert!(!names(b"../srv/x/", b"/srv/x/"));
        assert!(!names(b"/srv/", b"/srv/x/"));
        let tree = tree(&[("a.md", "1\n2 /srv/x/y\n"), ("b.bin", "\0/srv/x/\0")]);
        let expected = ["a.md:2: names `/srv/x/`", "b.bin:1: names `/srv/x/`"];
        assert_eq!(private_paths(&tree, &["/srv/x/".to_owned()]), expected);
        assert!(private(Path::new("/a/b")).contains(&"/a/b".to_owned()));
        assert!(!private(Path::new("/a")).contains(&"/a".to_owned()));
    }
}
