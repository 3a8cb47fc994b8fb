//! Every call that meets a fault of the index must report the same kind, structure and position. No
//! call may report that the region is absent.

use crate::package::{PLAIN, build};
use crate::support::{uuid_of, verdict};
use dacti::fetch::{BytesSource, Counted, FileSource};
use dacti::report::{Difference, FileMap};
use dacti::update::{Update, UpdateOptions};
use dacti::{BuildOptions, Error, LayoutChoice, Limits, Package, RegionName};
use dacti_tests::reference::{self as by, GROUP, LOOKUP, Stored, path_id};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// A path that all packages of these tests have (`THERE`), and a path that none of them has
/// (`ABSENT`).
const THERE: &str = "00007";
const ABSENT: &str = "no such";

type Way = fn(&Package) -> Result<(), Error>;

/// The calls that read only those parts of the index that they need to find regions.
const LOOK_UPS: &[(&str, Way)] = &[
    ("find", |p| p.find(THERE).map(drop)),
    ("find what is not there", |p| p.find(ABSENT).map(drop)),
    ("find by id", |p| p.find(uuid_of(path_id(THERE))).map(drop)),
    ("locate", |p| p.locate(THERE).map(drop)),
    ("get", |p| p.get(THERE).map(drop)),
    ("get what is not there", |p| p.get(ABSENT).map(drop)),
    ("get_capped", |p| p.get_capped(THERE, 1000).map(drop)),
    ("region", |p| p.region(THERE).map(drop)),
    ("reader", |p| p.reader(THERE).map(drop)),
    ("verified_reader", |p| p.verified_reader(THERE).map(drop)),
    ("find_many", |p| p.find_many([THERE, ABSENT]).into_iter().try_for_each(|f| f.map(drop))),
    ("get_many", |p| p.get_many([ABSENT, THERE]).into_iter().try_for_each(|f| f.map(drop))),
    ("visit_many", |p| {
        let mut told = Ok(());
        p.visit_many([THERE], |_, region| {
            told = region.map(drop);
            ControlFlow::Break(())
        })
        .unwrap();
        told
    }),
];

/// The calls that read the whole index.
const WHOLE: &[(&str, Way)] = &[
    ("list", |p| p.list().map(drop)),
    ("list_lossy", |p| p.list_lossy(&mut Vec::new()).map(drop)),
    ("regions", |p| p.regions().map(drop)),
    ("groups", |p| p.groups().map(drop)),
    ("scan_index", |p| p.scan_index().map(drop)),
    ("verify", |p| p.verify(None, &mut |_| ControlFlow::Continue(())).map(drop)),
    ("map", |p| FileMap::read(p).map(drop)),
    ("usage", |p| p.usage(true, &mut |_| ControlFlow::Continue(())).map(drop)),
    ("difference", |p| match Difference::between(p, p, &mut |_| ControlFlow::Continue(())) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.error),
    }),
];

/// Returns the kind, the structure and the position that an error states.
fn told(error: &Error) -> String {
    verdict(error.kind(), error.what().unwrap_or_default(), error.at())
}

/// Opens the file with each kind of source: memory, a mapped file, a file, and a source that is not
/// local.
fn open(file: &[u8], path: &Path) -> Vec<Package> {
    std::fs::write(path, file).expect("it can be written");
    let local = Counted::new(Arc::new(FileSource::open(path).expect("it is there")));
    let memory = Counted::new(Arc::new(BytesSource::new(file.to_vec())));
    let from = |source| Package::from_source(source, Limits::default());
    let opened = [
        Package::from_bytes(file.to_vec()),
        Package::open_mapped(path),
        Package::open(path),
        from(Arc::new(local)),
        from(Arc::new(memory)),
    ];
    opened.into_iter().map(|package| package.expect("the index is read later")).collect()
}

/// A package that tests damage. It has few or many regions, and is in the state after packing or
/// after a fold.
struct Base {
    name: &'static str,
    file: Vec<u8>,
    /// The start and the length of the index region. `size_at` is the position of its size in the
    /// table.
    at: u64,
    len: u64,
    size_at: u64,
    has_fences: bool,
}

impl Base {
    fn new(name: &'static str, file: Vec<u8>) -> Self {
        let container = by::read_container(&file).expect("it is sound");
        let (at, len) = by::read_index(&file, &container).expect("it is sound").region;
        let found = container.components.iter().find(|found| found.id == by::INDEX);
        let size_at = found.expect("it has an index").at + 24;
        let has_fences = container.components.iter().any(|found| found.id == LOOKUP);
        Self { name, file, at, len, size_at, has_fences }
    }

    fn change(&self, change: impl FnOnce(&Self, &mut Vec<u8>)) -> Vec<u8> {
        let mut file = self.file.clone();
        change(self, &mut file);
        file
    }

    fn is_folded(&self) -> bool {
        self.at >= 65_536
    }
}

fn put(file: &mut [u8], at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).expect("small");
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

fn bases(path: &Path) -> [Base; 4] {
    let hundreds = |count: u32| -> Vec<Stored> {
        { 0..count }
            .map(|i| by::stored(&format!("{i:05}"), &[i.to_le_bytes(); 25].concat()))
            .collect()
    };
    let folded = |count| {
        std::fs::write(path, build(&hundreds(count), PLAIN)).expect("it can be written");
        let mut update = Update::open(path, UpdateOptions::default()).expect("it is good");
        update.remove("00000").expect("it is there");
        update.put("00001", vec![1; 100]).expect("the path is good");
        update.plan().expect("there is room").apply().expect("it is written");
        std::fs::read(path).expect("it was updated")
    };
    [
        Base::new("few", build(&hundreds(300), PLAIN)),
        Base::new("many", build(&hundreds(4000), PLAIN)),
        Base::new("few, folded", folded(300)),
        Base::new("many, folded", folded(4000)),
    ]
}

#[test]
fn a_fault_of_the_index_header_is_told_alike_by_every_way() {
    // spec: R-IDX-03, R-IDX-04, R-IDX-05, R-LAY-22
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p.dacti-pack");
    let bases = bases(&path);
    assert_eq!(bases.each_ref().map(|base| base.has_fences), [false, true, false, true]);
    assert_eq!(bases.each_ref().map(Base::is_folded), [false, false, true, true]);
    let size = |base: &Base, len: u64| u32::try_from(base.len - len).expect("small").to_le_bytes();
    type Change = fn(&Base, &mut Vec<u8>);
    let corrupt: &[(&str, Change)] = &[
        ("R-IDX-03: 7 bytes", |b, f| put(f, b.size_at, &7_u32.to_le_bytes())),
        ("R-IDX-05: a group more", |b, f| {
            let groups = ((b.len - 8) / GROUP + 1) as u32;
            put(f, b.at + 4, &groups.to_le_bytes());
        }),
        ("R-IDX-05: all groups", |b, f| put(f, b.at + 4, &[0xff; 4])),
    ];
    let folded: &[(&str, Change)] = &[
        ("R-LAY-22: no groups", |b, f| put(f, b.at, &[0; 8])),
        ("R-LAY-22: a group less", |b, f| {
            let groups = ((b.len - 8) / GROUP - 1) as u32;
            put(f, b.at + 4, &groups.to_le_bytes());
        }),
        ("R-LAY-22: zeros", |b, f| put(f, b.at, &vec![0; b.len as usize])),
    ];
    let mut checked = 0;
    for base in &bases {
        let mut files = Vec::new();
        let header = format!("index header at {:#x}", base.at);
        let version = base.change(|b, f| put(f, b.at, &[1]));
        files.push(("R-IDX-04: version 1", format!("error unsupported {header}"), version));
        let short = base.change(|b, f| put(f, b.size_at, &size(b, 1)));
        files.push(("R-IDX-05: a byte too short", format!("error corrupt {header}"), short));
        let more: &[_] = if base.is_folded() { folded } else { &[] };
        for (rule, change) in corrupt.iter().chain(more) {
            files.push((*rule, format!("error corrupt {header}"), base.change(change)));
        }
        for (rule, expected, file) in files {
            // The reference must have the same verdict.
            let container = by::read_container(&file).expect("the container is sound");
            let fault = by::read_index(&file, &container).expect_err("it is at fault");
            assert_eq!(fault.to_string(), expected, "{}: {rule}", base.name);
            for (n, package) in open(&file, &path).iter().enumerate() {
                for (way, ask) in LOOK_UPS.iter().chain(WHOLE) {
                    let error = ask(package).expect_err("it is at fault");
                    assert_eq!(told(&error), expected, "{}: {rule}: {way}, {n}", base.name);
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, (4 * 5 + 2 * 3) * 5 * (LOOK_UPS.len() + WHOLE.len()));
}

#[test]
fn a_sound_index_is_read_by_every_way() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p.dacti-pack");
    for base in bases(&path) {
        for package in open(&base.file, &path) {
            for (way, ask) in LOOK_UPS.iter().chain(WHOLE) {
                match ask(&package) {
                    Ok(()) => {}
                    Err(Error::NotFound { .. })
                        if way.contains("not there") || *way == "get_many" => {}
                    Err(error) => panic!("{}: {way}: {error}", base.name),
                }
            }
            assert_eq!(package.find(ABSENT).expect("it is sound"), None);
        }
    }
}

#[test]
fn an_empty_index_has_no_region_by_any_way() {
    // spec: R-IDX-02
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p.dacti-pack");
    // The compact layout has no layout component, so R-LAY-22 does not apply.
    let options = BuildOptions { layout: LayoutChoice::Compact, ..PLAIN };
    let files: Vec<_> = (0..300).map(|i| by::stored(&format!("{i:05}"), b"content")).collect();
    for base in [Base::new("compact", build(&files, options))] {
        let file = base.change(|b, f| put(f, b.size_at, &[0; 4]));
        for package in open(&file, &path) {
            assert_eq!(package.find(THERE).expect("it is sound"), None, "{}", base.name);
            assert!(
                package.find_many([THERE, ABSENT]).iter().all(|found| matches!(found, Ok(None)))
            );
            assert!(matches!(package.get(THERE), Err(Error::NotFound { .. })));
            assert!(package.list().expect("it is sound").is_empty());
            assert!(package.groups().expect("it is sound").is_empty());
        }
    }
}

#[test]
fn an_index_that_lost_its_groups_is_refused_when_the_package_is_opened() {
    // spec: R-LAY-22
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p.dacti-pack");
    for base in bases(&path) {
        let mut changed = vec![base.change(|b, f| put(f, b.size_at, &[0; 4]))];
        if !base.is_folded() {
            let fewer = [0, 1, (base.len - 8) / GROUP - 1]
                .map(|groups| base.change(|b, f| put(f, b.at + 4, &(groups as u32).to_le_bytes())));
            changed.extend(fewer);
        }
        let expected = format!("error corrupt index header at {:#x}", base.at);
        for file in changed {
            let container = by::read_container(&file).expect("the container is sound");
            let fault = by::read_index(&file, &container).expect_err("it is at fault");
            assert_eq!(fault.to_string(), expected);
            std::fs::write(&path, &file).expect("it can be written");
            for opened in
                [Package::from_bytes(file), Package::open(&path), Package::open_mapped(&path)]
            {
                let error = opened.expect_err("it is at fault");
                assert_eq!(told(&error), expected, "{}", base.name);
            }
        }
    }
}

#[test]
fn a_group_of_zeros_behind_the_head_hides_no_region() {
    // spec: R-LAY-22, R-LKP-16
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p.dacti-pack");
    for base in bases(&path).into_iter().filter(Base::is_folded) {
        let groups = (base.len - 8) / GROUP;
        for group in [0, groups / 2, groups - 1] {
            let at = base.at + 8 + group * GROUP;
            let file = base.change(|_, f| put(f, at, &vec![0; GROUP as usize]));
            let expected = format!("error corrupt group header at {at:#x}");
            let container = by::read_container(&file).expect("the container is sound");
            let fault = by::read_index(&file, &container).expect_err("it is at fault");
            assert_eq!(fault.to_string(), expected);
            let sound = Package::from_bytes(base.file.clone()).expect("it is sound");
            let lost = sound.regions().expect("it is sound");
            let lost: Vec<_> = { lost.iter() }
                .filter(|located| (at..at + GROUP).contains(&located.at))
                .map(|located| located.id)
                .collect();
            assert!(lost.len() > 20);
            for package in open(&file, &path) {
                for (way, ask) in WHOLE {
                    let error = ask(&package).expect_err("it is at fault");
                    assert_eq!(told(&error), expected, "{}: {way}", base.name);
                }
                for id in &lost {
                    let error = package.find(*id).expect_err("it was there");
                    assert_eq!(told(&error), expected, "{}: {id}", base.name);
                }
                // Other regions may be read correctly, or may give an error. No call may report
                // them absent.
                for i in (2..250).step_by(7) {
                    let name = format!("{i:05}");
                    match package.get(&name) {
                        Ok(content) => assert_eq!(content, [u32::to_le_bytes(i); 25].concat()),
                        Err(error) => assert_eq!(told(&error), expected),
                    }
                }
            }
        }
    }
}

#[test]
fn an_entry_at_fault_is_told_alike_by_every_way_and_hides_no_other() {
    // spec: R-ENT-01, R-ENT-02
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p.dacti-pack");
    for base in bases(&path) {
        let sound = Package::from_bytes(base.file.clone()).expect("it is sound");
        let located = sound.locate(THERE).expect("it is there");
        // Changes the size of the region, which is in the last four bytes of the entry.
        let past = base.change(|_, f| put(f, located.at + 20, &[0xff; 4]));
        let expected = format!("error truncated stored region at {:#x}", located.span.start);
        for package in open(&past, &path) {
            let ways: &[(&str, Way)] = &[
                ("find", |p| p.find(THERE).map(drop)),
                ("get", |p| p.get(THERE).map(drop)),
                ("region", |p| p.region(THERE).map(drop)),
                ("reader", |p| p.reader(THERE).map(drop)),
                ("find_many", |p| p.find_many([THERE]).remove(0).map(drop)),
                ("get_many", |p| p.get_many([THERE]).remove(0).map(drop)),
                ("by id", |p| p.find(RegionName::Id(uuid_of(path_id(THERE)))).map(drop)),
                ("listed", |p| {
                    let listed = p.list()?.into_iter();
                    let mut listed = listed.filter(|listed| listed.path.as_deref() == Some(THERE));
                    let listed = listed.next().expect("it is listed all the same");
                    p.reader_at(listed.located)?.read_to_end(&mut Vec::new()).expect("not asked");
                    Ok(())
                }),
            ];
            // After some look-ups, a package builds a guide, which speeds up later look-ups. So the
            // calls are repeated before and after that.
            for round in 0..3 {
                for (way, ask) in ways {
                    let error = ask(&package).expect_err("it is at fault");
                    assert_eq!(told(&error), expected, "{}: {way}, {round}", base.name);
                }
                for i in 8..300 {
                    assert!(package.get(&format!("{i:05}")).is_ok(), "{}: {i}", base.name);
                }
            }
            let report =
                package.verify(None, &mut |_| ControlFlow::Continue(())).expect("it is read");
            let at = format!("{:#x}", located.span.start);
            assert!(!report.is_whole());
            let told: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
            assert!(told.iter().any(|told| told.contains(&at)), "{told:?}");
        }
    }
}
