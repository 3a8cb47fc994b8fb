//! `dacti dar` with files: packs files into archives by the rules of `pack`, and writes them by the
//! rules of `unpack`.

use crate::dar_cli::{Folder, car};
use dacti_dar::unixfs::{Builder, Item, Metadata, Profile};
use dacti_dar::{BlockStore, Cid, ReadError, Writer, write_dag};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// Checks that two folders have the same names, contents and links.
#[track_caller]
fn same(one: &Path, other: &Path) {
    let mut diff = Command::new("diff");
    let output = diff.args(["-r", "--no-dereference"]).arg(one).arg(other).output();
    let output = output.expect("diff runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn files_folders_and_links_come_back_as_they_went_in() {
    let folder = Folder::new();
    fs::create_dir_all(folder.at("in/sub/deep/empty")).expect("a folder");
    fs::write(folder.at("in/hello.txt"), "hello\n").expect("a file");
    fs::write(folder.at("in/sub/again.txt"), "hello\n").expect("a file");
    fs::write(folder.at("in/sub/nothing"), "").expect("a file");
    fs::write(folder.at("in/ünï cøde"), "x").expect("a file");
    let large: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(folder.at("in/large"), &large).expect("a file");
    symlink("../hello.txt", folder.at("in/sub/link")).expect("a link");
    symlink("nowhere", folder.at("in/dangling")).expect("a link");
    // The folder has so many names that it becomes a sharded folder.
    fs::create_dir(folder.at("in/many")).expect("a folder");
    for number in 0..6000 {
        fs::write(folder.at(&format!("in/many/file-{number:06}.txt")), "same").expect("a file");
    }
    fs::set_permissions(folder.at("in/hello.txt"), fs::Permissions::from_mode(0o751)).expect("it");
    let time = UNIX_EPOCH + Duration::new(1_234_567_890, 500);
    let file =
        fs::File::options().write(true).open(folder.at("in/hello.txt")).expect("it is there");
    file.set_modified(time).expect("a time");
    for options in [&[][..], &["--profile", "unixfs-v1-2025"], &["--keep-modes", "--keep-times"]] {
        let create = [&["create", "in", "-o", "x.dar"][..], options].concat();
        folder.ends(0, &create);
        folder.ends(0, &["extract", "x.dar", "--files", "-C", "out"]);
        same(&folder.at("in"), &folder.at("out"));
        if options.contains(&"--keep-modes") {
            let found = fs::metadata(folder.at("out/hello.txt")).expect("it is there");
            assert_eq!(found.permissions().mode() & 0o777, 0o751);
            assert_eq!(found.modified().expect("a time"), time);
        }
        // Without `--overwrite`, `extract` keeps existing files.
        fs::write(folder.at("out/hello.txt"), "other").expect("a file");
        let (_, err) = folder.ends(1, &["extract", "x.dar", "--files", "-C", "out"]);
        assert!(err.contains("--overwrite"), "{err}");
        folder.ends(0, &["extract", "x.dar", "--files", "-C", "out", "--overwrite"]);
        same(&folder.at("in"), &folder.at("out"));
        fs::remove_dir_all(folder.at("out")).expect("it is there");
    }
    // An archive of a single file has no name for it, so the file gets its CID as name.
    folder.ends(0, &["create", "in/hello.txt", "-o", "one.dar"]);
    folder.ends(0, &["extract", "one.dar", "--files", "-C", "one"]);
    let cid = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";
    assert_eq!(fs::read(folder.at("one").join(cid)).expect("it is there"), b"hello\n");
    folder.ends(2, &["extract", "one.dar"]);
    folder.ends(2, &["extract", "one.dar", "--files", "-o", "x"]);
    folder.ends(2, &["extract", "one.dar", "-o", "x", "-C", "y"]);
}

#[test]
fn files_come_out_of_the_cars_of_others() {
    let folder = Folder::new();
    for (name, files) in [
        ("boxo-multilayer-hamt.car", None),
        ("single-layer-hamt-with-multi-block-files.car", None),
        ("subdir-with-two-single-block-files.car", Some(2)),
        ("dir-with-duplicate-files.car", Some(4)),
    ] {
        folder.ends(0, &["from-car", &car(name), "-o", "x.dar"]);
        let (json, _) = folder.ends(0, &["extract", "x.dar", "--files", "-C", name, "--json"]);
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["refused"], serde_json::json!([]), "{name}");
        match files {
            Some(files) => assert_eq!(json["files"], files, "{name}"),
            None => assert!(json["files"].as_u64() > Some(2), "{name}"),
        }
    }
    let ascii = fs::read(folder.at("subdir-with-two-single-block-files.car/subdir/ascii.txt"));
    assert!(!ascii.expect("it is there").is_empty());
    // `extract` reports a file that lacks a block. The exit code is 3, or 1 if the archive has no
    // other file.
    let missing = car("file-3k-and-3-blocks-missing-block.car");
    folder.ends(0, &["from-car", &missing, "-o", "x.dar"]);
    let (_, err) = folder.ends(1, &["extract", "x.dar", "--files", "-C", "missing"]);
    assert!(err.contains("is missing"), "{err}");
    assert_eq!(fs::read_dir(folder.at("missing")).expect("it is made").count(), 0);
}

#[derive(Default)]
struct Blocks(HashMap<Cid, Vec<u8>>);

impl BlockStore for Blocks {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        let found = self.0.get(cid);
        into.extend(found.into_iter().flatten());
        Ok(found.is_some())
    }
}

/// Writes an archive of a folder that `make` builds.
pub fn archive(
    path: &Path,
    make: impl FnOnce(&mut Builder<&mut dyn FnMut(&Cid, Vec<u8>)>) -> Item,
    leaves: &[&[u8]],
) {
    let mut blocks = Blocks::default();
    for leaf in leaves {
        blocks.0.insert(Item::leaf(leaf).cid, leaf.to_vec());
    }
    let mut keep = |cid: &Cid, block: Vec<u8>| {
        blocks.0.insert(cid.clone(), block);
    };
    let root = make(&mut Builder::new(Profile::default(), &mut keep)).cid;
    let mut writer = Writer::new(fs::File::create(path).expect("a file")).expect("a file");
    assert!(write_dag(&mut writer, &root, &mut blocks).expect("it is good"));
    writer.finish().expect("a file");
}

// The entries of these archives have names or links that lead out of the target folder.
#[test]
fn hostile_names_and_links_are_refused() {
    let folder = Folder::new();
    let plain = Metadata::default();
    archive(
        &folder.at("x.dar"),
        |builder| {
            let evil = Item::leaf(b"evil");
            let out = builder.symlink(b"..", &plain);
            let up = builder.symlink(b"sub/../../..", &plain);
            let etc = builder.symlink(b"/etc/passwd", &plain);
            let fine = builder.symlink(b"good", &plain);
            let through = builder.folder(vec![("pwned".into(), evil.clone())], &plain);
            let names = ["..", ".", "", "a/b", "../c", "/d", "e\0f"];
            let mut entries: Vec<(String, Item)> =
                names.iter().map(|name| ((*name).into(), evil.clone())).collect();
            entries.extend([
                ("good".into(), Item::leaf(b"good")),
                ("fine".into(), fine),
                ("out".into(), out),
                ("up".into(), up),
                ("etc".into(), etc),
                // The archive has a link, and a folder of the same name that has a file. `extract`
                // must not write the file through the link.
                ("out".into(), through.expect("it is small")),
            ]);
            builder.folder(entries, &plain).expect("it is small")
        },
        &[b"evil", b"good"],
    );
    let (json, _) = folder.ends(3, &["extract", "x.dar", "--files", "-C", "d/e", "--json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let refused = json["refused"].as_array().expect("a list");
    assert!(refused.len() >= 10, "{refused:?}");
    assert_eq!(fs::read(folder.at("d/e/good")).expect("it is there"), b"good");
    assert_eq!(fs::read(folder.at("d/e/fine")).expect("it is there"), b"good");
    for outside in ["d/c", "d/b", "c", "d/pwned", "pwned"] {
        assert!(fs::symlink_metadata(folder.at(outside)).is_err(), "{outside}");
    }
    assert!(fs::symlink_metadata(folder.at("d/e/up")).is_err());
    assert!(fs::symlink_metadata(folder.at("d/e/etc")).is_err());
}

// The archive has 300 nested folders, with a file in the outermost folder and a file in the
// innermost folder.
#[test]
fn entries_in_too_many_folders_are_refused() {
    let folder = Folder::new();
    let plain = Metadata::default();
    archive(
        &folder.at("files.dar"),
        |builder| {
            let mut item = Item::leaf(b"x");
            for _ in 0..300 {
                item = builder.folder(vec![("a".into(), item)], &plain).expect("it is small");
            }
            let entries = vec![("a".into(), item), ("b".into(), Item::leaf(b"x"))];
            builder.folder(entries, &plain).expect("it is small")
        },
        &[b"x"],
    );
    let (_, err) = folder.ends(3, &["extract", "files.dar", "--files", "-C", "d"]);
    assert!(err.contains("--max-depth allows 128"), "{err}");
    assert_eq!(fs::read(folder.at("d/b")).expect("it is there"), b"x");
    assert!(folder.at("d").join("a/".repeat(128)).is_dir());
    assert!(!folder.at("d").join("a/".repeat(130)).exists());
    folder.ends(0, &["extract", "files.dar", "--files", "-C", "e", "--max-depth", "400"]);
    assert_eq!(fs::read(folder.at("e").join("a/".repeat(300) + "a")).expect("it is there"), b"x");
}

// Each folder contains the next folder twice. So a few kilobytes describe 2^40 files.
#[test]
fn bombs_are_refused_by_the_limits_that_they_meet() {
    let folder = Folder::new();
    let plain = Metadata::default();
    archive(
        &folder.at("files.dar"),
        |builder| {
            let mut item = Item::leaf(b"x");
            for _ in 0..40 {
                let entries = vec![("a".into(), item.clone()), ("b".into(), item)];
                item = builder.folder(entries, &plain).expect("it is small");
            }
            item
        },
        &[b"x"],
    );
    let (_, err) =
        folder.ends(1, &["extract", "files.dar", "--files", "-C", "f", "--max-files", "10000"]);
    assert!(err.contains("--max-files"), "{err}");
    assert!(!folder.at("f").exists());
    let chunk = vec![7; 1 << 18];
    archive(
        &folder.at("bytes.dar"),
        |builder| {
            let mut item = Item::leaf(&vec![7; 1 << 18]);
            for _ in 0..30 {
                item = builder.file(vec![item.clone(), item], &plain);
            }
            item
        },
        &[&chunk],
    );
    let limit = ["--max-total", "10000000"];
    let (_, err) =
        folder.ends(1, &[&["extract", "bytes.dar", "--files", "-C", "b"][..], &limit].concat());
    assert!(err.contains("--max-total"), "{err}");
    let (_, err) =
        folder.ends(1, &["extract", "bytes.dar", "--files", "-C", "b", "--max-len", "1000000"]);
    assert!(err.contains("--max-len"), "{err}");
    assert_eq!(fs::read_dir(folder.at("b")).expect("it is made").count(), 0);
}

#[test]
fn create_has_the_guards_of_pack() {
    let folder = Folder::new();
    fs::create_dir(folder.at("in")).expect("a folder");
    fs::write(folder.at("in/a"), "a").expect("a file");
    folder.ends(0, &["create", "in", "-o", "first.dar"]);
    // `create` leaves out its own output, and temporary files that a killed run left.
    fs::write(folder.at("in/.dacti-123.tmp"), "half").expect("a file");
    let (_, err) = folder.ends(0, &["create", "in", "-o", "in/x.dar"]);
    assert!(err.contains("left out"), "{err}");
    let (_, err) = folder.ends(0, &["create", "in", "-o", "in/x.dar"]);
    assert!(err.contains("left out"), "{err}");
    let read = |name: &str| fs::read(folder.at(name)).expect("it is there");
    assert_eq!(read("first.dar"), read("in/x.dar"));
    // If the file at the output's path is no archive, `create` does not overwrite it.
    fs::write(folder.at("in/x.dar"), "a diary").expect("a file");
    let (_, err) = folder.ends(1, &["create", "in", "-o", "in/x.dar"]);
    assert!(err.contains("would be replaced by the output"), "{err}");
    assert_eq!(read("in/x.dar"), b"a diary");
    fs::remove_file(folder.at("in/x.dar")).expect("it is there");
    // `create` refuses private keys.
    let keygen = Command::new(dacti_tests::program::program())
        .args(["key", "new", "--output", "in/key"])
        .current_dir(folder.at(""))
        .output()
        .expect("the program runs");
    assert!(keygen.status.success(), "{}", String::from_utf8_lossy(&keygen.stderr));
    let (_, err) = folder.ends(1, &["create", "in", "-o", "x.dar"]);
    assert!(err.contains("is a private key"), "{err}");
    assert!(!folder.at("x.dar").exists());
    // The option `--symlinks` decides whether links are kept, refused, followed or skipped.
    fs::remove_file(folder.at("in/key")).expect("it is there");
    fs::remove_file(folder.at("in/key.pub")).expect("it is there");
    symlink("a", folder.at("in/link")).expect("a link");
    folder.ends(1, &["create", "in", "-o", "x.dar", "--symlinks", "refuse"]);
    for (how, blocks) in [("keep", 3), ("follow", 2), ("skip", 2)] {
        let create = ["create", "in", "-o", "x.dar", "--symlinks", how, "--json"];
        let (json, _) = folder.ends(0, &create);
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["written"]["blocks"], blocks, "{how}");
    }
}

#[test]
fn messages_name_the_option_that_helps() {
    let folder = Folder::new();
    let refused = |name: &str| folder.ends(1, &["from-car", &car(name), "-o", "x.dar"]).1;
    assert!(refused("zero-pad-pow2.car").contains("--allow-padding"));
    assert!(refused("badsectionlength.car").contains("--max-block"));
    folder.ends(0, &["from-car", &car("zero-pad-pow2.car"), "-o", "x.dar", "--allow-padding"]);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let dar = |name: &str| fixtures.join(name).to_str().expect("UTF-8").to_owned();
    let (_, err) = folder.ends(1, &["verify", &dar("dar_digest_cut_to_19.bin")]);
    assert!(err.contains("19 bytes") && err.contains("--trust-unknown-hashes"), "{err}");
    folder.ends(3, &["verify", &dar("dar_digest_cut_to_19.bin"), "--trust-unknown-hashes"]);
    // An archive of the first implementation has no end mark. So it ends where its file ends.
    let (json, _) = folder.ends(0, &["verify", "--json", &dar("dar_first_implementation.bin")]);
    assert_eq!(serde_json::from_str::<Value>(&json).expect("JSON")["len"], 264);
}

#[test]
fn a_cut_archive_is_listed_from_a_file_as_from_a_pipe_and_saved() {
    let folder = Folder::new();
    folder.ends(0, &["from-car", &car("simple-unixfs.car"), "-o", "x.dar"]);
    let bytes = fs::read(folder.at("x.dar")).expect("it is there");
    // If only the last byte of the archive is missing, all blocks can be saved.
    for (cut, code) in [(500, 3), (1000, 3), (bytes.len() - 1, 0)] {
        fs::write(folder.at("cut.dar"), &bytes[..cut]).expect("a file");
        let from_file = folder.run(&["ls", "cut.dar"], None);
        let piped = folder.run(&["ls", "-"], Some("cut.dar"));
        assert_eq!(from_file.status.code(), Some(1));
        assert_eq!(from_file.stdout, piped.stdout, "{cut}");
        let listed = String::from_utf8(from_file.stdout).expect("text");
        assert!(!listed.is_empty());
        folder.ends(code, &["salvage", "cut.dar", "-o", "saved.dar"]);
        let (saved, _) = folder.ends(0, &["ls", "saved.dar"]);
        assert_eq!(saved, listed, "{cut}");
    }
    folder.ends(0, &["salvage", "x.dar", "-o", "saved.dar"]);
    assert_eq!(fs::read(folder.at("saved.dar")).expect("it is there"), bytes);
}
