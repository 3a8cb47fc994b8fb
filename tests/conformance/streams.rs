//! Streams and ranges of regions. Whatever the length, the encoding and the source are, a reader
//! must not return a byte before verifying it.

use crate::cli::{Ended, Scratch};
use crate::package::PLAIN;
use crate::support::Random;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use dacti::fetch::{BytesSource, Counted, FileSource, ReadAt};
use dacti::seal::{SealPolicy, Verdict};
use dacti::{
    BuildOptions, EncodingChoice, Error, ErrorKind, Limits, Located, Package, PackageBuilder, Span,
};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

const NONE: BuildOptions = BuildOptions { encoding: EncodingChoice::None, ..PLAIN };
const BROTLI: BuildOptions = BuildOptions { encoding: EncodingChoice::Brotli, ..PLAIN };

/// Returns pseudo-random bytes, which Brotli makes a little shorter.
fn content(len: usize) -> Vec<u8> {
    let mut random = Random(11);
    (0..len).map(|_| random.next() as u8 & 0x3f).collect()
}

/// Returns a package with one region, `a`.
fn packed(content: &[u8], options: BuildOptions) -> Vec<u8> {
    let mut builder = PackageBuilder::new(options);
    builder.add("a", content.to_vec()).expect("the path is good");
    builder.build_to_vec().expect("it can be built").0
}

fn located(file: &[u8]) -> Located {
    Package::from_bytes(file).expect("it is good").locate("a").expect("it is there")
}

/// Opens a package with a source that counts reads and behaves like a remote source. Streams from a
/// remote source keep bytes in memory instead of reading them twice.
fn far(file: &[u8], limits: Limits) -> (Counted, Package) {
    let source = Counted::new(Arc::new(Far(BytesSource::new(file))));
    let package = Package::from_source(Arc::new(source.clone()), limits).expect("it is good");
    (source, package)
}

/// A source in memory that behaves like a remote one: it does not lend its bytes.
#[derive(Debug)]
struct Far(BytesSource);

impl ReadAt for Far {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(at, buf)
    }
}

/// Reads to the end or to the first error. Returns the bytes, and the error if any.
fn read_out(reader: &mut dyn Read) -> (Vec<u8>, Option<io::Error>) {
    let (mut out, mut piece) = (Vec::new(), [0; 777]);
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return (out, None),
            Ok(read) => out.extend(&piece[..read]),
            Err(error) => return (out, Some(error)),
        }
    }
}

/// Checks that no stream and no range of the region returns a byte.
#[track_caller]
fn nothing_comes(package: &Package, found: Located) {
    let check = |way: &str, (out, error): (Vec<u8>, Option<io::Error>)| {
        let error = error.unwrap_or_else(|| panic!("{way} ended well"));
        assert!(error.to_string().contains("altered"), "{way}: {error}");
        assert_eq!(out.len(), 0, "{way}: bytes came");
    };
    check("reader", read_out(&mut package.reader("a").expect("it is there")));
    check("verified", read_out(&mut package.verified_reader("a").expect("it has a seal")));
    check("stored", read_out(&mut package.stored_reader_at(found).expect("it is there")));
    let readers = package.readers_at([found]);
    let (_, reader) = readers.next().expect("one was asked for");
    check("readers", read_out(&mut reader.expect("it is there")));
    let readers = package.stored_readers_at([found]);
    let (_, reader) = readers.next().expect("one was asked for");
    check("stored readers", read_out(&mut reader.expect("it is there")));
    let mut seeker = package.stored_seeker_at(found).expect("it is there");
    check("seeker", read_out(&mut seeker));
    seeker.seek(SeekFrom::Start(5)).expect("it is in the region");
    check("seeker again", read_out(&mut seeker));
    let error = package.range("a", 3..9).expect_err("it is refused");
    assert!(error.to_string().contains("altered"), "{error}");
    let error = package.reader("a").expect("it is there").verify().expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn no_byte_of_an_altered_region_leaves_a_reader() {
    // spec: R-SEAL-13
    let dir = tempfile::tempdir().expect("a temporary directory");
    // A region of 20,000 bytes takes one read, and a region of 70,000 bytes takes two. 9 MiB are
    // more than a stream keeps in memory. 17 MiB are enough for several hashing threads.
    for (len, options) in
        [(20_000, NONE), (70_000, NONE), (70_000, BROTLI), (9 << 20, NONE), (17 << 20, NONE)]
    {
        let file = packed(&content(len), options);
        let found = located(&file);
        let Span { start, end } = found.span;
        // The test alters the last byte of the region, its first byte, a byte in its middle, or a
        // byte of its seal.
        let places = [end - 1, start, start.midpoint(end), end + 31];
        for at in places.into_iter().take(if len > 1 << 20 { 1 } else { 4 }) {
            let mut altered = file.clone();
            altered[at as usize] ^= 0x20;
            let path = dir.path().join("altered.dacti-pack");
            fs::write(&path, &altered).expect("a new file");
            nothing_comes(&Package::open(&path).expect("its head is good"), found);
            nothing_comes(&Package::open_mapped(&path).expect("its head is good"), found);
            nothing_comes(&far(&altered, Limits::default()).1, found);
            // Only an unverified reader returns bytes that are not verified yet.
            let package = Package::from_bytes(altered).expect("its head is good");
            let mut unverified = package.unverified_reader("a").expect("it is there");
            let (out, error) = read_out(&mut unverified);
            assert!(error.is_some() && out.len() < len && unverified.verdict().is_none());
        }
    }
}

#[test]
fn good_regions_come_whole_by_every_way() {
    for len in [0, 1, 65_535, 65_536, 65_537, 300_000, 9 << 20, 17 << 20] {
        for options in [NONE, BROTLI, BuildOptions { seals: false, ..NONE }] {
            if len > 1 << 20 && options != NONE {
                continue;
            }
            let content = content(len);
            let file = packed(&content, options);
            let verdict = if options.seals { Verdict::Digest } else { Verdict::Unchecked };
            let local = Package::from_bytes(&file[..]).expect("it is good");
            let (source, remote) = far(&file, Limits::default());
            for package in [&local, &remote] {
                // The second reader relies on the verification by the first, which the package
                // remembers.
                for _ in 0..2 {
                    let mut reader = package.reader("a").expect("it is there");
                    let (out, error) = read_out(&mut reader);
                    assert!(error.is_none() && out == content, "{len}: {error:?}");
                    assert_eq!(reader.verdict(), Some(verdict));
                    assert_eq!(reader.decoded_len(), len as u64);
                }
                let mut reader = package.reader("a").expect("it is there");
                assert_eq!(reader.verify().expect("it is good"), verdict);
                assert!(read_out(&mut reader).0 == content);
            }
            // The first reader of a remote source fetches every stored byte exactly once.
            let (_, fresh) = far(&file, Limits::default());
            drop(fresh);
            let (source_of_fresh, fresh) = far(&file, Limits::default());
            let found = fresh.locate("a").expect("it is there");
            let before = source_of_fresh.stats().bytes;
            read_out(&mut fresh.reader_at(found).expect("it is there"));
            let seal_len = if options.seals { 32 } else { 0 };
            let in_head = found.span.end + seal_len <= 65_536;
            let expected = if in_head { 0 } else { found.span.len() + seal_len };
            let read = source_of_fresh.stats().bytes - before;
            // Bytes in the head are not fetched again, so the reader may fetch fewer bytes.
            assert!(read == expected || read < expected && found.span.start < 65_536, "{read}");
            drop(source);
        }
    }
}

/// A local file whose bytes change after this number of reads.
#[derive(Debug)]
struct Changing {
    bytes: BytesSource,
    reads: AtomicU64,
    changes_after: u64,
}

impl ReadAt for Changing {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read_at(at, buf)?;
        if self.reads.fetch_add(1, Relaxed) >= self.changes_after {
            buf[..read].iter_mut().for_each(|byte| *byte ^= 0x11);
        }
        Ok(read)
    }

    fn is_local(&self) -> bool {
        true
    }
}

#[test]
fn a_file_that_changes_after_the_verdict_gives_no_other_byte() {
    let content = content(400_000);
    let file = packed(&content, NONE);
    let mut refused = 0;
    for changes_after in 0..20 {
        let bytes = BytesSource::new(&file[..]);
        let source = Changing { bytes, reads: AtomicU64::new(0), changes_after };
        let Ok(package) = Package::from_source(Arc::new(source), Limits::default()) else {
            continue;
        };
        let mut reader = package.reader("a").expect("the head was read before");
        let (out, error) = read_out(&mut reader);
        assert!(content.starts_with(&out), "after {changes_after} reads");
        assert_eq!(error.is_none(), out.len() == content.len(), "{error:?}");
        refused += u32::from(error.is_some());
    }
    // After the read of the head, seven reads verify the region, and seven reads return its bytes.
    assert_eq!(refused, 14);
}

#[test]
fn a_region_that_is_too_long_to_keep_is_refused_with_the_way_out() {
    let content = content(300_000);
    let file = packed(&content, NONE);
    let found = located(&file);
    let limits = Limits { spool_len_max: 299_999, ..Limits::default() };
    let (source, package) = far(&file, limits);
    let before = source.stats();
    let error = package.reader("a").expect_err("it is too long");
    let expected = format!(
        "stored region at {:#x}: 300000 bytes must be kept until they are verified, but the limit \
         is 299999: raise the limit, or write the region to a file",
        found.span.start
    );
    assert_eq!((error.to_string(), error.kind()), (expected, ErrorKind::Limit));
    assert_eq!(
        (error.at(), error.what().as_deref()),
        (Some(found.span.start), Some("stored region"))
    );
    assert!(matches!(package.range("a", 0..1), Err(Error::TooLongToVerify { .. })));
    assert!(package.readers_at([found]).next().is_some_and(|(_, reader)| reader.is_err()));
    assert_eq!(source.stats(), before, "nothing was read for it");
    // The region can be read if the limit is one byte higher, if the seal policy requires nothing,
    // or without verification.
    let limits = Limits { spool_len_max: 300_000, ..Limits::default() };
    assert!(read_out(&mut far(&file, limits).1.reader("a").expect("it fits")).0 == content);
    let mut unverified = package.unverified_reader("a").expect("it keeps nothing");
    assert!(read_out(&mut unverified).0 == content);
    let package = package.require(SealPolicy::Nothing);
    assert!(read_out(&mut package.reader("a").expect("nothing is verified")).0 == content);
    // A local source can be read twice: once to verify, and once to return the bytes. So a region
    // of any length can be read.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p");
    fs::write(&path, &file).expect("a new file");
    let limits = Limits { spool_len_max: 0, ..Limits::default() };
    let source = Arc::new(FileSource::open(&path).expect("it is there"));
    let package = Package::from_source(source, limits).expect("it is good");
    assert!(read_out(&mut package.reader("a").expect("it is there")).0 == content);
}

#[test]
fn every_range_is_that_part_of_the_content() {
    let content = content(400_000);
    let unsealed = |options| BuildOptions { seals: false, ..options };
    for options in [NONE, BROTLI, unsealed(NONE), unsealed(BROTLI)] {
        let file = packed(&content, options);
        let packages =
            [Package::from_bytes(&file[..]).expect("it is good"), far(&file, Limits::default()).1];
        let mut random = Random(3);
        for i in 0..40 {
            let (a, b) = (random.below(450_000), random.below(450_000));
            let range = match i {
                0 => 0..content.len(),
                1 => 65_536..131_072,
                2 => 500_000..600_000,
                3 => 7..7,
                _ => a.min(b)..a.max(b),
            };
            let clamp = |at: usize| at.min(content.len());
            let expected = &content[clamp(range.start)..clamp(range.end)];
            let range = range.start as u64..range.end as u64;
            for package in &packages {
                let got = package.range("a", range.clone()).expect("it is good");
                assert!(got == expected, "{range:?} {}", got.len());
            }
        }
        let limits = Limits { region_len_max: 1000, ..Limits::default() };
        let package = far(&file, limits).1;
        assert_eq!(package.range("a", 50..1050).expect("it fits").len(), 1000);
        let error = package.range("a", 50..1051).expect_err("it is too long");
        assert_eq!(error.kind(), ErrorKind::Limit);
    }
}

#[test]
fn ranges_cost_what_their_documentation_says() {
    let content = content(400_000);
    let cost = |source: &Counted, work: &dyn Fn()| {
        let before = source.stats();
        work();
        let after = source.stats();
        (after.reads - before.reads, after.bytes - before.bytes)
    };
    // Without encoding and without a seal, a reader reads only the bytes of the range.
    let (source, package) =
        far(&packed(&content, BuildOptions { seals: false, ..NONE }), Limits::default());
    let got = cost(&source, &|| drop(package.range("a", 200_000..300_000)));
    assert_eq!(got, (1, 100_000));
    // With a seal, the first range costs a read of the whole region and its digest. A later range
    // costs only reads of the pieces of 64 KiB that it overlaps.
    let (source, package) = far(&packed(&content, NONE), Limits::default());
    let got = cost(&source, &|| drop(package.range("a", 200_000..300_000)));
    assert_eq!(got.1, 400_032);
    let got = cost(&source, &|| drop(package.range("a", 200_000..200_010)));
    assert_eq!(got, (1, 65_536));
    let got = cost(&source, &|| drop(package.range("a", 399_999..400_000)));
    assert_eq!(got, (1, 400_000 - 6 * 65_536));
}

#[test]
fn a_seeker_reads_from_any_position() {
    for options in [NONE, BuildOptions { seals: false, ..NONE }] {
        let content = content(300_000);
        let file = packed(&content, options);
        let (_, package) = far(&file, Limits::default());
        let mut seeker = package.seeker("a").expect("it is stored as it is");
        assert_eq!(
            (seeker.len(), seeker.is_empty(), seeker.verdict().is_none()),
            (300_000, false, options.seals)
        );
        let mut buf = [0; 10];
        for (to, at) in [
            (SeekFrom::Start(70_000), 70_000),
            (SeekFrom::Current(-20), 69_990),
            (SeekFrom::End(-10), 299_990),
            (SeekFrom::Current(0), 300_000),
        ] {
            assert_eq!(seeker.seek(to).expect("it is in the region"), at as u64);
            let read = seeker.read(&mut buf).expect("it is good");
            assert!(content[at..].starts_with(&buf[..read]), "{to:?}");
            assert_eq!(read, 10.min(300_000 - at));
        }
        assert!(seeker.seek(SeekFrom::Current(-300_001)).is_err(), "before the start");
        assert_eq!(seeker.seek(SeekFrom::Start(400_000)).expect("past the end"), 400_000);
        assert_eq!(seeker.read(&mut buf).expect("there is nothing"), 0);
    }
    let file = packed(&content(300_000), BROTLI);
    let package = Package::from_bytes(&file[..]).expect("it is good");
    let error = package.seeker("a").expect_err("it is encoded").to_string();
    let expected = format!(
        "stored region at {:#x}: encoded as brot, so decoding starts at its first byte, and \
         seeking is not possible: read a range or a stream",
        located(&file).span.start
    );
    assert_eq!(error, expected);
    // A seeker can read the stored bytes from any position on.
    let mut seeker = package.stored_seeker_at(located(&file)).expect("it is there");
    let mut stored = Vec::new();
    seeker.read_to_end(&mut stored).expect("it is good");
    let Span { start, end } = located(&file).span;
    assert!(stored == file[start as usize..end as usize]);
}

#[test]
fn get_prints_nothing_of_an_altered_region() {
    for (len, encoding) in [(70_000, "none"), (70_000, "brotli"), (9_000_000, "none")] {
        let scratch = Scratch::new();
        scratch.write("a", &content(len));
        assert_eq!(scratch.pack(&["--encoding", encoding]).code, Some(0));
        let mut bytes = scratch.bytes();
        let end = located(&bytes).span.end;
        // Only the last byte of the region is altered. The program must not return the bytes before
        // it, either.
        bytes[end as usize - 1] ^= 1;
        fs::write(scratch.package(), bytes).expect("it is a file");
        for more in [&[][..], &["--raw"], &["-o", "-"]] {
            let ended = scratch.run("get", &[&["a"][..], more].concat());
            assert!(ended.failure().contains("altered"), "{ended:?}");
        }
        let out = scratch.at("out");
        let out = out.to_str().expect("it is text");
        let ended: Ended = scratch.run("get", &["a", "-o", out]);
        assert!(ended.failure().contains("altered"), "{ended:?}");
        assert!(!scratch.at("out").exists(), "a file gets its name when it is verified");
    }
}
