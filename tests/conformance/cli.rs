//! The program `dacti`, run on real directories: its output, its exit code, and the files that it
//! leaves.

use crate::package::{PLAIN, build};
use crate::support::{Fixture, Random, fixtures};
use dacti_tests::program::program;
use dacti_tests::reference::{self as by, NONE, Stored, path_id, small, stored, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The result of a run: exit code and output.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ended {
    /// Returns standard output as text, after checking that the run succeeded.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        str::from_utf8(&self.out).expect("it is text")
    }

    /// Returns the single line of standard error, which states the failure.
    #[track_caller]
    pub(crate) fn failure(&self) -> &str {
        assert_eq!((self.code, self.out.len()), (Some(1), 0), "{self:?}");
        let lines: Vec<_> = self.err.lines().collect();
        assert_eq!(lines.len(), 1, "one error is one line: {}", self.err);
        lines[0]
    }
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.stdin(Stdio::null()).output().expect("the program runs");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!err.contains("panicked"), "{err}");
    Ended { code: output.status.code(), out: output.stdout, err }
}

pub(crate) fn dacti<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    ended(Command::new(program()).args(arguments))
}

/// A scratch directory with one folder for input and one folder for packages.
pub(crate) struct Scratch {
    root: TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self::below(tempfile::tempdir().expect("a temporary directory"))
    }

    /// Creates a scratch directory in memory, if the system has a folder there. On some disks,
    /// writing many small files is slow.
    fn in_memory() -> Self {
        let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::below(memory.expect("a temporary directory"))
    }

    fn below(root: TempDir) -> Self {
        for name in ["in", "packages"] {
            fs::create_dir(root.path().join(name)).expect("a new directory");
        }
        Self { root }
    }

    pub(crate) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let file = self.at("in").join(path);
        fs::create_dir_all(file.parent().expect("a file has a folder")).expect("a new directory");
        fs::write(file, bytes).expect("a new file");
    }

    /// Packs the input folder. `more` has further arguments.
    pub(crate) fn pack(&self, more: &[&str]) -> Ended {
        let mut command = Command::new(program());
        command.arg("pack").arg(self.at("in")).arg("-o").arg(self.package()).args(more);
        ended(&mut command)
    }

    pub(crate) fn package(&self) -> PathBuf {
        self.at("packages/out.dacti-pack")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(self.package()).expect("the package is there")
    }

    /// Checks that packing failed with an error that mentions this text, and that no file is at the
    /// package's path.
    #[track_caller]
    pub(crate) fn refused(&self, ended: &Ended, mentions: &str) {
        let line = ended.failure();
        assert!(line.contains(mentions), "{mentions:?} is not in {line:?}");
        let left: Vec<_> = fs::read_dir(self.at("packages")).expect("it is there").collect();
        assert!(left.is_empty(), "{left:?}");
    }

    pub(crate) fn run(&self, verb: &str, more: &[&str]) -> Ended {
        ended(Command::new(program()).arg(verb).arg(self.package()).args(more))
    }
}

/// Returns every file below a directory, with its content.
pub(crate) fn tree(root: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder can be read") {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("it is below").as_os_str().to_owned();
                found.insert(name, fs::read(path).expect("a file can be read"));
            }
        }
    }
    found
}

fn json_lines(ended: &Ended) -> Vec<Value> {
    ended.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn small_tree(scratch: &Scratch) -> Vec<Stored> {
    let files = [
        stored("a.txt", b"hello\n"),
        stored("b/c/d/empty", b""),
        stored("b/c/with blank", b"hello\n"),
        stored("b/\u{fc}.txt", "gr\u{fc}n".as_bytes()),
        stored("bin", &[0, 0xff, 0x1b, b'[']),
        stored("index.html", &b"<p>again and again</p>".repeat(400)),
    ];
    for file in &files {
        scratch.write(&file.path, &file.bytes);
    }
    files.to_vec()
}

// ------------------------------------------------------------------------------------------
// The main job
// ------------------------------------------------------------------------------------------

#[test]
fn a_directory_is_packed_as_the_reference_writes_it() {
    // spec: R-PKG-09, R-LAY-10, R-LAY-01
    let scratch = Scratch::new();
    let files = small_tree(&scratch);
    let names = by::names_of(&files);
    let built = scratch.pack(&["--layout", "compact", "--encoding", "none"]);
    assert_eq!(built.code, Some(0), "{built:?}");
    assert!(scratch.bytes() == by::compact_package(&files, &names, NONE));
    let blake3 = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    for (slice, length) in [("1MiB", 1 << 20), ("4096", 4096), ("auto", 65_536)] {
        let built = scratch.pack(&["--encoding", "none", "--slice", slice]);
        assert_eq!(built.code, Some(0), "{built:?}");
        assert!(
            scratch.bytes() == by::cdn_package(&files, &names, NONE, length, &blake3),
            "{slice}"
        );
    }
}

#[test]
fn every_file_comes_back() {
    let scratch = Scratch::new();
    let files = small_tree(&scratch);
    for (i, options) in [
        &["--layout", "cdn"][..],
        &["--layout", "compact"],
        &["--encoding", "none"],
        &["--encoding", "brotli", "--quality", "11", "--threads", "1"],
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(scratch.pack(options).code, Some(0));
        let target = scratch.at(format!("unpacked {i}"));
        let unpacked = scratch.run("unpack", &["-C", target.to_str().expect("it is text")]);
        assert_eq!(unpacked.code, Some(0), "{unpacked:?}");
        assert_eq!(tree(&target), tree(&scratch.at("in")));
        for file in &files {
            let got = scratch.run("get", &[&file.path]);
            assert_eq!((got.code, got.out, got.err.as_str()), (Some(0), file.bytes.clone(), ""));
            let got = scratch.run("get", &[&text(&by::path_id(&file.path))]);
            assert_eq!((got.code, got.out), (Some(0), file.bytes.clone()), "by its id");
            let out = scratch.at("got");
            let got = scratch.run("get", &[&file.path, "-o", out.to_str().expect("it is text")]);
            assert_eq!((got.code, got.out.len()), (Some(0), 0));
            assert_eq!(fs::read(&out).expect("it is there"), file.bytes);
        }
        assert_eq!(scratch.run("verify", &[]).code, Some(0));
        assert_eq!(scratch.run("inspect", &[]).code, Some(0));
    }
}

#[test]
fn packing_again_gives_the_same_bytes() {
    // spec: R-PKG-09
    let scratch = Scratch::new();
    small_tree(&scratch);
    let mut random = Random(1);
    let noise: Vec<u8> = (0..2_000_000).map(|_| random.next() as u8 % 16).collect();
    scratch.write("large", &noise);
    // Creates the same files in another directory, in another order and at a later time.
    let again = Scratch::new();
    again.write("large", &noise);
    for (path, bytes) in tree(&scratch.at("in")).into_iter().rev() {
        again.write(path.to_str().expect("it is text"), &bytes);
    }
    for options in [&["--layout", "cdn"][..], &["--layout", "compact"], &["--encoding", "none"]] {
        assert_eq!(scratch.pack(options).code, Some(0));
        let first = scratch.bytes();
        for threads in ["1", "2", "5"] {
            let options = [options, &["--threads", threads]].concat();
            assert_eq!(scratch.pack(&options).code, Some(0));
            assert!(scratch.bytes() == first, "{options:?}");
            assert_eq!(again.pack(&options).code, Some(0));
            assert!(again.bytes() == first, "{options:?}, elsewhere");
        }
    }
}

fn comes_back(count: usize) {
    let scratch = Scratch::in_memory();
    for i in 0..count {
        // Spreads the files over folders of 300 files each. Their contents have different lengths.
        scratch.write(&format!("{}/{i}.txt", i / 300), i.to_string().repeat(i % 9).as_bytes());
    }
    let built = scratch.pack(&["--json"]);
    let summary = &json_lines(&built)[0];
    assert_eq!(summary["regions"], count, "{built:?}");
    assert_eq!(scratch.run("ls", &[]).text().lines().count(), count);
    let target = scratch.at("unpacked");
    let unpacked = scratch.run("unpack", &["-C", target.to_str().expect("it is text")]);
    assert_eq!(unpacked.code, Some(0), "{unpacked:?}");
    assert!(tree(&target) == tree(&scratch.at("in")), "{count} files");
    assert_eq!(scratch.run("verify", &[]).code, Some(0));
    let file = scratch.bytes();
    let container = by::read_container(&file).expect("it is good");
    let index = by::read_index(&file, &container).expect("it is good");
    let names = usize::from(count > 0);
    assert_eq!(index.entries.len(), count + names);
}

#[test]
fn directories_of_0_1_254_255_and_256_files() {
    // spec: R-ORD-06, R-LAY-03
    for count in [0, 1, 2, 253, 254, 255, 256] {
        comes_back(count);
    }
}

#[test]
fn a_directory_of_100_000_files() {
    // spec: R-LAY-04
    comes_back(100_000);
}

#[test]
fn room_is_left_for_the_updates_that_are_expected() {
    // spec: R-LAY-20
    let scratch = Scratch::new();
    for i in 0..2600 {
        scratch.write(&format!("{i}"), b"x");
    }
    // A group has room for 255 / 21 = 12 updates of 20 regions. So 30 updates take three groups,
    // and the index begins at 65,528 - 3 * 6,136 = 47,120.
    let options = ["--expect-updates", "30/20", "--encoding", "none", "--slice", "1MiB"];
    let packed = scratch.pack(&options);
    assert_eq!(packed.code, Some(0), "{packed:?}");
    assert!(packed.err.contains("use --slice 65536 if no cache"), "{}", packed.err);
    let file = scratch.bytes();
    assert_eq!(file[1040..1044], 3_u32.to_le_bytes(), "D");
    assert_eq!(file[1064..1068], (47_120_u32 - 3584).to_le_bytes(), "room for keys");
    assert_eq!(file[47_124..47_128], (3 + 11_u32).to_le_bytes(), "groups");
    assert_eq!(scratch.run("get", &["77"]).text(), "x");
    assert_eq!(scratch.run("verify", &[]).code, Some(0));
    for wrong in ["30", "30/x", "-1/2"] {
        assert_eq!(scratch.pack(&["--expect-updates", wrong]).code, Some(2), "{wrong}");
    }
    let compact = scratch.pack(&["--layout", "compact", "--expect-updates", "30/20"]);
    assert_eq!(compact.code, Some(2), "{compact:?}");
    assert!(compact.err.contains("needs the cdn layout"), "{}", compact.err);
}

#[test]
fn a_directory_with_one_empty_file() {
    for encoding in ["none", "brotli", "auto"] {
        let scratch = Scratch::new();
        scratch.write("empty", b"");
        assert_eq!(scratch.pack(&["--encoding", encoding]).code, Some(0));
        assert_eq!(scratch.run("get", &["empty"]).text(), "");
        let target = scratch.at("unpacked");
        assert_eq!(scratch.run("unpack", &["-C", target.to_str().expect("text")]).code, Some(0));
        assert_eq!(tree(&target), BTreeMap::from([("empty".into(), Vec::new())]));
    }
}

#[test]
fn an_empty_directory_in_the_compact_layout_is_80_bytes() {
    // spec: R-LAY-10
    let scratch = Scratch::new();
    assert_eq!(scratch.pack(&["--layout", "compact"]).code, Some(0));
    assert!(scratch.bytes() == by::compact_package(&[], &[], NONE));
    assert_eq!(scratch.bytes().len(), 80);
    assert_eq!(scratch.run("ls", &[]).text(), "");
}

#[test]
fn files_are_packed_under_their_names() {
    let scratch = Scratch::new();
    scratch.write("one", b"1");
    scratch.write("dir/two", b"2");
    scratch.write("dir/three", b"3");
    let (one, dir, out) = (scratch.at("in/one"), scratch.at("in/dir"), scratch.package());
    let built =
        dacti([OsStr::new("pack"), one.as_ref(), dir.as_ref(), "-o".as_ref(), out.as_ref()]);
    assert_eq!(built.code, Some(0), "{built:?}");
    assert_eq!(scratch.run("ls", &[]).text(), "one\nthree\ntwo\n");
    // Two inputs of the same name are refused.
    fs::remove_file(scratch.package()).expect("it is there");
    let built =
        dacti([OsStr::new("pack"), one.as_ref(), one.as_ref(), "-o".as_ref(), out.as_ref()]);
    scratch.refused(&built, "\"one\"");
}

#[test]
fn globs_choose_what_is_packed_listed_and_unpacked() {
    let scratch = Scratch::new();
    for path in ["a.html", "b.txt", "dir/a.html", "dir/b.txt", "dir/sub/c.html", "tmp/x.html"] {
        scratch.write(path, path.as_bytes());
    }
    let listed = |options: &[&str], more: &[&str]| {
        assert_eq!(scratch.pack(options).code, Some(0));
        scratch.run("ls", more).text().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let html = ["a.html", "dir/a.html", "dir/sub/c.html"];
    assert_eq!(listed(&["--include", "*.html", "--exclude", "tmp"], &[]), html);
    assert_eq!(
        listed(&["--include", "dir/*.html", "--include", "b.txt"], &[]),
        ["b.txt", "dir/a.html", "dir/b.txt"]
    );
    assert_eq!(listed(&[], &["dir/**"]), ["dir/a.html", "dir/b.txt", "dir/sub/c.html"]);
    assert_eq!(listed(&[], &["b.*"]), ["b.txt", "dir/b.txt"]);
    assert_eq!(scratch.pack(&[]).code, Some(0));
    let missed = scratch.at("missed");
    let to = missed.to_str().expect("it is text");
    for (verb, more) in [("ls", &[][..]), ("ls", &["--json"]), ("unpack", &["-C", to])] {
        let ended = scratch.run(verb, &[&["nothing"], more].concat());
        assert!(ended.failure().contains("nothing matches \"nothing\""), "{ended:?}");
        assert!(!missed.exists());
    }
    let target = scratch.at("unpacked");
    assert_eq!(
        scratch.run("unpack", &["dir/*.txt", "-C", target.to_str().expect("text")]).code,
        Some(0)
    );
    assert_eq!(tree(&target), BTreeMap::from([("dir/b.txt".into(), b"dir/b.txt".to_vec())]));
}

#[test]
fn hot_files_come_with_the_head() {
    // spec: R-LAY-12, R-LAY-13
    let scratch = Scratch::new();
    small_tree(&scratch);
    let packed = scratch.pack(&["--hot", "index.html", "--hot", "b/*/with*"]);
    assert_eq!(packed.code, Some(0), "{packed:?}");
    for (path, reads) in [("index.html", 1), ("b/c/with blank", 1), ("a.txt", 2)] {
        let got = scratch.run("get", &[path, "--stats"]);
        let expected = fs::read(scratch.at("in").join(path)).expect("it is there");
        assert_eq!(got.text().as_bytes(), expected);
        assert!(got.err.starts_with(&format!("dacti: {reads} reads, ")), "{}", got.err);
    }
    let listed = json_lines(&scratch.run("ls", &["--json"]));
    let hot =
        listed.iter().filter(|line| line["place"]["at"].as_u64().is_some_and(|at| at < 65_536));
    let hot: Vec<_> = hot.map(|line| line["path"].as_str().expect("a path")).collect();
    assert_eq!(hot, ["b/c/with blank", "index.html"]);
    assert_eq!(scratch.run("verify", &[]).err.matches("whole").count(), 1);
    fs::remove_file(scratch.package()).expect("it is there");

    let packed = scratch.pack(&["--hot", "index.html", "--hot", "*.css"]);
    scratch.refused(&packed, "--hot \"*.css\" matches no packed file");
    let packed = scratch.pack(&["--hot", "index.html", "--layout", "compact"]);
    scratch.refused(&packed, "hot regions lie in the head, where the compact layout has no room");
    assert_eq!(scratch.pack(&["--hot", "{"]).code, Some(2));
    scratch.write("large.bin", &vec![1; 70_000]);
    let packed = scratch.pack(&["--hot", "large.bin", "--encoding", "none"]);
    let expected = "the hot regions take 70032 bytes with their seals, and the head has room for \
                    55768: mark fewer or smaller ones";
    scratch.refused(&packed, expected);
}

#[test]
fn equal_contents_are_stored_once_in_the_compact_layout_and_it_is_said() {
    // spec: R-LAY-11
    let scratch = Scratch::new();
    for (path, len) in [("a", 3000), ("b", 3000), ("c", 3000), ("d", 1000)] {
        scratch.write(path, &vec![b'x'; len]);
    }
    let packed = scratch.pack(&["--layout", "compact", "--encoding", "none"]);
    let expected = "out.dacti-pack: 4 regions, 9.77 KiB stored as 9.77 KiB (none), 5.86 KiB saved \
                    by storing equal contents once, names list of 164 B, file of 10.17 KiB";
    assert!(packed.err.contains(expected), "{}", packed.err);
    let packed = scratch.pack(&["--layout", "compact", "--encoding", "none", "--json"]);
    let json: Value = serde_json::from_str(packed.text()).expect("it is JSON");
    assert_eq!((&json["stored_len"], &json["shared_len"]), (&10_000.into(), &6000.into()));
    let places: BTreeSet<u64> = json_lines(&scratch.run("ls", &["--json"]))
        .iter()
        .map(|line| line["place"]["at"].as_u64().expect("a place"))
        .collect();
    assert_eq!(places.len(), 2);
    // In the cdn layout, each region of a group of equal regions has its own seal after the shared
    // bytes.
    let packed = scratch.pack(&["--encoding", "none"]);
    assert!(packed.err.contains("5.86 KiB saved by storing equal"), "{}", packed.err);
    let packed = scratch.pack(&["--encoding", "none", "--no-share"]);
    assert!(!packed.err.contains("saved"), "{}", packed.err);
}

#[test]
fn what_is_not_included_fails_no_package() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new();
    scratch.write("a.html", b"a");
    scratch.write("sub/b.html", b"b");
    scratch.write("u\u{308}.html", b"decomposed");
    symlink("a.html", scratch.at("in/link")).expect("a new link");
    symlink("nowhere", scratch.at("in/broken")).expect("a new link");
    fs::write(scratch.at("in").join(OsStr::from_bytes(b"caf\xe9")), b"2").expect("a new file");
    fs::create_dir(scratch.at("in").join(OsStr::from_bytes(b"dir\xe9"))).expect("a new folder");
    let fifo = scratch.at("in/fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    for symlinks in ["refuse", "follow", "skip"] {
        let built = scratch.pack(&["--include", "*.html", "--symlinks", symlinks]);
        assert_eq!(built.code, Some(0), "{symlinks}: {built:?}");
        assert_eq!(scratch.run("ls", &[]).text(), "a.html\nsub/b.html\n\u{fc}.html\n");
    }
    // The packer checks included files, and links to folders that could contain an included file.
    // It ignores all other files.
    fs::remove_file(scratch.package()).expect("it is there");
    for glob in ["link", "broken", "fifo", "caf*"] {
        let built = scratch.pack(&["--include", glob]);
        scratch.refused(&built, if glob == "caf*" { "UTF-8" } else { glob });
    }
    symlink("sub", scratch.at("in/folder")).expect("a new link");
    scratch.refused(&scratch.pack(&["--include", "*.html"]), "folder is a symbolic link");
}

#[test]
fn ids_of_ones_own_count() {
    // spec: R-NAME-01, R-PKG-05, R-NAME-09
    let scratch = Scratch::new();
    let mut files = small_tree(&scratch);
    files[0].id = Some(small(0xabc));
    files[4].id = Some(by::id("fedcba98-7654-3210-fedc-ba9876543210"));
    let ids = scratch.at("ids");
    let lines = format!(
        "# ids\n\n{} a.txt\nfedcba98-7654-3210-fedc-ba9876543210  bin\n",
        text(&small(0xabc))
    );
    fs::write(&ids, lines).expect("a new file");
    let ids = ids.to_str().expect("it is text");
    let options = ["--layout", "compact", "--encoding", "none", "--ids", ids];
    assert_eq!(scratch.pack(&options).code, Some(0));
    assert!(scratch.bytes() == by::compact_package(&files, &by::names_of(&files), NONE));
    assert_eq!(scratch.run("get", &["a.txt"]).text(), "hello\n");
    assert_eq!(scratch.run("get", &[&text(&small(0xabc))]).text(), "hello\n");
    assert_eq!(scratch.run("get", &[&text(&by::path_id("a.txt"))]).code, Some(1));
    fs::remove_file(scratch.package()).expect("it is there");
    for (lines, mentions) in [
        ("\u{feff}00000000-0000-0000-0000-000000000abc missing", "line 1: \"missing\""),
        ("no-uuid a.txt", "line 1"),
        ("00000000-0000-0000-0000-000000000abc", "line 1"),
        ("00000000-0000-0000-0000-000000000abc ../a.txt", "line 1"),
        ("#\n00000000-0000-0000-0000-000000000000 a.txt", "line 2: the id 00000000-0000-0000-0000"),
        ("#\n16665c3c-6a55-4f8a-b0af-910ac2f7e414 a.txt", "line 2: the id 16665c3c"),
        (
            "00000000-0000-0000-0000-000000000abc a.txt\n00000000-0000-0000-0000-000000000abc bin",
            "line 2: the id 00000000-0000-0000-0000-000000000abc is already in line 1",
        ),
    ] {
        fs::write(ids, lines).expect("a file");
        scratch.refused(&scratch.pack(&options), mentions);
    }
}

#[test]
fn ls_json_has_the_documented_fields() {
    let scratch = Scratch::new();
    let files = small_tree(&scratch);
    assert_eq!(scratch.pack(&["--layout", "compact", "--encoding", "none"]).code, Some(0));
    let file = scratch.bytes();
    let container = by::read_container(&file).expect("it is good");
    let regions = by::read_index(&file, &container).expect("it is good").regions();
    let lines = json_lines(&scratch.run("ls", &["--json"]));
    assert_eq!(lines.len(), files.len());
    for (line, file) in lines.iter().zip(&files) {
        let fields: BTreeSet<_> =
            line.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            BTreeSet::from([
                "decoded_len",
                "encoding",
                "executable",
                "id",
                "kind",
                "modified",
                "path",
                "place"
            ])
        );
        let entry = regions[&by::path_id(&file.path)];
        assert_eq!(line["id"], text(&entry.id));
        assert_eq!(line["path"], file.path);
        assert_eq!(line["place"]["at"], entry.base + u64::from(entry.offset));
        assert_eq!(line["place"]["len"], entry.size);
        assert_eq!(line["decoded_len"], file.bytes.len());
        assert_eq!(line["encoding"], "none");
    }
}

// ------------------------------------------------------------------------------------------
// Odd input
// ------------------------------------------------------------------------------------------

#[test]
fn symbolic_links_are_refused_followed_or_skipped() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new();
    scratch.write("file", b"content");
    fs::write(scratch.at("outside"), b"outside").expect("a new file");
    symlink(scratch.at("outside"), scratch.at("in/link")).expect("a new link");
    scratch.refused(&scratch.pack(&[]), "symbolic link");
    assert_eq!(scratch.pack(&["--symlinks", "skip"]).code, Some(0));
    assert_eq!(scratch.run("ls", &[]).text(), "file\n");
    assert_eq!(scratch.pack(&["--symlinks", "follow"]).code, Some(0));
    assert_eq!(scratch.run("ls", &[]).text(), "file\nlink\n");
    assert_eq!(scratch.run("get", &["link"]).text(), "outside");
    // One link leads to a missing file, and one leads to the folder that contains it.
    fs::remove_file(scratch.package()).expect("it is there");
    symlink("nowhere", scratch.at("in/broken")).expect("a new link");
    scratch.refused(&scratch.pack(&["--symlinks", "follow"]), "broken");
    fs::remove_file(scratch.at("in/broken")).expect("it is there");
    symlink(".", scratch.at("in/loop")).expect("a new link");
    scratch.refused(&scratch.pack(&["--symlinks", "follow"]), "loop");
}

#[test]
fn names_that_are_no_paths_are_refused() {
    // spec: R-PATH-01
    let scratch = Scratch::new();
    scratch.write("good", b"1");
    let odd = scratch.at("in").join(OsStr::from_bytes(b"caf\xe9"));
    fs::write(&odd, b"2").expect("a new file");
    scratch.refused(&scratch.pack(&[]), "UTF-8");
    assert_eq!(scratch.pack(&["--exclude", "caf*"]).code, Some(0));
    assert_eq!(scratch.run("ls", &[]).text(), "good\n");
}

#[test]
fn names_are_brought_into_composed_form_and_must_stay_apart() {
    // spec: R-PATH-01
    let scratch = Scratch::new();
    scratch.write("u\u{308}", b"decomposed");
    assert_eq!(scratch.pack(&[]).code, Some(0));
    assert_eq!(scratch.run("ls", &[]).text(), "\u{fc}\n");
    assert_eq!(scratch.run("get", &["\u{fc}"]).text(), "decomposed");
    scratch.write("\u{fc}", b"composed");
    fs::remove_file(scratch.package()).expect("it is there");
    scratch.refused(&scratch.pack(&[]), "\u{fc}");
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_is_left() {
    let scratch = Scratch::new();
    scratch.write("good", b"1");
    let pack = |input: &Path| {
        dacti([OsStr::new("pack"), input.as_ref(), "-o".as_ref(), scratch.package().as_ref()])
    };
    scratch.refused(&pack(&scratch.at("missing")), "missing");
    // Root can read a file with any permissions, so this test takes a file that fails for
    // everyone. A read of it starts at memory address 0, which is not mapped.
    scratch.refused(&pack(Path::new("/proc/self/mem")), "/proc/self/mem");
    // Files in `/proc` report a length of 0, but have content. The packer reads them up to their
    // end.
    assert_eq!(pack(Path::new("/proc/version")).code, Some(0));
    let version = fs::read_to_string("/proc/version").expect("it is text");
    assert_eq!(scratch.run("get", &["version"]).text(), version);
    fs::remove_file(scratch.package()).expect("it is there");
    let fifo = scratch.at("in/fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    scratch.refused(&scratch.pack(&[]), "fifo");
    assert_eq!(scratch.pack(&["--exclude", "fifo"]).code, Some(0));
    assert_eq!(scratch.run("ls", &[]).text(), "good\n");
}

#[test]
fn a_file_without_permission_is_named() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let scratch = Scratch::new();
    scratch.write("secret", b"1");
    let secret = scratch.at("in/secret");
    let metadata = fs::metadata(&secret).expect("it is there");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("it is ours");
    let built = scratch.pack(&[]);
    if metadata.uid() == 0 {
        // Root can read every file, so packing succeeds for root. The test above shows the failure
        // for root.
        assert_eq!(built.code, Some(0));
    } else {
        scratch.refused(&built, "secret");
    }
}

#[test]
fn a_file_of_the_input_is_not_taken_for_the_package() {
    let scratch = Scratch::new();
    scratch.write("notes.txt", b"not a package");
    let out = scratch.at("in/notes.txt");
    let mut command = Command::new(program());
    let ended = ended(command.arg("pack").arg(scratch.at("in")).arg("-o").arg(&out));
    assert!(ended.failure().contains("would be replaced by the output"), "{}", ended.err);
    assert_eq!(fs::read(&out).expect("it is there"), b"not a package");
}

#[test]
fn the_package_itself_is_left_out() {
    let scratch = Scratch::new();
    scratch.write("file", b"1");
    let out = scratch.at("in/out.dacti-pack");
    for _ in 0..2 {
        let built =
            dacti([OsStr::new("pack"), scratch.at("in").as_ref(), "-o".as_ref(), out.as_ref()]);
        assert_eq!(built.code, Some(0), "{built:?}");
        assert_eq!(dacti([OsStr::new("ls"), out.as_ref()]).text(), "file\n");
    }
    // The packer leaves out its own output. It must also leave out a link that leads to this
    // output.
    std::os::unix::fs::symlink("../packages/out.dacti-pack", scratch.at("in/link")).expect("new");
    fs::remove_file(&out).expect("it is there");
    assert_eq!(scratch.pack(&["--exclude", "link"]).code, Some(0));
    let built = scratch.pack(&["--symlinks", "follow"]);
    assert!(built.code == Some(0) && built.err.contains("the output itself"), "{built:?}");
    assert_eq!(scratch.run("ls", &[]).text(), "file\n");
}

#[test]
fn a_link_at_the_output_is_replaced_and_what_it_leads_to_is_packed() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new();
    scratch.write("data", b"precious");
    let out = scratch.at("out");
    symlink(scratch.at("in/data"), &out).expect("a new link");
    let pack = |input: &Path, out: &Path| {
        dacti([OsStr::new("pack"), input.as_ref(), "-o".as_ref(), out.as_ref()])
    };
    let built = pack(&scratch.at("in"), &out);
    assert_eq!(built.code, Some(0), "{built:?}");
    assert!(!built.err.contains("left out"), "{built:?}");
    assert_eq!(dacti([OsStr::new("get"), out.as_ref(), "data".as_ref()]).text(), "precious");
    assert_eq!(fs::read(scratch.at("in/data")).expect("it is there"), b"precious");
    // If the output is a link to an input, writing would destroy this input. So the program
    // refuses.
    let link = scratch.at("link");
    symlink("in/data", &link).expect("a new link");
    for input in [link, scratch.at("in/data"), scratch.at("in/../in/data")] {
        let line = pack(&input, &scratch.at("in/data")).failure().to_owned();
        assert!(line.contains("both input and output"), "{line}");
        assert_eq!(fs::read(scratch.at("in/data")).expect("it is there"), b"precious");
    }
}

#[test]
fn a_package_is_not_replaced_by_one_of_its_regions() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new();
    small_tree(&scratch);
    assert_eq!(scratch.pack(&[]).code, Some(0));
    let link = scratch.at("packages/link");
    symlink("out.dacti-pack", &link).expect("a new link");
    let get = |package: &Path, out: &Path| {
        let verb: [&OsStr; 5] =
            ["get".as_ref(), package.as_ref(), "a.txt".as_ref(), "-o".as_ref(), out.as_ref()];
        dacti(verb)
    };
    for package in [scratch.package(), link.clone()] {
        let line = get(&package, &scratch.package()).failure().to_owned();
        assert!(line.contains("an input of this command"), "{line}");
    }
    // If the output is a link to the package, `get` replaces the link and does not change the
    // package.
    assert_eq!(get(&scratch.package(), &link).code, Some(0));
    assert_eq!(fs::read(&link).expect("it is there"), b"hello\n");
    assert_eq!(scratch.run("verify", &[]).code, Some(0));
}

#[test]
fn what_killed_runs_left_is_not_packed() {
    let scratch = Scratch::new();
    scratch.write("file", b"1");
    scratch.write("sub/.dacti-a1B2c3.tmp", b"half a package");
    let built = scratch.pack(&[]);
    assert_eq!(built.code, Some(0), "{built:?}");
    assert!(built.err.contains("1 temporary file of a killed run"), "{built:?}");
    assert_eq!(scratch.run("ls", &[]).text(), "file\n");
}

#[test]
fn names_of_files_do_not_command_the_terminal() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new();
    let odd = "\u{1b}]0;owned\u{7}\u{202e}";
    let told = |ended: &Ended, mentions: &str| {
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert!(ended.err.contains(mentions), "{ended:?}");
        let plain = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
        assert!(ended.err.chars().all(plain), "{ended:?}");
    };
    symlink("nowhere", scratch.at("in").join(odd)).expect("a new link");
    told(&scratch.pack(&[]), "symbolic link");
    told(&scratch.pack(&["--symlinks", "follow"]), "cannot read");
    fs::remove_file(scratch.at("in").join(odd)).expect("it is there");
    let raw = [odd.as_bytes(), b"\xff"].concat();
    fs::write(scratch.at("in").join(OsStr::from_bytes(&raw)), b"1").expect("a new file");
    told(&scratch.pack(&[]), "UTF-8");
    fs::remove_file(scratch.at("in").join(OsStr::from_bytes(&raw))).expect("it is there");
    let fifo = scratch.at("in").join(odd);
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    told(&scratch.pack(&[]), "neither a file nor a folder");
    told(&reading(&scratch.at(odd), &["ls"]), "cannot");
    // The package has paths with odd characters. The target directory has a link at one of these
    // paths.
    put(&scratch, &[stored(&format!("{odd}/file"), b"1"), stored("fine", b"2")]);
    fs::create_dir(scratch.at("target")).expect("a new directory");
    symlink("..", scratch.at("target").join(odd)).expect("a new link");
    told(&unpack(&scratch, &[]), "is a link");
    // The encoding tag has four bytes. Three of them are a character that reverses the direction of
    // text.
    let files = [stored("a", b"1")];
    let tagged = by::compact_package(&files, &by::names_of(&files), *b"\xe2\x80\xaex");
    fs::write(scratch.package(), tagged).expect("there is room");
    for verb in [&["ls", "--long"][..], &["inspect"], &["verify"]] {
        let ended = reading(&scratch.package(), verb);
        let said = ended.err.clone() + &String::from_utf8_lossy(&ended.out);
        assert!(said.contains("\\xe2\\x80\\xaex") && !said.contains('\u{202e}'), "{said}");
    }
}

#[test]
fn a_full_disk_leaves_nothing() {
    let scratch = Scratch::new();
    let mut random = Random(1);
    let noise: Vec<u8> = (0..3_000_000).map(|_| random.next() as u8).collect();
    scratch.write("noise", &noise);
    // A limit on the length of files simulates a full disk: writes that exceed it fail. The system
    // also sends the signal `SIGXFSZ`, which the process ignores.
    let limited = |blocks: u32| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(program()).arg("pack").arg(scratch.at("in"));
        ended(command.arg("-o").arg(scratch.package()))
    };
    for blocks in [0, 1, 100, 1000, 4000] {
        scratch.refused(&limited(blocks), "out.dacti-pack");
    }
    // The failed run does not change an existing file.
    fs::write(scratch.package(), b"before").expect("a new file");
    assert_eq!(limited(1000).code, Some(1));
    assert_eq!(scratch.bytes(), b"before");
    assert_eq!(scratch.pack(&[]).code, Some(0));
    assert_ne!(scratch.bytes(), b"before", "and is replaced by what is whole");
}

#[test]
fn an_interrupt_leaves_nothing_half_written() {
    let scratch = Scratch::new();
    let mut random = Random(1);
    for i in 0..24 {
        let bytes: Vec<u8> = (0..1 << 17).flat_map(|_| random.next().to_le_bytes()).collect();
        scratch.write(&format!("{i}"), &bytes);
    }
    let entries = || fs::read_dir(scratch.at("packages")).expect("it is there").count();
    let mut command = Command::new(program());
    command.arg("pack").arg(scratch.at("in")).arg("-o").arg(scratch.package());
    let mut child = command.arg("-q").stderr(Stdio::null()).spawn().expect("it starts");
    // The run creates its temporary file as soon as it starts its work.
    while entries() == 0 && child.try_wait().expect("it is ours").is_none() {
        std::thread::yield_now();
    }
    let signal = Command::new("kill").arg("-INT").arg(child.id().to_string()).status();
    signal.expect("there is a program `kill`");
    let ended = child.wait().expect("it ends");
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(ended.signal(), Some(2), "a shell sees the signal: {ended}");
    assert_eq!(entries(), 0, "nothing is left, under no name");
}

#[test]
fn a_target_that_cannot_be_is_named() {
    let scratch = Scratch::new();
    scratch.write("file", b"1");
    let pack = |out: &Path| {
        dacti([OsStr::new("pack"), scratch.at("in").as_ref(), "-o".as_ref(), out.as_ref()])
    };
    scratch.refused(&pack(&scratch.at("no/such/folder/out")), "no/such/folder");
    fs::create_dir(scratch.at("folder")).expect("a new directory");
    scratch.refused(&pack(&scratch.at("folder")), "folder");
    assert_eq!(fs::read_dir(scratch.at("folder")).expect("it is there").count(), 0);
}

// ------------------------------------------------------------------------------------------
// Bad packages and bad use
// ------------------------------------------------------------------------------------------

const READING: [&[&str]; 6] = [
    &["ls"],
    &["ls", "--json"],
    &["inspect"],
    &["inspect", "--json"],
    &["verify"],
    &["verify", "--json"],
];

/// Runs a verb that reads a package. `verb` has its name and the arguments after the package's
/// path.
fn reading(package: &Path, verb: &[&str]) -> Ended {
    ended(Command::new(program()).arg(verb[0]).arg(package).args(&verb[1..]))
}

/// Checks the result of a reading verb on a fixture. Returns what is wrong with the result, or
/// `None` if the result is right.
fn judge(fixture: &Fixture, verb: &[&str], ended: &Ended) -> Option<&'static str> {
    let expected = &fixture.verdict;
    if !matches!(ended.code, Some(0 | 1 | 3)) {
        return Some("no exit code of ours");
    }
    // `inspect` shows as much of a damaged file as it can read, and then reports the fault.
    let is_shown = verb == ["inspect"] && ended.out.starts_with(b"format      ");
    let is_silent = ended.out.is_empty() || is_shown;
    if ended.code == Some(1) && (!ended.err.starts_with("dacti: error: ") || !is_silent) {
        return Some("an error, but not said as one");
    }
    if fixture.name.starts_with("container") {
        return None;
    }
    let readable = fixture.is_good() && !fixture.dump.contains("not decoded");
    // Two kinds of fixtures may succeed here: reading regions needs no layout, and the program's
    // limit on content is higher than the limit for fixtures.
    let is_layout = expected.contains("layout") || fixture.name.starts_with("package_layout");
    let is_cap = expected.starts_with("error limit brotli");
    match (verb[0], ended.code) {
        (_, Some(0)) if is_cap => None,
        ("verify", Some(0 | 3)) if is_layout && !readable => {
            let said = ended.err.clone() + &String::from_utf8_lossy(&ended.out);
            let said =
                said.contains("layout at 0x186c") || said.contains("component region at 0x2000");
            (!said).then_some("nothing is said of the layout")
        }
        ("verify", Some(0)) if !readable => Some("taken for whole"),
        ("verify" | "ls" | "inspect", Some(1 | 3)) if readable => Some("taken for damaged"),
        _ => None,
    }
}

#[test]
fn every_fixture_ends_in_an_exit_code_and_bad_ones_do_not_verify() {
    let scratch = Scratch::new();
    let path = scratch.package();
    let mut wrong = Vec::new();
    for fixture in ["container", "index", "package"].into_iter().flat_map(fixtures) {
        fs::write(&path, &fixture.bytes).expect("there is room");
        for verb in READING {
            let ended = reading(&path, verb);
            if let Some(fault) = judge(&fixture, verb, &ended) {
                wrong.push(format!(
                    "{}, {verb:?}: {fault}: {:?} {}",
                    fixture.name, ended.code, ended.err
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_truncated_package_is_one_error() {
    let scratch = Scratch::new();
    small_tree(&scratch);
    assert_eq!(scratch.pack(&["--layout", "compact", "--encoding", "none"]).code, Some(0));
    let whole = scratch.bytes();
    let cut = scratch.at("cut");
    let lens =
        (0..whole.len()).filter(|len| *len < 130 || whole.len() - len < 100 || len % 251 == 0);
    for len in lens {
        fs::write(&cut, &whole[..len]).expect("there is room");
        let verified = reading(&cut, &["verify"]);
        assert!(matches!(verified.code, Some(1 | 3)), "cut to {len} bytes: {verified:?}");
        if len < 6252 {
            // The last part of the index is missing, so every reading verb fails.
            let line = reading(&cut, &["ls"]).failure().to_owned();
            assert!(line.contains(" at 0x"), "{line}");
        }
    }
    assert_eq!(reading(&scratch.package(), &["verify"]).code, Some(0));
}

#[test]
fn what_is_no_package_is_said() {
    let scratch = Scratch::new();
    let file = scratch.at("file");
    for verb in READING {
        assert!(reading(&scratch.at("missing"), verb).failure().contains("missing"));
        assert!(reading(scratch.root.path(), verb).failure().contains("not a regular file"));
        fs::write(&file, b"").expect("a new file");
        assert!(reading(&file, verb).failure().contains("signature at 0x0"));
        fs::write(&file, b"plain text, longer than eight bytes").expect("a file");
        assert!(reading(&file, verb).failure().contains("not a daicon container"));
    }
}

#[test]
fn wrong_use_is_exit_code_2() {
    let scratch = Scratch::new();
    scratch.write("file", b"1");
    assert_eq!(dacti(["no-such-verb"]).code, Some(2));
    assert_eq!(dacti([""; 0]).code, Some(2));
    assert_eq!(dacti(["pack"]).code, Some(2));
    assert_eq!(dacti(["ls"]).code, Some(2));
    for wrong in [
        &["--slice", "3000"][..],
        &["--slice", "2KiB"],
        &["--slice", "2GiB"],
        &["--quality", "12"],
        &["--layout", "other"],
        &["--encoding", "zip"],
        &["--threads", "0"],
        &["--include", "a[b"],
    ] {
        let ended = scratch.pack(wrong);
        assert_eq!((ended.code, ended.out.len()), (Some(2), 0), "{wrong:?}: {ended:?}");
        assert!(!scratch.package().exists());
    }
    let version = dacti(["--version"]);
    assert!(version.text().starts_with("dacti 0."), "{version:?}");
}

#[test]
fn a_region_that_is_not_there_is_an_error() {
    let scratch = Scratch::new();
    small_tree(&scratch);
    assert_eq!(scratch.pack(&[]).code, Some(0));
    let missing = scratch.run("get", &["no/such/path"]);
    assert!(missing.failure().contains("no region \"no/such/path\""), "{missing:?}");
    assert!(missing.failure().ends_with(": list the regions with `dacti ls`"), "{missing:?}");
    assert_eq!(missing.err.matches("list the regions").count(), 1, "{missing:?}");
    let id = "00000000-0000-0000-0000-00000000dead";
    assert!(scratch.run("get", &[id]).failure().contains(id));
    let out = scratch.at("got");
    let got = scratch.run("get", &["no/such/path", "-o", out.to_str().expect("text")]);
    assert_eq!((got.code, out.exists()), (Some(1), false));
    assert_eq!(scratch.run("get", &["../a.txt"]).code, Some(1));
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_not() {
    let scratch = Scratch::new();
    for i in 0..3000 {
        scratch.write(&format!("some/rather/long/path/so/that/much/is/printed/{i}"), &[b'x'; 100]);
    }
    scratch.write("large", &vec![b'x'; 3_000_000]);
    assert_eq!(scratch.pack(&[]).code, Some(0));
    for verb in
        [&["ls"][..], &["ls", "--json"], &["get", "large"], &["inspect"], &["verify", "--json"]]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("linux has it");
        let mut command = Command::new(program());
        command.arg(verb[0]).arg(scratch.package()).args(&verb[1..]).stdout(full);
        let output = command.output().expect("the program runs");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {err}");
        assert!(err.contains("standard output"), "{verb:?}: {err}");
        // `head` stops reading the output early. This is not an error.
        let mut command = Command::new("sh");
        command.args(["-c", "{ \"$@\"; echo code $? >&2; } | head -c 10", "sh"]).arg(program());
        command.arg(verb[0]).arg(scratch.package()).args(&verb[1..]);
        let output = command.output().expect("the shell runs");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(err.ends_with("code 0\n") && !err.contains("error"), "{verb:?}: {err}");
    }
}

#[test]
fn a_terminal_gets_no_binary() {
    let scratch = Scratch::new();
    small_tree(&scratch);
    assert_eq!(scratch.pack(&[]).code, Some(0));
    // `script` runs a command on a terminal of its own, and returns the command's exit code.
    let on_terminal = |path: &str| {
        let line =
            format!("'{}' get '{}' '{path}'", program().display(), scratch.package().display());
        ended(Command::new("script").args(["--quiet", "--return", "--command", &line, "/dev/null"]))
    };
    let text = on_terminal("a.txt");
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(text.out.starts_with(b"hello"), "{text:?}");
    let binary = on_terminal("bin");
    assert_eq!(binary.code, Some(1), "{binary:?}");
    let shown = String::from_utf8_lossy(&binary.out).into_owned();
    assert!(shown.contains("binary") && !shown.contains('\u{1b}'), "{shown:?}");
    // `late` has a control character after a long text, `over` has a carriage return without a line
    // feed, and `turned` has a character that changes the direction of text. `long` is only text.
    let long = "\u{fc}".repeat(200_001);
    let late = format!("a{long}\u{1b}]0;owned\u{7}");
    put(
        &scratch,
        &[
            stored("late", late.as_bytes()),
            stored("long", format!("a{long}").as_bytes()),
            stored("over", b"good\rbad!"),
            stored("turned", "a\u{202e}b".as_bytes()),
        ],
    );
    let text = on_terminal("long");
    assert_eq!(text.code, Some(0), "{:?}", text.err);
    assert!(text.out == format!("a{long}").into_bytes());
    for path in ["late", "over", "turned"] {
        let binary = on_terminal(path);
        assert_eq!(binary.code, Some(1), "{path}");
        let shown = String::from_utf8_lossy(&binary.out).into_owned();
        assert!(shown.contains("is binary"), "{path}");
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{path}");
        assert!(!shown.contains("bad!"), "{path}");
    }
}

#[test]
fn a_dash_is_standard_output_or_refused() {
    let scratch = Scratch::new();
    small_tree(&scratch);
    assert_eq!(scratch.pack(&[]).code, Some(0));
    let run = |arguments: &[&OsStr]| {
        ended(Command::new(program()).args(arguments).current_dir(scratch.root.path()))
    };
    let package = scratch.package();
    let got = run(&["get".as_ref(), package.as_ref(), "a.txt".as_ref(), "-o-".as_ref()]);
    assert_eq!(got.text(), "hello\n");
    let built = run(&["pack".as_ref(), "in".as_ref(), "-o".as_ref(), "-".as_ref()]);
    assert_eq!(built.code, Some(2), "{built:?}");
    assert!(built.err.contains("standard output"), "{built:?}");
    assert!(!scratch.at("-").exists());
}

// ------------------------------------------------------------------------------------------
// Unpacking what somebody else packed
// ------------------------------------------------------------------------------------------

/// Writes a package of these files to the scratch path.
fn put(scratch: &Scratch, files: &[Stored]) {
    let package = by::compact_package(files, &by::names_of(files), NONE);
    fs::write(scratch.package(), package).expect("there is room");
}

fn unpack(scratch: &Scratch, more: &[&str]) -> Ended {
    let target = scratch.at("target");
    scratch.run("unpack", &[&["-C", target.to_str().expect("it is text")], more].concat())
}

#[test]
fn paths_that_escape_write_nothing() {
    // spec: R-NAME-06, R-PATH-02
    for path in ["../escaped", "a/../../escaped", "/tmp/dacti-escaped", "./a", "a//b", ".."] {
        let scratch = Scratch::new();
        put(&scratch, &[stored("good", b"1"), stored(path, b"escaped")]);
        let unpacked = unpack(&scratch, &[]);
        assert_eq!(unpacked.code, Some(3), "{path}: {unpacked:?}");
        assert!(unpacked.err.contains("names path"), "{unpacked:?}");
        assert!(!Path::new("/tmp/dacti-escaped").exists() && !scratch.at("escaped").exists());
        // The package has no names list, so unpacking names the files by their ids.
        let names: BTreeSet<_> = tree(&scratch.at("target")).into_keys().collect();
        let ids = ["good", path].map(|path| OsString::from(text(&by::path_id(path))));
        assert_eq!(names, BTreeSet::from(ids), "{path}");
        assert_eq!(fs::read_dir(scratch.root.path()).expect("it is there").count(), 3);
    }
}

#[test]
fn links_in_the_target_are_not_followed() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new();
    put(&scratch, &[stored("dir/file", b"1"), stored("file", b"2"), stored("sub/dir/file", b"3")]);
    for folder in ["outside", "target", "target/sub"] {
        fs::create_dir(scratch.at(folder)).expect("a new directory");
    }
    fs::write(scratch.at("outside/kept"), b"kept").expect("a new file");
    symlink(scratch.at("outside"), scratch.at("target/dir")).expect("a new link");
    symlink("../../outside", scratch.at("target/sub/dir")).expect("a new link");
    symlink(scratch.at("outside/kept"), scratch.at("target/file")).expect("a new link");
    // Without `--overwrite`, all files are refused. With `--overwrite`, a file replaces the link
    // that has its name.
    for (more, code) in [(&[][..], 1), (&["--overwrite"], 3)] {
        let unpacked = unpack(&scratch, more);
        assert_eq!(unpacked.code, Some(code), "{unpacked:?}");
        for path in ["dir/file", "sub/dir/file"] {
            assert!(unpacked.err.contains(path), "{unpacked:?}");
        }
        let outside = tree(&scratch.at("outside"));
        assert_eq!(outside, BTreeMap::from([("kept".into(), b"kept".to_vec())]), "{more:?}");
    }
    // `--overwrite` replaced the link itself. The file to which the link led is unchanged.
    assert_eq!(fs::read_link(scratch.at("target/file")).ok(), None);
    assert_eq!(fs::read(scratch.at("target/file")).expect("it is there"), b"2");
}

#[test]
fn files_that_exist_are_kept_unless_told_otherwise() {
    let scratch = Scratch::new();
    put(&scratch, &[stored("a", b"new"), stored("b", b"new")]);
    fs::create_dir(scratch.at("target")).expect("a new directory");
    fs::write(scratch.at("target/a"), b"old").expect("a new file");
    let unpacked = unpack(&scratch, &[]);
    assert_eq!(unpacked.code, Some(3), "{unpacked:?}");
    let content = |name: &str| fs::read(scratch.at("target").join(name)).expect("it is there");
    assert_eq!((content("a"), content("b")), (b"old".to_vec(), b"new".to_vec()));
    assert_eq!(unpack(&scratch, &["--overwrite"]).code, Some(0));
    assert_eq!(content("a"), b"new");
}

#[test]
fn a_file_with_the_name_of_a_folder_is_left_out() {
    let scratch = Scratch::new();
    let files = [
        stored("A", b"1"),
        stored("a", b"file"),
        stored("a/b", b"file, too"),
        stored("a/b/c", b"in a folder"),
        stored("d", b"fine"),
    ];
    put(&scratch, &files);
    for (options, refused) in [
        (&[][..], &["a", "a/b"][..]),
        (&["--threads", "1"], &["a", "a/b"]),
        (&["--portable"], &["A", "a", "a/b"]),
    ] {
        let unpacked = unpack(&scratch, options);
        assert_eq!(unpacked.code, Some(3), "{unpacked:?}");
        let kept = files.iter().filter(|file| !refused.contains(&&*file.path));
        let expected: BTreeMap<_, _> =
            kept.map(|file| (OsString::from(&file.path), file.bytes.clone())).collect();
        assert_eq!(tree(&scratch.at("target")), expected, "{options:?}");
        for path in refused {
            let line = format!("dacti: error: {path}: is a folder of other regions\n");
            assert!(unpacked.err.contains(&line), "{unpacked:?}");
        }
        fs::remove_dir_all(scratch.at("target")).expect("it is there");
    }
}

#[test]
fn a_path_wins_over_an_id_of_that_text() {
    let scratch = Scratch::new();
    let nameless = Stored { id: Some(small(0xabc)), ..stored("!first in the file", b"nameless") };
    let files = [nameless, stored(&text(&small(0xabc)), b"named")];
    let package = by::compact_package(&files, &by::names_of(&files[1..]), NONE);
    fs::write(scratch.package(), package).expect("there is room");
    let unpacked = unpack(&scratch, &[]);
    assert_eq!(unpacked.code, Some(3), "{unpacked:?}");
    let expected = (text(&small(0xabc)).into(), b"named".to_vec());
    assert_eq!(tree(&scratch.at("target")), BTreeMap::from([expected]));
}

#[test]
fn where_nothing_could_be_written_the_run_failed() {
    let scratch = Scratch::new();
    let paths: Vec<_> = (0..150).map(|i| format!("{i:03}")).collect();
    let files: Vec<_> = paths.iter().map(|path| stored(path, b"new")).collect();
    put(&scratch, &files);
    assert_eq!(unpack(&scratch, &[]).code, Some(0));
    let again = unpack(&scratch, &[]);
    assert_eq!((again.code, again.out.len()), (Some(1), 0), "{again:?}");
    // The program counts all messages, but prints only some of them.
    let lines: Vec<_> = again.err.lines().collect();
    assert_eq!(lines.len(), 102, "{again:?}");
    assert!(lines[0].starts_with("dacti: error: 000: exists already"), "{again:?}");
    assert_eq!(lines[100], "dacti: error: and 50 more: --json lists all");
    assert!(lines[101].contains("nothing was written"), "{again:?}");
    let again = unpack(&scratch, &["--json"]);
    let summary: Value = serde_json::from_slice(&again.out).expect("it is JSON");
    assert_eq!(summary["refused"].as_array().map(Vec::len), Some(150));
    assert_eq!(again.code, Some(1));
}

#[test]
fn regions_past_the_cap_are_refused_and_the_option_is_named() {
    let scratch = Scratch::new();
    let long = |path: &str| Stored {
        bytes: by::brotli_stored(&[b'x'; 1001]),
        ..stored(path, &[b'x'; 1001])
    };
    let short = Stored { bytes: by::brotli_stored(b"short"), ..stored("short", b"short") };
    let files = [long("long"), short];
    let package = by::compact_package(&files, &by::brotli_stored(&by::names_of(&files)), by::BROT);
    fs::write(scratch.package(), package).expect("there is room");
    let unpacked = unpack(&scratch, &["--max-len", "1000"]);
    assert_eq!(unpacked.code, Some(3), "{unpacked:?}");
    assert!(unpacked.err.contains("long: ") && unpacked.err.contains("--max-len"), "{unpacked:?}");
    let expected = BTreeMap::from([("short".into(), b"short".to_vec())]);
    assert_eq!(tree(&scratch.at("target")), expected);
    let got = scratch.run("get", &["long", "--max-len", "1000"]);
    assert!(got.failure().contains("--max-len"), "{got:?}");
    assert_eq!(unpack(&scratch, &["--max-len", "1001", "--overwrite"]).code, Some(0));
    assert_eq!(fs::read(scratch.at("target/long")).expect("it is there"), [b'x'; 1001]);
}

#[test]
fn what_was_meant_is_told() {
    let scratch = Scratch::new();
    for path in ["index.html", "guide/index.html", "guide/a.txt"] {
        scratch.write(path, b"text\n");
    }
    // If the patterns exclude every file, packing fails. An empty folder can be packed.
    let none = scratch.pack(&["--include", "*.nope"]);
    scratch.refused(&none, "--include and --exclude leave out all files");
    assert_eq!(scratch.pack(&[]).code, Some(0));
    let folder = scratch.run("ls", &["guide/"]);
    assert!(folder.failure().ends_with("it is a folder: write \"guide/**\" for the regions in it"));
    assert_eq!(scratch.run("ls", &["index.html"]).text(), "guide/index.html\nindex.html\n");
    assert_eq!(scratch.run("ls", &["/index.html"]).text(), "index.html\n");
    // The program refuses before it reads anything, and its message names the right option.
    let got = scratch.run("get", &["index.html", "-o", "/dev/null", "--stats"]);
    assert!(got.failure().contains("use `-o -` for standard output"), "{got:?}");
    let url = ended(Command::new(program()).args(["put", "http://127.0.0.1:1/p", "a=b"]));
    assert_eq!(url.code, Some(2), "{url:?}");
    assert!(url.err.contains("a web server takes no uploads"), "{url:?}");
}

#[test]
fn keys_that_contradict_the_index_cost_a_scan_and_a_warning() {
    let scratch = Scratch::new();
    let files: Vec<_> = (0..3000).map(|i| stored(&format!("{i}"), b"some text\n")).collect();
    let mut file = build(&files, PLAIN);
    // Changes the first fence, which readers need for each id below the second fence.
    file[3584 + 32..3584 + 40].fill(0xff);
    fs::write(scratch.package(), file).expect("there is room");
    for (path, is_asked_by_it) in [("7", false), ("0", false), ("2999", false)]
        .into_iter()
        .chain(files.iter().filter(|file| path_id(&file.path)[0] < 4).map(|f| (&f.path[..], true)))
    {
        let got = scratch.run("get", &[path]);
        assert_eq!(got.text(), "some text\n");
        let lines: Vec<_> = got.err.lines().collect();
        if is_asked_by_it {
            let [line] = lines[..] else { panic!("{got:?}") };
            assert!(line.starts_with("dacti: warning: lookup block at 0x10010: "), "{line}");
            assert!(line.ends_with("(the index is scanned instead)"), "{line}");
            assert_eq!(scratch.run("get", &[path, "--quiet"]).err, "");
        }
    }
}

#[test]
fn threads_have_a_bound_and_what_the_system_gives_is_enough() {
    let scratch = Scratch::new();
    let paths: Vec<_> = (0..40).map(|i| i.to_string()).collect();
    let files: Vec<_> = paths.iter().map(|path| stored(path, path.as_bytes())).collect();
    put(&scratch, &files);
    for threads in ["0", "1025", "100000"] {
        assert_eq!(scratch.pack(&["--threads", threads]).code, Some(2));
        assert_eq!(scratch.run("verify", &["--threads", threads]).code, Some(2));
        assert_eq!(unpack(&scratch, &["--threads", threads]).code, Some(2));
    }
    assert!(!scratch.at("target").exists());
    // With the first limit, the stacks of a few threads fit into memory. With the second limit, no
    // further stack fits.
    let limited = |kibibytes: u32| {
        let script = format!("ulimit -v {kibibytes}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(program()).arg("unpack").arg(scratch.package());
        command.arg("-C").arg(scratch.at("target")).args(["--threads", "40"]);
        ended(command.env("RUST_MIN_STACK", (1_u32 << 30).to_string()))
    };
    let unpacked = limited(3_700_000);
    assert_eq!(unpacked.code, Some(0), "{unpacked:?}");
    assert_eq!(tree(&scratch.at("target")).len(), 40);
    fs::remove_dir_all(scratch.at("target")).expect("it is there");
    assert!(limited(900_000).failure().contains("cannot start a thread"));
    assert_eq!(fs::read_dir(scratch.at("target")).expect("it is there").count(), 0);
}

#[test]
fn names_of_other_systems_are_refused_where_asked() {
    let scratch = Scratch::new();
    let bad =
        ["CON", "aux.txt", "dir/nul", "a:b", "back\\slash", "dot.", "blank ", "que?", "com1.log"];
    let mut files: Vec<_> = bad.iter().map(|path| stored(path, path.as_bytes())).collect();
    files.extend([stored("Readme", b"1"), stored("README", b"2"), stored("fine", b"3")]);
    put(&scratch, &files);
    let unpacked = unpack(&scratch, &["--portable", "--json"]);
    assert_eq!(unpacked.code, Some(3), "{unpacked:?}");
    let names: BTreeSet<_> = tree(&scratch.at("target")).into_keys().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(OsStr::new("fine")));
    let summary: Value = serde_json::from_slice(&unpacked.out).expect("it is JSON");
    let refused: Vec<_> = summary["refused"].as_array().expect("a list").iter().collect();
    assert_eq!((summary["files"].as_u64(), refused.len()), (Some(2), bad.len() + 1), "{summary}");
    assert!(refused.iter().all(|one| one["path"].is_string() && one["message"].is_string()));
    // The operating system allows all these file names.
    fs::remove_dir_all(scratch.at("target")).expect("it is there");
    assert_eq!(unpack(&scratch, &[]).code, Some(0));
    assert_eq!(tree(&scratch.at("target")).len(), files.len());
}

#[test]
fn what_is_damaged_is_left_out_and_the_rest_comes_out() {
    // spec: R-ENT-02
    let scratch = Scratch::new();
    let broken = Stored { bytes: b"no brotli".to_vec(), ..stored("broken", b"") };
    let whole =
        |path: &str| Stored { bytes: by::brotli_stored(b"whole"), ..stored(path, b"whole") };
    let files = [broken, whole("one"), whole("two")];
    let package = by::compact_package(&files, &by::brotli_stored(&by::names_of(&files)), by::BROT);
    fs::write(scratch.package(), package).expect("there is room");
    let unpacked = unpack(&scratch, &[]);
    assert_eq!(unpacked.code, Some(3), "{unpacked:?}");
    assert!(
        unpacked.err.contains("broken") && unpacked.err.contains("brotli stream"),
        "{unpacked:?}"
    );
    let expected = ["one", "two"].map(|path| (path.into(), b"whole".to_vec()));
    assert_eq!(tree(&scratch.at("target")), BTreeMap::from(expected), "nothing of the broken one");
    let verified = scratch.run("verify", &["--json"]);
    assert_eq!(verified.code, Some(3));
    let report: Value = serde_json::from_slice(&verified.out).expect("it is JSON");
    assert_eq!((&report["whole"], &report["regions"]), (&false.into(), &4.into()), "{report}");
    let losses: Vec<_> = report["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|f| f["loss"] == true)
        .collect();
    assert_eq!(losses.len(), 1, "{report}");
    assert!(losses[0]["message"].as_str().expect("text").contains("broken"), "{report}");
}

// ------------------------------------------------------------------------------------------
// Inspecting
// ------------------------------------------------------------------------------------------

#[test]
fn inspect_json_has_the_documented_fields() {
    let scratch = Scratch::new();
    let fixture = fixtures("package").into_iter().find(|f| f.name == "package_cdn");
    let file = fixture.expect("the fixture is committed").bytes;
    fs::write(scratch.package(), &file).expect("there is room");
    let inspected = &json_lines(&scratch.run("inspect", &["--json"]))[0];
    for field in ["format", "length", "tables", "components", "index", "diagnostics"] {
        assert!(!inspected[field].is_null(), "{field}");
    }
    assert_eq!(inspected["format"]["id"], text(&by::PACKAGE));
    assert_eq!(inspected["format"]["version"], "0.1");
    assert_eq!(inspected["length"], 69_632);
    let tables: Vec<_> = inspected["tables"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|t| t["place"]["at"].as_u64())
        .collect();
    assert_eq!(tables, [Some(28), Some(504)]);
    let ids: Vec<_> = inspected["components"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| c["id"].as_str())
        .collect();
    let expected = [by::LAYOUT, by::SEAL, by::PARTS, by::INDEX, by::NAMES].map(|id| text(&id));
    assert_eq!(ids, expected.each_ref().map(|id| Some(id.as_str())));
    assert_eq!(inspected["index"]["place"]["at"], 4168);
    assert_eq!(inspected["index"]["place"]["len"], 61_368);
    assert_eq!(inspected["index"]["entries"], 3);
    assert_eq!(inspected["diagnostics"], Value::Array(Vec::new()));
    // The spans of the map cover every byte once.
    let mut at = 0;
    for stretch in inspected["map"].as_array().expect("a list") {
        assert_eq!(stretch["place"]["at"], at, "{stretch}");
        at += stretch["place"]["len"].as_u64().expect("a number");
    }
    assert_eq!(at, 69_632);
}

#[test]
fn inspect_shows_what_a_person_wants_to_see() {
    let scratch = Scratch::new();
    for name in [
        "package_published_80_bytes",
        "package_cdn",
        "package_compact",
        "package_of_neither_layout",
        "package_of_mixed_encodings",
        "package_layout_slice_4097",
        "index_entries_share_bytes",
    ] {
        let area = name.split('_').next().unwrap_or_default();
        let fixture = fixtures(area).into_iter().find(|fixture| fixture.name == name);
        fs::write(scratch.package(), fixture.expect("the fixture is committed").bytes)
            .expect("there is room");
        let inspected = scratch.run("inspect", &[]);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(format!("inspect_{name}"), inspected.text()));
    }
}

#[test]
fn what_a_file_costs_is_told_before_and_bounded() {
    let scratch = Scratch::new();
    scratch.write("big", &[9; 200_000]);
    scratch.pack(&["--encoding", "none"]).text();
    // The plan takes one read for the head. The region and its digest of 32 bytes take four reads
    // of at most 64 KiB.
    let told = scratch.run("get", &["big", "--dry-run"]);
    let expected = "spent       1 request, 65536 bytes (64.00 KiB), to plan this\n\
                    regions     1\n\
                    to fetch    4 requests, 200032 bytes (195.34 KiB)\n\
                    over-fetch  0 of these bytes lie between regions\n";
    assert_eq!(told.text(), expected);
    let told = scratch.run("get", &["big", "--dry-run", "--json", "--raw"]);
    let told: Value = serde_json::from_str(told.text()).expect("it is JSON");
    let (requests, bytes) = (&told["requests"], &told["bytes"]);
    assert_eq!((requests, bytes, &told["over_fetch"]), (&4.into(), &200_032.into(), &0.into()));
    let lens: Vec<_> = told["ranges"].as_array().unwrap().iter().map(|r| &r["len"]).collect();
    assert_eq!(lens, [65_536, 65_536, 65_536, 3_392 + 32]);
    let got =
        scratch.run("get", &["big", "--stats", "--max-requests", "5", "--max-bytes", "265568"]);
    assert_eq!((got.code, got.out.len()), (Some(0), 200_000));
    assert_eq!(got.err, "dacti: 5 reads, 265568 bytes\n");
    let out = scratch.at("out");
    let to = out.to_str().expect("it is text");
    let got = scratch.run("get", &["big", "--max-requests", "4", "-o", to]);
    let failure = got.failure();
    assert!(failure.contains("budget of 4 requests is spent"), "{got:?}");
    assert!(failure.contains("(option: --max-requests N)"), "{got:?}");
    assert!(!out.exists(), "nothing of it appears");
    let got = scratch.run("verify", &["--max-bytes", "200000"]);
    assert_eq!(got.code, Some(3), "{got:?}");
    assert!(got.err.contains("of the budget of 200000 are left"), "{got:?}");
    assert!(got.err.contains("(option: --max-bytes BYTES)"), "{got:?}");
    let wrong = scratch.run("get", &["big", "--json"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}
