//! Pulls a newly built package into an old copy, with the help of the digest list. Also repeats
//! pulls that were interrupted.

use crate::updates::content;
use dacti::fetch::{ReadAt, open_file};
use dacti::publish::{CopyState, Place, PublishOptions, publish, pull};
use dacti::report::Finding;
use dacti::{
    BuildOptions, DigestListChoice, EncodingChoice, Error, Limits, Package, PackageBuilder,
};
use dacti_tests::reference as by;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tempfile::TempDir;

const REGIONS: usize = 3_000;

/// Builds a package. `version` returns the version of each region.
fn build(at: &Path, list: DigestListChoice, version: impl Fn(usize) -> usize) {
    let options = BuildOptions {
        slice_len: 4096,
        encoding: EncodingChoice::None,
        digest_list: list,
        ..BuildOptions::default()
    };
    let mut builder = PackageBuilder::new(options);
    for n in 0..REGIONS {
        builder.add(format!("file/{n}").as_str(), content(n, version(n))).unwrap();
    }
    builder.build(at).unwrap();
}

fn at(dir: &TempDir, name: &str) -> PathBuf {
    dir.path().join(name)
}

fn go_on(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A file that counts its reads. After a certain number of reads, all reads fail.
#[derive(Debug)]
struct Failing {
    file: Arc<dyn ReadAt>,
    reads_left: AtomicUsize,
    bytes: AtomicU64,
}

impl ReadAt for Failing {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.reads_left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.reads_left.store(left - 1, Ordering::Relaxed);
        self.bytes.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.file.read_at(at, buf)
    }
}

fn failing(path: &Path, reads: usize) -> Option<(Package, Arc<Failing>)> {
    let file = open_file(path).unwrap();
    let failing = Failing { file, reads_left: reads.into(), bytes: AtomicU64::new(0) };
    let failing = Arc::new(failing);
    let package = Package::from_source(failing.clone() as Arc<dyn ReadAt>, Limits::default());
    Some((package.ok()?, failing))
}

#[test]
fn a_digest_list_has_the_digests_that_the_reference_makes() {
    // spec: R-DIG-01, R-DIG-02, R-DIG-05
    let dir = tempfile::tempdir().unwrap();
    let path = at(&dir, "p");
    build(&path, DigestListChoice::Always, |_| 0);
    let file = fs::read(&path).unwrap();
    let container = by::read_package(&file).unwrap();
    let index = by::read_index(&file, &container).unwrap();
    let regions = index.regions();
    let package = Package::open(&path).unwrap();
    let id = uuid::Uuid::parse_str("8284bc13-60f6-4b72-8229-1358cd0f4f77").unwrap();
    let components = package.view().components();
    let component = components.iter().find(|component| component.id == id).unwrap();
    let span = component.span().unwrap();
    assert_eq!(span.start, package.view().index().end, "in front of the data");
    let list = &file[span.start as usize..span.end as usize];
    assert_eq!(list.len(), 80 + 16 * regions.len());
    let numbers = [0_u32, regions.len() as u32].map(u32::to_le_bytes).concat();
    assert_eq!(list[..8], numbers);
    assert_eq!(list[8..16], package.view().index().start.to_le_bytes());
    // The list is in the order of the index, which is the order of the ids as texts.
    let mut sorted: Vec<_> = package.regions().unwrap();
    sorted.sort_by_key(|located| located.id);
    let mut ids = blake3::Hasher::new();
    for (i, located) in sorted.iter().enumerate() {
        ids.update(&located.id.to_bytes_le());
        let seal = located.span.end as usize;
        assert_eq!(list[80 + 16 * i..][..16], file[seal..seal + 16]);
    }
    assert_eq!(list[16..48], *ids.finalize().as_bytes());
    let hashed = [b"dacti-digestlist v0", &list[..48], &list[80..]].concat();
    assert_eq!(list[48..80], *blake3::hash(&hashed).as_bytes());
    // If the digest of the list is wrong, verification reports a finding. All regions stay
    // readable.
    let verified = |path: &Path| {
        let package = Package::open(path).unwrap();
        package.verify(None, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    assert!(verified(&path).findings.is_empty());
    let mut altered = file.clone();
    let at_list = span.start as usize;
    altered[at_list + 80] ^= 1;
    let hashed =
        [b"dacti-digestlist v0", &altered[at_list..][..48], &altered[at_list..][80..list.len()]];
    let own = *blake3::hash(&hashed.concat()).as_bytes();
    altered[at_list + 48..][..32].copy_from_slice(&own);
    fs::write(&path, &altered).unwrap();
    let report = verified(&path);
    assert!(matches!(report.findings[..], [Finding::DigestList(_)]), "{:?}", report.findings);
    assert!(report.is_whole());
}

#[test]
fn a_package_that_was_built_anew_costs_its_new_regions() {
    // spec: R-DIG-03, R-DIG-04
    let dir = tempfile::tempdir().unwrap();
    let (new, copy) = (at(&dir, "new"), at(&dir, "copy"));
    // One region in fifty has a new version.
    let version = |n: usize| usize::from(n % 50 == 7);
    for (list, reuses) in [(DigestListChoice::Always, true), (DigestListChoice::Never, false)] {
        build(&copy, DigestListChoice::Never, |_| 0);
        build(&new, list, version);
        let pulled = pull(&Package::open(&new).unwrap(), &copy, &mut go_on).unwrap();
        assert_eq!(pulled.copy, CopyState::New);
        assert_eq!(fs::read(&copy).unwrap(), fs::read(&new).unwrap());
        let len = fs::metadata(&new).unwrap().len();
        if reuses {
            // The pull may fetch the index and the digest list. For each new region, it may fetch
            // the region's bytes and about 1 KiB around them.
            let index = 24 * 255 * 12 + 80 + 16 * 3_001;
            let most = index + 60 * (1_024 + 200) + 8_192;
            assert!(pulled.fetched < most, "{} of {len}, at most {most}", pulled.fetched);
        } else {
            assert_eq!(pulled.fetched, len - 65_536);
        }
    }
    // Publishes the package in parts, and pulls it into a copy with damaged bytes. The pull must
    // fetch these bytes again.
    build(&new, DigestListChoice::Always, version);
    let place = Place::in_folder(at(&dir, "www/p")).unwrap();
    publish(&Package::open(&new).unwrap(), &place, &PublishOptions::default()).unwrap();
    build(&copy, DigestListChoice::Never, |_| 0);
    let mut damaged = fs::read(&copy).unwrap();
    let old = Package::open(&copy).unwrap();
    let region = old.find("file/100").unwrap().unwrap();
    damaged[region.span.start as usize] ^= 1;
    fs::write(&copy, damaged).unwrap();
    pull(
        &Package::open(at(&dir, "www/p")).unwrap_or_else(|_| open_parts(&place)),
        &copy,
        &mut go_on,
    )
    .unwrap();
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&new).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no unfinished file is left");
}

fn open_parts(place: &Place) -> Package {
    dacti::publish::open_version(place, 1, Limits::default()).unwrap()
}

#[test]
fn a_pull_that_fails_at_any_read_goes_on_and_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let (new, copy) = (at(&dir, "new"), at(&dir, "copy"));
    build(&new, DigestListChoice::Always, |n| usize::from(n % 50 == 7));
    build(&copy, DigestListChoice::Never, |_| 0);
    let (old, wanted) = (fs::read(&copy).unwrap(), fs::read(&new).unwrap());
    let whole = {
        let (package, source) = failing(&new, usize::MAX).unwrap();
        let scratch = at(&dir, "scratch");
        fs::write(&scratch, &old).unwrap();
        pull(&package, &scratch, &mut go_on).unwrap();
        usize::MAX - source.reads_left.load(Ordering::Relaxed)
    };
    assert!(whole > 50, "{whole} reads");
    for stop in 0..50 {
        fs::write(&copy, &old).unwrap();
        let Some((package, _)) = failing(&new, 1 + stop * whole / 50) else { continue };
        if let Err(error) = pull(&package, &copy, &mut go_on) {
            assert!(matches!(error, Error::Io { .. } | Error::Remote { .. }), "{error}");
            assert_eq!(fs::read(&copy).unwrap(), old, "the old copy stays");
        }
        let pulled = pull(&Package::open(&new).unwrap(), &copy, &mut go_on).unwrap();
        assert!(fs::read(&copy).unwrap() == wanted, "{stop}: {pulled:?}");
    }
    // The first pull is stopped near its end. The next pull fetches only a few bytes again.
    fs::remove_file(&copy).unwrap();
    let mut told = 0;
    let stopped = pull(&Package::open(&new).unwrap(), &copy, &mut |done, total| {
        told += 1;
        if done == total { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(Error::Stopped)) && told > 0);
    assert!(!copy.exists());
    let pulled = pull(&Package::open(&new).unwrap(), &copy, &mut go_on).unwrap();
    let most = 24 * 255 * 12 + 80 + 16 * 3_001 + 16_384;
    assert!(pulled.fetched < most, "{} were fetched again, at most {most}", pulled.fetched);
    assert!(fs::read(&copy).unwrap() == wanted);
}
