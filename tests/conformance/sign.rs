//! The program's verbs for keys, its signed packages and its trusted keys: output, refusals,
//! messages.

use crate::cli::{Ended, Scratch, dacti, ended};
use dacti_tests::program::program;
use dacti_tests::reference::{path_id, swap};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The private key of the specification's worked example, with the publisher's package.
const PRIVATE: &str = "dacti-ed25519-private 1 \
    000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f \
    00112233-4455-6677-8899-aabbccddeeff\n";
const PUBLIC: &str = "dacti-ed25519-public 1 \
    03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8 \
    00112233-4455-6677-8899-aabbccddeeff\n";
/// The public key of RFC 8032's second test, for the same publisher's package.
const OTHER_PUBLIC: &str = "dacti-ed25519-public 1 \
    3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c \
    00112233-4455-6677-8899-aabbccddeeff\n";
const OTHER_PACKAGE: &str = "99999999-4455-6677-8899-aabbccddeeff";
/// The region `hello.txt` of the worked example: six stored bytes, the digest, the signature.
const SEALED: &str = "68656c6c6f0a\
    066e7922aa5069571bde07955612a3a589aaefd811dd8669eb8a97bf49446513\
    8974929ed50f569c1bacdd5db846ce4d4f9615853573c50e90c89ca9609057e4\
    2f1544c6548513068594d2583f28d722f573a3ad06aac2f301cc3429f5800200";

/// A scratch directory that has the example's keys.
struct Keys {
    scratch: Scratch,
    private: PathBuf,
    public: PathBuf,
    other: PathBuf,
}

impl Keys {
    fn new() -> Self {
        let scratch = Scratch::new();
        let [private, public, other] =
            ["own.key", "own.key.pub", "other.key.pub"].map(|name| scratch.at(name));
        fs::write(&private, PRIVATE).expect("a new file");
        set_mode(&private, 0o600);
        fs::write(&public, PUBLIC).expect("a new file");
        fs::write(&other, OTHER_PUBLIC).expect("a new file");
        Self { scratch, private, public, other }
    }

    /// Packs and signs two files of equal length.
    fn signed(&self) {
        self.scratch.write("hello.txt", b"hello\n");
        self.scratch.write("hollo.txt", b"hollo\n");
        self.pack(&[]);
    }

    fn pack(&self, more: &[&str]) {
        let key = text(&self.private);
        let packed = self.scratch.pack(&[&["--encoding", "none", "--sign", key], more].concat());
        assert_eq!(packed.code, Some(0), "{packed:?}");
    }

    /// Returns the output of `get`, `unpack`, `ls` and `verify` with this trusted key. `hello.txt`
    /// must be refused. Paths that differ from run to run are replaced.
    fn told(&self, key: &Path, more: &[&str]) -> String {
        let target = self.scratch.at("unpacked");
        let runs: [(&str, &[&str]); 4] = [
            ("get", &["hello.txt"]),
            ("unpack", &["hello.txt", "-C", text(&target)]),
            ("ls", &[]),
            ("verify", &[]),
        ];
        let mut told = String::new();
        for (verb, arguments) in runs {
            let ended = self.scratch.run(verb, &[arguments, &["--key", text(key)], more].concat());
            let out = String::from_utf8_lossy(&ended.out);
            told += &format!("$ dacti {verb} (exit code {})\n{}{out}", code(&ended), ended.err);
            // The program must not print a byte of a refused region.
            assert!(!out.contains("llo\n"), "{out}");
            assert!(!target.join("hello.txt").exists());
        }
        let root = text(&self.scratch.package()).to_owned();
        told.replace(&root, "PKG").replace(text(&target), "DIR")
    }
}

fn code(ended: &Ended) -> i32 {
    ended.code.expect("it ended by itself")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("names of tests are text")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("it is hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// Returns the position of `bytes` in the file, where they must occur exactly once.
#[track_caller]
fn position(file: &[u8], bytes: &[u8]) -> usize {
    let mut places = file.windows(bytes.len()).enumerate().filter(|(_, found)| *found == bytes);
    let (at, _) = places.next().expect("it is there");
    assert!(places.next().is_none(), "it is there twice");
    at
}

#[track_caller]
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

// ------------------------------------------------------------------------------------------
// Keys
// ------------------------------------------------------------------------------------------

#[test]
fn a_new_key_is_its_owners_only_and_never_shown() {
    // spec: R-SEAL-18
    let scratch = Scratch::new();
    let file = scratch.at("new.key");
    let made = dacti(["key", "new", "-o", text(&file)]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let public_file = scratch.at("new.key.pub");
    assert_eq!((mode(&file), mode(&public_file) & 0o600), (0o600, 0o600));
    let private = fs::read_to_string(&file).expect("it is text");
    let public = fs::read_to_string(&public_file).expect("it is text");
    let words = |text: &str| -> Vec<String> {
        let line = text.lines().find(|line| !line.starts_with('#')).expect("a key");
        line.split(' ').map(Into::into).collect()
    };
    let (private, public) = (words(&private), words(&public));
    assert_eq!((&*private[0], &*private[1]), ("dacti-ed25519-private", "1"));
    assert_eq!((&*public[0], &*public[1]), ("dacti-ed25519-public", "1"));
    assert_eq!(private[3], public[3], "one package");
    assert_eq!(&private[3][14..15], "4", "a random UUID");
    assert_ne!(private[2], public[2]);
    let shown = dacti(["key", "show", text(&file)]);
    for printed in [&made.err, &*String::from_utf8_lossy(&made.out), shown.text()] {
        assert!(!printed.contains(&private[2][..8]), "{printed}");
    }
    assert_eq!(words(shown.text()), public);
    assert_eq!(dacti(["key", "show", text(&public_file)]).text(), shown.text());
    // A second new key differs from the first one.
    let json = dacti(["key", "new", "--json", "-o", text(&scratch.at("second.key"))]);
    let json: Value = serde_json::from_str(json.text()).expect("it is JSON");
    assert_eq!(json["public"], text(&scratch.at("second.key.pub")));
    assert_ne!(json["public_key"], public[2]);
    assert_ne!(json["package_id"], public[3]);
}

#[test]
fn the_public_part_of_a_known_key_is_shown() {
    // spec: R-SEAL-18
    let keys = Keys::new();
    for (file, private) in [(&keys.private, true), (&keys.public, false)] {
        let shown = dacti(["key", "show", text(file)]);
        assert_eq!(shown.text().lines().last(), Some(PUBLIC.trim()));
        let json = dacti(["key", "show", "--json", text(file)]);
        let json: Value = serde_json::from_str(json.text()).expect("it is JSON");
        let words: Vec<_> = PUBLIC.split_whitespace().collect();
        let expected = serde_json::json!({
            "public_key": words[2], "package_id": words[3], "private": private,
        });
        assert_eq!(json, expected);
    }
}

#[test]
fn a_key_is_not_replaced() {
    let keys = Keys::new();
    let new = |file: &Path| dacti(["key", "new", "-o", text(file)]);
    let line = new(&keys.private).failure().to_owned();
    let exists = "exists, and keys are not replaced: give another name with -o";
    assert!(line.ends_with(&format!("own.key.pub {exists}")), "{line}");
    fs::remove_file(&keys.public).expect("it is there");
    let line = new(&keys.private).failure().to_owned();
    assert!(line.ends_with(&format!("own.key {exists}")), "{line}");
    assert_eq!(fs::read_to_string(&keys.private).expect("it is there"), PRIVATE);
    assert!(!keys.public.exists(), "no public file without its private one");
    // If the output is a link, the program refuses, even if the link leads to no file.
    let (link, behind) = (keys.scratch.at("link.key"), keys.scratch.at("behind"));
    std::os::unix::fs::symlink(&behind, &link).expect("a new link");
    assert!(new(&link).failure().contains(exists));
    assert!(!behind.exists());
    let left = fs::read_dir(keys.scratch.at("")).expect("it is there").filter(|entry| {
        let name = entry.as_ref().expect("it can be read").file_name();
        name.to_string_lossy().starts_with(".dacti-")
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn a_private_key_that_others_may_read_is_refused() {
    let keys = Keys::new();
    keys.scratch.write("hello.txt", b"hello\n");
    for open in [0o640, 0o604, 0o644, 0o620, 0o601] {
        set_mode(&keys.private, open);
        let packed = keys.scratch.pack(&["--sign", text(&keys.private)]);
        let expected =
            format!("own.key: is a private key with mode {open:o}, which gives other users rights");
        keys.scratch.refused(&packed, &expected);
        assert!(packed.err.contains("run `chmod 600 /"), "{}", packed.err);
        let shown = dacti(["key", "show", text(&keys.private)]);
        assert!(shown.failure().contains(&expected));
    }
    for owners in [0o600, 0o400] {
        set_mode(&keys.private, owners);
        keys.pack(&[]);
    }
    // A pipe is not a regular file, so the program does not check its mode.
    let pipe =
        format!("printf '%s' '{}' | '{}' key show /dev/stdin", PRIVATE.trim(), program().display());
    let shown = std::process::Command::new("sh").args(["-c", &pipe]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&shown.stdout).ends_with(PUBLIC), "{shown:?}");
}

#[test]
fn what_is_no_key_is_told() {
    let keys = Keys::new();
    let scratch = &keys.scratch;
    scratch.write("hello.txt", b"hello\n");
    let wrong = scratch.at("wrong");
    let sign = |expected: &str| {
        scratch.refused(&scratch.pack(&["--sign", text(&wrong)]), expected);
    };
    sign("cannot read");
    for (content, expected) in [
        (&b"\xff\xfe"[..], "wrong: is not text, so it has no key"),
        (b"# nothing\n", "wrong: has no key"),
        (PUBLIC.as_bytes(), "wrong: is not a private key: it does not begin with"),
        (&[b'#'; 5000], "wrong: is too long for a key"),
    ] {
        fs::write(&wrong, content).expect("a new file");
        sign(expected);
    }
    keys.pack(&[]);
    let line = scratch.run("get", &["hello.txt", "--key", text(&keys.private)]);
    let expected =
        "own.key: is the private key: give the public one, which `dacti key show` prints";
    assert!(line.failure().ends_with(expected), "{line:?}");
}

// ------------------------------------------------------------------------------------------
// Signing
// ------------------------------------------------------------------------------------------

#[test]
fn a_signed_package_has_the_specifications_seals() {
    // spec: R-SEAL-01, R-SEAL-03, R-SEAL-04, R-SEAL-05, R-SEAL-06, R-SEAL-07
    let keys = Keys::new();
    keys.scratch.write("hello.txt", b"hello\n");
    keys.pack(&[]);
    let file = keys.scratch.bytes();
    position(&file, &bytes(SEALED));
    // T1's second slot has the seal component of version 0.1. Its region has 96 bytes and starts at
    // 1,080.
    assert_eq!(file[100..108], bytes("3804000060000000"));
    let component = "000000000200000033221100554477668899aabbccddeeff0100000000000000\
        03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8\
        3ff7e2b78efd9675a6191411bc0dc624568d4d6ac858889e38951f49db2df0a3";
    assert_eq!(file[1080..1176], bytes(component));
    // Signing again gives the same bytes with any number of threads.
    for threads in ["1", "3"] {
        keys.pack(&["--threads", threads]);
        assert_eq!(keys.scratch.bytes(), file);
    }
    let json = keys.scratch.run("inspect", &["--json"]);
    let json: Value = serde_json::from_str(json.text()).expect("it is JSON");
    let words: Vec<_> = PUBLIC.split_whitespace().collect();
    let (id, key) = (words[3], words[2]);
    let expected = serde_json::json!({
        "kind": "signature", "package_id": id, "keys": [key], "seals_max": 1,
    });
    assert_eq!(json["seals"], expected);
    let shown = keys.scratch.run("inspect", &[]);
    assert!(shown.text().contains(&format!("  key       {}\n", words[2])), "{}", shown.text());
}

#[test]
fn what_is_signed_with_a_trusted_key_is_handed_out() {
    // spec: R-SEAL-12
    let keys = Keys::new();
    keys.signed();
    let key = text(&keys.public);
    let other = text(&keys.other);
    for trusted in [&["--key", key][..], &["--key", other, "--key", key]] {
        let got = keys.scratch.run("get", &[&["hello.txt"], trusted].concat());
        assert_eq!(got.text(), "hello\n");
        let raw = keys.scratch.run("get", &[&["--raw", "hello.txt"], trusted].concat());
        assert_eq!(raw.text(), "hello\n");
        let listed = keys.scratch.run("ls", trusted);
        assert_eq!(listed.text(), "hello.txt\nhollo.txt\n");
        let verified = keys.scratch.run("verify", trusted);
        assert_eq!(verified.code, Some(0));
        let expected = "whole, all signed with a trusted key; 3 regions";
        assert!(verified.err.contains(expected), "{}", verified.err);
        let target = keys.scratch.at("unpacked");
        let unpacked =
            keys.scratch.run("unpack", &[&["--overwrite", "-C", text(&target)], trusted].concat());
        assert_eq!(unpacked.code, Some(0));
        assert_eq!(fs::read(target.join("hollo.txt")).expect("it is there"), b"hollo\n");
    }
    // Packers and readers can also get the publisher's package as an option instead of from the
    // key.
    keys.pack(&["--package-id", OTHER_PACKAGE]);
    let trusted = ["hello.txt", "--key", key, "--package-id", OTHER_PACKAGE];
    assert_eq!(keys.scratch.run("get", &trusted).text(), "hello\n");
    let refused = keys.scratch.run("get", &["hello.txt", "--key", key]);
    assert!(refused.failure().contains("wrong package"));
    // Without a trusted key, readers treat the package like one that only has digests.
    assert_eq!(keys.scratch.run("get", &["hello.txt"]).text(), "hello\n");
}

#[test]
fn what_has_no_seals_cannot_be_signed() {
    let keys = Keys::new();
    keys.scratch.write("hello.txt", b"hello\n");
    for (more, expected) in [
        (
            &["--layout", "compact"][..],
            "dacti: error: a signature is part of a region's seal, but the compact layout has no \
             seals: use the cdn layout",
        ),
        (
            &["--no-seals"],
            "dacti: error: a signature is part of a region's seal, but the options leave seals \
             out: keep the seals",
        ),
    ] {
        let packed = keys.scratch.pack(&[&["--sign", text(&keys.private)], more].concat());
        keys.scratch.refused(&packed, expected);
        assert_eq!(packed.failure(), expected);
    }
    for more in [&["--package-id", OTHER_PACKAGE][..], &["--sign", "x", "--package-id", "x"]] {
        assert_eq!(keys.scratch.pack(more).code, Some(2));
    }
}

#[test]
fn a_private_key_is_not_published() {
    let keys = Keys::new();
    keys.scratch.write("hello.txt", b"hello\n");
    let key = keys.scratch.at("in/own.key");
    fs::copy(&keys.private, &key).expect("a copy");
    set_mode(&key, 0o600);
    let link = keys.scratch.at("link.key");
    std::os::unix::fs::symlink(&key, &link).expect("a new link");
    let told = "own.key is a private key and would be published: leave it out with --exclude";
    for more in [&["--sign", text(&key)][..], &["--sign", text(&link)], &[]] {
        keys.scratch.refused(&keys.scratch.pack(more), told);
    }
    // The packer recognises a private key by its content, under any file name.
    fs::hard_link(&key, keys.scratch.at("in/other")).expect("a new name");
    let packed = keys.scratch.pack(&["--sign", text(&key), "--exclude", "*.key"]);
    keys.scratch.refused(&packed, "other is a private key and would be published");
    // The packer also recognises a key without a publisher's package, whose line ends after the
    // digits.
    fs::remove_file(keys.scratch.at("in/other")).expect("it is there");
    let line = format!("dacti-ed25519-private 1 {}\n", "07".repeat(32));
    fs::write(keys.scratch.at("in/other"), line).expect("it is there");
    let packed = keys.scratch.pack(&["--exclude", "*.key"]);
    keys.scratch.refused(&packed, "other is a private key and would be published");
    fs::remove_file(keys.scratch.at("in/other")).expect("it is there");
    let packed = keys.scratch.pack(&["--sign", text(&key), "--exclude", "*.key"]);
    assert_eq!(packed.code, Some(0), "{packed:?}");
    // An update refuses to publish a private key, too.
    for input in [text(&keys.scratch.at("in")).to_owned(), format!("a.txt={}", text(&key))] {
        let put = keys.scratch.run("put", &[&input, "--sign", text(&key)]);
        assert!(put.failure().contains("own.key is a private key"), "{put:?}");
    }
    assert_eq!(keys.scratch.run("ls", &[]).text(), "hello.txt\n");
}

#[test]
fn a_package_without_regions_is_not_called_signed() {
    let keys = Keys::new();
    fs::create_dir_all(keys.scratch.at("in")).expect("a folder");
    let verify = || keys.scratch.run("verify", &["--key", text(&keys.public)]);
    for more in [&["--layout", "compact"][..], &["--no-seals"], &[]] {
        assert_eq!(keys.scratch.pack(more).code, Some(0));
        let verified = verify();
        assert_eq!(verified.code, Some(3), "{verified:?}");
        assert!(verified.err.contains("unsigned"), "{verified:?}");
    }
    assert_eq!(keys.scratch.pack(&["--sign", text(&keys.private)]).code, Some(0));
    assert_eq!(verify().code, Some(0));
}

#[test]
fn a_package_that_is_there_is_signed_as_if_it_was_packed_so() {
    // spec: R-CMP-09
    let keys = Keys::new();
    for i in 0..300 {
        keys.scratch.write(&format!("{i}.txt"), format!("content {}", i % 9).repeat(9).as_bytes());
    }
    let (source, signed) = (keys.scratch.at("packages/source"), keys.scratch.at("packages/signed"));
    let sign = || {
        dacti(["sign", text(&source), "-o", text(&signed), "--key", text(&keys.private), "--json"])
    };
    let key = text(&keys.private);
    let other = keys.scratch.at("other.key");
    fs::write(&other, PRIVATE.replace("0001", "ff01")).expect("a new file");
    set_mode(&other, 0o600);
    for encoding in ["none", "brotli"] {
        keys.scratch.pack(&["--encoding", encoding, "--sign", key]);
        let expected = keys.scratch.bytes();
        for how in [
            &[][..],
            &["--no-seals"],
            &["--layout", "compact"],
            &["--sign", text(&other), "--package-id", OTHER_PACKAGE],
        ] {
            let mut arguments = vec!["--encoding", encoding];
            arguments.extend(how);
            assert_eq!(keys.scratch.pack(&arguments).code, Some(0));
            fs::rename(keys.scratch.package(), &source).expect("it is there");
            let json: Value = serde_json::from_str(sign().text()).expect("it is JSON");
            let words: Vec<_> = PUBLIC.split_whitespace().collect();
            assert_eq!((&json["regions"], &json["signatures"]), (&300.into(), &300.into()));
            assert_eq!(
                (&json["public_key"], &json["package_id"]),
                (&words[2].into(), &words[3].into())
            );
            assert!(fs::read(&signed).expect("it is there") == expected, "{encoding} {how:?}");
            fs::remove_file(&signed).expect("it is there");
        }
    }
    // The program refuses to sign a damaged region.
    keys.scratch.pack(&["--encoding", "none"]);
    let mut file = keys.scratch.bytes();
    let at = file.len() - file.iter().rev().position(|byte| *byte != 0).expect("some") - 40;
    file[at] ^= 1;
    fs::write(&source, file).expect("it can be written");
    let refused = sign();
    assert!(refused.failure().contains("altered"), "{refused:?}");
    assert!(!signed.exists());
    // The program refuses to sign in place, and refuses a private key file that other users can
    // read.
    let refused = dacti(["sign", text(&source), "-o", text(&source), "--key", key]);
    assert!(refused.failure().ends_with("is an input of this command: name another file with -o"));
    set_mode(&keys.private, 0o644);
    assert!(sign().failure().contains("gives other users rights"));
}

#[test]
fn hot_files_stay_hot_where_they_fit() {
    // spec: R-CMP-02, R-CMP-09, R-CMP-10
    let keys = Keys::new();
    let key = text(&keys.private);
    let scratch = &keys.scratch;
    scratch.write("cold", b"cold");
    scratch.write("hot/empty", b"");
    // A signed head has room for 55,768 bytes of hot regions with their seals. A signature adds 64
    // bytes to each seal, so regions that fit with digests may not fit after signing.
    let (source, made) = (scratch.at("packages/source"), scratch.at("packages/made"));
    let hot = ["--encoding", "none", "--hot", "hot/*"];
    let sign = |name: &str| -> Value {
        let signed = dacti(["sign", text(&source), "-o", text(&made), "--key", key, "--json"]);
        assert_eq!(signed.code, Some(0), "{name}: {signed:?}");
        serde_json::from_str(signed.text()).expect("it is JSON")
    };
    scratch.write("hot/long", &[7; 55_768 - 2 * 96]);
    scratch.pack(&[&hot[..], &["--sign", key]].concat());
    let signed = scratch.bytes();
    scratch.pack(&hot);
    fs::rename(scratch.package(), &source).expect("it is there");
    let compacted = dacti(["compact", text(&source), "-o", text(&made), "--json"]);
    let json: Value = serde_json::from_str(compacted.text()).expect("it is JSON");
    assert_eq!(json["hot_dropped"], 0);
    let same = |expected: &[u8]| fs::read(&made).expect("it is there") == expected;
    assert!(same(&fs::read(&source).expect("it is there")), "nothing was dead in it");
    assert_eq!(sign("that fits")["hot_dropped"], 0);
    assert!(same(&signed));

    scratch.write("hot/long", &[7; 55_768 - 2 * 96 + 1]);
    scratch.pack(&["--encoding", "none", "--sign", key]);
    let signed = scratch.bytes();
    scratch.pack(&hot);
    fs::rename(scratch.package(), &source).expect("it is there");
    assert_eq!(sign("that does not")["hot_dropped"], 2);
    assert!(same(&signed));
    let said = dacti(["sign", text(&source), "-o", text(&made), "--key", key]).err;
    let expected = "with signatures, 2 hot regions do not fit into the new head";
    assert!(said.contains(expected), "{said}");
}

// ------------------------------------------------------------------------------------------
// Five refusals
// ------------------------------------------------------------------------------------------

#[test]
fn the_unsigned_is_refused() {
    // spec: R-SEAL-14
    let keys = Keys::new();
    keys.signed();
    for (name, more) in [("digests", &[][..]), ("no_seals", &["--no-seals"])] {
        keys.scratch.pack(more);
        snapshot(&format!("refused_unsigned_{name}"), &keys.told(&keys.public, &[]));
    }
}

#[test]
fn a_wrong_key_is_refused() {
    // spec: R-SEAL-17
    let keys = Keys::new();
    keys.signed();
    snapshot("refused_wrong_key", &keys.told(&keys.other, &[]));
}

#[test]
fn a_wrong_package_is_refused() {
    // spec: R-SEAL-17
    let keys = Keys::new();
    keys.signed();
    let told = keys.told(&keys.public, &["--package-id", OTHER_PACKAGE]);
    snapshot("refused_wrong_package", &told);
}

#[test]
fn swapped_ids_are_refused() {
    // spec: R-SEAL-16
    let keys = Keys::new();
    keys.signed();
    let mut file = keys.scratch.bytes();
    let [first, second] =
        ["hello.txt", "hollo.txt"].map(|path| position(&file, &swap(path_id(path))) + 16);
    let (place, other) = (file[first..first + 8].to_vec(), file[second..second + 8].to_vec());
    file[first..first + 8].copy_from_slice(&other);
    file[second..second + 8].copy_from_slice(&place);
    fs::write(keys.scratch.package(), file).expect("it can be written");
    snapshot("refused_swapped_ids", &keys.told(&keys.public, &[]));
}

#[test]
fn altered_bytes_are_refused() {
    // spec: R-SEAL-13, R-SEAL-15
    let keys = Keys::new();
    keys.signed();
    let file = keys.scratch.bytes();
    let at = position(&file, &bytes(SEALED));
    for (name, at) in [("bytes", at), ("digest", at + 6), ("signature", at + 38)] {
        let mut altered = file.clone();
        altered[at] ^= 1;
        fs::write(keys.scratch.package(), altered).expect("it can be written");
        snapshot(&format!("refused_altered_{name}"), &keys.told(&keys.public, &[]));
    }
}

#[test]
fn key_needs_a_verb() {
    let wrong = ended(Command::new(program()).arg("key"));
    assert_eq!(wrong.code, Some(2));
}
