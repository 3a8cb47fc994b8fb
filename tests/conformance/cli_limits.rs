//! Messages that must say what the user can do. The program refuses packages with too many files,
//! with damaged regions, or without room for parts. An interrupted pull leaves an unfinished file.

use crate::cli::{Scratch, dacti};
use dacti_tests::reference::{self as by, Entry, Group, Link, Name, Table, component, small};
use std::fs;
use std::path::Path;

fn text(path: &Path) -> &str {
    path.to_str().expect("it is text")
}

/// Returns a package of one empty region under `n` paths, with a compressed names list.
fn many_names(n: usize) -> Vec<u8> {
    let name = |n: usize| Name { id: small(1), length: 0, path: format!("{n:08}").into_bytes() };
    let list = by::names(Link::default(), &(0..n).map(name).collect::<Vec<_>>());
    let list = brotli(&list);
    let data_at = 28 + 24 + 2 * 28 + 8 + 2 * by::GROUP;
    let group = |encoding, id, size| Group {
        base: data_at,
        encoding,
        entries: vec![Entry { id, offset: 0, size }],
        ..Group::default()
    };
    let groups = [group(by::BROT, by::NAMES, list.len() as u32), group(by::NONE, small(1), 0)];
    let region = by::index(&groups);
    let at = 28 + 24 + 2 * 28;
    let components =
        vec![component(by::INDEX, at, region.len() as u32), component(by::NAMES, 1, 0)];
    let mut out = by::head(by::PACKAGE, 0, 1);
    out.extend(by::table(&Table { components, ..Table::default() }));
    out.extend(region);
    assert_eq!(out.len() as u64, data_at);
    out.extend(list);
    out
}

fn brotli(content: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    brotli::BrotliCompress(&mut &content[..], &mut stream, &params).expect("it is in memory");
    stream
}

#[test]
fn unpack_writes_no_more_files_than_the_package_can_list() {
    let scratch = Scratch::new();
    let package = many_names(60_000);
    let len = package.len();
    fs::write(scratch.package(), package).expect("a new file");
    // In an index, each file takes at least 24 bytes. So a package of this length can have at most
    // `len / 24` regions, and the program allows 10,000 files more.
    let most = len / 24 + 10_000;
    assert!(most < 60_000, "{len} bytes");
    let (at, out) = (scratch.package(), scratch.at("out"));
    let run = |more: &[&str]| dacti([&["unpack", text(&at), "-C", text(&out)], more].concat());
    for more in [&[][..], &["--dry-run"]] {
        let refused = run(more);
        let told = refused.failure();
        assert!(told.contains("60000 files") && told.contains(&most.to_string()), "{told}");
        assert!(told.contains("--max-files 60000 allows them"), "{told}");
        assert!(!out.exists());
    }
    assert_eq!(run(&["--max-files", "59999", "--dry-run"]).code, Some(1));
    let allowed = run(&["--max-files", "60000", "--dry-run"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    // The limit applies to the files that match the pattern, not to all files of the package.
    let few = run(&["0000000*", "--max-files", "10"]);
    assert_eq!(few.code, Some(0), "{few:?}");
    assert_eq!(fs::read_dir(&out).expect("it was made").count(), 10);
}

#[test]
fn a_package_without_room_for_parts_is_refused_with_the_way_out() {
    let scratch = Scratch::new();
    scratch.write("a", b"one");
    assert_eq!(scratch.pack(&["--layout", "compact"]).code, Some(0));
    let (package, dest, new) = (scratch.package(), scratch.at("dest"), scratch.at("new"));
    let refused = dacti(["publish", text(&package), text(&dest)]);
    let told = refused.failure();
    assert!(told.contains("compact layout"), "{told}");
    assert!(told.contains("`dacti compact PKG -o NEW --layout cdn`"), "{told}");
    assert!(told.contains("--form whole") && !dest.exists(), "{told}");
    // The message names two ways to publish the package. Both must work.
    let made = dacti(["compact", text(&package), "-o", text(&new), "--layout", "cdn"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    for arguments in [
        &["publish", text(&new), text(&dest)][..],
        &["publish", text(&package), text(&scratch.at("whole")), "--form", "whole"],
    ] {
        let published = dacti(arguments.to_vec());
        assert_eq!(published.code, Some(0), "{published:?}");
    }
    assert_eq!(dacti(["get", text(&dest), "a"]).out, b"one");
}

#[test]
fn publish_refuses_a_damaged_region_and_reads_nothing_twice() {
    let scratch = Scratch::new();
    let long: Vec<u8> = (0..9 << 20).map(|n: u32| (n / 7) as u8 ^ n as u8).collect();
    for (name, content) in [("a", b"one".to_vec()), ("b/long", long), ("c", vec![3; 5_000])] {
        scratch.write(name, &content);
    }
    // `a` is a hot region, which lies in the head.
    assert_eq!(scratch.pack(&["--encoding", "none", "--hot", "a"]).code, Some(0));
    let whole = fs::read(scratch.package()).expect("it is there");
    let place = |content: &[u8]| {
        let found = whole.windows(content.len()).position(|part| part == content);
        found.expect("it is stored as it is")
    };
    let (package, dest) = (scratch.package(), scratch.at("dest"));
    let long_at = place(&(0..99).map(|n: u32| (n / 7) as u8 ^ n as u8).collect::<Vec<_>>());
    for (name, at) in [
        ("a", place(b"one")),
        ("b/long", long_at),
        ("b/long", long_at + (5 << 20)),
        ("b/long", long_at + (9 << 20) - 1),
        // The first byte of the seal.
        ("b/long", long_at + (9 << 20)),
        ("c", place(&[3; 5_000]) + 4_999),
    ] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&package, damaged).expect("it is writable");
        for form in ["parts", "whole"] {
            let refused = dacti(["publish", text(&package), text(&dest), "--form", form]);
            let told = refused.failure();
            assert!(told.contains(&format!("{name:?} is damaged")), "{at:#x}, {form}: {told}");
            assert!(told.contains("put the region again or remove it first"), "{told}");
            assert!(!dest.exists(), "{name}");
        }
    }
    fs::write(&package, &whole).expect("it is writable");
    let published = dacti(["publish", text(&package), text(&dest)]);
    assert_eq!(published.code, Some(0), "{published:?}");
    // A later publication checks only the regions that are not published yet.
    scratch.write("d", b"new");
    let file = format!("d={}", text(&scratch.at("in/d")));
    assert_eq!(dacti(["put", text(&package), &file]).code, Some(0));
    let grown = fs::read(&package).expect("it is there");
    let at = grown.windows(3).rposition(|part| part == b"new").expect("it is stored");
    let mut damaged = grown.clone();
    damaged[at] ^= 1;
    fs::write(&package, damaged).expect("it is writable");
    let refused = dacti(["publish", text(&package), text(&dest)]);
    assert!(refused.failure().contains("\"d\" is damaged"), "{refused:?}");
    fs::write(&package, grown).expect("it is writable");
    assert_eq!(dacti(["publish", text(&package), text(&dest)]).code, Some(0));
}

#[test]
fn an_interrupted_pull_names_the_file_that_it_leaves() {
    let scratch = Scratch::new();
    let long: Vec<u8> = (0..9 << 20).map(|n: u32| (n / 7) as u8 ^ n as u8).collect();
    scratch.write("long", &long);
    assert_eq!(scratch.pack(&["--encoding", "none"]).code, Some(0));
    let (package, copy) = (scratch.package(), scratch.at("copy"));
    let pull = |more: &[&str]| dacti([&["pull", text(&package), text(&copy)], more].concat());
    let stopped = pull(&["--max-bytes", "5000000"]);
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    let left = scratch.at(".dacti-pull-copy");
    assert!(left.exists() && !copy.exists());
    let told = stopped.err.lines().find(|line| line.contains(".dacti-pull-copy"));
    let told = told.unwrap_or_default();
    assert!(told.contains("the next pull resumes from it; delete it if"), "{stopped:?}");
    let help = dacti(["pull", "--help"]);
    assert!(help.text().contains(".dacti-pull-FILE"), "{help:?}");
    let pulled = pull(&[]);
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    assert!(!left.exists() && copy.exists());
    // If a pull has left no unfinished file, its message does not mention one.
    let missing = dacti(["pull", text(&scratch.at("none")), text(&copy)]);
    assert!(!missing.failure().contains("dacti-pull"), "{missing:?}");
}
