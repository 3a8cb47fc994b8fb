//! What a package is made of, what lies dead in it, how it differs from another, and what
//! compaction makes of it.

use crate::grown::Grown;
use crate::support::fixtures;
use core::ops::ControlFlow;
use dacti::source::{BytesSource, Counted};
use dacti::{
    Claimant, Compaction, Difference, Differing, Duplicates, Evidence, Fetch, FileMap, Limits,
    Package, Relation, Renamed, ReserveLeft, Usage,
};
use dacti_tests::reference::{self as by, GROUP, NONE, Stored, path_id, small, stored};
use std::sync::Arc;

const CONTINUE: ControlFlow<()> = ControlFlow::Continue(());

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// A fixture of a package that readers must take.
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
    // Two entries of one id in a group: the first is replaced, and its five bytes lie in front.
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
    let file = by::cdn_package(&files, &by::names_of(&files), NONE, 4096, &blake3);
    let source = Counted::new(Arc::new(BytesSource::new(file.clone())));
    let package = Package::from_source(Arc::new(source.clone()), Limits::default());
    let package = package.expect("it is good");
    let scan = package.scan_index().expect("it is sound");
    assert_eq!((scan.regions().len(), scan.groups().len()), (3001, 20));
    let before = source.stats().bytes;
    let map = FileMap::of(&package, &scan).expect("it is sound");
    // The names list with its digest, looked up by the keys in one group, and gaps.
    let of = |claimant| map.claims.iter().find(|c| c.claimant == claimant).expect("it is there");
    let names = of(Claimant::Names).span.len();
    let padding = of(Claimant::Padding).span.len();
    let head_gaps: u64 = {
        let zeros = map.claims.iter().filter(|c| c.claimant == Claimant::Zeros);
        zeros.map(|claim| claim.span.len()).sum()
    };
    assert_eq!(source.stats().bytes - before, names + padding + head_gaps + GROUP + 40);
    let before = source.stats();
    package.verify(None, &mut |_| CONTINUE).expect("it is sound");
    let index_behind = 16_440 + 8 + 20 * GROUP - 65_536;
    let data = 3000 * (3 + 32) + names;
    let read = source.stats().bytes - before.bytes;
    assert!(read <= index_behind + GROUP + data, "the index was read once: {read}");
}

#[test]
fn oddities_that_are_not_kept_are_counted() {
    // The index, and nineteen components with the id and version of the first that is another's.
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

/// A path with its own id and a length that nobody knows.
fn named(path: &str) -> by::Name {
    by::Name { id: [0; 16], length: by::UNKNOWN, path: path.into() }
}

/// Three files, of which two are equal, in slices of 4 KiB: one slice of data.
fn three() -> Vec<Stored> {
    vec![stored("a", b"first"), stored("b", &[b'b'; 1000]), stored("c", b"first")]
}

#[test]
fn the_usage_of_a_fresh_package_is_what_its_layout_says() {
    let files = three();
    let names_len = by::names_of(&files).len() as u64;
    assert_eq!(names_len, 32 + 3 * 33);
    let usage = usage(&by::cdn_package(&files, &by::names_of(&files), NONE, 4096, &blake3));
    let data = 5 + 1000 + 5 + names_len + 4 * 32;
    // Two tables of two components each, and the regions of layout and seals.
    let head = 28 + 2 * (24 + 2 * 28) + 80 + 64;
    // One group of four entries; between head and index only zeros that have a purpose but 4 bytes
    // behind T1 and 392 + 1,024 + 1,608 before the index, which no component claims.
    let index = 8 + 16 + 4 * 24;
    let room = 14 * 28 + 6 * 28 + 248 + 251 * 24 + 9 * GROUP;
    assert_eq!((usage.live, usage.names, usage.seals), (1010, names_len, 4 * 32));
    assert_eq!((usage.head, usage.index, usage.reserve), (head, index, room));
    assert_eq!((usage.padding, usage.dead), (4 + 3024 + 4096 - data, 0));
    let left = ReserveLeft {
        entries: 9 * 255,
        delta_groups: 9,
        t1_slots: 14,
        t2_slots: 6,
        t2_place: Some(752),
    };
    assert_eq!(usage.reserve_left, left);
    // The two of five bytes are read, and one of them is once too many.
    let twice = Duplicates { regions: 1, len: 5, candidates: 2, read: 10 };
    assert_eq!(usage.duplicates, Some(twice));
    let same = Compaction { len: 65_536 + 4096, ..Compaction::default() };
    assert_eq!(usage.compaction, same);
}

#[test]
fn what_updates_leave_behind_is_dead() {
    let mut grown = Grown::new(&three(), 4096);
    // Twice the same id, so that a thousand and three bytes are dead, each with its digest.
    grown.put(&[(path_id("b"), b"new")]);
    grown.put(&[(path_id("b"), b"newer"), (small(9), b"")]);
    let first = usage(&grown.file);
    assert_eq!((first.dead, first.replaced, first.live), (1003 + 2 * 32, 1003 + 2 * 32, 15));
    assert_eq!((first.regions, first.seals), (4, 5 * 32));
    let left = first.reserve_left;
    assert_eq!((left.entries, left.delta_groups), (9 * 255 - 3, 8));
    // Head and one slice of data would do where there are three.
    let would = Compaction {
        len: 65_536 + 4096,
        saved: 2 * 4096,
        saves_enough: false,
        updates_are_dear: false,
    };
    assert_eq!(first.compaction, would);

    // A fold leaves the old index, and the entry of what it removes names nothing any more.
    grown.fold(&[small(9)]);
    let folded = usage(&grown.file);
    let left = ReserveLeft { entries: 0, delta_groups: 0, t2_place: Some(504), ..left };
    assert_eq!(folded.reserve_left, left);
    assert_eq!(folded.replaced, 0);
    assert_eq!(folded.live, 15);
    // The gap in the head that ends with the old index, and in three slices what was replaced or
    // removed: none of it is named any more.
    let in_head = 65_536 - 1144;
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
    // A head of sixteen slices and one of data; each update adds one, and leaves what the one
    // before has added dead: of 17 + n slices n are saved.
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
    // 400 entries of 24 bytes are more than two slices.
    assert!(folded.updates_are_dear && folded.pays(), "{folded:?}");
}

#[test]
fn duplicates_are_told_apart_by_their_first_bytes_where_that_does() {
    // Four of 10,000 bytes: two equal, one that differs at its end, one from the start.
    let mut end = vec![7; 10_000];
    end[9_999] = 8;
    let mut start = vec![7; 10_000];
    start[0] = 8;
    let same = vec![7; 10_000];
    let files = [stored("a", &same), stored("b", &same), stored("c", &end), stored("d", &start)];
    let found = usage(&by::cdn_package(&files, &by::names_of(&files), NONE, 4096, &blake3));
    let expected =
        Duplicates { regions: 1, len: 10_000, candidates: 4, read: 4 * 4096 + 3 * 10_000 };
    assert_eq!(found.duplicates, Some(expected));
    // Stored once, there is nothing to compare but the two that differ.
    let found = usage(&by::compact_package(&files, &by::names_of(&files), NONE));
    assert_eq!((found.shared, found.live), (1, 30_000));
    let expected = Duplicates { regions: 0, len: 0, candidates: 3, read: 3 * 4096 + 2 * 10_000 };
    assert_eq!(found.duplicates, Some(expected));
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
    // The same bytes again: they lie elsewhere, and their digest is the same.
    grown.put(&[(path_id("c"), b"first")]);
    let found = diff(&old, &grown.file);
    assert_eq!(found.relation, Relation::Grown);
    assert_eq!(found.added, [differing(small(9), None, [None, Some(5000)])]);
    let changed = |path, old, new| differing(path_id(path), Some(path), [Some(old), Some(new)]);
    let mut expected = [changed("b", 1000, 3), changed("a", 5, 5)];
    expected.sort_by_key(|differing| differing.id);
    assert_eq!(found.changed, expected);
    assert_eq!((found.unchanged, &found.removed[..], &found.renamed[..]), (1, &[][..], &[][..]));
    // "a" and "c" by their digests, of both packages; "b" by its length.
    let evidence = Evidence { by_place: 0, by_entry: 1, by_digest: 2, by_content: 0, read: 4 * 32 };
    assert_eq!(found.evidence, evidence);
    let fetch = Fetch { head: 65_536, appended: 4 * 4096, slices: 4, ..Fetch::default() };
    assert_eq!((found.fetch, found.fetch.total()), (fetch, 65_536 + 4 * 4096));
    // Backwards it is an earlier state, of which there is nothing to fetch.
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
    let of = |slice| by::cdn_package(&three(), &by::names_of(&three()), NONE, slice, &blake3);
    let (old, new) = (of(4096), of(8192));
    let found = diff(&old, &new);
    assert_eq!((found.relation, found.is_empty()), (Relation::SameContent, true));
    assert_eq!(found.evidence, Evidence { by_digest: 3, read: 6 * 32, ..Evidence::default() });
    // Nothing but what says where everything is.
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
    // The second piece of 64 KiB differs, and the others are not read.
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
    // Head and data, which stand in this order: names and index lie in the head.
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
    let renamed = Renamed { id, old: Some("before".into()), new: Some("after".into()) };
    assert_eq!(found.renamed, [renamed]);
    assert_eq!((found.unchanged, found.relation), (1, Relation::Other));
}

#[test]
fn a_region_that_cannot_be_read_is_named() {
    let files = [stored("a", &[5; 100])];
    let old = by::compact_package(&files, &by::names_of(&files), NONE);
    let mut cut = old.clone();
    cut.truncate(old.len() - 1);
    let error = Difference::between(&package(&old), &package(&cut), &mut |_| CONTINUE);
    let error = error.expect_err("a byte is missing");
    assert_eq!((error.side, error.region.as_deref()), (dacti::Side::New, Some("a")));
    assert!(error.to_string().starts_with("\"a\": stored region at"), "{error}");
}
