//! `dacti dar` as a program: files and pipes, exit codes, and JSON.

use dacti_dar::{CarStream, ReadOptions};
use dacti_tests::program::program;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn run(&self, arguments: &[&str], input: Option<&str>) -> Output {
        let mut command = Command::new(program());
        command.arg("dar").args(arguments).current_dir(self.0.path());
        match input {
            Some(name) => command.stdin(File::open(self.at(name)).expect("it is there")),
            None => command.stdin(Stdio::null()),
        };
        command.output().expect("the program runs")
    }

    /// Runs the program and checks its exit code. Returns its standard output and its error output.
    #[track_caller]
    pub fn ends(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments, None);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
        (out, err)
    }
}

pub fn car(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dar_car");
    directory.join(name).to_str().expect("UTF-8").to_owned()
}

fn car_blocks(path: &Path) -> (Vec<String>, BTreeMap<Vec<u8>, Vec<u8>>) {
    let bytes = fs::read(path).expect("it is there");
    let mut stream = CarStream::new(&bytes[..], &ReadOptions::default());
    let roots = stream.header().expect("a CAR").roots.iter().map(|cid| cid.to_string()).collect();
    let mut blocks = BTreeMap::new();
    while let Some(block) = stream.next_block().expect("a CAR") {
        blocks.insert(block.cid.to_bytes(), block.data.to_vec());
    }
    (roots, blocks)
}

#[test]
fn no_verb_writes_over_its_input() {
    let folder = Folder::new();
    fs::copy(car("carv1-basic.car"), folder.at("x.car")).expect("it is there");
    folder.ends(0, &["from-car", "x.car", "-o", "x.dar"]);
    let (out, _) = folder.ends(0, &["roots", "x.dar"]);
    let root = out.lines().next().expect("a root");
    for arguments in [
        &["from-car", "x.car", "-o", "x.car"][..],
        &["to-car", "x.dar", "-o", "./x.dar"],
        &["index", "x.dar", "-o", "x.dar"],
        &["salvage", "x.dar", "-o", "x.dar"],
        &["get", "x.dar", root, "-o", "x.dar"],
        &["extract", "x.dar", root, "-o", "x.dar"],
    ] {
        let input = arguments[1];
        let before = fs::read(folder.at(input)).expect("it is there");
        let (_, err) = folder.ends(1, arguments);
        assert!(err.contains("an input of this command"), "{arguments:?}: {err}");
        assert_eq!(fs::read(folder.at(input)).expect("it is there"), before, "{arguments:?}");
    }
    let (_, err) = folder.ends(1, &["create", "x.dar", "-o", "x.dar"]);
    assert!(err.contains("is both input and output"), "{err}");
    // The program refuses devices and folders as outputs, too.
    for place in ["/dev/full", "."] {
        folder.ends(1, &["to-car", "x.dar", "-o", place]);
    }
}

#[test]
fn cars_go_there_and_back() {
    let folder = Folder::new();
    for (name, blocks, missing) in [
        ("sample-v1.car", 1043, 0),
        ("simple-unixfs.car", 22, 0),
        ("simple-unixfs-missing-blocks.car", 17, 3),
        ("carv1-basic.car", 8, 0),
        ("carv2-basic.car", 5, 0),
        ("dir-with-duplicate-files.car", 9, 0),
        ("file-3k-and-3-blocks-missing-block.car", 3, 1),
    ] {
        folder.ends(0, &["from-car", &car(name), "-o", "x.dar"]);
        let (json, _) = folder.ends(0, &["verify", "--json", "x.dar"]);
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["blocks"], blocks, "{name}");
        assert_eq!(json["missing"].as_array().map(Vec::len), Some(missing), "{name}");
        let loss = if missing > 0 { 3 } else { 0 };
        folder.ends(loss, &["verify", "--complete", "x.dar"]);
        folder.ends(0, &["to-car", "x.dar", "-o", "x.car"]);
        assert_eq!(car_blocks(&folder.at("x.car")), car_blocks(Path::new(&car(name))), "{name}");
    }
    let (_, err) = folder.ends(1, &["from-car", &car("badsectionlength.car"), "-o", "bad.dar"]);
    assert!(err.contains("CAR section at 0x12"), "{err}");
    assert_eq!(err.lines().count(), 1);
    assert!(!folder.at("bad.dar").exists());
}

#[test]
fn files_go_in_and_blocks_come_out() {
    let folder = Folder::new();
    fs::create_dir_all(folder.at("in/sub/empty")).expect("a folder");
    fs::write(folder.at("in/hello.txt"), "hello\n").expect("a file");
    fs::write(folder.at("in/again.txt"), "hello\n").expect("a file");
    let large: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(folder.at("in/large"), &large).expect("a file");
    folder.ends(0, &["create", "in", "-o", "x.dar"]);
    // IPFS gives this text this CID, as a raw leaf.
    let hello = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";
    assert_eq!(folder.ends(0, &["get", "x.dar", hello]).0, "hello\n");
    // IPFS gives an empty folder this CID.
    let empty = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";
    let (listed, _) = folder.ends(0, &["ls", "x.dar"]);
    assert!(listed.lines().any(|line| line == empty), "{listed}");
    let (roots, _) = folder.ends(0, &["roots", "x.dar"]);
    assert_eq!(listed.lines().next(), roots.lines().next());
    let (long, _) = folder.ends(0, &["ls", "--long", "x.dar"]);
    assert_eq!(long.lines().filter(|line| line.contains(" repeat ")).count(), 1);
    let (json, _) = folder.ends(0, &["ls", "--json", "x.dar"]);
    let kinds = |kind: &str| {
        let lines = json.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.filter(|line| line["kind"] == kind).count()
    };
    // Two files with equal text share one block. The large file is a node with 11 chunks, and there
    // are three folders.
    assert_eq!((kinds("root"), kinds("block"), kinds("repeat")), (1, 1 + 12 + 3, 1));
    let largest = long.lines().filter(|line| line.contains(" 262144 block ")).count();
    assert_eq!(largest, large.len() / 262_144);
    folder
        .ends(1, &["get", "x.dar", "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"]);
    folder.ends(2, &["get", "x.dar", "nonsense"]);
    // Packing the same input again makes the same archive.
    folder.ends(0, &["create", "in", "-o", "y.dar"]);
    let read = |name: &str| fs::read(folder.at(name)).expect("it is there");
    assert_eq!(read("x.dar"), read("y.dar"));
    // Extracting the whole DAG makes the same archive. Removing the index and adding it again makes
    // the same archive, too.
    folder.ends(0, &["extract", "x.dar", "-o", "all.dar"]);
    assert_eq!(read("x.dar"), read("all.dar"));
    folder.ends(0, &["index", "--remove", "x.dar", "-o", "plain.dar"]);
    assert!(read("plain.dar").len() < read("x.dar").len());
    assert_eq!(folder.ends(0, &["get", "plain.dar", hello]).0, "hello\n");
    folder.ends(0, &["extract", "plain.dar", "-o", "again.dar"]);
    folder.ends(0, &["index", "plain.dar", "-o", "indexed.dar"]);
    assert_eq!(read("indexed.dar"), read("x.dar"));
    assert_eq!(read("again.dar"), read("x.dar"));
    // Runs the program, and returns the JSON object that it prints.
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&folder.ends(0, arguments).0).expect("JSON")
    };
    let gotten = json(&["get", "x.dar", hello, "-o", "hello", "--json"]);
    assert_eq!(gotten, serde_json::json!({ "cid": hello, "codec": 0x55, "len": 6 }));
    assert_eq!(read("hello"), b"hello\n");
    folder.ends(2, &["get", "x.dar", hello, "--json"]);
    let cut = json(&["extract", "x.dar", hello, "-o", "hello.dar", "--json"]);
    assert_eq!(
        (&cut["blocks"], &cut["block_bytes"], &cut["roots"]),
        (&1.into(), &6.into(), &1.into())
    );
    assert_eq!(cut["len"].as_u64(), Some(read("hello.dar").len() as u64));
    let cut = json(&["extract", "x.dar", hello, "--car", "-o", "hello.car", "--json"]);
    assert_eq!(cut["len"].as_u64(), Some(read("hello.car").len() as u64));
}

// spec: R-DARHDR-02
#[test]
fn copies_keep_a_header_that_means_nothing_here() {
    let folder = Folder::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let original = fs::read(fixtures.join("dar_header_of_three_elements.bin")).expect("a fixture");
    fs::write(folder.at("x.dar"), &original).expect("a file");
    folder.ends(0, &["index", "x.dar", "-o", "indexed.dar"]);
    folder.ends(0, &["index", "--remove", "indexed.dar", "-o", "plain.dar"]);
    let read = |name: &str| fs::read(folder.at(name)).expect("it is there");
    let (indexed, plain) = (read("indexed.dar"), read("plain.dar"));
    assert!(indexed.len() > plain.len());
    assert_eq!(original, plain);
    let counts = folder.ends(0, &["verify", "--json", "indexed.dar"]).0;
    let counts: Value = serde_json::from_str(&counts).expect("JSON");
    assert_eq!(counts["indexed"], true);
    assert_ne!(counts["unknown_header_elements"], 0);
}

#[test]
fn pipes_in_and_out() {
    let folder = Folder::new();
    fs::copy(car("simple-unixfs.car"), folder.at("in.car")).expect("a copy");
    let made = folder.run(&["from-car", "-", "-o", "-"], Some("in.car"));
    assert!(made.status.success());
    fs::write(folder.at("x.dar"), &made.stdout).expect("a file");
    folder.ends(0, &["from-car", "in.car", "-o", "y.dar"]);
    assert_eq!(made.stdout, fs::read(folder.at("y.dar")).expect("it is there"));
    for verb in ["verify", "ls", "roots", "inspect"] {
        let piped = folder.run(&[verb, "-"], Some("x.dar"));
        let direct = folder.run(&[verb, "x.dar"], None);
        assert!(piped.status.success(), "{verb}");
        assert_eq!(piped.stdout, direct.stdout, "{verb}");
    }
    let back = folder.run(&["to-car", "-", "-o", "-"], Some("x.dar"));
    fs::write(folder.at("back.car"), &back.stdout).expect("a file");
    assert_eq!(car_blocks(&folder.at("back.car")), car_blocks(&folder.at("in.car")));
    let made = folder.run(&["extract", "-", "--car", "-o", "-"], Some("x.dar"));
    fs::write(folder.at("cut.car"), &made.stdout).expect("a file");
    assert_eq!(car_blocks(&folder.at("cut.car")).1, car_blocks(&folder.at("in.car")).1);
}

#[test]
fn what_is_wrong_is_said_and_where() {
    let folder = Folder::new();
    folder.ends(0, &["from-car", &car("simple-unixfs.car"), "-o", "x.dar"]);
    let bytes = fs::read(folder.at("x.dar")).expect("it is there");
    fs::write(folder.at("cut.dar"), &bytes[..500]).expect("a file");
    let (_, err) = folder.ends(1, &["verify", "cut.dar"]);
    assert!(err.contains("the archive ends at 0x1f4"), "{err}");
    let (_, err) = folder.ends(1, &["roots", "cut.dar"]);
    assert!(err.contains("cut short or never finished"), "{err}");
    let mut wrong = bytes.clone();
    wrong[300] ^= 1;
    fs::write(folder.at("wrong.dar"), &wrong).expect("a file");
    folder.ends(1, &["verify", "wrong.dar"]);
    fs::write(folder.at("other"), "nothing of the kind").expect("a file");
    let (_, err) = folder.ends(1, &["ls", "other"]);
    assert!(err.contains("magic at 0x0"), "{err}");
    folder.ends(1, &["verify", "absent.dar"]);
    folder.ends(2, &["verify"]);
    let (json, _) = folder.ends(0, &["inspect", "--json", "x.dar"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let parts = json["parts"].as_array().expect("a list");
    let mut at = 0;
    for part in parts {
        let place = &part["place"];
        assert_eq!(place["at"].as_u64(), Some(at));
        at += place["len"].as_u64().expect("a number");
    }
    assert_eq!(at, bytes.len() as u64);
    assert_eq!(json["index"][0]["blocks"], 22);
}
