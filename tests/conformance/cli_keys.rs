//! Private keys must not be published by accident. The verbs, the server and the crate `dacti`
//! refuse to publish bytes that contain a private key.

use crate::cli::{Ended, ended};
use crate::cli_files::{KEY, forms};
use dacti::container::Version;
use dacti::update::{Update, UpdateOptions};
use dacti::{BuildOptions, Content, PackageBuilder};
use dacti_dar::unixfs::{Builder, Item, Metadata, Profile};
use dacti_dar::{CarWriter, Cid, CidList, LinkOrder, WriteOptions, from_car};
use dacti_tests::http;
use dacti_tests::program::program;
use dacti_tests::served::Served;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use uuid::Uuid;

/// The maximum length of a leaf in bytes. Some contents are longer, so the key in them crosses the
/// border between two leaves.
const CHUNK: usize = 1 << 20;

/// A folder in which the program runs. It can hold one content in several forms: as files, in a
/// CAR, and in DAR archives.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary directory"));
        for folder in ["in", "site", "dars"] {
            fs::create_dir(place.at(folder)).expect("a new directory");
        }
        fs::write(place.at("a"), "a").expect("a new file");
        let packed = place.run(&["pack", "a", "-o", "p"]);
        assert_eq!(packed.code, Some(0), "{packed:?}");
        place
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(program());
        ended(command.current_dir(self.0.path()).args(arguments))
    }

    /// Writes the content in all these forms. Returns the root of the archives.
    fn fill(&self, content: &[u8]) -> Cid {
        for file in ["in/b", "site/b.bin"] {
            fs::write(self.at(file), content).expect("a new file");
        }
        let (root, car) = car(content);
        let options = WriteOptions { index: true, ..WriteOptions::default() };
        // By default, the crate dacti-dar does not look for keys. So the test can make this
        // archive.
        let (dar, _) = from_car(&car[..], Vec::new(), &options).expect("a whole CAR");
        fs::write(self.at("x.car"), car).expect("a new file");
        fs::write(self.at("x.dar"), &dar).expect("a new file");
        fs::write(self.at("dars/x.dar"), dar).expect("a new file");
        root
    }
}

/// Makes a CAR with one UnixFS file: first its leaves in order, and then the blocks that link to
/// them.
fn car(content: &[u8]) -> (Cid, Vec<u8>) {
    let mut blocks: Vec<(Cid, Vec<u8>)> = Vec::new();
    let mut leaves = Vec::new();
    for chunk in content.chunks(CHUNK) {
        let leaf = Item::leaf(chunk);
        blocks.push((leaf.cid.clone(), chunk.to_vec()));
        leaves.push(leaf);
    }
    let mut keep = |cid: &Cid, block: Vec<u8>| blocks.push((cid.clone(), block));
    let root = Builder::new(Profile::default(), &mut keep).file(leaves, &Metadata::default()).cid;
    let mut car = CarWriter::new(Vec::new(), &CidList::from([root.clone()])).expect("a CAR");
    for (cid, block) in &blocks {
        car.block(cid, block).expect("a block");
    }
    (root, car.finish().expect("a CAR").0)
}

/// The verbs that write bytes for publication. Each would write `out`, or change `p`.
const VERBS: [&[&str]; 16] = [
    &["pack", "in", "-o", "out"],
    &["pack", "in/b", "-o", "out"],
    &["pack", "in", "-o", "out", "--layout", "compact"],
    &["pack", "in", "-o", "out", "--encoding", "none"],
    &["put", "p", "in"],
    &["put", "p", "y=in/b"],
    &["put", "p", "y=in"],
    &["put", "p", "y=in/b", "--plan", "out"],
    &["sync", "p", "in"],
    &["dar", "create", "in", "-o", "out"],
    &["dar", "from-car", "x.car", "-o", "out"],
    &["dar", "to-car", "x.dar", "-o", "out"],
    &["dar", "index", "x.dar", "-o", "out"],
    &["dar", "extract", "x.dar", "-o", "out"],
    &["dar", "extract", "x.dar", "--car", "-o", "out"],
    &["dar", "salvage", "x.dar", "-o", "out"],
];

/// Checks that the program has refused to run. Returns its messages.
#[track_caller]
fn refusal(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    &ended.err
}

#[test]
fn every_verb_that_makes_published_bytes_refuses_every_form_of_a_key() {
    let place = Place::new();
    let before = fs::read(place.at("p")).expect("it is there");
    for (i, form) in forms().iter().enumerate() {
        place.fill(form);
        for arguments in VERBS {
            let ended = place.run(arguments);
            let told = refusal(&ended);
            assert!(told.contains("private key"), "form {i}, {arguments:?}: {told}");
            assert!(!told.contains("0001"), "{told}");
            assert!(!place.at("out").exists(), "form {i}, {arguments:?}");
        }
        assert_eq!(fs::read(place.at("p")).expect("it is there"), before, "form {i}");
        let site = place.run(&["site", "in", "-o", "out"]);
        assert!(site.code == Some(1) && site.err.contains("private key"), "form {i}: {site:?}");
        assert!(!place.at("out/index.html").exists(), "form {i}");
        fs::remove_dir_all(place.at("out")).ok();
    }
    // The same verbs accept content that has no key.
    place.fill(b"dacti-ed25519-private 1 <64 hexadecimal digits>");
    for arguments in VERBS {
        let ended = place.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        fs::remove_file(place.at("out")).ok();
        fs::remove_file(place.at("out.data")).ok();
        fs::write(place.at("p"), &before).expect("it is writable");
    }
}

#[test]
fn names_and_keys_from_standard_input_are_searched() {
    let place = Place::new();
    fs::write(place.at(format!("in/{KEY}")), "a").expect("a new file");
    for arguments in [
        &["pack", "in", "-o", "out"][..],
        &["put", "p", "in"],
        &["sync", "p", "in"],
        &["put", "p", &format!("{KEY}=a")],
        &["dar", "create", "in", "-o", "out"],
    ] {
        let ended = place.run(arguments);
        let told = refusal(&ended);
        assert!(told.contains("private key"), "{arguments:?}: {told}");
        assert!(!place.at("out").exists(), "{arguments:?}");
    }
    for (form, arguments) in [
        ("in/b", &["put", "p", "y=-"][..]),
        ("x.car", &["dar", "from-car", "-", "-o", "out"]),
        ("x.dar", &["dar", "index", "-", "-o", "out"]),
        ("x.dar", &["dar", "to-car", "-", "-o", "out"]),
        ("x.dar", &["dar", "salvage", "-", "-o", "out"]),
    ] {
        place.fill(KEY.as_bytes());
        let mut command = Command::new(program());
        let input = fs::File::open(place.at(form)).expect("it is there");
        let output = command.current_dir(place.0.path()).args(arguments).stdin(input).output();
        let output = output.expect("the program runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains("private key"), "{arguments:?}: {told}");
    }
}

/// Returns the bytes of an answer. The answer may be incomplete.
fn raw_answer(address: &str, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    // If the server breaks off the answer, reading ends with an error. The bytes that arrived
    // before it are kept.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 "), "{path}");
    answer
}

#[test]
fn the_server_refuses_every_form_of_a_key() {
    let place = Place::new();
    let (site, dars) = (place.at("site"), place.at("dars"));
    for (i, form) in forms().iter().enumerate() {
        let root = place.fill(form);
        let files = Served::start(&site, &[]);
        let got = http::ask(&files.address, "GET", "/b.bin", "").expect("an answer");
        assert_eq!(got.status, 404, "form {i}");
        drop(files);
        let gateway = Served::start(&dars, &[]);
        for format in ["", "?format=car", "?format=dar", "?format=tar"] {
            let path = format!("/ipfs/{root}{format}");
            let body = raw_answer(&gateway.address, &path);
            let end = KEY.split(' ').nth(2).expect("digits").as_bytes();
            let last = &end[end.len().saturating_sub(8)..];
            let has = |bytes: &[u8]| body.windows(bytes.len()).any(|part| part == bytes);
            assert!(!(has(last) && form.windows(8).any(|part| part == last)), "form {i}, {path}");
        }
    }
}

/// Makes a [`Content`] of these bytes. The folder has a file with the same bytes, and the content
/// may be that file.
type ContentOf = fn(&Place, &[u8]) -> Content<'static>;

#[test]
fn the_library_refuses_every_form_of_a_key() {
    let place = Place::new();
    for (i, form) in forms().iter().enumerate() {
        place.fill(form);
        let contents: [(&str, ContentOf); 3] = [
            ("bytes", |_, form| Content::from(form.to_vec())),
            ("file", |place, _| Content::from(place.at("in/b"))),
            ("reader", |_, form| Content::reader(std::io::Cursor::new(form.to_vec()))),
        ];
        for (kind, content) in contents {
            let mut builder = PackageBuilder::new(BuildOptions::default());
            let added = builder.add("b", content(&place, form)).map(|_| ());
            let built = added.and_then(|()| builder.build(place.at("out")).map(|_| ()));
            let told = built.expect_err("it has a key").to_string();
            assert!(told.contains("private key"), "form {i}, {kind}: {told}");
            let update = Update::open(place.at("p"), UpdateOptions::default());
            let mut update = update.expect("a package");
            let put = update.put("b", content(&place, form)).map(|_| ());
            let done = put.and_then(|()| update.plan().map(|_| ()));
            let told = done.expect_err("it has a key").to_string();
            assert!(told.contains("private key"), "form {i}, {kind}: {told}");
        }
        let update = Update::open(place.at("p"), UpdateOptions::default());
        let mut update = update.expect("a package");
        update.add_component(Uuid::from_u128(7), Version::new(1, 0), form.clone());
        let told = update.plan().expect_err("it has a key").to_string();
        assert!(told.contains("private key"), "form {i}, component: {told}");
        let bytes = fs::read(place.at("x.car")).expect("it is there");
        let check = Some(dacti::dar::key_check());
        let options = WriteOptions { check, link_order: LinkOrder::Bytes, ..Default::default() };
        let told = from_car(&bytes[..], Vec::new(), &options).expect_err("it has a key");
        assert!(told.to_string().contains("private key"), "form {i}: {told}");
    }
}
