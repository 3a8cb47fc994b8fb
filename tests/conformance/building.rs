//! Builds packages into writers and into memory. A builder must refuse a bad input when it is
//! added.

use crate::package::PLAIN;
use dacti::update::{Update, UpdateOptions};
use dacti::{
    BuildOptions, Built, Content, EncodingChoice, Error, InputName, LayoutChoice, Package,
    PackageBuilder,
};
use std::io::{self, Write};
use uuid::Uuid;

fn builder(options: BuildOptions, regions: usize) -> PackageBuilder {
    let mut builder = PackageBuilder::new(options);
    for n in 0..regions {
        builder.add(format!("{n:05}"), format!("{n} ").repeat(n % 50).into_bytes()).expect("good");
    }
    builder.add("zeros", vec![0; 300_000]).expect("the path is good");
    builder.add("long", Content::reader(io::Read::take(io::repeat(7), 100_000))).expect("good");
    builder
}

#[test]
fn writers_and_memory_get_the_bytes_that_a_file_gets() {
    // spec: R-PKG-09
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p");
    let compact = BuildOptions { layout: LayoutChoice::Compact, ..PLAIN };
    let auto = BuildOptions { encoding: EncodingChoice::Auto, ..PLAIN };
    for (options, regions) in [(PLAIN, 3), (auto, 3000), (compact, 40), (PLAIN, 3000)] {
        let in_file: Built = builder(options, regions).build(&path).expect("it can be built");
        let expected = std::fs::read(&path).expect("it was built");
        let (bytes, built) = builder(options, regions).build_to_vec().expect("it can be built");
        assert!(bytes == expected, "{options:?}");
        assert_eq!(built, in_file);
        let mut out = Slow(Vec::new());
        let built = builder(options, regions).build_to(&mut out).expect("it can be built");
        assert!(out.0 == expected, "{options:?}");
        assert_eq!(built, in_file);
    }
}

/// A writer that accepts a few bytes at a time, and cannot seek.
struct Slow(Vec<u8>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(10_007);
        self.0.extend(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that accepts no bytes, like a full disk.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_is_told_and_a_bad_build_writes_nothing() {
    let error = builder(PLAIN, 3).build_to(Full).expect_err("it is full").to_string();
    assert!(error.starts_with("cannot write \"the output\": "), "{error}");
    let mut out = Vec::new();
    let options = BuildOptions { quality: 12, ..PLAIN };
    let error = builder(options, 3).build_to(&mut out).expect_err("there is no such quality");
    assert!(matches!(error, Error::Option { what: "quality", .. }), "{error}");
    assert!(out.is_empty());
}

/// Adds inputs one after the other. The last one must be refused. Then builds a package of the
/// others.
#[track_caller]
fn refused(names: &[InputName]) -> Error {
    let mut builder = PackageBuilder::new(PLAIN);
    let (last, good) = names.split_last().expect("there are some");
    for name in good {
        builder.add(name.clone(), b"one".to_vec()).expect("it is the first");
    }
    let error = builder.add(last.clone(), b"two".to_vec()).expect_err("it is there already");
    assert_eq!(builder.len(), good.len(), "nothing was added");
    builder.add("another", b"three".to_vec()).expect("it is another");
    let (bytes, built) = builder.build_to_vec().expect("it can be built");
    assert_eq!(built.regions, good.len() as u64 + 1);
    let package = Package::from_bytes(bytes).expect("it is good");
    assert_eq!(package.get("another").expect("it is there"), b"three");
    error
}

#[test]
fn paths_and_ids_are_refused_when_they_are_added_again() {
    let id = Uuid::from_u128(5);
    let hashed = dacti::region_id("a").expect("the path is good");
    let with_id = || InputName::path_with_id("a", id);
    for names in [
        &["a".into(), "a".into()][..],
        &["a".into(), with_id()],
        &[with_id(), "a".into()],
        &[with_id(), InputName::path_with_id("a", Uuid::from_u128(6))],
        &[with_id(), InputName::from(hashed), "a".into()],
    ] {
        let error = refused(names);
        assert!(matches!(&error, Error::DuplicatePath { path, .. } if path == "a"), "{error}");
        let expected = "the path \"a\" is given twice, by the caller's bytes and by the caller's \
                        bytes";
        assert_eq!(error.to_string(), expected);
    }
    for names in [
        &[InputName::from(id), InputName::from(id)][..],
        &[with_id(), InputName::from(id)],
        &["a".into(), InputName::from(hashed)],
        &[InputName::from(hashed), "a".into()],
        &[with_id(), InputName::path_with_id("b", id)],
    ] {
        let error = refused(names);
        assert!(matches!(error, Error::DuplicateId { .. }), "{error}");
    }
}

#[test]
fn a_path_is_put_once_in_an_update() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p");
    builder(PLAIN, 3).build(&path).expect("it can be built");
    let mut update = Update::open(&path, UpdateOptions::default()).expect("nobody else writes");
    update.put("a", b"one".to_vec()).expect("it is the first");
    let error = update.put("a", b"two".to_vec()).expect_err("it was put before");
    assert!(matches!(&error, Error::DuplicatePath { path, .. } if path == "a"), "{error}");
    update.plan().expect("it is the first alone").apply().expect("it is written");
    assert_eq!(Package::open(&path).expect("it is good").get("a").expect("it is there"), b"one");
}
