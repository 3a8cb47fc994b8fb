//! The use of a package's bytes, dead bytes, differences between packages, and compaction.

use crate::grown::Grown;
use crate::support::fixtures;
use core::ops::ControlFlow;
use dacti::compact::{CompactOptions, Compacted, CompactionFault, SealsChoice};
use dacti::fetch::{BytesSource, Counted, ReadAt};
use dacti::report::{
    Claimant, Compaction, Difference, Differing, Duplicates, Evidence, Fetch, FileMap, Relation,
    Renamed, ReserveLeft, Usage,
};
use dacti::seal::{SealPolicy, SecretKey};
use dacti::{
    BuildOptions, EncodingChoice, Error, LayoutChoice, Limits, Package, PackageBuilder, Span,
};
use dacti_tests::reference::{self as by, GROUP, NONE, Stored, path_id, small, stored};
use std::sync::{Arc, Mutex};

const CONTINUE: ControlFlow<()> = ControlFlow::Continue(());

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// Returns the bytes of a fixture. It must be a package that readers accept.
fn fixture(name: &str) -> Vec<u8> {
    let found = fixtures("package").into_iter().find(|fixture| fixture.name == name);
    found.expect("the fixture is committed").bytes
}

fn package(bytes: &[u8]) -> Package {
    Package::from_bytes(bytes.to_vec()).expect("it is a package")
}

// ------------------------------------------------------------------------------------------
// What every byte is for
// ------------------------------------------------------------------------------------------

#[test]
fn every_segment_of_the_names_list_is_the_lists() {
    let file = fixture("package_names_of_two_segments");
    let map = FileMap::read(&package(&file)).expect("the index is sound");
    let names: Vec<_> = map.claims.iter().filter(|c| c.claimant == Claimant::Names).collect();
    assert_eq!(names.iter().map(|claim| claim.count).sum::<u64>(), 2, "{:?}", map.claims);
    assert_eq!(map.unclaimed_len(), 0, "{:?}", map.claims);
}

#[test]
fn what_a_newer_entry_replaced_is_told_from_nobodys_bytes() {
    // The group has two entries of one id, of which the second one counts. The five bytes of the
    // first entry precede the bytes of the second one.
    let data_at = 80 + 8 + GROUP;
    let entries = vec![
        by::Entry { id: small(1), offset: 0, size: 5 },
        by::Entry { id: small(1), offset: 5, size: 3 },
    ];
    let group = by::Group { base: data_at, encoding: NONE, entries, ..by::Group::default() };
    let region = by::index(&[group]);
    let components = vec![by::component(by::INDEX, 80, region.len() as u32)];
    let mut file = by::head(by::PACKAGE, 0, 1);
    file.extend(by::table(&by::Table { components, ..by::Table::default() }));
    file.extend(region);
    file.extend(b"oldernew??");
    let map = FileMap::read(&package(&file)).expect("the index is sound");
    let tail: Vec<_> =
        map.claims.iter().rev().take(3).map(|c| (c.claimant, c.span.len())).collect();
    let expected = [(Claimant::Unclaimed, 2), (Claimant::Regions, 3), (Claimant::Replaced, 5)];
    assert_eq!(tail, expected);
}

#[test]
fn an_index_that_was_scanned_is_not_read_again() {
    let files: Vec<_> = (0..3000).map(|i| stored(&format!("{i}"), b"one")).collect();
    let file = by::cdn_package_apart(&files, &by::names_of(&files), NONE, 4096, &blake3);
    let source = Counted::new(Arc::new(BytesSource::new(file.clone())));
    let package = Package::from_source(Arc::new(source.clone()), Limits::default());
    let package = package.expect("it is good");
    let scan = package.scan_index().expect("it is sound");
    assert_eq!((scan.regions().len(), scan.groups().len()), (3001, 20));
    let before = source.stats().bytes;
    let map = FileMap::of(&package, &scan).expect("it is sound");
    // To make the map, the program reads the names list with its digest, and the gaps. It has found
    // the names list in the scan.
    let of = |claimant| map.claims.iter().find(|c| c.claimant == claimant).expect("it is there");
    let names = of(Claimant::Names).span.len();
    let padding = of(Claimant::Padding).span.len();
    let head_gaps: u64 = {
        let zeros = map.claims.iter().filter(|c| c.claimant == Claimant::Zeros);
        zeros.map(|claim| claim.span.len()).sum()
    };
    assert_eq!(source.stats().bytes - before, names + padding + head_gaps);
    let before = source.stats();
    package.verify(None, &mut |_| CONTINUE).expect("it is sound");
    let index_behind = 16_440 + 8 + 20 * GROUP - 65_536;
    let data = 3000 * (3 + 32) + names;
    let read = source.stats().bytes - before.bytes;
    assert!(read <= index_behind + GROUP + data, "the index was read once: {read}");
}

#[test]
fn oddities_that_are_not_kept_are_counted() {
    // The table has the index, one unknown component, and 19 duplicates of the unknown component.
    let mut components = vec![by::component(by::INDEX, 0, 0)];
    components.extend([by::component(small(7), 0, 0); 20]);
    let mut file = by::head(by::PACKAGE, 0, 1);
    file.extend(by::table(&by::Table { components, ..by::Table::default() }));
    let package = package(&file);
    assert_eq!(package.view().diagnostics().len(), 16);
    assert_eq!(package.view().diagnostics_left_out(), 3);
    let report = package.verify(None, &mut |_| CONTINUE);
    let findings = report.expect("it is sound").findings;
    let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!((told.len(), &*told[16]), (17, "and 3 more oddities of the container"));
}

// ------------------------------------------------------------------------------------------
// What the bytes are used for
// ------------------------------------------------------------------------------------------

fn usage(file: &[u8]) -> Usage {
    let usage = package(file).usage(true, &mut |_| CONTINUE).expect("the index is sound");
    assert_eq!(usage.total(), file.len() as u64, "{usage:?}");
    usage
}

#[test]
fn the_usage_of_every_fixture_is_its_length() {
    for fixture in ["container", "index", "package"].into_iter().flat_map(fixtures) {
        let Ok(package) = Package::from_bytes(fixture.bytes.clone()) else { continue };
        if let Ok(usage) = package.usage(true, &mut |_| CONTINUE) {
            assert_eq!(usage.total(), fixture.bytes.len() as u64, "{}: {usage:?}", fixture.name);
        }
    }
}

/// Returns a names record for a path: with its hashed id, and an unknown length.
fn named(path: &str) -> by::Name {
    by::Name { id: [0; 16], length: by::UNKNOWN, path: path.into() }
}

/// Returns three files, two of which are equal. With slices of 4 KiB, their data take one slice.
fn three() -> Vec<Stored> {
    vec![stored("a", b"first"), stored("b", &[b'b'; 1000]), stored("c", b"first")]
}

#[test]
fn the_usage_of_a_fresh_package_is_what_its_layout_says() {
    let files = three();
    let names_len = by::names_of(&files).len() as u64;
    assert_eq!(names_len, 32 + 3 * 33);
    let usage = usage(&by::cdn_package_apart(&files, &by::names_of(&files), NONE, 4096, &blake3));
    let data = 5 + 1000 + 5 + names_len + 4 * 32;
    // The head has the preamble, a table of three components, a table of two components, and the
    // regions of the layout, the seals and the parts.
    let head = 28 + (24 + 3 * 28) + (24 + 2 * 28) + 80 + 64 + 2048;
    // The index has one group of four entries. Most zeros of the head are reserved, and count as
    // `room`. The other zeros belong to no component: 4 bytes after T1, and 392 + 584 bytes before
    // the index.
    let index = 8 + 16 + 4 * 24;
    let room = 13 * 28 + 6 * 28 + 248 + 251 * 24 + 9 * GROUP;
    assert_eq!((usage.live, usage.names, usage.seals), (1010, names_len, 4 * 32));
    assert_eq!((usage.head, usage.index, usage.reserve), (head, index, room));
    assert_eq!((usage.padding, usage.dead), (4 + 976 + 4096 - data, 0));
    let left = ReserveLeft {
        entries: 9 * 255,
        delta_groups: 9,
        t1_slots: 13,
        t2_slots: 6,
        t2_place: Some(752),
    };
    assert_eq!(usage.reserve_left, left);
    // The program reads two regions of five bytes, because they have the same length. It finds that
    // they are equal.
    let twice = Duplicates { regions: 1, len: 5, candidates: 2, read: 10 };
    assert_eq!(usage.duplicates, Some(twice));
    let same = Compaction { len: 65_536 + 4096, ..Compaction::default() };
    assert_eq!(usage.compaction, same);
}

#[test]
fn what_updates_leave_behind_is_dead() {
    let mut grown = Grown::new(&three(), 4096);
    // Two updates replace `b`. So its packed content of 1,000 bytes and the content of the first
    // update, 3 bytes, are dead, each with its digest.
    grown.put(&[(path_id("b"), b"new")]);
    grown.put(&[(path_id("b"), b"newer"), (small(9), b"")]);
    let first = usage(&grown.file);
    assert_eq!((first.dead, first.replaced, first.live), (1003 + 2 * 32, 1003 + 2 * 32, 15));
    assert_eq!((first.regions, first.seals), (4, 5 * 32));
    let left = first.reserve_left;
    assert_eq!((left.entries, left.delta_groups), (9 * 255 - 3, 8));
    // The compacted file would have the head and one slice of data. The file has three slices of
    // data.
    let would = Compaction {
        len: 65_536 + 4096,
        saved: 2 * 4096,
        saves_enough: false,
        updates_are_dear: false,
    };
    assert_eq!(first.compaction, would);

    // After the fold, the old index is dead, and no entry names the removed region.
    grown.fold(&[small(9)]);
    let folded = usage(&grown.file);
    let left = ReserveLeft { entries: 0, delta_groups: 0, t2_place: Some(504), ..left };
    assert_eq!(folded.reserve_left, left);
    assert_eq!(folded.replaced, 0);
    assert_eq!(folded.live, 15);
    // The dead bytes are the rest of the head from the start of the old index on, and the replaced
    // or removed regions in three slices.
    let in_head = 65_536 - 3584;
    assert_eq!(folded.dead, in_head + (1000 + 32) + (3 + 32) + 32);
    assert!(!folded.compaction.updates_are_dear, "its index is no longer than a slice");
}

#[test]
fn the_names_list_counts_with_all_its_segments() {
    let mut grown = Grown::new(&three(), 4096);
    let (_, first) = grown.span(by::NAMES);
    grown.put_named(&[named("d")], &[(path_id("d"), b"fourth")]);
    let (_, second) = grown.span(by::NAMES);
    let usage = usage(&grown.file);
    assert_eq!((usage.segments, usage.names), (2, u64::from(first + second)));
    assert_eq!((usage.regions, usage.seals, usage.dead), (4, 6 * 32, 0));
}

#[test]
fn compaction_pays_from_a_quarter_of_the_file() {
    // The head takes sixteen slices, and the data take one. Each update appends one slice, and
    // makes the slice of the previous update dead. After n updates, the file has 17 + n slices, and
    // compaction would save n of them.
    let mut grown = Grown::new(&[stored("a", b"0")], 4096);
    let mut paid = Vec::new();
    for n in 1..=6_u8 {
        grown.put(&[(path_id("a"), &[n])]);
        let compaction = usage(&grown.file).compaction;
        assert_eq!((compaction.len, compaction.saved), (17 * 4096, u64::from(n) * 4096));
        paid.push(compaction.pays());
    }
    assert_eq!(paid, [false, false, false, false, false, true], "5 of 22 are less, 6 of 23 more");
}

#[test]
fn a_long_index_that_was_folded_makes_compaction_pay() {
    let files: Vec<_> = (0..400).map(|i| stored(&format!("{i}"), b"")).collect();
    let mut grown = Grown::new(&files, 4096);
    grown.fold(&[path_id("7")]);
    let folded = usage(&grown.file).compaction;
    // The appended index has 400 entries of 24 bytes, which take more than two slices.
    assert!(folded.updates_are_dear && folded.pays(), "{folded:?}");
}

#[test]
fn duplicates_are_told_apart_by_their_first_bytes_where_that_does() {
    // The contents have 10,000 bytes each. Two are equal, one differs from them in its last byte,
    // and one in its first byte.
    let mut end = vec![7; 10_000];
    end[9_999] = 8;
    let mut start = vec![7; 10_000];
    start[0] = 8;
    let same = vec![7; 10_000];
    let files = [stored("a", &same), stored("b", &same), stored("c", &end), stored("d", &start)];
    let found = usage(&by::cdn_package_apart(&files, &by::names_of(&files), NONE, 4096, &blake3));
    let expected =
        Duplicates { regions: 1, len: 10_000, candidates: 4, read: 4 * 4096 + 3 * 10_000 };
    assert_eq!(found.duplicates, Some(expected));
    // Now the two equal contents share stored bytes, so three places remain. The program reads the
    // start of each. Two of these starts are equal, so it reads both of these places whole.
    let found = usage(&by::compact_package(&files, &by::names_of(&files), NONE));
    assert_eq!((found.shared, found.live), (1, 30_000));
    let expected = Duplicates { regions: 0, len: 0, candidates: 3, read: 3 * 4096 + 2 * 10_000 };
    assert_eq!(found.duplicates, Some(expected));
}

/// A source that records the announced spans and the reads.
#[derive(Debug)]
struct Ahead {
    bytes: BytesSource,
    told: Mutex<Vec<Span>>,
    reads: Mutex<Vec<Span>>,
}

impl ReadAt for Ahead {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read_at(at, buf)?;
        self.reads.lock().unwrap().push(Span::new(at, read as u64).unwrap());
        Ok(read)
    }

    fn will_read(&self, spans: &[Span]) {
        self.told.lock().unwrap().extend(spans);
    }
}

#[test]
fn what_is_compared_is_told_ahead_of_all_lengths_at_once() {
    // The regions are pairs of many lengths. The long pairs are equal. Without announcements, each
    // region would take one or two requests.
    let files: Vec<_> = (0..40)
        .map(|i| {
            stored(&format!("{i}"), &vec![if i < 20 { i } else { 7 }; 600 * (1 + i as usize / 2)])
        })
        .collect();
    let file = by::cdn_package_apart(&files, &by::names_of(&files), NONE, 4096, &blake3);
    let (told, reads) = (Mutex::default(), Mutex::default());
    let source = Arc::new(Ahead { bytes: BytesSource::new(file), told, reads });
    let package = Package::from_source(Arc::clone(&source) as _, Limits::default()).unwrap();
    package.names().unwrap();
    source.reads.lock().unwrap().clear();
    let found = package.usage(true, &mut |_| CONTINUE).unwrap().duplicates.unwrap();
    assert_eq!((found.candidates, found.regions), (40, 10));
    let (told, reads) = (source.told.lock().unwrap(), source.reads.lock().unwrap());
    // The program first reads the first bytes of all 40 regions. If several long regions have equal
    // first bytes, it then reads these regions whole.
    let compared = &reads[reads.len() - (40 + 20)..];
    assert_eq!(told[told.len() - (40 + 20)..], *compared);
    assert!(compared.iter().all(|read| read.start >= 65_536), "{reads:?}");
}

// ------------------------------------------------------------------------------------------
// How packages differ
// ------------------------------------------------------------------------------------------

fn diff(old: &[u8], new: &[u8]) -> Difference {
    let found = Difference::between(&package(old), &package(new), &mut |_| CONTINUE);
    found.expect("both are sound")
}

fn differing(id: by::Id, path: Option<&str>, lens: [Option<u64>; 2]) -> Differing {
    let [old_len, new_len] = lens;
    Differing { id: uuid::Uuid::from_bytes(id), path: path.map(Into::into), old_len, new_len }
}

#[test]
fn a_package_that_grew_is_fetched_by_its_head_and_its_new_slices() {
    let mut grown = Grown::new(&three(), 4096);
    let old = grown.file.clone();
    grown.put(&[(path_id("b"), b"new"), (small(9), &[9; 5000])]);
    grown.put(&[(path_id("a"), b"FIRST")]);
    // The update puts the bytes that `c` already has. They lie at a new position, and have the same
    // digest.
    grown.put(&[(path_id("c"), b"first")]);
    let found = diff(&old, &grown.file);
    assert_eq!(found.relation, Relation::Grown);
    assert_eq!(found.added, [differing(small(9), None, [None, Some(5000)])]);
    let changed = |path, old, new| differing(path_id(path), Some(path), [Some(old), Some(new)]);
    let mut expected = [changed("b", 1000, 3), changed("a", 5, 5)];
    expected.sort_by_key(|differing| differing.id);
    assert_eq!(found.changed, expected);
    assert_eq!((found.unchanged, &found.removed[..], &found.renamed[..]), (1, &[][..], &[][..]));
    // "a" and "c" are compared by the digests of both packages. The lengths of "b" differ, so its
    // bytes are not needed.
    let evidence = Evidence { by_place: 0, by_entry: 1, by_digest: 2, by_content: 0, read: 4 * 32 };
    assert_eq!(found.evidence, evidence);
    let fetch = Fetch { head: 65_536, appended: 4 * 4096, slices: 4, ..Fetch::default() };
    assert_eq!((found.fetch, found.fetch.total()), (fetch, 65_536 + 4 * 4096));
    // In the other direction, the new package is an earlier state of the old one. So nothing is
    // fetched.
    let found = diff(&grown.file, &old);
    assert_eq!((found.relation, found.fetch), (Relation::Earlier, Fetch::default()));
    assert_eq!(found.removed, [differing(small(9), None, [Some(5000), None])]);
}

#[test]
fn what_was_not_touched_is_not_read() {
    let mut grown = Grown::new(&three(), 4096);
    let old = grown.file.clone();
    let found = diff(&old, &old);
    assert_eq!(
        (found.relation, found.fetch, found.is_empty()),
        (Relation::Same, Fetch::default(), true)
    );
    grown.fold(&[path_id("b")]);
    let found = diff(&old, &grown.file);
    assert_eq!(found.evidence, Evidence { by_place: 2, ..Evidence::default() });
    assert_eq!(found.removed, [differing(path_id("b"), Some("b"), [Some(1000), None])]);
}

#[test]
fn another_slice_length_is_another_file() {
    let of = |slice| by::cdn_package_apart(&three(), &by::names_of(&three()), NONE, slice, &blake3);
    let (old, new) = (of(4096), of(8192));
    let found = diff(&old, &new);
    assert_eq!((found.relation, found.is_empty()), (Relation::SameContent, true));
    assert_eq!(found.evidence, Evidence { by_digest: 3, read: 6 * 32, ..Evidence::default() });
    // A reader fetches only the head and the names list. They state the places of all regions.
    let names = by::names_of(&three()).len() as u64 + 32;
    assert_eq!(found.fetch, Fetch { head: 65_536, index: names, ..Fetch::default() });
}

#[test]
fn without_seals_regions_are_compared_byte_by_byte() {
    let mut long = vec![1; 200_000];
    let of = |long: &[u8], slice| {
        let files = [stored("long", long), stored("short", b"1"), stored("empty", b"")];
        by::cdn_package_with(&files, &by::names_of(&files), NONE, slice, &blake3, false)
    };
    let old = of(&long, 4096);
    let same = Evidence { by_entry: 1, by_content: 2, read: 2 * 200_001, ..Evidence::default() };
    assert_eq!(diff(&old, &of(&long, 8192)).evidence, same);
    // The second piece of 64 KiB differs, so the comparison ends there and reads no further piece.
    long[65_536] = 2;
    let found = diff(&old, &of(&long, 4096));
    let read = 2 * (2 * 65_536 + 1);
    assert_eq!(found.evidence, Evidence { by_entry: 1, by_content: 2, read, ..same });
    assert_eq!((found.changed.len(), found.unchanged), (1, 2));
    let fetch = found.fetch;
    assert_eq!((found.relation, fetch.regions), (Relation::Other, 200_000));
}

#[test]
fn what_shares_its_bytes_is_fetched_once() {
    let files = [stored("a", &[5; 70_000]), stored("b", &[5; 70_000])];
    let new = by::compact_package(&files, &by::names_of(&files), NONE);
    let old = by::compact_package(&[], &[], NONE);
    let found = diff(&old, &new);
    let len = new.len() as u64;
    // A reader fetches the head and the data, which follow each other. The names list and the index
    // lie in the head.
    assert_eq!(found.fetch, Fetch { head: 65_536, regions: len - 65_536, ..Fetch::default() });
    assert_eq!(found.fetch.total(), len);
}

#[test]
fn a_region_under_another_path_is_renamed() {
    let of = |path| {
        let file = Stored { id: Some(small(1)), ..stored(path, b"same") };
        by::compact_package(
            std::slice::from_ref(&file),
            &by::names_of(std::slice::from_ref(&file)),
            NONE,
        )
    };
    let found = diff(&of("before"), &of("after"));
    let id = uuid::Uuid::from_bytes(small(1));
    let (old, new) = (Some("before".into()), Some("after".into()));
    assert_eq!(found.renamed, [Renamed { id, old_id: id, old, new }]);
    assert_eq!((found.unchanged, found.relation), (1, Relation::Other));
}

#[test]
fn a_file_that_moved_is_renamed() {
    let of = |files: &[Stored]| by::compact_package(files, &by::names_of(files), NONE);
    let old = of(&[
        stored("a/moved", &[1; 100]),
        stored("a/twin 1", &[2; 100]),
        stored("a/twin 2", &[2; 100]),
        stored("changed", &[3; 100]),
        stored("empty", b""),
        stored("gone", &[4; 100]),
    ]);
    let new = of(&[
        stored("b/moved", &[1; 100]),
        stored("b/twin", &[2; 100]),
        stored("changed", &[5; 100]),
        stored("fresh", &[6; 100]),
        stored("no bytes", b""),
    ]);
    let found = diff(&old, &new);
    let mut moves: Vec<_> = found.renamed.iter().map(|one| (&one.old, &one.new)).collect();
    moves.sort();
    let path = |path: &str| Some(path.to_owned());
    // Two equal files existed. One was removed, and the other was renamed. The report may take
    // either of them for the renamed one.
    let twin = if found.removed.iter().any(|one| one.path == path("a/twin 1")) { 2 } else { 1 };
    let twin = path(&format!("a/twin {twin}"));
    let expected = [(path("a/moved"), path("b/moved")), (twin, path("b/twin"))];
    assert_eq!(moves, expected.each_ref().map(|(old, new)| (old, new)));
    for renamed in &found.renamed {
        let id = |path: &Option<String>| {
            uuid::Uuid::from_bytes(path_id(path.as_deref().expect("it has one")))
        };
        assert_eq!((renamed.id, renamed.old_id), (id(&renamed.new), id(&renamed.old)));
    }
    let paths = |list: &[dacti::report::Differing]| {
        let mut paths: Vec<_> = list.iter().filter_map(|one| one.path.clone()).collect();
        paths.sort();
        paths
    };
    assert_eq!(paths(&found.added), ["fresh", "no bytes"]);
    assert_eq!(paths(&found.changed), ["changed"]);
    assert_eq!(found.removed.len(), 3, "a twin, `empty` and `gone`");
}

#[test]
fn moved_files_are_read_once_each() {
    let files = |folder: &str, count: usize| {
        let file = |n: usize| {
            let mut content = vec![7; 1000];
            content[..8].copy_from_slice(&n.to_le_bytes());
            stored(&format!("{folder}/{n}"), &content)
        };
        let files: Vec<_> = (0..count).map(file).collect();
        by::compact_package(&files, &by::names_of(&files), NONE)
    };
    // All regions have the same length, so each new region could be any of the old regions under a
    // new name.
    for count in [100, 200, 400] {
        let found = diff(&files("a", count), &files("b", count));
        assert_eq!((found.renamed.len(), found.added.len(), found.removed.len()), (count, 0, 0));
        assert_eq!(found.evidence.read, 2 * 1000 * count as u64);
        assert_eq!(found.fetch.regions, 0, "their bytes are at hand");
    }
}

#[test]
fn a_region_that_cannot_be_read_is_named() {
    let files = [stored("a", &[5; 100])];
    let old = by::compact_package(&files, &by::names_of(&files), NONE);
    let mut cut = old.clone();
    cut.truncate(old.len() - 1);
    let error = Difference::between(&package(&old), &package(&cut), &mut |_| CONTINUE);
    let error = error.expect_err("a byte is missing");
    assert_eq!((error.side, error.region.as_deref()), (dacti::report::Side::New, Some("a")));
    assert!(error.to_string().starts_with("\"a\": stored region at"), "{error}");
}

// ------------------------------------------------------------------------------------------
// Compaction
// ------------------------------------------------------------------------------------------

/// Compacts a package, and returns the new file and the report. No other file may remain.
fn compact_with(file: &[u8], options: &CompactOptions) -> Result<(Vec<u8>, Compacted), Error> {
    // A folder in memory is faster, because compaction syncs each file.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let directory = directory.expect("a temporary directory");
    let out = directory.path().join("out.dacti-pack");
    let compacted = package(file).compact(&out, options, &mut |_| CONTINUE);
    let left = std::fs::read_dir(directory.path()).expect("it is there").count();
    assert_eq!(left, usize::from(compacted.is_ok()), "nothing but the package is left");
    let compacted = compacted?;
    let new = std::fs::read(&out).expect("it is there");
    assert_eq!(compacted.built.len, new.len() as u64);
    Ok((new, compacted))
}

fn compact(file: &[u8]) -> (Vec<u8>, Compacted) {
    compact_with(file, &CompactOptions::default()).expect("it can be compacted")
}

fn fault(file: &[u8], options: &CompactOptions) -> CompactionFault {
    match compact_with(file, options) {
        Err(Error::Compaction { fault }) => fault,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_same(ours: &[u8], expected: &[u8]) {
    let differs = ours.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!((differs, ours.len()), (None, expected.len()), "first difference, length");
}

#[test]
fn a_fresh_package_compacts_to_itself() {
    // spec: R-CMP-02
    for count in [0, 1, 3, 255, 600, 3000] {
        let files: Vec<_> = (0..count)
            .map(|i| stored(&format!("dir/{i}"), format!("{i}").repeat(i % 9).as_bytes()))
            .collect();
        let names = by::names_of(&files);
        let file = by::cdn_package(&files, &names, NONE, 4096, &blake3);
        assert_same(&compact(&file).0, &file);
        let file = by::cdn_package_with(&files, &names, NONE, 8192, &blake3, false);
        assert_same(&compact(&file).0, &file);
        let file = by::compact_package(&files, &names, NONE);
        assert_same(&compact(&file).0, &file);
    }
}

/// Returns a package after updates, and its current files as input for a packer.
fn updated(encoding: [u8; 4]) -> (Grown, Vec<Stored>) {
    let encoded = |path: &str, content: &[u8]| match encoding {
        by::BROT => Stored { bytes: by::brotli_stored(content), ..stored(path, content) },
        _ => stored(path, content),
    };
    let list = |files: &[Stored]| match encoding {
        by::BROT => by::brotli_stored(&by::names_of(files)),
        _ => by::names_of(files),
    };
    let mut files: Vec<_> = (0..300).map(|i| encoded(&format!("{i}"), b"first")).collect();
    let mut grown = Grown::with(&files, &list(&files), encoding, 4096);
    // Three updates replace the regions. Their entries fill one delta group and continue in the
    // next.
    for round in 0..3_u8 {
        for i in (0..300).step_by(3) {
            files[i] = encoded(&format!("{i}"), &[round; 70]);
        }
        let put: Vec<_> = {
            let changed = files.iter().step_by(3);
            changed.map(|file| (path_id(&file.path), &file.bytes[..])).collect()
        };
        grown.put(&put);
    }
    (grown, files)
}

#[test]
fn what_is_compacted_equals_a_fresh_package_of_the_same_content() {
    // spec: R-CMP-01, R-CMP-02, R-CMP-04, R-CMP-08
    // The updates replace regions by their ids, so the names list still has the old lengths. The
    // packer gets the same lengths.
    for folded in [false, true] {
        let (mut grown, mut files) = updated(NONE);
        for file in files.iter_mut().step_by(3) {
            file.decoded = 5;
        }
        if folded {
            grown.fold(&[path_id("299"), path_id("0")]);
            files.retain(|file| file.path != "299" && file.path != "0");
        }
        let (new, compacted) = compact(&grown.file);
        let expected = by::cdn_package(&files, &by::names_of(&files), NONE, 4096, &blake3);
        assert_same(&new, &expected);
        let regions = files.len() as u64;
        assert_eq!((compacted.proof.regions, compacted.proof.names), (regions, regions));
        assert_eq!(compacted.proof.digests, regions + 1);
        assert_eq!(
            (compacted.names_dropped, compacted.names_kept),
            (2 * u64::from(folded), !folded)
        );
        let found = diff(&grown.file, &new);
        assert_eq!((found.relation, found.is_empty()), (Relation::SameContent, true));
        assert_eq!(usage(&new).dead, 0);
    }
}

#[test]
fn compressed_regions_are_not_compressed_again() {
    // spec: R-CMP-01
    let (grown, files) = updated(by::BROT);
    let (new, _) = compact(&grown.file);
    let names = by::brotli_stored(&by::names_of(&{
        let mut files = files.clone();
        files.iter_mut().step_by(3).for_each(|file| file.decoded = 5);
        files
    }));
    assert_same(&new, &by::cdn_package(&files, &names, by::BROT, 4096, &blake3));
}

#[test]
fn segments_of_the_names_list_become_one() {
    // spec: R-CMP-04
    let mut files = three();
    let mut grown = Grown::new(&files, 4096);
    let of = |path: &str, length| by::Name { length, ..named(path) };
    grown
        .put_named(&[of("b", 3), of("d", 6)], &[(path_id("b"), b"new"), (path_id("d"), b"fourth")]);
    grown.put_named(&[of("0", 1), of("gone", 9)], &[(path_id("0"), b"0")]);
    files[1] = stored("b", b"new");
    files.extend([stored("d", b"fourth"), stored("0", b"0")]);
    let (new, compacted) = compact(&grown.file);
    assert_same(&new, &by::cdn_package(&files, &by::names_of(&files), NONE, 4096, &blake3));
    assert_eq!((compacted.names_dropped, compacted.names_kept), (1, false));
}

#[test]
fn layout_and_slices_can_be_chosen() {
    let (grown, mut files) = updated(NONE);
    files.iter_mut().step_by(3).for_each(|file| file.decoded = 5);
    let names = by::names_of(&files);
    let with = |options| compact_with(&grown.file, &options).expect("it can be compacted").0;
    let options = CompactOptions { slice_len: Some(1 << 16), ..CompactOptions::default() };
    assert_same(&with(options), &by::cdn_package(&files, &names, NONE, 1 << 16, &blake3));
    let options = CompactOptions {
        layout: Some(LayoutChoice::Compact),
        seals: SealsChoice::Drop,
        ..CompactOptions::default()
    };
    let small = with(options);
    assert_same(&small, &by::compact_package(&files, &names, NONE));
    let options =
        CompactOptions { layout: Some(LayoutChoice::Compact), ..CompactOptions::default() };
    assert_eq!(fault(&grown.file, &options), CompactionFault::SealsLost);
    // Converts the package back to the cdn layout, now with digests, so that it can be updated.
    let options = CompactOptions {
        layout: Some(LayoutChoice::Cdn),
        seals: SealsChoice::Digests,
        slice_len: Some(4096),
        ..CompactOptions::default()
    };
    let (large, _) = compact_with(&small, &options).expect("it can be compacted");
    assert_same(&large, &by::cdn_package(&files, &names, NONE, 4096, &blake3));
}

#[test]
fn each_encoding_gets_a_run_of_its_own() {
    // spec: R-CMP-01, R-CMP-03
    let file = fixture("package_of_mixed_encodings");
    let options = CompactOptions {
        layout: Some(LayoutChoice::Cdn),
        slice_len: Some(4096),
        ..CompactOptions::default()
    };
    let (new, compacted) = compact_with(&file, &options).expect("it can be compacted");
    let (new, old) = (package(&new), package(&file));
    let groups: Vec<_> = {
        let scan = new.scan_index().expect("it is sound");
        let used = scan.groups().iter().filter(|group| group.length > 0);
        used.map(|group| (group.encoding.to_string(), group.base)).collect()
    };
    let of = |tag: &str| (tag.to_owned(), 65_536);
    assert_eq!(groups, [of("brot"), of("lzma"), of("none")]);
    assert_eq!(compacted.proof.regions, 3);
    for i in 1..=3 {
        let id = uuid::Uuid::from_bytes(small(i));
        let stored = |package: &Package| {
            package.stored(&package.locate(id).expect("it is there")).expect("it is sound")
        };
        assert_eq!(stored(&new), stored(&old), "{i}");
    }
}

#[test]
fn many_regions_of_two_encodings_are_found_by_keys() {
    // spec: R-CMP-03
    // Every second one of the 6,000 regions has a different encoding, so its entry lies in a
    // different group.
    let ids: Vec<by::Id> = (1..=6000).map(small).collect();
    let stream = by::brotli_stored(b"content");
    let base = 80 + 8 + 24 * GROUP;
    let mut groups = Vec::new();
    for (encoding, offset, size) in [(NONE, 0, 7), (by::BROT, 7, stream.len() as u32)] {
        let own = ids.iter().skip(usize::from(offset > 0)).step_by(2);
        let entries: Vec<_> = own.map(|id| by::Entry { id: *id, offset, size }).collect();
        groups.extend(entries.chunks(255).map(|entries| by::Group {
            base,
            encoding,
            entries: entries.to_vec(),
            ..by::Group::default()
        }));
    }
    let region = by::index(&groups);
    let components = vec![by::component(by::INDEX, 80, region.len() as u32)];
    let mut file = by::head(by::PACKAGE, 0, 1);
    file.extend(by::table(&by::Table { components, ..by::Table::default() }));
    file.extend(region);
    file.extend([&b"content"[..], &stream].concat());
    let options = CompactOptions { layout: Some(LayoutChoice::Cdn), ..CompactOptions::default() };
    let (new, _) = compact_with(&file, &options).expect("it can be compacted");
    let new = package(&new);
    assert!(new.view().has_fences());
    for id in [1, 2, 255, 256, 2999, 3000, 5999, 6000] {
        let id = uuid::Uuid::from_bytes(small(id));
        assert_eq!(new.get(id).expect("it is there"), b"content");
    }
    assert!(new.view().fences_fault().is_none(), "found by the keys");
    assert!(new.find(uuid::Uuid::from_bytes(small(6001))).expect("it is sound").is_none());
}

#[test]
fn components_of_others_are_left_out_only_where_that_is_asked_for() {
    // spec: R-CMP-06
    // Some regions of the fixture overlap in part, and compaction refuses such packages. So the
    // test lets the second region start after the first.
    let mut file = fixture("package_of_neither_layout");
    let entry = [0x51_u32, 3].map(u32::to_le_bytes).concat();
    let places: Vec<_> = (0..file.len() - 8).filter(|at| file[*at..*at + 8] == entry[..]).collect();
    let &[at] = &places[..] else { panic!("one entry: {places:?}") };
    file[at..at + 8].copy_from_slice(&[0x52_u32, 2].map(u32::to_le_bytes).concat());
    let id = uuid::Uuid::from_bytes(small(77));
    let expected = CompactionFault::ForeignComponent { id };
    assert_eq!(fault(&file, &CompactOptions::default()), expected);
    let options = CompactOptions { drop_components: vec![id], ..CompactOptions::default() };
    let (new, compacted) = compact_with(&file, &options).expect("it can be compacted");
    assert_eq!((compacted.proof.regions, compacted.proof.names), (2, 0));
    assert!(package(&new).view().components().iter().all(|component| component.id != id));
}

#[test]
fn a_damaged_region_is_named_and_nothing_is_written() {
    // spec: R-CMP-05
    let (grown, _) = updated(NONE);
    let (at, _) = grown.span(path_id("3"));
    let mut file = grown.file.clone();
    file[at as usize + 69] ^= 1;
    let error = compact_with(&file, &CompactOptions::default()).expect_err("a byte is altered");
    assert!(matches!(&error, Error::Damaged { name, .. } if name == "3"), "{error}");
    assert_eq!(error.kind(), dacti::ErrorKind::Corrupt);
    // If there are no digests, a region counts as damaged if it does not decode or lies outside the
    // file.
    let cut = {
        let mut file = fixture("package_compact_brotli");
        file.truncate(file.len() - 1);
        file
    };
    let error = compact_with(&cut, &CompactOptions::default()).expect_err("a byte is missing");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    let mut altered = fixture("package_compact_brotli");
    *altered.last_mut().expect("it has bytes") = 0xff;
    let error = compact_with(&altered, &CompactOptions::default()).expect_err("it is no stream");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

/// Returns whether two regions share a part of their stored bytes, but not all. It compares all
/// pairs of regions.
fn overlaps_in_part(package: &Package) -> bool {
    let regions = package.regions().expect("the fixture is good");
    let shares = |a: Span, b: Span| a != b && a.start < b.end && b.start < a.end;
    regions.iter().any(|a| regions.iter().any(|b| shares(a.span, b.span)))
}

#[test]
fn every_fixture_compacts_to_the_same_content_or_says_why_not() {
    // spec: R-CMP-01, R-CMP-08
    let mut compacted = 0;
    for fixture in ["container", "index", "package"].into_iter().flat_map(fixtures) {
        let Ok(old) = Package::from_bytes(fixture.bytes.clone()) else { continue };
        for layout in [None, Some(LayoutChoice::Cdn)] {
            let drop_components = old.view().components().iter().map(|c| c.id).collect();
            let options = CompactOptions { layout, drop_components, ..CompactOptions::default() };
            let (new, made) = match compact_with(&fixture.bytes, &options) {
                Ok(compacted) => compacted,
                Err(error) => {
                    // A good container may lack an index, and regions of a good package may overlap
                    // in part.
                    let is_good = fixture.is_good() && !fixture.name.starts_with("container");
                    let is_overlap = matches!(error, Error::Overlap { .. });
                    assert!(!is_good || is_overlap, "{}: {error}", fixture.name);
                    assert_eq!(is_overlap, is_good && overlaps_in_part(&old), "{}", fixture.name);
                    continue;
                }
            };
            let found = diff(&fixture.bytes, &new);
            assert!(found.is_empty(), "{}: {found:?}", fixture.name);
            assert_eq!(made.proof.regions, found.unchanged, "{}", fixture.name);
            let twice = compact_with(&new, &options).expect("it is sound").0;
            assert!(new == twice, "{}", fixture.name);
            compacted += 1;
        }
    }
    assert!(compacted > 60, "{compacted}");
}

/// Returns a signed package of three files. If `cut` is set, its index lacks the last entry, so one
/// name leads to no region.
fn signed(cut: bool) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("signed.dacti-pack");
    let options =
        BuildOptions { encoding: EncodingChoice::None, slice_len: 4096, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    builder.sign(secret());
    for file in three() {
        builder.add(&*file.path, file.bytes).expect("a good name");
    }
    builder.build(&out).expect("it can be built");
    let mut file = std::fs::read(&out).expect("it is there");
    // This byte is the length field of the last of ten groups.
    let length = 4168 + 8 + 9 * GROUP as usize + 12;
    assert_eq!(file[length], 4);
    file[length] -= u8::from(cut);
    file
}

const PUBLISHER: uuid::Uuid = uuid::Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

fn secret() -> SecretKey {
    SecretKey::from_seed(&[7; 32], PUBLISHER)
}

#[test]
fn signatures_move_along_and_none_is_made() {
    // spec: R-CMP-01, R-CMP-07
    let file = signed(false);
    let (new, compacted) = compact(&file);
    assert_same(&new, &file);
    assert_eq!((compacted.proof.signatures, compacted.names_kept), (3, true));

    let file = signed(true);
    assert_eq!(fault(&file, &CompactOptions::default()), CompactionFault::NamesUnsigned);
    let with = |options| compact_with(&file, &options).expect("it can be compacted");
    let trusting =
        |file: &[u8]| package(file).require(SealPolicy::Signature(vec![secret().public()]));
    let options = CompactOptions { key: Some(secret()), ..CompactOptions::default() };
    let (new, compacted) = with(options);
    assert_eq!((compacted.proof.signatures, compacted.names_dropped), (2, 1));
    assert_eq!(trusting(&new).list().expect("all is signed").len(), 2);
    let options = CompactOptions { unsigned_names: true, ..CompactOptions::default() };
    let (new, _) = with(options);
    assert!(trusting(&new).names().is_err(), "the names list has no signature");
    for found in package(&new).list().expect("its digest fits") {
        assert!(trusting(&new).get(found.located.id).is_ok(), "{found:?}");
    }
}

#[test]
fn a_key_that_cannot_sign_is_refused() {
    // spec: R-CMP-07
    let found = uuid::Uuid::from_u128(9);
    let options =
        CompactOptions { key: Some(secret().for_package(found)), ..CompactOptions::default() };
    let expected = CompactionFault::OtherPackage { expected: PUBLISHER, found };
    assert_eq!(fault(&signed(true), &options), expected);
    let digests = by::cdn_package(&three(), &by::names_of(&three()), NONE, 4096, &blake3);
    assert_eq!(fault(&digests, &options), CompactionFault::NothingToSign);
}

#[test]
fn regions_from_past_four_gibibytes_are_brought_together() {
    use std::os::unix::fs::FileExt;
    // The package is sparse: one region starts after 5 GiB, and one after 10 GiB.
    const GIB: u64 = 1 << 30;
    let group = |base, i| by::Group {
        base,
        entries: vec![by::Entry { id: small(i), offset: 0, size: 5 }],
        ..by::Group::default()
    };
    let region = by::index(&[group(5 * GIB, 1), group(10 * GIB, 2)]);
    let components = vec![by::component(by::INDEX, 80, region.len() as u32)];
    let mut head = by::head(by::PACKAGE, 0, 1);
    head.extend(by::table(&by::Table { components, ..by::Table::default() }));
    head.extend(region);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [old, new] = ["old", "new"].map(|name| directory.path().join(name));
    let file = std::fs::File::create(&old).expect("a new file");
    for (at, bytes) in [(0, &head[..]), (5 * GIB, b"first"), (10 * GIB, b"other")] {
        file.write_all_at(bytes, at).expect("there is room");
    }
    let package = Package::open(&old).expect("it is sound");
    let usage = package.usage(true, &mut |_| CONTINUE).expect("it is sound");
    assert_eq!((usage.total(), usage.live), (10 * GIB + 5, 10));
    assert!(usage.compaction.pays(), "{usage:?}");
    let compacted = package.compact(&new, &CompactOptions::default(), &mut |_| CONTINUE);
    assert_eq!(compacted.expect("it is sound").built.len, 80 + 8 + GROUP + 10);
    let new = Package::open(&new).expect("it is sound");
    for (i, content) in [(1, b"first"), (2, b"other")] {
        assert_eq!(new.get(uuid::Uuid::from_bytes(small(i))).expect("it is there"), content);
    }
}

#[test]
fn a_compaction_that_is_stopped_leaves_what_was_there() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let out = directory.path().join("out");
    std::fs::write(&out, "before").expect("there is room");
    let stop = &mut |_| ControlFlow::Break(());
    let file = by::cdn_package(&three(), &by::names_of(&three()), NONE, 4096, &blake3);
    let error = package(&file).compact(&out, &CompactOptions::default(), stop);
    assert!(matches!(error, Err(Error::Stopped)), "{error:?}");
    assert_eq!(std::fs::read(&out).expect("it is there"), b"before");
    assert_eq!(std::fs::read_dir(directory.path()).expect("it is there").count(), 1);
}
