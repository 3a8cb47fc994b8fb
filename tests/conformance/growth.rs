//! Checks that work grows no faster than its input. The test counts the reads, bytes and memory of
//! every report, for the worst inputs of one size and of twice that size.
//!
//! Times differ from machine to machine, so the test counts instead of measuring time. The test is
//! a binary of its own, because it counts the memory of the whole process.

mod growth_inputs;

use core::ops::ControlFlow;
use dacti::compact::CompactOptions;
use dacti::fetch::{BytesSource, Counted};
use dacti::publish::{Place, PublishOptions, publish, pull};
use dacti::report::inspect::Inspection;
use dacti::report::{Difference, FileMap};
use dacti::seal::SecretKey;
use dacti::update::{Extent, PlannedUpdate, SavedPlan, Update, UpdateOptions};
use dacti::{BuildOptions, Error, ErrorKind, LayoutChoice, Limits, Package, PackageBuilder};
use dacti_tests::reference::{Entry, small};
use growth_inputs::{INPUTS, groups, many_names, package};
use peak_alloc::PeakAlloc;
use std::path::Path;
use std::sync::Arc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

type Verb = (&'static str, fn(&Package));
const VERBS: [Verb; 13] = [
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
    ("inspection", |package| drop(Inspection::read(package).expect("it is read"))),
    ("get by id", |package| drop(package.get(dacti::Uuid::from_bytes(small(1))))),
    ("get of a missing path", |package| drop(package.get("0000000x"))),
    ("streams", |package| {
        let readers = package.readers_at(package.regions().expect("it is read"));
        while let Some((_, reader)) = readers.next() {
            let mut reader = reader.expect("it is in the file");
            std::io::copy(&mut reader, &mut std::io::sink()).expect("it is read");
        }
    }),
    ("compact", |package| {
        let out = tempfile::tempdir().expect("a temporary directory");
        let go_on = &mut |_| ControlFlow::Continue(());
        let compacted = package.compact(out.path().join("out"), &CompactOptions::default(), go_on);
        refused_only_for_an_overlap(compacted.map(drop));
    }),
    ("sign", |package| {
        let out = tempfile::tempdir().expect("a temporary directory");
        let options =
            CompactOptions { layout: Some(LayoutChoice::Cdn), ..CompactOptions::default() };
        let go_on = &mut |_| ControlFlow::Continue(());
        let signed = package.sign(out.path().join("out"), &key(), &options, go_on);
        refused_only_for_an_overlap(signed.map(drop));
    }),
];

#[track_caller]
fn refused_only_for_an_overlap(result: Result<(), Error>) {
    assert!(matches!(result, Ok(()) | Err(Error::Overlap { .. })), "{result:?}");
}

fn key() -> SecretKey {
    let id = "00112233-4455-6677-8899-aabbccddeeff";
    let text = format!("dacti-ed25519-private 1 {} {id}", "07".repeat(32));
    SecretKey::from_text(&text).expect("it is a key")
}

/// Returns the number of reads and of bytes that a verb takes, and its memory in bytes.
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
            // Threads and buffers cause some reads and need some memory, independent of the size of
            // the input.
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

/// Builds a package with `n` regions that have paths, at `path`.
fn built(path: &Path, n: usize) {
    let mut builder = PackageBuilder::new(BuildOptions::default());
    for n in 0..n {
        builder.add(format!("{n:08}"), n.to_le_bytes().to_vec()).expect("a good path");
    }
    builder.build(path).expect("it can be built");
}

/// Plans an update that puts `n` regions into the package at `path`.
fn put(path: &Path, n: usize) -> PlannedUpdate {
    let mut update = Update::open(path, UpdateOptions::default()).expect("it opens");
    for n in 0..n {
        update.put(format!("new/{n:08}"), n.to_le_bytes().to_vec()).expect("a good path");
    }
    update.plan().expect("it can be planned")
}

/// A piece of work: its name, the function that makes its input in a folder, and the function whose
/// memory is counted.
type Work = (&'static str, fn(&Path, usize), fn(&Path, usize));
const WORK: [Work; 7] = [
    ("pack", |_, _| {}, |dir, n| built(&dir.join("p"), n)),
    (
        "put",
        |dir, _| built(&dir.join("p"), 1),
        |dir, n| put(&dir.join("p"), n).apply().expect("it is new"),
    ),
    (
        "put of one region",
        |dir, n| built(&dir.join("p"), n),
        |dir, _| put(&dir.join("p"), 1).apply().expect("it is new"),
    ),
    (
        "remove",
        |dir, n| built(&dir.join("p"), n),
        |dir, n| {
            let mut update =
                Update::open(dir.join("p"), UpdateOptions::default()).expect("it opens");
            for n in 0..n {
                update.remove(&*format!("{n:08}")).expect("it is there");
            }
            update.plan().expect("it can be planned").apply().expect("it is new");
        },
    ),
    (
        "a saved plan",
        |dir, n| {
            built(&dir.join("p"), 1);
            put(&dir.join("p"), n).save(dir.join("plan")).expect("a new file");
        },
        |dir, _| {
            let plan = SavedPlan::open(dir.join("plan")).expect("it was saved");
            plan.apply(dir.join("p"), Extent::Whole).expect("it is new");
        },
    ),
    (
        "publish",
        |dir, n| built(&dir.join("p"), n),
        |dir, _| {
            let package = Package::open(dir.join("p")).expect("it was built");
            let place = Place::in_folder(dir.join("head")).expect("a good name");
            publish(&package, &place, &PublishOptions::default()).expect("the folder is empty");
        },
    ),
    (
        "pull",
        |dir, n| built(&dir.join("p"), n),
        |dir, _| {
            let package = Package::open(dir.join("p")).expect("it was built");
            let go_on = &mut |_, _| ControlFlow::Continue(());
            pull(&package, &dir.join("copy"), go_on).expect("it is sound");
        },
    ),
];

/// Checks the memory of work that writes files. `growth_program.rs` checks its reads and writes.
fn no_work_takes_more_memory_than_its_input() {
    for (name, make, work) in WORK {
        let [one, two] = [10_000, 20_000].map(|n| {
            let dir = tempfile::tempdir().expect("a temporary directory");
            make(dir.path(), n);
            MEMORY.reset_peak_usage();
            let before = MEMORY.current_usage();
            work(dir.path(), n);
            (MEMORY.peak_usage() - before) as u64
        });
        assert!(two <= 2 * one + one / 4 + (1 << 20), "{name}: {one}, {two} bytes of memory");
    }
}

/// Names take most of the memory of a listing. So this test checks the memory for each name.
fn a_name_takes_little_memory() {
    let n = 200_000;
    let file = many_names(n);
    let bytes = |name: &str| {
        let (_, verb) = VERBS.into_iter().find(|(verb, _)| *verb == name).expect("it is listed");
        cost(&file, verb)[2] / n as u64
    };
    // For each name, the names list takes 40 bytes, the search for its region 36 bytes, the listed
    // region 72 bytes, and a part of a verification 16 bytes.
    assert!(bytes("names") <= 100, "{} bytes", bytes("names"));
    assert!(bytes("verify") <= 200, "{} bytes", bytes("verify"));
}

/// If regions overlap in part, the work of comparing them is proportional to their number times
/// their length. A limit ends this work. Packages without such overlaps never reach the limit.
fn a_difference_of_overlapping_regions_is_refused_at_a_limit() {
    let entry = |n: u32| Entry { id: small(n + 1), offset: n, size: 100_000 };
    let entries: Vec<_> = (0..3000).map(entry).collect();
    let file = package(groups(&entries), &[7; 103_000], false);
    let package = Package::from_bytes(file).expect("it is good");
    let go_on = &mut |_| ControlFlow::Continue(());
    let error = Difference::between(&package, &package, go_on).expect_err("too much");
    assert_eq!(error.error.kind(), ErrorKind::Limit);
    // The limit is 64 MiB, plus 100 times the number of bytes that the regions cover, 102,999.
    let limit = (64 << 20) + 100 * 102_999;
    assert!(error.to_string().contains(&format!("{limit} bytes")), "{error}");
    // If all regions have the same bytes at the same position, one comparison is enough for all of
    // them.
    let entry = |n: u32| Entry { id: small(n + 1), offset: 0, size: 100_000 };
    let entries: Vec<_> = (0..3000).map(entry).collect();
    let file = growth_inputs::package(groups(&entries), &[7; 103_000], false);
    let package = Package::from_bytes(file).expect("it is good");
    let found = Difference::between(&package, &package, go_on).expect("it is little");
    assert_eq!((found.unchanged, found.evidence.read), (3000, 200_000));
}

/// This file has only one test, because the memory of other tests would be counted, too.
#[test]
fn work_grows_no_faster_than_input() {
    no_verb_grows_faster_than_its_input();
    no_work_takes_more_memory_than_its_input();
    a_name_takes_little_memory();
    a_difference_of_overlapping_regions_is_refused_at_a_limit();
}
