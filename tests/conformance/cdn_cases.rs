//! Published packages for cases, and the code that runs cases.

use dacti_tests::cache::{Age, Case, Edge, Plan, Report, prove};
use dacti_tests::edit::{self, Edit, Published, Sealing};
use dacti_tests::reference::{Id, small};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The slice lengths of edges.
pub const SLICES: [u64; 3] = [4 << 10, 64 << 10, 1 << 20];
/// Every kind of seal.
pub const SEALINGS: [Sealing; 3] = [Sealing::None, Sealing::Digest, Sealing::Signed];

/// Returns every kind of edge.
pub fn edges() -> Vec<Edge> {
    let ages = [Age::Renewed, Age::Kept];
    SLICES.iter().flat_map(|slice| ages.map(|age| Edge { slice: *slice, age })).collect()
}

/// Runs every case with every kind of edge, on all cores. Returns the reports in the order of the
/// cases.
pub fn prove_all(cases: &[Case], edges: &[Edge]) -> Vec<Vec<Report>> {
    let jobs: Vec<_> =
        (0..cases.len()).flat_map(|case| (0..edges.len()).map(move |edge| (case, edge))).collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(vec![vec![Report::default(); edges.len()]; cases.len()]);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some((case, edge)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = prove(&cases[*case], edges[*edge]);
                    done.lock().expect("no proof panics")[*case][*edge] = report;
                }
            });
        }
    });
    done.into_inner().expect("no proof panics")
}

/// Returns content that differs for each path and each version.
pub fn content(path: &str, version: u32, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new()
        .update(path.as_bytes())
        .update(&version.to_le_bytes())
        .finalize_xof()
        .fill(&mut out);
    out
}

/// Returns an edit that puts content into a path. The content depends on the path and the version.
pub fn put(path: &str, version: u32, len: usize) -> Edit {
    Edit::Put(path.to_owned(), content(path, version, len))
}

/// Returns an edit that removes a region.
pub fn remove(path: &str) -> Edit {
    Edit::Remove(path.to_owned())
}

/// Returns the id of a component that no specification defines.
pub fn foreign(number: u32) -> Id {
    small(0xc0_de00 + number)
}

/// Returns a small new package. It has regions that are empty, shorter than a slice, and longer
/// than a slice.
pub fn fresh(slice: u64, sealing: Sealing) -> Published {
    let sizes = [0, 1, 31, 700, 4096, 5000, 9000, 17_000];
    let files: Vec<_> = (0..24)
        .map(|i| {
            let path = format!("dir{}/file{i}.bin", i % 3);
            let bytes = content(&path, 0, sizes[i % sizes.len()]);
            (path, bytes)
        })
        .collect();
    edit::package(&files, slice, sealing)
}

/// Returns a package whose index does not fit into the head, so the package has fences.
pub fn large(slice: u64, sealing: Sealing) -> Published {
    let files: Vec<_> = (0..2700)
        .map(|i| {
            let path = format!("tile/{}/{i}", i % 10);
            let bytes = content(&path, 0, 5 + i % 60);
            (path, bytes)
        })
        .collect();
    edit::package(&files, slice, sealing)
}

/// Fills delta groups. Afterwards, `groups` delta groups are empty, and the current one has room
/// for `room` more entries.
pub fn filled(mut package: Published, groups: u32, room: usize) -> Published {
    for group in (groups..package.deltas()).rev() {
        let count = if group == groups { 255 - room } else { 255 };
        let edits: Vec<_> =
            (0..count).map(|i| put("dir0/file3.bin", group * 1000 + i as u32, 700)).collect();
        // The edits all put the same region, and only the last of them counts.
        package.delta(&edits, true).expect("a whole group is free");
    }
    package
}

/// Returns a case in which `plan` makes the plans for a package.
pub fn case(
    name: impl Into<String>,
    package: &Published,
    change: impl FnOnce(&mut Published) -> Vec<Plan>,
) -> Case {
    let mut after = package.clone();
    let plans = change(&mut after);
    before(name, package, plans)
}

/// Returns a case of a package and these plans.
pub fn before(name: impl Into<String>, package: &Published, plans: Vec<Plan>) -> Case {
    let (base, before) = (package.file.clone(), package.model.clone());
    Case { name: name.into(), len: base.len() as u64, base, before, plans }
}
