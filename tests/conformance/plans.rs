//! Plans of reads: each is compared, span by span, with the reads that follow. Also the reads of
//! many streams at once.

use crate::grown::Grown;
use crate::package::{PLAIN, build, without_keys};
use crate::support::{Random, uuid_of};
use dacti::fetch::{BytesSource, Doubt, ReadAt};
use dacti::update::{Update, UpdateOptions};
use dacti::{
    BuildOptions, EncodingChoice, Error, GetPlan, LayoutChoice, Limits, Located, Package,
    RegionName, Span,
};
use dacti_tests::reference::{self as by, GROUP, Stored, path_id, small, stored};
use std::io::Read;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// A source that records each read. It flips the byte at `wrong` until a reader reports that the
/// byte is wrong.
#[derive(Debug)]
struct Noted {
    bytes: BytesSource,
    read_len: usize,
    reads: Mutex<Vec<Span>>,
    wrong: Mutex<Option<u64>>,
}

impl Noted {
    /// Returns the reads since the last call, in their order.
    fn take(&self) -> Vec<Span> {
        core::mem::take(&mut *self.reads.lock().expect("no thread panicked"))
    }
}

impl ReadAt for Noted {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read_at(at, buf)?;
        let span = Span::new(at, read as u64).expect("it is in the file");
        self.reads.lock().expect("no thread panicked").push(span);
        let wrong = *self.wrong.lock().expect("no thread panicked");
        if let Some(wrong) = wrong.filter(|wrong| (span.start..span.end).contains(wrong)) {
            buf[(wrong - at) as usize] ^= 1;
        }
        Ok(read)
    }

    fn read_len(&self) -> usize {
        self.read_len
    }

    fn doubt(&self, _: Span, _: Doubt) -> std::io::Result<bool> {
        Ok(self.wrong.lock().expect("no thread panicked").take().is_some())
    }
}

fn open(file: &[u8], limits: Limits) -> (Package, Arc<Noted>) {
    open_with(file, limits, 64 * 1024)
}

fn open_with(file: &[u8], limits: Limits, read_len: usize) -> (Package, Arc<Noted>) {
    let (reads, wrong) = (Mutex::default(), Mutex::default());
    let source = Noted { bytes: BytesSource::new(file.to_vec()), read_len, reads, wrong };
    let source = Arc::new(source);
    let package = Package::from_source(Arc::clone(&source) as _, limits).expect("it is good");
    source.take();
    (package, source)
}

/// Returns files with different contents of 100 bytes. In a package, each takes 132 bytes with its
/// digest.
fn hundreds(count: u32) -> Vec<Stored> {
    (0..count).map(|i| stored(&format!("{i:05}"), &[i.to_le_bytes(); 25].concat())).collect()
}

/// Plans a `get`, finds the regions, plans again, and reads the regions. Checks that each plan
/// states exactly the reads that follow. Returns both plans.
#[track_caller]
fn check(package: &Package, source: &Noted, keys: &[RegionName<'_>]) -> [GetPlan; 2] {
    let before = package.plan_get(keys.iter().copied());
    let again = package.plan_get(keys.iter().copied());
    assert_eq!((&before, source.take()), (&again, Vec::new()), "a plan reads and changes nothing");
    let found: Vec<Located> =
        package.find_many(keys.iter().copied()).into_iter().flatten().flatten().collect();
    assert_eq!(source.take(), before.index);
    let after = package.plan_get_at(found.iter().copied());
    assert_eq!((source.take(), &after.index, after.unknown), (vec![], &vec![], 0));
    assert!(package.get_many_at(found).iter().all(Result::is_ok));
    let reads = source.take();
    assert_eq!(reads, after.reads);
    assert_eq!(reads.iter().map(Span::len).sum::<u64>(), after.bytes());
    [before, after]
}

#[test]
fn a_plan_is_what_is_then_read() {
    let files = hundreds(3000);
    let limits = Limits { gap_len_max: 300, read_len_max: 2000, ..Limits::default() };
    let file = build(&files, PLAIN);
    let paths = ["00100", "00103", "00107", "02999", "00101", "00100"];
    let keys = paths.map(RegionName::Path);
    let (package, source) = open(&file, limits);
    let [before, after] = check(&package, &source, &keys);
    assert_eq!((before.unknown, before.regions, before.is_complete()), (6, 0, false));
    assert!((1..=5).contains(&before.index.len()), "blocks of a group each: {before:?}");
    // One read covers the regions 100 to 103, although 102 is not wanted. Three unwanted regions
    // lie between 103 and 107, so 107 has its own read. 2999 also has its own read.
    let at = |path: &str| package.locate(path).expect("it is there").span;
    let sealed = |first: &str, last: &str| Span { start: at(first).start, end: at(last).end + 32 };
    let expected = [sealed("00100", "00103"), sealed("00107", "00107"), sealed("02999", "02999")];
    assert_eq!(after.reads, expected);
    assert_eq!((after.over_fetch, after.bytes(), after.requests()), (132, 6 * 132, 3));
    assert_eq!((after.regions, after.in_hand, after.is_complete()), (6, 0, true));
    // The package now knows the places, so the first plan is already complete.
    let [before, after] = check(&package, &source, &keys);
    assert_eq!(before, after);
}

#[test]
fn a_plan_of_a_list_is_what_is_then_read() {
    let large = build(&hundreds(30_000), PLAIN);
    // In a large package, the entry of the names list lies after the head. A list reads the whole
    // index, in three reads, and finds this entry there. So it needs no separate look-up.
    for (file, unknown, index) in
        [(build(&hundreds(1_000), PLAIN), 0, 0), (without_keys(&large), 1, 3), (large, 1, 3)]
    {
        let (package, source) = open(&file, Limits::default());
        let plan = package.plan_list();
        assert_eq!((source.take(), plan.unknown, plan.index.len()), (vec![], unknown, index));
        let places: Vec<_> = package.names().expect("they are good").places().to_vec();
        let (package, source) = open(&file, Limits::default());
        let listed = package.list().expect("it is good");
        let names = package.plan_get_at(places).reads;
        assert_eq!(names.len(), 1);
        let known = if unknown == 0 { plan.reads } else { names };
        let planned = [plan.index, known].concat();
        assert_eq!(source.take(), planned, "{} regions", listed.len());
        assert_eq!(package.plan_list().reads, [], "the names list is in hand now");
    }
}

#[test]
fn blocks_that_lie_near_each_other_are_one_read() {
    let files = hundreds(30_000);
    let file = build(&files, PLAIN);
    let paths: Vec<_> = (0..30_000).map(|i| format!("{i:05}")).collect();
    let keys: Vec<_> = paths.iter().map(|path| RegionName::Path(path)).collect();
    let (package, source) = open(&file, Limits::default());
    let [before, after] = check(&package, &source, &keys);
    // The 118 groups after the head are planned as reads of at most 1 MiB.
    assert_eq!((before.unknown, before.index.len()), (30_000, 1));
    assert_eq!(before.bytes(), GROUP * 30_000_u64.div_ceil(255));
    assert_eq!(
        (after.reads.len(), after.over_fetch),
        (30_000_u64.div_ceil((1 << 20) / 132) as usize, 0)
    );
    // The limits forbid keeping blocks in memory, so the second plan also includes the reads of the
    // index.
    let (package, source) = open(&file, Limits { blocks_len_max: 0, ..Limits::default() });
    let plans = check(&package, &source, &keys);
    assert_eq!(plans[0].index, before.index);
    assert_eq!(package.plan_get(keys).index, before.index);
}

#[test]
fn a_folded_package_has_its_blocks_read_together_too() {
    // An update removed one region and replaced another, so the index was folded. It lies after the
    // head, and has no delta groups.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("folded.dacti-pack");
    let options = BuildOptions { slice_len: 1 << 20, ..PLAIN };
    std::fs::write(&path, build(&hundreds(30_000), options)).expect("it is written");
    let mut update = Update::open(&path, UpdateOptions::default()).expect("it is good");
    update.remove("00000").expect("the path is good");
    update.put("00001", vec![1; 100]).expect("the path is good");
    update.plan().expect("there is room").apply().expect("it is written");
    let file = std::fs::read(&path).expect("it was updated");
    let paths: Vec<_> = (1..30_000).map(|i| format!("{i:05}")).collect();
    let keys: Vec<_> = paths.iter().map(|path| RegionName::Path(path)).collect();
    let (package, source) = open(&file, Limits::default());
    let index = package.view().index();
    assert!(package.view().has_fences() && index.start > 65_536);
    let plan = package.plan_get(keys.iter().copied());
    assert_eq!(plan.unknown, 29_999);
    let found = package.find_many(keys.iter().copied());
    assert!(found.iter().all(|found| matches!(found, Ok(Some(_)))));
    let reads = source.take();
    assert_eq!(reads, plan.index);
    let groups = Span { start: index.start + 8, end: index.end };
    assert_eq!(reads, [groups], "one read of all groups");
}

#[test]
fn what_is_in_hand_costs_nothing_and_what_is_not_there_is_told() {
    // In the compact layout, the first region follows an index of one group. So it lies in the
    // head.
    let files = [stored("a", b"5"), stored("b", &[7; 100_000])];
    let file = build(&files, BuildOptions { layout: LayoutChoice::Compact, ..PLAIN });
    let (package, source) = open(&file, Limits::default());
    let keys = [
        RegionName::Path("a"),
        RegionName::Path("b"),
        RegionName::Path("none"),
        RegionName::Path("../x"),
    ];
    let [before, after] = check(&package, &source, &keys);
    assert_eq!((before.regions, before.in_hand, before.absent, before.faults), (2, 1, 1, 1));
    assert_eq!((after.requests(), after.in_hand), (1, 1));
    let plan = Package::from_bytes(file).expect("it is good").plan_get(keys);
    assert_eq!((plan.requests(), plan.in_hand, plan.absent, plan.faults), (0, 2, 1, 1));
    // The place lies outside the file, so it also causes no read.
    let outside = Located { span: Span { start: 1 << 40, end: 1 << 41 }, ..located(&package, "b") };
    let plan = package.plan_get_at([outside]);
    assert_eq!((plan.requests(), plan.faults, plan.regions), (0, 1, 0));
    assert!(package.get_many_at([outside])[0].is_err());
    assert!(source.take().is_empty());
}

fn located(package: &Package, path: &str) -> Located {
    package.locate(path).expect("it is there")
}

#[test]
fn an_index_without_keys_is_read_once_for_all() {
    let files = hundreds(20_000);
    let file = without_keys(&build(&files, PLAIN));
    let paths: Vec<_> = (0..20_000).map(|i| format!("{i:05}")).collect();
    let (package, source) = open(&file, Limits::default());
    let plan = package.plan_get(paths.iter().map(String::as_str));
    let found = package.find_many(paths.iter().map(String::as_str));
    // The reader has read the groups after the head in windows of 256 KiB, until it had all wanted
    // groups.
    assert_eq!(source.take(), plan.index);
    assert_eq!(plan.unknown, 20_000);
    for (path, found) in paths.iter().zip(found) {
        let alone = (path == "00000" || path == "19999").then(|| package.find(path));
        let found = found.expect("it is sound").expect("it is there");
        assert_eq!(found.id, uuid_of(path_id(path)));
        if let Some(alone) = alone {
            assert_eq!(alone.expect("it is sound"), Some(found));
        }
    }
    let absent = package.find_many(["none", "00000", "none"]);
    assert!(matches!(absent[..], [Ok(None), Ok(Some(_)), Ok(None)]));
}

#[test]
fn names_of_their_own_are_planned_as_far_as_they_are_known() {
    let mut files = hundreds(300);
    files.push(by::stored("other", b"by an id of its own"));
    files[300].id = Some(small(77));
    let (package, source) = open(&build(&files, PLAIN), Limits::default());
    let keys =
        [RegionName::Path("other"), RegionName::Path("00007"), RegionName::Id(uuid_of(small(77)))];
    let plan = package.plan_get(keys);
    assert_eq!((plan.unknown, plan.regions), (2, 1));
    assert!(!package.find_many(keys).iter().any(Result::is_err));
    assert_eq!(source.take(), plan.index, "the names list");
    check(&package, &source, &keys);
    assert!(package.plan_get(keys).is_complete());
}

#[test]
fn appended_slices_are_not_joined() {
    // spec: R-HTTP-04
    let mut grown = Grown::new(&[stored("a", &[1; 100_000])], 4096);
    for n in 0..4 {
        grown.put(&[(small(n), &[n as u8; 3000]), (small(n + 10), &[n as u8; 500])]);
    }
    let (package, source) = open(&grown.file, Limits::default());
    let ids = [0, 10, 1, 11, 2, 12, 3, 13].map(|n| RegionName::Id(uuid_of(small(n))));
    let [_, after] = check(&package, &source, &ids);
    // Each appended slice has two wanted regions. One read covers both.
    assert_eq!((after.reads.len(), after.over_fetch), (4, 0));
    for read in &after.reads {
        assert_eq!((read.start % 4096, read.len()), (0, 3000 + 500 + 64));
    }
}

/// Reads all readers of `readers_at` to the end. Returns the results in the order of the places.
fn read_all(package: &Package, found: &[Located]) -> Vec<Result<Vec<u8>, String>> {
    let readers = package.readers_at(found.iter().copied());
    let mut contents: Vec<_> = found.iter().map(|_| Err("not told".into())).collect();
    while let Some((i, reader)) = readers.next() {
        contents[i] = reader.map_err(|error| error.to_string()).and_then(|mut reader| {
            let mut content = Vec::new();
            reader.read_to_end(&mut content).map_err(|error| error.to_string())?;
            Ok(content)
        });
    }
    assert!(readers.next().is_none());
    contents
}

#[test]
fn streams_of_many_read_what_their_plan_says() {
    let mut files = hundreds(2000);
    files.push(stored("long", &[9; 300_000]));
    files.push(stored("empty", b""));
    let brotli = BuildOptions { encoding: EncodingChoice::Brotli, ..PLAIN };
    for options in [PLAIN, BuildOptions { seals: false, ..PLAIN }, brotli] {
        let limits = Limits { read_len_max: 50_000, ..Limits::default() };
        let (package, source) = open_with(&build(&files, options), limits, 70_000);
        let mut found: Vec<_> = files.iter().map(|file| located(&package, &file.path)).collect();
        // The places are not in the order of the file, and one place occurs twice.
        found.push(found[0]);
        found.reverse();
        source.take();
        let plan = package.readers_at(found.iter().copied()).plan().clone();
        assert!(source.take().is_empty());
        let contents = read_all(&package, &found);
        let mut expected: Vec<_> = files.iter().map(|file| Ok(file.bytes.clone())).collect();
        expected.push(expected[0].clone());
        expected.reverse();
        assert!(contents == expected);
        assert_eq!(source.take(), plan.reads);
        if options.encoding == EncodingChoice::None {
            // The region of 300,000 bytes is read in pieces of 70,000 bytes.
            let alone = plan.reads.iter().filter(|read| read.len() == 70_000).count();
            assert_eq!(alone, 4, "{:?}", plan.reads);
        }
    }
}

#[test]
fn the_fault_of_one_stream_is_not_that_of_others() {
    let files = hundreds(50);
    let (package, source) = open(&build(&files, PLAIN), Limits::default());
    let found: Vec<_> = files.iter().map(|file| located(&package, &file.path)).collect();
    let all = Span::new(found[0].span.start, 50 * 132).expect("it is in the file");
    assert_eq!(package.readers_at(found.iter().copied()).plan().reads, [all]);
    // One region is wrong at the first read. The reader reads only this region again.
    let victim = found[25].span;
    *source.wrong.lock().expect("no thread panicked") = Some(victim.start + 5);
    let contents = read_all(&package, &found);
    for (file, content) in files.iter().zip(contents) {
        assert_eq!(content.as_ref(), Ok(&file.bytes));
    }
    assert_eq!(source.take(), [all, Span { end: victim.end + 32, ..victim }]);
}

#[test]
fn a_damaged_region_among_many_is_an_error_and_the_others_come() {
    let files = hundreds(3000);
    let mut file = build(&files, PLAIN);
    let package = Package::from_bytes(file.clone()).expect("it is good");
    let at = located(&package, "01000").span.start;
    file[at as usize] ^= 1;
    let (package, _) = open(&file, Limits::default());
    let found: Vec<_> = files.iter().map(|file| located(&package, &file.path)).collect();
    let contents = read_all(&package, &found);
    for (i, content) in contents.iter().enumerate() {
        assert_eq!(content.is_ok(), i != 1000, "{i}: {content:?}");
    }
    assert!(contents[1000].as_ref().is_err_and(|error| error.contains("altered")));
    // The region lies outside the file. It gets its own error, and causes no read.
    let outside = Located { span: Span { start: 1 << 40, end: 1 << 41 }, ..found[0] };
    let contents = read_all(&package, &[found[1], outside]);
    assert!(contents[0].is_ok() && contents[1].is_err(), "{contents:?}");
}

#[test]
fn random_keys_and_limits_are_read_as_planned() {
    let files = hundreds(5000);
    let file = build(&files, PLAIN);
    let mut random = Random(5);
    for _ in 0..20 {
        let limits = Limits {
            gap_len_max: random.below(5000) as u64,
            read_len_max: random.below(100_000) as u64,
            blocks_len_max: random.below(200_000) as u64,
            ..Limits::default()
        };
        let (package, source) = open(&file, limits);
        let count = 1 + random.below(300);
        let paths: Vec<_> = (0..count).map(|_| format!("{:05}", random.below(5200))).collect();
        let keys: Vec<_> = paths.iter().map(|path| RegionName::Path(path)).collect();
        let [before, after] = check(&package, &source, &keys);
        let absent = paths.iter().filter(|path| ***path >= *"05000").count() as u64;
        assert!(before.absent <= absent);
        assert_eq!(after.regions, count as u64 - absent);
        let wanted: std::collections::BTreeSet<_> =
            paths.iter().filter(|path| ***path < *"05000").collect();
        assert_eq!(after.bytes() - after.over_fetch, wanted.len() as u64 * 132);
    }
    let unknown = Uuid::from_u128(5);
    let package = Package::from_bytes(file).expect("it is good");
    let got = package.get_many([unknown]);
    assert!(matches!(&got[0], Err(Error::NotFound { region }) if *region == unknown.to_string()));
}
