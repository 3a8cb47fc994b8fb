//! The verbs `du`, `diff` and `compact`: their output, their exit codes, and the files that they
//! leave.

use crate::cli::{Ended, Scratch, dacti};
use crate::grown::Grown;
use dacti_tests::reference::{self as by, path_id, small, stored};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A scratch directory with a package, and the same package after an update.
struct Pair {
    scratch: Scratch,
    old: PathBuf,
    new: PathBuf,
}

impl Pair {
    fn new() -> Self {
        let scratch = Scratch::new();
        let [old, new] = ["packages/old", "packages/new"].map(|name| scratch.at(name));
        let files = [stored("a", b"first"), stored("b", &[7; 5000]), stored("c", b"first")];
        let mut grown = Grown::new(&files, 4096);
        fs::write(&old, &grown.file).expect("there is room");
        grown.put(&[(path_id("b"), b"new"), (small(9), b"added")]);
        fs::write(&new, &grown.file).expect("there is room");
        Self { scratch, old, new }
    }

    /// Returns the output of a run, in which the path of the scratch directory is replaced.
    fn shown(&self, ended: &Ended) -> String {
        let root = self.scratch.at("packages");
        let text = String::from_utf8_lossy(&ended.out).into_owned() + &ended.err;
        text.replace(&format!("{}/", root.display()), "")
    }
}

fn run(verb: &str, packages: &[&Path], more: &[&str]) -> Ended {
    let packages = packages.iter().map(|path| path.as_os_str());
    dacti([verb.as_ref()].into_iter().chain(packages).chain(more.iter().map(AsRef::as_ref)))
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(ended.text()).expect("it is JSON")
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn du_shows_what_a_person_wants_to_see() {
    let pair = Pair::new();
    snapshot("du_fresh", &pair.shown(&run("du", &[&pair.old], &[])));
    snapshot("du_updated", &pair.shown(&run("du", &[&pair.new], &[])));
    let compact = pair.scratch.at("packages/compact");
    let files = [stored("a", b"first"), stored("c", b"first")];
    fs::write(&compact, by::compact_package(&files, &by::names_of(&files), by::NONE))
        .expect("there is room");
    snapshot("du_compact", &pair.shown(&run("du", &[&compact], &["--no-duplicates"])));
}

#[test]
fn du_json_accounts_for_every_byte() {
    let pair = Pair::new();
    let used = json(&run("du", &[&pair.new], &["--json"]));
    let part = |name: &str| used["bytes"][name].as_u64().expect("a number");
    let parts = ["live", "seals", "names", "index", "head", "reserve", "padding", "dead"];
    let len = fs::metadata(&pair.new).expect("it is there").len();
    assert_eq!((parts.map(part).iter().sum::<u64>(), part("total")), (len, len));
    assert_eq!((part("live"), part("dead"), part("dead_replaced")), (18, 5032, 5032));
    assert_eq!(used["duplicates"]["regions"], 1);
    assert_eq!(used["reserve_left"]["entries"], 9 * 255 - 2);
    assert_eq!(used["compaction"]["pays"], false);
    let none = json(&run("du", &[&pair.new], &["--json", "--no-duplicates"]));
    assert!(none["duplicates"].is_null());
}

#[test]
fn diff_shows_what_a_person_wants_to_see() {
    let pair = Pair::new();
    let (old, new) = (&*pair.old, &*pair.new);
    snapshot("diff_grown", &pair.shown(&run("diff", &[old, new], &[])));
    snapshot("diff_earlier", &pair.shown(&run("diff", &[new, old], &[])));
    snapshot("diff_same", &pair.shown(&run("diff", &[old, old], &[])));
    let quiet = run("diff", &[old, new], &["--quiet"]);
    assert_eq!(
        quiet.text(),
        "+ 00000000-0000-0000-0000-000000000009  5 bytes\n~ b  5000 to 3 bytes\n"
    );
}

#[test]
fn diff_ends_with_1_only_where_it_is_asked_to() {
    let pair = Pair::new();
    let code = |packages: &[&Path], more: &[&str]| run("diff", packages, more).code;
    assert_eq!(code(&[&pair.old, &pair.new], &[]), Some(0));
    assert_eq!(code(&[&pair.old, &pair.new], &["--exit-code"]), Some(1));
    assert_eq!(code(&[&pair.old, &pair.old], &["--exit-code"]), Some(0));
    let missing = pair.scratch.at("packages/missing");
    let failed = run("diff", &[&pair.old, &missing], &["--exit-code"]);
    assert!(failed.failure().contains("packages/missing"), "{failed:?}");
}

#[test]
fn diff_json_says_what_to_fetch() {
    let pair = Pair::new();
    let found = json(&run("diff", &[&pair.old, &pair.new], &["--json"]));
    assert_eq!(found["relation"], "grown");
    assert_eq!(found["added"][0]["id"], by::text(&small(9)));
    assert_eq!(
        (&found["changed"][0]["path"], &found["changed"][0]["old_len"]),
        (&"b".into(), &5000.into())
    );
    assert_eq!((&found["unchanged"], &found["evidence"]["by_place"]), (&2.into(), &2.into()));
    let fetch = &found["fetch"];
    assert_eq!((&fetch["total"], &fetch["head"]), (&(65_536 + 4096).into(), &65_536.into()));
    assert_eq!((&fetch["appended"], &fetch["slices"]), (&4096.into(), &1.into()));
}

#[test]
fn a_compacted_package_is_proven_to_hold_the_same() {
    let pair = Pair::new();
    let out = pair.scratch.at("packages/out");
    let output = out.to_str().expect("it is text");
    let compacted = run("compact", &[&pair.new], &["-o", output]);
    assert_eq!(compacted.code, Some(0), "{compacted:?}");
    snapshot("compact_updated", &pair.shown(&compacted));
    let found = json(&run("diff", &[&pair.new, &out], &["--json"]));
    assert_eq!((&found["relation"], &found["unchanged"]), (&"same content".into(), &4.into()));
    let made = json(&run("compact", &[&pair.new], &["-o", output, "--json"]));
    assert_eq!((&made["regions"], &made["proof"]["regions"]), (&4.into(), &4.into()));
    assert_eq!((&made["proof"]["digests"], &made["names_kept"]), (&5.into(), &true.into()));
    assert_eq!(made["len"], fs::metadata(&out).expect("it is there").len());
    assert_eq!(run("verify", &[&out], &[]).code, Some(0));
}

#[test]
fn a_package_is_not_compacted_onto_itself() {
    let pair = Pair::new();
    let before = fs::read(&pair.new).expect("it is there");
    let link = pair.scratch.at("packages/link");
    std::os::unix::fs::symlink(&pair.new, &link).expect("a new link");
    for (from, to) in [(&pair.new, &pair.new), (&link, &pair.new), (&link, &link)] {
        let refused = run("compact", &[from], &["-o", to.to_str().expect("it is text")]);
        assert!(refused.failure().contains("name another file"), "{refused:?}");
    }
    assert!(fs::read(&pair.new).expect("it is there") == before);
}

#[test]
fn what_cannot_be_compacted_is_refused_with_the_way_out() {
    let pair = Pair::new();
    let out = pair.scratch.at("packages/out");
    let output = out.to_str().expect("it is text");
    let refused = run("compact", &[&pair.new], &["-o", output, "--layout", "compact"]);
    snapshot("compact_seals_lost", &pair.shown(&refused));
    assert_eq!(refused.code, Some(1));
    let mut file = fs::read(&pair.new).expect("it is there");
    // Changes the last byte of the content "added". Its digest follows this byte.
    let at = file.windows(5).rposition(|bytes| bytes == b"added").expect("it is there");
    file[at + 4] ^= 1;
    fs::write(&pair.new, &file).expect("there is room");
    let refused = run("compact", &[&pair.new], &["-o", output]);
    snapshot("compact_damaged", &pair.shown(&refused));
    assert_eq!(refused.code, Some(1));
    assert!(!out.exists());
    assert_eq!(run("compact", &[&pair.new], &["-o", "-"]).code, Some(2));
}
