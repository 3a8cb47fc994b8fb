//! Packages for which the work of a verb could grow faster than their length. The length of a
//! package is proportional to a number `n`.

use dacti_tests::reference::{
    self as by, Entry, GONE, GROUP, Group, INDEX, Id, Link, NAMES, NONE, Name, Table, component,
    small,
};

/// The start of the data in a package without groups. The preamble, the table and the index header
/// precede the data.
const DATA_AT: u64 = 28 + 24 + 2 * 28 + 8;

/// Returns a package of these groups and `data`. The group bases are given relative to the start of
/// `data`.
pub fn package(mut groups: Vec<Group>, data: &[u8], explicit: bool) -> Vec<u8> {
    let at = DATA_AT - 8;
    let base = DATA_AT + GROUP * groups.len() as u64;
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

pub fn groups(entries: &[Entry]) -> Vec<Group> {
    let group = |chunk: &[Entry]| Group { entries: chunk.to_vec(), ..Group::default() };
    entries.chunks(255).map(group).collect()
}

/// Returns a package of `n` groups without entries.
fn empty(n: usize) -> Vec<u8> {
    package(vec![by::delta(); n], b"", false)
}

/// Returns a package of regions of 3,000 bytes that overlap in part.
fn overlapping(n: usize) -> Vec<u8> {
    let entry = |n: u32| Entry { id: small(n + 1), offset: n % 5000, size: 3000 };
    let entries: Vec<_> = (0..n as u32).map(entry).collect();
    package(groups(&entries), &[7; 8000], false)
}

/// Returns a package of `n` groups with one region. Each group has an entry for this region, and
/// only the entry of the first group counts.
fn replaced(n: usize) -> Vec<u8> {
    let entry = |n: u32| Entry { id: small(1), offset: n, size: 1 };
    let groups = (0..n as u32).map(|n| Group { entries: vec![entry(n)], ..Group::default() });
    package(groups.collect(), &vec![7; n], false)
}

/// Returns a package in which all regions are removed. The groups with the removals precede the
/// groups with the regions' entries.
fn removed(n: usize) -> Vec<u8> {
    let entries: Vec<_> =
        (0..n as u32).map(|n| Entry { id: small(n + 1), offset: 0, size: 0 }).collect();
    let gone = groups(&entries).into_iter().map(|group| Group { encoding: GONE, ..group });
    package(gone.chain(groups(&entries)).collect(), b"", false)
}

/// Returns a package with one region, to which `n` paths lead.
pub fn many_names(n: usize) -> Vec<u8> {
    named(n, |_| small(1), &[small(1)])
}

/// Returns a package of `n` regions, each with its own path.
fn names(n: usize) -> Vec<u8> {
    let ids: Vec<Id> = (0..n as u32).map(|n| small(n + 1)).collect();
    named(n, |n| small(n as u32 + 1), &ids)
}

/// Returns a package of `n` regions whose paths have 2,048 levels each.
fn deep(n: usize) -> Vec<u8> {
    let ids: Vec<Id> = (0..n as u32).map(|n| small(n + 1)).collect();
    named_by(n, |n| small(n as u32 + 1), &ids, |n| format!("{}{n:08}", "a/".repeat(2_040)))
}

/// Returns a package of `n` regions. Their paths differ only in the case of letters.
fn cases(n: usize) -> Vec<u8> {
    let ids: Vec<Id> = (0..n as u32).map(|n| small(n + 1)).collect();
    let path = |n: usize| {
        let case = |bit: usize| if n >> (19 - bit) & 1 == 0 { 'A' } else { 'a' };
        (0..20).map(case).collect()
    };
    named_by(n, |n| small(n as u32 + 1), &ids, path)
}

/// Returns a package whose names list has 64 segments of `n` paths each. The segments with even
/// numbers all have the same paths.
fn segments(n: usize) -> Vec<u8> {
    let (mut link, mut data) = (Link::default(), Vec::new());
    let base = DATA_AT + GROUP;
    for number in 0..64 {
        let number = if number % 2 == 0 { 0 } else { number };
        let path = |n: usize| format!("{number:02}/{n:08}").into_bytes();
        let name = |n| Name { id: small(1), length: 1, path: path(n) };
        let segment = by::names(link, &(0..n).map(name).collect::<Vec<_>>());
        let (at, size) = (base + data.len() as u64, segment.len() as u32);
        link = Link { at, size, encoding: NONE, decoded: u64::from(size) };
        data.extend(segment);
    }
    let list = Entry { id: NAMES, offset: (link.at - base) as u32, size: link.size };
    let entries = [list, Entry { id: small(1), offset: 0, size: 1 }];
    package(groups(&entries), &data, true)
}

/// Returns a package of `n` regions without paths. They have the same length, and differ only in
/// their last bytes.
fn alike(n: usize) -> Vec<u8> {
    let entry = |n: u32| Entry { id: small(n + 1), offset: 64 * n, size: 64 };
    let entries: Vec<_> = (0..n as u32).map(entry).collect();
    let content = |n: u32| [&[7; 60][..], &n.to_le_bytes()].concat();
    let data: Vec<u8> = (0..n as u32).flat_map(content).collect();
    package(groups(&entries), &data, false)
}

/// Returns a package of `n` regions that share their bytes. Their entries are in descending order,
/// which is wrong.
fn descending(n: usize) -> Vec<u8> {
    let entry = |n: u32| Entry { id: small(n), offset: 0, size: 4 };
    let entries: Vec<_> = (1..=n as u32).rev().map(entry).collect();
    package(groups(&entries), b"abcd", false)
}

fn named(n: usize, id: impl Fn(usize) -> Id, ids: &[Id]) -> Vec<u8> {
    named_by(n, id, ids, |n| format!("{n:08}"))
}

fn named_by(
    n: usize,
    id: impl Fn(usize) -> Id,
    ids: &[Id],
    path: impl Fn(usize) -> String,
) -> Vec<u8> {
    let name = |n| Name { id: id(n), length: 1, path: path(n).into_bytes() };
    let list = by::names(Link::default(), &(0..n).map(name).collect::<Vec<_>>());
    let size = list.len() as u32;
    let mut entries = vec![Entry { id: NAMES, offset: 0, size }];
    entries.extend(ids.iter().map(|id| Entry { id: *id, offset: size, size: 1 }));
    package(groups(&entries), &[&list[..], b"x"].concat(), true)
}

pub type Input = (&'static str, fn(usize) -> Vec<u8>, usize);
pub const INPUTS: [Input; 11] = [
    ("empty groups", empty, 400),
    ("overlapping regions", overlapping, 2000),
    ("a region replaced in every group", replaced, 200),
    ("removed regions", removed, 20_000),
    ("a region under many paths", many_names, 40_000),
    ("regions with paths", names, 40_000),
    ("deep paths", deep, 800),
    ("paths that differ in case", cases, 40_000),
    ("a names list of many segments", segments, 500),
    ("regions of equal length", alike, 20_000),
    ("regions in the wrong order", descending, 20_000),
];
