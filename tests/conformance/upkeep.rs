//! What a package is made of, what lies dead in it, how it differs from another, and what
//! compaction makes of it.

use crate::support::fixtures;
use dacti::source::{BytesSource, Counted};
use dacti::{Claimant, FileMap, Limits, Package};
use dacti_tests::reference::{self as by, GROUP, NONE, small, stored};
use std::sync::Arc;

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
    package.verify(None, &mut |_| core::ops::ControlFlow::Continue(())).expect("it is sound");
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
    let report = package.verify(None, &mut |_| core::ops::ControlFlow::Continue(()));
    let findings = report.expect("it is sound").findings;
    let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!((told.len(), &*told[16]), (17, "and 3 more oddities of the container"));
}
