//! A source may have another way to read bytes that turned out to be wrong. Readers then read these
//! bytes again. They never return wrong bytes.

use crate::package::PLAIN;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use dacti::fetch::{BytesSource, Counted, Doubt, ReadAt};
use dacti::seal::SealPolicy;
use dacti::{BuildOptions, EncodingChoice, ErrorKind, Limits, Package, PackageBuilder, Span};
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

/// A source that returns altered bytes inside `span`. The bytes become right after readers have
/// reported wrong bytes a given number of times.
#[derive(Debug)]
struct Stale {
    bytes: BytesSource,
    span: Span,
    /// The number of reports after which the bytes are right. If it exceeds `ways`, the source runs
    /// out of other ways to read before the bytes are right.
    cured_after: usize,
    /// The number of other ways to read. Each report of wrong bytes uses up one of them.
    ways: usize,
    /// Whether `doubt` fails with the source's own error after all other ways to read are used up.
    /// If not, it returns `false` then.
    tells: bool,
    read_len: usize,
    doubts: Mutex<Vec<(Span, Doubt)>>,
}

impl ReadAt for Stale {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read_at(at, buf)?;
        if self.doubts.lock().unwrap().len() < self.cured_after {
            for (at, byte) in (at..).zip(&mut buf[..read]) {
                if (self.span.start..self.span.end).contains(&at) {
                    *byte = 0;
                }
            }
        }
        Ok(read)
    }

    fn read_len(&self) -> usize {
        self.read_len
    }

    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        let mut doubts = self.doubts.lock().unwrap();
        doubts.push((span, why));
        match doubts.len() <= self.ways {
            // A source can return its own error in place of the reader's. Remote sources do so,
            // because they know the cause.
            false if self.tells => Err(io::Error::other("stale here")),
            is_another_way => Ok(is_another_way),
        }
    }
}

fn content(n: usize) -> Vec<u8> {
    (0..n * 1_000 + 100_000).map(|i| (i * i / 7 % 50 + n) as u8 | 1).collect()
}

fn packed(options: BuildOptions, regions: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("p.dacti-pack");
    let mut builder = PackageBuilder::new(BuildOptions { share: false, ..options });
    for n in 0..regions {
        builder.add(format!("{n}.bin"), if regions < 100 { content(n) } else { vec![1] }).unwrap();
    }
    builder.build(&out).unwrap();
    std::fs::read(out).unwrap()
}

fn stale(bytes: &[u8], span: Span, cured_after: usize, read_len: usize) -> (Arc<Stale>, Package) {
    stale_that(false, bytes, span, cured_after, read_len)
}

fn stale_that(
    tells: bool,
    bytes: &[u8],
    span: Span,
    cured_after: usize,
    read_len: usize,
) -> (Arc<Stale>, Package) {
    let bytes = BytesSource::new(bytes);
    let doubts = Mutex::default();
    let source = Arc::new(Stale { bytes, span, cured_after, ways: 2, tells, read_len, doubts });
    let source_of = Arc::clone(&source);
    (source, Package::from_source(source_of, Limits::default()).unwrap())
}

/// Returns the span of a region's stored bytes and its seal.
fn sealed_span(bytes: &[u8], path: &str) -> Span {
    let found = Package::from_bytes(bytes).unwrap().locate(path).unwrap();
    Span { start: found.span.start, end: found.span.end + 32 }
}

#[test]
fn a_region_whose_digest_does_not_fit_is_read_again() {
    let bytes = packed(PLAIN, 3);
    let all = sealed_span(&bytes, "1.bin");
    let altered = Span { start: all.start + 77, end: all.start + 78 };
    for ways in 0..=2 {
        let (source, package) = stale(&bytes, altered, ways, 1 << 20);
        assert_eq!(package.get("1.bin").unwrap(), content(1));
        assert_eq!(package.get("2.bin").unwrap(), content(2));
        assert_eq!(*source.doubts.lock().unwrap(), vec![(all, Doubt::Digest); ways]);
    }
    let (source, package) = stale(&bytes, altered, 9, 1 << 20);
    assert_eq!(package.get("1.bin").unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(source.doubts.lock().unwrap().len(), 3, "two ways, and the one that is not there");
    let found = package.locate("1.bin").unwrap();
    let (_, package) = stale(&bytes, altered, 1, 1 << 20);
    assert_eq!(package.stored(&found).unwrap().len() as u64, found.span.len());
}

#[test]
fn a_stream_that_is_one_read_is_judged_before_its_first_byte() {
    let bytes = packed(PLAIN, 3);
    let all = sealed_span(&bytes, "1.bin");
    let altered = Span { start: all.end - 40, end: all.end - 39 };
    let (source, package) = stale(&bytes, altered, 2, 1 << 20);
    let mut read = Vec::new();
    package.reader("1.bin").unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, content(1));
    assert_eq!(*source.doubts.lock().unwrap(), [(all, Doubt::Digest); 2]);

    // A stream that takes several reads must also be verified before it returns bytes.
    let (source, package) = stale(&bytes, altered, 1, 4_096);
    let mut read = Vec::new();
    package.reader("1.bin").unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, content(1));
    assert_eq!(*source.doubts.lock().unwrap(), [(all, Doubt::Digest)]);

    // An unverified stream reports the fault only at its end. The next stream of the region gets
    // the right bytes.
    let (source, package) = stale(&bytes, altered, 1, 4_096);
    let error =
        package.unverified_reader("1.bin").unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(*source.doubts.lock().unwrap(), [(all, Doubt::Digest)]);
    let mut read = Vec::new();
    package.reader("1.bin").unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, content(1));
}

#[test]
fn a_stream_that_was_refused_hands_out_nothing_more() {
    let bytes = packed(PLAIN, 3);
    let all = sealed_span(&bytes, "1.bin");
    let altered = Span { start: all.start + 500, end: all.start + 501 };
    // A stream takes one read, or several reads. The source has no other way to read the bytes. It
    // either says only this, or also returns an error of its own.
    for (read_len, tells) in [(1 << 20, false), (4_096, false), (1 << 20, true), (4_096, true)] {
        let (source, package) = stale_that(tells, &bytes, altered, 9, read_len);
        // The test adds two reports, so the source believes that two attempts have already failed.
        source.doubts.lock().unwrap().extend([(all, Doubt::Digest); 2]);
        let mut reader = package.reader("1.bin").unwrap();
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains(if tells { "stale here" } else { "altered" }), "{error}");
        for _ in 0..3 {
            let again = reader.read(&mut [0; 100]).unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::InvalidData);
            assert!(again.to_string().contains("altered"), "{again}");
        }
        assert_eq!(reader.verdict(), None);
    }
}

/// A source that fails once, at the first read that includes the position `at`.
#[derive(Debug)]
struct Failing {
    bytes: BytesSource,
    at: u64,
    failed: AtomicBool,
    reads: AtomicUsize,
}

impl ReadAt for Failing {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Relaxed);
        let has = (at..at + buf.len() as u64).contains(&self.at);
        if has && !self.failed.swap(true, Relaxed) {
            return Err(io::Error::other("the line is dead"));
        }
        self.bytes.read_at(at, buf)
    }

    fn read_len(&self) -> usize {
        4_096
    }
}

#[test]
fn a_stream_goes_on_after_a_read_that_failed() {
    let bytes = packed(PLAIN, 3);
    let all = sealed_span(&bytes, "1.bin");
    let (failed, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    let at = all.start + 50_000;
    let source = Arc::new(Failing { bytes: BytesSource::new(&bytes[..]), at, failed, reads });
    let package = Package::from_source(Arc::clone(&source) as _, Limits::default()).unwrap();
    let mut reader = package.reader("1.bin").unwrap();
    let mut read = Vec::new();
    let before = source.reads.load(Relaxed);
    let error = reader.read_to_end(&mut read).unwrap_err().to_string();
    assert_eq!(error, "the line is dead");
    assert_eq!(source.reads.load(Relaxed) - before, 13, "nothing behind the read that failed");
    assert!(read.len() < 50_000 && reader.verdict().is_none());
    reader.read_to_end(&mut read).unwrap();
    assert_eq!(read, content(1));
    assert_eq!(reader.verdict(), Some(dacti::seal::Verdict::Digest));
}

#[test]
fn a_stream_that_is_too_long_is_refused_before_it_is_read() {
    for encoding in [EncodingChoice::None, EncodingChoice::Brotli] {
        let bytes = packed(BuildOptions { encoding, ..PLAIN }, 3);
        let source = Counted::new(Arc::new(BytesSource::new(&bytes[..])));
        let limits = Limits { stream_len_max: 10_000, ..Limits::default() };
        let package = Package::from_source(Arc::new(source.clone()), limits).unwrap();
        let found = package.locate("2.bin").unwrap();
        let before = source.stats();
        let refused = match package.reader("2.bin") {
            Ok(mut reader) => reader.read_to_end(&mut Vec::new()).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(refused.contains("10000"), "{refused}");
        let reads = source.stats().reads - before.reads;
        match encoding {
            EncodingChoice::None => assert_eq!(reads, 0),
            // A brotli stream is decoded until the limit is exceeded, which takes one read.
            _ => assert!(reads == 1 && found.span.len() < 65_536, "{reads}"),
        }
    }
}

#[test]
fn of_many_regions_the_wrong_one_is_read_again() {
    let bytes = packed(PLAIN, 5);
    let all = sealed_span(&bytes, "3.bin");
    let (source, package) = stale(&bytes, all, 1, 1 << 20);
    let paths = ["4.bin", "3.bin", "0.bin", "1.bin", "2.bin"];
    let contents = package.get_many(paths);
    for (content_read, n) in contents.into_iter().zip([4, 3, 0, 1, 2]) {
        assert_eq!(content_read.unwrap(), content(n));
    }
    assert_eq!(*source.doubts.lock().unwrap(), [(all, Doubt::Digest)]);
}

#[test]
fn groups_that_contradict_their_key_are_read_again() {
    let bytes = packed(PLAIN, 3_000);
    let whole = Package::from_bytes(bytes.clone()).unwrap();
    assert!(whole.view().has_fences());
    let index = whole.view().index();
    let groups = Span { start: 65_536, end: index.end };
    let (source, package) = stale(&bytes, groups, 1, 1 << 20);
    assert_eq!(package.find("1234.bin").unwrap(), whole.find("1234.bin").unwrap());
    assert!(package.find("1234.bin").unwrap().is_some());
    let doubts = source.doubts.lock().unwrap();
    let [(span, Doubt::Contradiction)] = doubts[..] else { panic!("{doubts:?}") };
    assert!(groups.contains(&span));
    assert!(package.view().fences_fault().is_none(), "it was the source's fault");
}

#[test]
fn a_block_that_answered_a_hit_is_read_again_where_it_contradicts_its_key_later() {
    let bytes = packed(PLAIN, 3_000);
    let whole = Package::from_bytes(bytes.clone()).unwrap();
    let sorted: Vec<_> = whole.scan_index().unwrap().regions().iter().map(|r| r.id).collect();
    // The stale bytes are the last hundred entries of the second group after the head.
    let group = 65_536 + 6_136;
    let altered = Span { start: group + 16 + 24 * 155, end: group + 6_136 };
    let (hit, later) = (sorted[255 + 20], sorted[255 + 200]);
    for many in [false, true] {
        let (source, package) = stale(&bytes, altered, 1, 1 << 20);
        assert_eq!(package.find(hit).unwrap(), whole.find(hit).unwrap());
        assert!(source.doubts.lock().unwrap().is_empty(), "a hit looks at few entries");
        let found = match many {
            true => package.find_many([later]).remove(0).unwrap(),
            false => package.find(later).unwrap(),
        };
        assert_eq!(found, whole.find(later).unwrap());
        assert!(found.is_some());
        assert_eq!(source.doubts.lock().unwrap().len(), 1);
        // The second read returned the right block, so the package keeps this block.
        assert_eq!(
            package.find(sorted[255 + 199]).unwrap(),
            whole.find(sorted[255 + 199]).unwrap()
        );
        assert!(package.view().fences_fault().is_none(), "it was the source's fault");
    }
}

#[test]
fn bytes_of_no_digest_are_doubted_where_they_do_not_decode() {
    let options = BuildOptions {
        seals: false,
        encoding: dacti::EncodingChoice::Brotli,
        ..BuildOptions::default()
    };
    let bytes = packed(options, 3);
    let whole = Package::from_bytes(bytes.clone()).unwrap();
    let span = whole.locate("1.bin").unwrap().span;
    let (source, package) = stale(&bytes, span, 1, 1 << 20);
    let package = package.require(SealPolicy::Nothing);
    let is_brotli = whole.locate("1.bin").unwrap().encoding == dacti::Encoding::BROTLI;
    assert!(is_brotli);
    assert_eq!(package.get("1.bin").unwrap(), content(1));
    assert_eq!(*source.doubts.lock().unwrap(), [(span, Doubt::Contradiction)]);
}
