//! `spec`: checks that every rule of the specification has an id, and that a test cites each id.
//!
//! A document in docs/spec defines a rule by its id in bold letters: `**R-TBL-04**`. A rule can be
//! cited in three ways: by a comment `// spec: R-TBL-04` in code that only tests compile, by the
//! same comment in an example of the documentation that runs as a test, and in the second line of a
//! fixture's `.expect` file.

use crate::metadata::Metadata;
use crate::rid::{Mention, definitions, ids_in, mentions};
use crate::run::{Context, Outcome, Result, judge, no_args};
use crate::rust::{modules, parse, test_lines};
use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// The folder of the documents that define rules.
const SPEC_DIR: &str = "docs/spec/";

/// How a citation in a comment starts.
const COMMENT: &str = "// spec:";
const EXPECT_LINE: &str = "spec: ";

pub fn spec(context: &Context, args: &[String]) -> Result<Outcome> {
    no_args(args)?;
    let tree = Tree::load(context)?;
    let metadata = Metadata::load(context)?;
    let roots = metadata.members().flat_map(|p| &p.targets).map(|t| metadata.relative(&t.src_path));
    let roots: Vec<String> = roots.collect();
    let tests = modules(&tree, roots.iter().map(String::as_str))?.tests;
    let rules = Rules::read(&tree);
    let cited = citations(&tree, &tests)?;
    judge("faults between the specification and the tests", &faults(&tree, &rules, &cited))?;
    let places = cited.ids.values().sum::<usize>();
    eprintln!("spec: {} rules, all of them cited, {places} citations", rules.defined.len());
    Ok(Outcome::Done)
}

/// The rules that the documents define.
#[derive(Debug, Default)]
struct Rules {
    /// Each id, and the place of its first definition.
    defined: BTreeMap<String, String>,
    faults: Vec<String>,
}

impl Rules {
    fn read(tree: &Tree) -> Self {
        let mut rules = Self::default();
        for (path, text) in tree.texts(".md").filter(|(path, _)| path.starts_with(SPEC_DIR)) {
            let text = without_fences(&text);
            for Mention { id, line } in definitions(&text) {
                let here = format!("{path}:{line}");
                if let Some(first) = rules.defined.get(&id) {
                    rules.faults.push(format!("{here}: {id} is defined at {first} already"));
                } else {
                    rules.defined.insert(id, here);
                }
            }
            let unnamed = unnamed_rules(&text).into_iter();
            rules.faults.extend(unnamed.map(|at| format!("{path}:{at}: MUST without a rule's id")));
        }
        if rules.defined.is_empty() {
            rules.faults.push(format!("{SPEC_DIR} defines no rule"));
        }
        rules
    }
}

/// The citations in all tests.
#[derive(Debug, Default, PartialEq, Eq)]
struct Citations {
    /// Each cited id, and the number of its citations.
    ids: BTreeMap<String, usize>,
    faults: Vec<String>,
}

impl Citations {
    fn add(&mut self, path: &str, at: usize, list: &str) {
        let ids = ids_in(list);
        // A misspelt id must be reported. So every item between commas must be an id.
        let items = list.trim().trim_end_matches(',').split(',').map(str::trim);
        if ids.is_empty() || !items.eq(ids.iter().copied()) {
            self.faults.push(format!("{path}:{at}: not a list of rule ids: `{}`", list.trim()));
        }
        for id in ids {
            *self.ids.entry(id.to_owned()).or_default() += 1;
        }
    }
}

fn citations(tree: &Tree, test_files: &BTreeSet<String>) -> Result<Citations> {
    let mut cited = Citations::default();
    for (path, text) in tree.texts(".rs") {
        let all = is_test_file(path) || test_files.contains(path);
        if !all && !path.starts_with("crates/") {
            continue;
        }
        let ranges = if all { vec![] } else { test_lines(&parse(path, &text)?) };
        let doc_tests = doc_test_lines(&text);
        for (at, line) in (1..).zip(text.lines()) {
            let Some(list) = citation(line) else { continue };
            if all || doc_tests.contains(&at) || ranges.iter().any(|range| range.contains(&at)) {
                cited.add(path, at, list);
            }
        }
    }
    for (path, text) in tree.texts(".expect") {
        if let Some(list) = text.lines().nth(1).and_then(|line| line.strip_prefix(EXPECT_LINE)) {
            cited.add(path, 2, list);
        }
    }
    Ok(cited)
}

/// Returns whether only tests compile a file: a file of the tests package, or of a crate's `tests`
/// folder.
fn is_test_file(path: &str) -> bool {
    path.split('/').find(|&part| part == "tests" || part == "src") == Some("tests")
}

/// Returns the text after `// spec:`. Returns `None` for `/// spec:`, and for a string that starts
/// with `// spec:`.
fn citation(line: &str) -> Option<&str> {
    let (before, list) = line.split_once(COMMENT)?;
    (!before.ends_with('/') && !before.ends_with('"')).then_some(list)
}

/// Returns the numbers of the lines that belong to examples in doc comments and run as tests.
fn doc_test_lines(text: &str) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    // Whether the current fenced block runs as a test, or `None` outside of blocks.
    let mut block: Option<bool> = None;
    for (at, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        let Some(doc) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            block = None;
            continue;
        };
        if let Some(info) = doc.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(runs(info)) };
        } else if block == Some(true) {
            lines.insert(at);
        }
    }
    lines
}

/// Returns whether a fenced block runs as a test. rustdoc runs a block if the words after the fence
/// are all in this list.
fn runs(info: &str) -> bool {
    let rust = ["", "rust", "should_panic", "compile_fail", "edition2021", "edition2024"];
    info.split([',', ' ']).all(|word| rust.contains(&word.trim()))
}

fn faults(tree: &Tree, rules: &Rules, cited: &Citations) -> Vec<String> {
    let mut faults = [rules.faults.as_slice(), &cited.faults].concat();
    for (id, place) in &rules.defined {
        if !cited.ids.contains_key(id) {
            faults.push(format!("{place}: {id} is cited by no test"));
        }
    }
    // All ids in tests, comments and documents must exist. This program is left out, because its
    // own tests need ids that do not exist.
    for (path, bytes) in tree.files().filter(|(path, _)| !path.starts_with("xtask/")) {
        if [".rs", ".md", ".expect"].iter().any(|ending| path.ends_with(ending)) {
            let mentions = mentions(&String::from_utf8_lossy(bytes));
            let unknown = mentions.into_iter().filter(|m| !rules.defined.contains_key(&m.id));
            faults.extend(unknown.map(|m| format!("{path}:{}: there is no {}", m.line, m.id)));
        }
    }
    faults
}

/// Returns the text, in which all lines of fenced blocks are empty.
fn without_fences(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if !fenced && !fence {
            kept.push_str(line);
        }
        kept.push('\n');
        fenced ^= fence;
    }
    kept
}

/// Returns the numbers of the lines with MUST in blocks that define no rule. A block is a
/// paragraph, an item of a list, or a row of a table.
fn unnamed_rules(text: &str) -> Vec<usize> {
    let mut unnamed = Vec::new();
    let mut named = false;
    for (at, line) in (1..).zip(text.lines()) {
        let start = line.trim_start();
        let begins = ["- ", "* ", "|", "#", "**R-"].iter().any(|mark| start.starts_with(mark));
        if start.is_empty() || begins || start.starts_with(|c: char| c.is_ascii_digit()) {
            named = false;
        }
        named |= !definitions(line).is_empty();
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        let explains = line.contains("RFC") || line.contains("BCP");
        if words.any(|word| word == "MUST") && !named && !explains {
            unnamed.push(at);
        }
    }
    unnamed
}

#[cfg(test)]
mod tests {
    use super::{Citations, Rules, citation, citations, faults, unnamed_rules};
    use crate::tree::{Tree, tests::tree};
    use std::collections::{BTreeMap, BTreeSet};

    fn cited(tree: &Tree, test_files: &[&str]) -> Citations {
        let files: BTreeSet<String> = test_files.iter().map(|&file| file.to_owned()).collect();
        citations(tree, &files).expect("parses")
    }

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[(&str, usize)]) {
        let found = cited(&tree(&[(path, text)]), &["crates/a/src/checks.rs"]);
        let expected: BTreeMap<_, _> =
            expected.iter().map(|&(id, count)| (id.to_owned(), count)).collect();
        assert_eq!(found, Citations { ids: expected, faults: vec![] }, "{path}: {text}");
    }

    #[test]
    fn only_what_tests_compile_can_cite() {
        let line = "// spec: R-A-01, R-B-02\nfn f() {} // spec: R-A-01\n";
        let both: &[_] = &[("R-A-01", 2), ("R-B-02", 1)];
        check("tests/conformance/walk.rs", line, both);
        check("crates/a/tests/walk.rs", line, both);
        check("crates/a/examples/b/tests/walk.rs", line, both);
        check("crates/a/src/checks.rs", line, both);
        check("crates/a/src/tests/walk.rs", line, &[]);
        check("crates/a/src/lib.rs", line, &[]);
        check("crates/a/tests.rs", line, &[]);
        check("xtask/src/spec.rs", line, &[]);
        check("benches/benches/walk.rs", line, &[]);
        check("crates/a/src/lib.rs", &format!("#[cfg(test)]\nmod tests {{\n{line}}}\n"), both);
        check("crates/a/src/lib.rs", &format!("#[cfg(test)]\nmod tests {{}}\n{line}"), &[]);
    }

    #[test]
    fn a_citation_is_a_plain_comment() {
        assert_eq!(citation("    // spec: R-A-01"), Some(" R-A-01"));
        assert_eq!(citation("/// // spec: R-A-01"), Some(" R-A-01"));
        assert_eq!(citation("/// spec: R-A-01"), None);
        assert_eq!(citation("//! spec: R-A-01"), None);
        assert_eq!(citation("// see R-A-01"), None);
        assert_eq!(citation("let s = \"// spec: R-A-01\";"), None);
    }

    #[test]
    fn examples_cite_where_they_run() {
        let doc = |info: &str| {
            format!(
                "//! // spec: R-A-00\n//! ```{info}\n//! // spec: R-A-01\n//! ```\n\
                 //! // spec: R-A-02\n"
            )
        };
        check("crates/a/src/lib.rs", &doc(""), &[("R-A-01", 1)]);
        check("crates/a/src/lib.rs", &doc("rust,compile_fail"), &[("R-A-01", 1)]);
        check("crates/a/src/lib.rs", &doc("text"), &[]);
        check("crates/a/src/lib.rs", &doc("no_run"), &[]);
    }

    #[test]
    fn a_fixture_cites_on_its_second_line() {
        check(
            "tests/fixtures/a.expect",
            "ok\nspec: R-A-01, R-A-02\n",
            &[("R-A-01", 1), ("R-A-02", 1)],
        );
        check("tests/fixtures/a.expect", "ok\nlength 8\nspec: R-A-01\n", &[]);
    }

    #[test]
    fn a_citation_that_is_no_list_of_ids_is_a_fault() {
        let tree =
            tree(&[("tests/a.rs", "// spec: R-A-1\n// spec: R-A-01,\n// spec: R-A-01 R-A-02\n")]);
        let expected = [
            "tests/a.rs:1: not a list of rule ids: `R-A-1`",
            "tests/a.rs:3: not a list of rule ids: `R-A-01 R-A-02`",
        ];
        assert_eq!(cited(&tree, &[]).faults, expected);
    }

    #[test]
    fn rules_without_tests_tests_without_rules_and_twins_are_faults() {
        let tree = tree(&[
            ("docs/spec/a.md", "**R-A-01** x\n```\n**R-A-09** MUST\n```\n**R-A-02** see R-A-07\n"),
            ("docs/spec/b.md", "**R-A-01** x\n\n**R-B-01** y\n"),
            ("docs/other.md", "**R-O-01** is not defined here\n"),
            ("tests/a.rs", "// spec: R-A-01\n// spec: R-B-05\n"),
            ("tests/fixtures/x.expect", "ok\nspec: R-B-01\n"),
        ]);
        let rules = Rules::read(&tree);
        let expected = [
            "docs/spec/b.md:1: R-A-01 is defined at docs/spec/a.md:1 already",
            "docs/spec/a.md:5: R-A-02 is cited by no test",
            "docs/other.md:1: there is no R-O-01",
            "docs/spec/a.md:3: there is no R-A-09",
            "docs/spec/a.md:5: there is no R-A-07",
            "tests/a.rs:2: there is no R-B-05",
        ];
        assert_eq!(faults(&tree, &rules, &cited(&tree, &[])), expected);
    }

    #[test]
    fn a_specification_without_rules_is_a_fault() {
        let tree = tree(&[("README.md", "x")]);
        assert_eq!(Rules::read(&tree).faults, ["docs/spec/ defines no rule"]);
    }

    #[test]
    fn each_must_stands_in_a_block_with_an_id() {
        let text = "**R-A-01** A reader MUST a.\nIt MUST b.\n\nIt MUST c.\n- **R-A-02** MUST d\n\
            - MUST e\nAs RFC 2119 says MUST.\n| **R-A-03** | MUST f |\n\
            | | MUST g |\nMUSTARD and must.\n";
        assert_eq!(unnamed_rules(text), [4, 6, 9]);
    }
}
