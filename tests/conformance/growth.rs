//! Work grows no faster than its input: the reads, bytes and memory of every report are counted,
//! for the worst inputs of one size and of twice that size.
//!
//! Counts are used because times differ between machines. The test has its own binary, because it
//! counts the memory of the whole process.

use core::ops::ControlFlow;
use dacti::fetch::{BytesSource, Counted};
use dacti::report::{Difference, FileMap};
use dacti::{ErrorKind, Limits, Package};
use dacti_tests::reference::{
    self as by, Entry, GONE, GROUP, Group, INDEX, Id, Link, NAMES, Name, Table, component, small,
};
use peak_alloc::PeakAlloc;
use std::sync::Arc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Returns a package of these groups, whose bases count from the start of `data`.
fn package(mut groups: Vec<Group>, data: &[u8], explicit: bool) -> Vec<u8> {
    let at = 28 + 24 + 2 * 28;
    let base = at + 8 + GROUP * groups.len() as u64;
    groups.iter_mut().for_each(|group| group.base += base);
    let region = by::index(&groups);
    let flags = component(NAMES, u32::from(explicit), 0);
    let components = vec![component(INDEX, at as u32, region.len() as u32), flags];
    let mut out = by::head(by::PACKAGE, 0, 1);
    out.extend(by::table(&Table { components, ..Table::default() }));
    out.extend(region);
    out.extend(data);
    out
}

fn groups(entries: &[Entry]) -> Vec<Group> {
    let group = |chunk: &[Entry]| Group { entries: chunk.to_vec(), ..Group::default() };
    entries.chunks(255).map(group).collect()
}

/// Groups without entries.
fn empty(n: usize) -> Vec<u8> {
    package(vec![by::delta(); n], b"", false)
}

/// Regions of 3,000 bytes that overlap in part.
fn overlapping(n: usize) -> Vec<u8> {
    let entry = |n: u32| Entry { id: small(n + 1), offset: n % 5000, size: 3000 };
    let entries: Vec<_> = (0..n as u32).map(entry).collect();
    package(groups(&entries), &[7; 8000], false)
}

/// Returns a package of one region that is replaced in every group.
fn replaced(n: usize) -> Vec<u8> {
    let entry = |n: u32| Entry { id: small(1), offset: n, size: 1 };
    let groups = (0..n as u32).map(|n| Group { entries: vec![entry(n)], ..Group::default() });
    package(groups.collect(), &vec![7; n], false)
}

/// Returns a package of regions that are all removed: groups of removals precede their entries.
fn removed(n: usize) -> Vec<u8> {
    let entries: Vec<_> =
        (0..n as u32).map(|n| Entry { id: small(n + 1), offset: 0, size: 0 }).collect();
    let gone = groups(&entries).into_iter().map(|group| Group { encoding: GONE, ..group });
    package(gone.chain(groups(&entries)).collect(), b"", false)
}

/// Returns a package of one region under `n` paths.
fn many_names(n: usize) -> Vec<u8> {
    named(n, |_| small(1), &[small(1)])
}

/// Returns a package of `n` regions, each with a path.
fn names(n: usize) -> Vec<u8> {
    let ids: Vec<Id> = (0..n as u32).map(|n| small(n + 1)).collect();
    named(n, |n| small(n as u32 + 1), &ids)
}

fn named(n: usize, id: impl Fn(usize) -> Id, ids: &[Id]) -> Vec<u8> {
    let name = |n| Name { id: id(n), length: 1, path: format!("{n:08}").into_bytes() };
    let list = by::names(Link::default(), &(0..n).map(name).collect::<Vec<_>>());
    let size = list.len() as u32;
    let mut entries = vec![Entry { id: NAMES, offset: 0, size }];
    entries.extend(ids.iter().map(|id| Entry { id: *id, offset: size, size: 1 }));
    package(groups(&entries), &[&list[..], b"x"].concat(), true)
}

type Input = (&'static str, fn(usize) -> Vec<u8>, usize);
const INPUTS: [Input; 6] = [
    ("empty groups", empty, 400),
    ("overlapping regions", overlapping, 2000),
    ("a region replaced in every group", replaced, 200),
    ("removed regions", removed, 20_000),
    ("a region under many paths", many_names, 40_000),
    ("regions with paths", names, 40_000),
];

type Verb = (&'static str, fn(&Package));
const VERBS: [Verb; 7] = [
    ("verify", |package| {
        package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it is read");
    }),
    ("list", |package| drop(package.list().expect("it is read"))),
    ("usage", |package| {
        package.usage(true, &mut |_| ControlFlow::Continue(())).expect("it is read");
    }),
    ("map", |package| drop(FileMap::read(package).expect("it is read"))),
    ("names", |package| _ = package.names().expect("it is read")),
    ("find_many", |package| {
        let ids: Vec<_> = (0..500_u32).map(|n| dacti::Uuid::from_bytes(small(n))).collect();
        drop(package.find_many(ids));
    }),
    ("difference", |package| {
        let go_on = &mut |_| ControlFlow::Continue(());
        Difference::between(package, package, go_on).expect("they are read");
    }),
];

/// Returns the reads, bytes and memory of a verb.
fn cost(file: &[u8], verb: fn(&Package)) -> [u64; 3] {
    let source = Counted::new(Arc::new(BytesSource::new(file)));
    let package = Package::from_source(Arc::new(source.clone()), Limits::default());
    let package = package.expect("it is good");
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    verb(&package);
    let used = MEMORY.peak_usage() - before;
    [source.stats().reads, source.stats().bytes, used as u64]
}

fn no_verb_grows_faster_than_its_input() {
    for (input, make, n) in INPUTS {
        let files = [make(n), make(2 * n)];
        for (name, verb) in VERBS {
            let [one, two] = [&files[0], &files[1]].map(|file| cost(file, verb));
            // Threads and buffers need a fixed number of reads and an amount of memory at any size.
            for ((what, slack), (one, two)) in
                [("reads", 8), ("bytes", 1 << 18), ("memory", 1 << 20)]
                    .into_iter()
                    .zip(one.into_iter().zip(two))
            {
                assert!(two <= 2 * one + one / 4 + slack, "{name} of {input}: {one}, {two} {what}");
            }
        }
    }
}

/// Names take most of the memory of a listing, so this test bounds the memory of each name.
fn a_name_takes_little_memory() {
    let n = 200_000;
    let file = many_names(n);
    let bytes = |name: &str| {
        let (_, verb) = VERBS.into_iter().find(|(verb, _)| *verb == name).expect("it is listed");
        cost(&file, verb)[2] / n as u64
    };
    // For each name, the list has 40 bytes, a reader's view of it 48, and a listed region 96.
    assert!(bytes("names") <= 100, "{} bytes", bytes("names"));
    assert!(bytes("verify") <= 250, "{} bytes", bytes("verify"));
}

/// If regions overlap in part, the work of a comparison grows with their number times their length.
/// The work ends at a limit that packages without such overlaps never reach.
fn a_difference_of_overlapping_regions_is_refused_at_a_limit() {
    let entry = |n: u32| Entry { id: small(n + 1), offset: n, size: 100_000 };
    let entries: Vec<_> = (0..3000).map(entry).collect();
    let file = package(groups(&entries), &[7; 103_000], false);
    let package = Package::from_bytes(file).expect("it is good");
    let go_on = &mut |_| ControlFlow::Continue(());
    let error = Difference::between(&package, &package, go_on).expect_err("too much");
    assert_eq!(error.error.kind(), ErrorKind::Limit);
    // The limit is 64 MiB plus 100 times the 102,999 bytes that the regions cover.
    let limit = (64 << 20) + 100 * 102_999;
    assert!(error.to_string().contains(&format!("{limit} bytes")), "{error}");
    // Regions that share all their bytes are compared once.
    let entry = |n: u32| Entry { id: small(n + 1), offset: 0, size: 100_000 };
    let entries: Vec<_> = (0..3000).map(entry).collect();
    let file = self::package(groups(&entries), &[7; 103_000], false);
    let package = Package::from_bytes(file).expect("it is good");
    let found = Difference::between(&package, &package, go_on).expect("it is little");
    assert_eq!((found.unchanged, found.evidence.read), (3000, 200_000));
}

/// This is the only test, so that no other test's memory is counted.
#[test]
fn work_grows_no_faster_than_input() {
    no_verb_grows_faster_than_its_input();
    a_name_takes_little_memory();
    a_difference_of_overlapping_regions_is_refused_at_a_limit();
}
