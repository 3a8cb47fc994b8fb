//! Small packages whose regions decode to far more bytes in total, or would be copied as far more
//! bytes.

use crate::package::PLAIN;
use core::ops::ControlFlow;
use dacti::compact::CompactOptions;
use dacti::seal::SecretKey;
use dacti::update::{Update, UpdateOptions};
use dacti::{
    BuildOptions, Content, EncodingChoice, Error, ErrorKind, LayoutChoice, Limits, Package,
    PackageBuilder, Span,
};
use dacti_tests::reference::{self as by, path_id};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

const MIB: u64 = 1 << 20;

/// Returns a package of `count` regions. Each has 16 MiB of zeros, and takes a few dozen bytes in
/// the file.
pub(crate) fn bombs(count: usize) -> Vec<u8> {
    let options = BuildOptions { encoding: EncodingChoice::Brotli, seals: false, ..PLAIN };
    let mut builder = PackageBuilder::new(options);
    let zeros = Arc::new(vec![0; 16 << 20]);
    for n in 0..count {
        let content = Content::shared(&zeros, 0..zeros.len()).expect("it is in range");
        builder.add(format!("{n}"), content).expect("the path is good");
    }
    builder.build_to_vec().expect("it can be built").0
}

fn open(bytes: &[u8], total_len_max: Option<u64>) -> Package {
    let source = Arc::new(dacti::fetch::BytesSource::new(bytes));
    let limits = Limits { total_len_max, ..Limits::default() };
    Package::from_source(source, limits).expect("it is good")
}

#[test]
fn regions_that_decode_to_far_too_much_together_are_refused() {
    let bytes = bombs(6);
    let package = open(&bytes, None);
    let found = package.regions().expect("it is good");
    let stored: u64 = found.iter().map(|found| found.span.len()).sum();
    // The regions share no bytes, so the limit is 64 MiB plus 1,000 times the number of stored
    // bytes.
    let limit = 64 * MIB + 1000 * stored;
    assert!((64 * MIB..96 * MIB).contains(&limit), "{limit}");
    let error = package.verify(None, &mut |_| ControlFlow::Continue(())).expect_err("too much");
    assert_eq!(error.kind(), ErrorKind::Limit);
    let expected = format!(
        "all regions together take more than {limit} bytes, far more than usual for a package of \
         this size: if you trust the package, raise the limit"
    );
    assert_eq!(error.to_string(), expected);
    // Each stream alone exceeds no limit. Reading all streams ends with the same error.
    let mut sum = 0;
    let mut refused = None;
    let readers = package.readers_at(found.iter().copied());
    while let Some((_, reader)) = readers.next() {
        let mut piece = vec![0; 1 << 16];
        let mut reader = reader.expect("it is in the file");
        loop {
            match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => sum += read as u64,
                Err(error) => {
                    refused.get_or_insert(error.to_string());
                    break;
                }
            }
        }
    }
    assert!(sum <= limit && sum > limit - 16 * MIB, "{sum}");
    assert_eq!(refused.as_deref(), Some(&*expected));
    // A caller can allow more. Packages of usual size need no such permission.
    let allowed = open(&bytes, Some(6 * 16 * MIB + 10_000));
    let report = allowed.verify(None, &mut |_| ControlFlow::Continue(())).expect("it is allowed");
    assert!(report.is_whole() && report.decoded_len > 6 * 16 * MIB);
    let report = open(&bombs(3), None).verify(None, &mut |_| ControlFlow::Continue(()));
    assert!(report.expect("48 MiB are common").is_whole());
}

fn key() -> SecretKey {
    let id = "00112233-4455-6677-8899-aabbccddeeff";
    let text = format!("dacti-ed25519-private 1 {} {id}", "07".repeat(32));
    SecretKey::from_text(&text).expect("it is a key")
}

fn sign(package: &Package, out: &Path) -> Result<(), Error> {
    let options = CompactOptions { layout: Some(LayoutChoice::Cdn), ..CompactOptions::default() };
    package.sign(out, &key(), &options, &mut |_| ControlFlow::Continue(())).map(drop)
}

#[test]
fn shared_bytes_are_not_copied_to_a_far_larger_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("out");
    let shared = |count: usize| {
        let options =
            BuildOptions { layout: LayoutChoice::Compact, encoding: EncodingChoice::None, ..PLAIN };
        let mut builder = PackageBuilder::new(options);
        let content = Arc::new((0..60_000_u32).map(|n| (n * n) as u8).collect::<Vec<u8>>());
        for n in 0..count {
            let content = Content::shared(&content, 0..content.len()).expect("it is in range");
            builder.add(format!("{n}"), content).expect("the path is good");
        }
        builder.build_to_vec().expect("it can be built").0
    };
    // The 1,500 regions share 60,000 bytes, so the file has about 150 kB. If each region had its
    // own copy, they would take 90 MB.
    let bytes = shared(1_500);
    assert!(bytes.len() < 200_000, "{}", bytes.len());
    let error = sign(&open(&bytes, None), &out).expect_err("it is far too much");
    assert!(matches!(error, Error::TotalTooLong { .. }), "{error}");
    assert!(!out.exists());
    let all =
        || CompactOptions { layout: Some(LayoutChoice::Compact), ..CompactOptions::default() };
    let compacted = open(&bytes, None).compact(&out, &all(), &mut |_| ControlFlow::Continue(()));
    assert!(compacted.expect("they stay shared").built.len < 200_000);
    sign(&open(&shared(300), None), &out).expect("18 MB are common");
}

#[test]
fn a_compaction_decodes_no_more_than_other_calls() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("out");
    // Without digests, compaction decodes each region to check it. The limit is 64 MiB plus 1,000
    // times the number of stored bytes. Six regions of 16 MiB exceed it, and three do not.
    let options =
        || CompactOptions { layout: Some(LayoutChoice::Compact), ..CompactOptions::default() };
    let compacted = |bytes: &[u8], total_len_max| {
        let package = open(bytes, total_len_max);
        package.compact(&out, &options(), &mut |_| ControlFlow::Continue(()))
    };
    let error = compacted(&bombs(6), None).expect_err("too much");
    assert!(matches!(error, Error::TotalTooLong { .. }), "{error}");
    assert!(!out.exists());
    compacted(&bombs(6), Some(6 * 16 * MIB + 10_000)).expect("it is allowed");
    compacted(&bombs(3), None).expect("48 MiB are common");
    let error = sign(&open(&bombs(6), None), &out).expect_err("too much");
    assert!(matches!(error, Error::TotalTooLong { .. }), "{error}");
}

/// Returns a package in which the region `b` also covers the last byte of the region `a`, and the
/// places of both.
pub(crate) fn overlapping() -> (Vec<u8>, [Span; 2]) {
    let options = BuildOptions { seals: false, encoding: EncodingChoice::None, ..PLAIN };
    let mut builder = PackageBuilder::new(options);
    for path in ["a", "b"] {
        builder.add(path, path.repeat(1000).into_bytes()).expect("the path is good");
    }
    let (mut bytes, _) = builder.build_to_vec().expect("it can be built");
    let container = by::read_container(&bytes).expect("it is good");
    let regions = by::read_index(&bytes, &container).expect("it is good").regions();
    let [a, b] = ["a", "b"].map(|path| regions[&path_id(path)]);
    let at = open(&bytes, None).locate("a").expect("it is there").span;
    // Moves the start of `b` back by one byte, so that it lies in `a`.
    let place = [(b.offset - 1).to_le_bytes(), b.size.to_le_bytes()].concat();
    by::place(&mut bytes, b.at as usize + 16, &place);
    assert_eq!(u64::from(a.size), at.len());
    let moved = open(&bytes, None).locate("b").expect("it is there").span;
    (bytes, [at, moved])
}

#[test]
fn regions_that_overlap_in_part_are_not_written_anew() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("out");
    let (bytes, [at, moved]) = overlapping();
    let package = open(&bytes, None);
    let options = CompactOptions::default();
    let compacted = package.compact(&out, &options, &mut |_| ControlFlow::Continue(()));
    let error = compacted.expect_err("they overlap");
    let expected = format!(
        "the stored bytes of \"b\" at {moved} overlap the stored bytes of \"a\" at {at}, and no \
         packer writes such regions: nothing was written; unpack the good regions and pack them"
    );
    assert_eq!((error.to_string(), error.kind()), (expected.clone(), ErrorKind::Corrupt));
    assert!(matches!(sign(&package, &out), Err(Error::Overlap { .. })));
    assert!(!out.exists());
    let file = dir.path().join("package");
    std::fs::write(&file, &bytes).expect("a new file");
    let mut update = Update::open(&file, UpdateOptions::default()).expect("it is a package");
    update.put("c", b"new".to_vec()).expect("the path is good");
    assert_eq!(update.plan().expect_err("they overlap").to_string(), expected);
    assert_eq!(std::fs::read(&file).expect("it is there"), bytes);
    // Readers report the overlap as a finding. They still read both regions.
    let report = package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it reads");
    assert!(
        report.findings.iter().any(|found| matches!(found, dacti::report::Finding::Overlap(_)))
    );
}
