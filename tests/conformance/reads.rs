//! Reads of packages: borrowed or copied regions, with few or many reads, and with several threads.
//! The results must always be the same.

use crate::package::{PLAIN, build, some_files};
use crate::support::uuid_of;
use dacti::fetch::{BytesSource, Counted, FileSource, MmapSource, ReadAt, ReadStats};
use dacti::seal::{SealPolicy, Verdict};
use dacti::{BuildOptions, EncodingChoice, Error, LayoutChoice, Limits, Package, RegionName};
use dacti_tests::reference::{self as by, GROUP, Stored, path_id};
use std::borrow::Cow;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use uuid::Uuid;

const UNSEALED: BuildOptions = BuildOptions { seals: false, ..PLAIN };

/// Returns files that all have hashed ids.
fn files(count: u32) -> Vec<Stored> {
    let mut files = some_files(count);
    files.retain(|file| file.id.is_none());
    files
}

/// Returns files with different contents of 100 bytes.
fn hundreds(count: u32) -> Vec<Stored> {
    (0..count).map(|i| by::stored(&format!("{i:05}"), &[i.to_le_bytes(); 25].concat())).collect()
}

fn counted(file: &[u8], limits: Limits) -> (Package, Counted) {
    let source = Counted::new(Arc::new(BytesSource::new(file.to_vec())));
    let package = Package::from_source(Arc::new(source.clone()), limits).expect("it is good");
    (package, source)
}

/// Returns the result of `step`, and the number of reads that `step` causes.
fn reads<T>(source: &Counted, step: impl FnOnce() -> T) -> (T, ReadStats) {
    let before = source.stats();
    let value = step();
    let after = source.stats();
    let (reads, bytes) = (after.reads - before.reads, after.bytes - before.bytes);
    (value, ReadStats { reads, bytes })
}

#[test]
fn a_package_is_the_same_in_memory_mapped_and_read() {
    // spec: R-LKP-10, R-LKP-12
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("some.dacti-pack");
    for (count, options) in [
        (5, PLAIN),
        (3000, PLAIN),
        (3000, BuildOptions { encoding: EncodingChoice::Brotli, ..UNSEALED }),
        (600, BuildOptions { layout: LayoutChoice::Compact, ..PLAIN }),
    ] {
        let files = files(count);
        let file = build(&files, options);
        std::fs::write(&path, &file).expect("it can be written");
        let packages =
            [Package::open(&path), Package::open_mapped(&path), Package::from_bytes(file.clone())];
        for package in packages {
            let package = package.expect("it is good");
            // The second round uses blocks and groups that the package kept in memory.
            for _ in 0..2 {
                for file in &files {
                    let region = package.region(&file.path).expect("it is there");
                    assert_eq!(region[..], file.bytes);
                    assert_eq!(package.get(&file.path).expect("it is there"), file.bytes);
                }
                for i in 0..300 {
                    let absent = uuid_of(path_id(&format!("no such/{i}")));
                    assert_eq!(package.find(absent).expect("it is sound"), None);
                }
                for absent in [Uuid::nil(), Uuid::max()] {
                    assert_eq!(package.find(absent).expect("it is sound"), None);
                }
            }
            assert!(package.view().fences_fault().is_none());
        }
    }
}

#[test]
fn stored_regions_are_borrowed_where_their_bytes_are_in_memory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("some.dacti-pack");
    let files = hundreds(3000);
    let file = build(&files, PLAIN);
    std::fs::write(&path, &file).expect("it can be written");
    let in_memory = Package::from_bytes(file).expect("it is good");
    let mapped = Package::open_mapped(&path).expect("it is good");
    let read = Package::open(&path).expect("it is good");
    for (package, borrowed) in [(&in_memory, true), (&mapped, true), (&read, false)] {
        let region = package.region("00077").expect("it is there");
        assert_eq!((region.is_borrowed(), region.verdict()), (borrowed, Verdict::Digest));
        assert_eq!(region.located(), &package.locate("00077").expect("it is there"));
        assert_eq!(region.clone().into_content(), files[77].bytes);
        assert_eq!(region.into_vec(), files[77].bytes);
    }
    // A region with an encoding must be decoded, so it cannot be borrowed.
    let brotli = BuildOptions { encoding: EncodingChoice::Brotli, ..PLAIN };
    let package = Package::from_bytes(build(&files, brotli)).expect("it is good");
    assert!(!package.region("00077").expect("it is there").is_borrowed());
    // Opening the package has read the head, so a region in the head takes no read.
    let compact = BuildOptions { layout: LayoutChoice::Compact, ..PLAIN };
    let (package, source) = counted(&build(&files[..50], compact), Limits::default());
    let (region, read) = reads(&source, || package.region("00007").expect("it is there"));
    assert_eq!((&region[..], region.is_borrowed()), (&files[7].bytes[..], true));
    assert_eq!(read, ReadStats::default());
}

#[test]
fn nothing_is_lent_that_was_not_verified() {
    // spec: R-SEAL-05
    let files = hundreds(3000);
    let mut file = build(&files, PLAIN);
    let at = {
        let package = Package::from_bytes(file.clone()).expect("it is good");
        package.locate("00077").expect("it is there").span.start
    };
    file[at as usize + 5] ^= 1;
    let package = Package::from_bytes(file).expect("it is good");
    let refused = package.region("00077").expect_err("it was altered");
    let Error::Seal(dacti_seal::Error::Altered { at: told, .. }) = refused else {
        panic!("{refused}")
    };
    assert_eq!(told, at);
    assert!(package.get("00077").is_err());
    assert!(package.region("00078").is_ok());
    let package = package.require(SealPolicy::Nothing);
    let region = package.region("00077").expect("nothing is required");
    assert_eq!((region.verdict(), region.is_borrowed()), (Verdict::Unchecked, true));
    assert_eq!(region[5], files[77].bytes[5] ^ 1);
}

#[test]
fn regions_past_the_limit_are_neither_lent_nor_read() {
    let (package, source) =
        counted(&build(&hundreds(3000), PLAIN), Limits { region_len_max: 99, ..Limits::default() });
    let located = package.locate("00007").expect("it is there");
    let (refused, read) = reads(&source, || package.region_at(located).err());
    assert!(matches!(refused, Some(Error::Index(dacti_index::Error::TooLong { limit: 99, .. }))));
    assert_eq!(read, ReadStats::default());
}

#[test]
fn a_mapped_package_shows_the_view_that_it_took() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("some.dacti-pack");
    let files = hundreds(3000);
    let file = build(&files, UNSEALED);
    std::fs::write(&path, &file).expect("it can be written");
    let package = Package::open_mapped(&path).expect("it is good");
    // Writes an update into the file: an entry in delta group 7, and then the group's length. It
    // replaces a region.
    let mut updated = file.clone();
    let at = package.locate("00078").expect("it is there").span.start;
    put_delta(&mut updated, 7, at, &[("00077", 0)]);
    let mut in_place = std::fs::OpenOptions::new().write(true).open(&path).expect("it opens");
    in_place.write_all(&updated).expect("it can be written");
    assert_eq!(package.region("00077").expect("it is there")[..], files[77].bytes);
    let package = Package::open_mapped(&path).expect("it is good");
    assert_eq!(package.region("00077").expect("it is there")[..], files[78].bytes);
}

/// Writes a delta group. Each entry is a path and a number `n`. It names 100 bytes, which start `n`
/// times 100 bytes after `base`.
fn put_delta(file: &mut Vec<u8>, group: u64, base: u64, entries: &[(&str, u32)]) {
    let at = (16_448 + GROUP * group) as usize;
    by::place(file, at, &base.to_le_bytes());
    by::place(file, at + 8, b"none");
    file[at + 12] = entries.len() as u8;
    for (i, (path, n)) in entries.iter().enumerate() {
        let at = at + 16 + 24 * i;
        by::place(file, at, &by::swap(path_id(path)));
        by::place(file, at + 16, &(n * 100).to_le_bytes());
        by::place(file, at + 20, &100_u32.to_le_bytes());
    }
}

#[test]
fn newer_entries_count_in_every_look_up() {
    // spec: R-LKP-14, R-ORD-01, R-ORD-02
    let files = hundreds(3000);
    let mut file = build(&files, UNSEALED);
    let base = {
        let package = Package::from_bytes(file.clone()).expect("it is good");
        package.locate("00000").expect("it is there").span.start
    };
    // Contents are stored in the order of their paths, so content n belongs to the path of number
    // n. In the first group that has an id, the last entry with the id counts.
    put_delta(&mut file, 7, base, &[("new", 1), ("00005", 2), ("new", 3)]);
    put_delta(&mut file, 3, base, &[("00005", 4), ("other", 5)]);
    let (package, source) = counted(&file, Limits::default());
    for _ in 0..3 {
        for (path, n) in [("new", 3), ("00005", 4), ("other", 5), ("00006", 6)] {
            assert_eq!(package.get(path).expect("it is there"), files[n].bytes, "{path}");
        }
        assert_eq!(package.find("newer").expect("it is sound"), None);
    }
    let (_, read) = reads(&source, || package.find("other").expect("it is sound"));
    assert_eq!(read, ReadStats::default(), "the delta groups are in hand");
}

#[test]
fn blocks_that_were_read_are_kept_within_their_limit() {
    // The 3,000 regions and the names list fill 12 groups. Each group has a fence, so each index
    // block is one group.
    let file = build(&hundreds(3000), PLAIN);
    let find_all = |package: &Package| {
        for i in 0..3000 {
            let path = format!("{i:05}");
            assert!(package.find(&path).expect("it is sound").is_some());
            assert_eq!(package.find(&format!("no {path}")).expect("it is sound"), None);
        }
    };
    let (package, source) = counted(&file, Limits::default());
    let (_, read) = reads(&source, || find_all(&package));
    // Each read has one group, and 40 bytes of the next group: its header and its first entry. The
    // last block has no next group.
    assert_eq!(read, ReadStats { reads: 12, bytes: 12 * GROUP + 11 * 40 });
    let (_, read) = reads(&source, || find_all(&package));
    assert_eq!(read, ReadStats::default());
    // If the limit allows no kept block, every look-up reads its block. If it allows few, most
    // look-ups read their blocks.
    let (package, source) = counted(&file, Limits { blocks_len_max: 0, ..Limits::default() });
    assert_eq!(reads(&source, || find_all(&package)).1.reads, 6000);
    let limits = Limits { blocks_len_max: 3 * 2 * GROUP, ..Limits::default() };
    let (package, source) = counted(&file, limits);
    let read = reads(&source, || find_all(&package)).1.reads;
    assert!((1000..6000).contains(&read), "{read}");
}

#[test]
fn many_regions_are_read_in_few_reads_and_handed_out_in_the_order_asked() {
    let files = hundreds(3000);
    let limits = Limits { gap_len_max: 300, read_len_max: 2000, ..Limits::default() };
    let (package, source) = counted(&build(&files, PLAIN), limits);
    let find_all = || { 0..3000 }.for_each(|i| drop(package.find(&format!("{i:05}"))));
    find_all();
    // A region takes 132 bytes with its digest. So one read of at most 2,000 bytes covers 15
    // consecutive regions.
    let keys: Vec<_> = (500..560).rev().map(|i| format!("{i:05}")).collect();
    let (found, read) = reads(&source, || package.get_many(&keys));
    for (key, found) in keys.iter().zip(&found) {
        let i: usize = key.parse().expect("it is a number");
        assert_eq!(found.as_ref().expect("it is there"), &files[i].bytes);
    }
    assert_eq!((found.len(), read), (60, ReadStats { reads: 4, bytes: 60 * 132 }));
    // The reader joins reads with a gap of 264 bytes between them. A gap of 396 bytes is too long
    // to join.
    let (found, read) = reads(&source, || package.get_many(["00100", "00103", "00107"]));
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(read, ReadStats { reads: 2, bytes: 4 * 132 + 132 });
    // If a path occurs twice in the list, one read suffices. An empty list causes no read.
    let (found, read) = reads(&source, || package.get_many(["00100", "00100"]));
    assert_eq!(found.len(), 2);
    assert_eq!(read, ReadStats { reads: 1, bytes: 132 });
    assert!(package.get_many::<RegionName<'_>>([]).is_empty());
}

#[test]
fn each_of_many_has_a_fault_of_its_own() {
    let files = hundreds(3000);
    let mut file = build(&files, PLAIN);
    let package = Package::from_bytes(file.clone()).expect("it is good");
    let at = package.locate("00101").expect("it is there").span.start;
    file[at as usize] ^= 1;
    let (package, _) = counted(&file, Limits::default());
    let absent = Uuid::from_u128(7);
    let keys = [
        RegionName::Path("00100"),
        RegionName::Path("00101"),
        RegionName::Path("../x"),
        RegionName::Id(absent),
    ];
    let keys = { keys.into_iter() }.chain([RegionName::Path("00102")]);
    let found = package.get_many(keys.clone());
    assert_eq!(found[0].as_ref().expect("it is there"), &files[100].bytes);
    assert!(matches!(&found[1], Err(Error::Seal(_))), "{:?}", found[1]);
    assert!(matches!(&found[2], Err(Error::Path { path, .. }) if path == "../x"));
    assert!(matches!(&found[3], Err(Error::NotFound { region }) if *region == absent.to_string()));
    assert_eq!(found[4].as_ref().expect("it is there"), &files[102].bytes);
    let found = package.find_many(keys);
    assert_eq!(found[1].as_ref().expect("it is sound").map(|found| found.span.start), Some(at));
    assert!(found[2].is_err());
    assert_eq!(*found[3].as_ref().expect("it is sound"), None);
}

#[test]
fn many_are_bounded_in_all_and_visited_until_the_caller_breaks() {
    let files = hundreds(3000);
    let limits = Limits { region_len_max: 250, ..Limits::default() };
    let (package, source) = counted(&build(&files, PLAIN), limits);
    let found = package.get_many(["00001", "00002", "00003"]);
    let told: Vec<_> = found.iter().map(Result::is_ok).collect();
    assert_eq!(told, [true, true, false], "250 bytes for all of them");
    let mut seen = Vec::new();
    let keys = ["00009", "00001", "none", "02000"];
    let (_, read) = reads(&source, || {
        let visited = package.visit_many(keys, |i, region| {
            seen.push((i, region.is_ok()));
            if i == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        visited.unwrap();
    });
    // The function is first called for the missing regions, and then for the others in the order of
    // the file. The calls end when the function returns `Break`.
    assert_eq!(seen, [(2, false), (1, true), (0, true)]);
    assert!(read.reads <= 5, "four blocks at most, and one read of two regions: {read:?}");
}

/// A source that fails if a read is longer than one region.
#[derive(Debug)]
struct ShortReads(BytesSource);

impl ReadAt for ShortReads {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        if at > 200_000 && buf.len() > 132 {
            return Err(std::io::Error::other("too much at once"));
        }
        self.0.read_at(at, buf)
    }
}

#[test]
fn where_a_read_of_several_regions_fails_each_is_read_alone() {
    let files = hundreds(3000);
    let source = ShortReads(BytesSource::new(build(&files, PLAIN)));
    let package = Package::from_source(Arc::new(source), Limits::default()).expect("it is good");
    let keys: Vec<_> = (2000..2050).map(|i| format!("{i:05}")).collect();
    for (i, found) in package.get_many(&keys).into_iter().enumerate() {
        assert_eq!(found.expect("it is there"), files[2000 + i].bytes);
    }
}

#[test]
fn threads_share_a_package() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("some.dacti-pack");
    let files = hundreds(3000);
    std::fs::write(&path, build(&files, PLAIN)).expect("it can be written");
    // Few blocks can be kept in memory, so the threads displace the blocks of each other.
    let limits = Limits { blocks_len_max: 2 * 2 * GROUP, ..Limits::default() };
    let sources: [Arc<dyn ReadAt>; 2] = [
        Arc::new(FileSource::open(&path).expect("it opens")),
        Arc::new(MmapSource::open(&path).expect("it opens")),
    ];
    for source in sources {
        let package = &Package::from_source(source, limits).expect("it is good");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let files = &files;
                scope.spawn(move || {
                    for i in 0..3000 {
                        let i = (i * 7 + thread * 751) % 3000;
                        let path = format!("{i:05}");
                        let region = package.region(&path).expect("it is there");
                        assert_eq!(region.into_content(), Cow::<[u8]>::from(&files[i].bytes));
                        assert_eq!(package.find(&format!("no {path}")).expect("it is sound"), None);
                    }
                });
            }
        });
    }
}
