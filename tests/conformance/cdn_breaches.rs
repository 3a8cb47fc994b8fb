//! Breaks the laws of updates on purpose, one at a time. This shows that the proof can fail.
//!
//! Each test breaks one law in plans that obey all other laws. It states which corruption follows,
//! and at which edges. If readers are safe in spite of the broken law, it states why.

use crate::cdn_cases::{SLICES, case, content, edges, filled, fresh, large, prove_all, put};
use dacti_tests::cache::{Case, Kind, Op, Plan, Report};
use dacti_tests::edit::{Edit, Published, Sealing};
use dacti_tests::reference::{self as by, GROUP, NONE, path_id, small};
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of corruption that a broken law causes, for each slice length.
type Found = BTreeMap<u64, BTreeSet<Kind>>;

/// Runs a case on every kind of edge, prints the result and returns it.
fn run(law: &str, case: Case) -> (Found, Report) {
    let edges = edges();
    let reports = prove_all(&[case], &edges).remove(0);
    let (mut found, mut total) = (Found::new(), Report::default());
    for (edge, report) in edges.iter().zip(reports) {
        found.entry(edge.slice).or_default().extend(report.breaches.keys());
        total.add(report);
    }
    let caught: u64 = total.breaches.values().map(|(count, _)| count).sum();
    println!("{law}: {caught} corrupt views; {total}");
    (found, total)
}

/// Checks that a broken law causes exactly these kinds of corruption. The kinds are given for each
/// of the three slice lengths of edges.
#[track_caller]
fn check(law: &str, case: Case, kinds: [&[Kind]; 3]) {
    let (found, report) = run(law, case);
    let expected: Found = SLICES
        .into_iter()
        .zip(kinds)
        .map(|(s, kinds)| (s, kinds.iter().copied().collect()))
        .collect();
    assert_eq!(found, expected, "{law}: {report}");
}

/// Checks that the same plan causes no corruption if the package has digests. Readers then detect
/// stale bytes, and fetch these again past the caches.
#[track_caller]
fn check_healed(law: &str, case: Case) {
    let (found, report) = run(&format!("{law}, but digests tell"), case);
    assert!(found.values().all(BTreeSet::is_empty), "{law}: {report}");
    assert!(report.counts.escalations > 0, "nothing had to be healed");
}

/// Returns edits that put a region of three slices and a region of a few bytes.
fn edits(version: u32) -> Vec<Edit> {
    vec![put("dir1/file1.bin", version, 9000), put("dir2/file5.bin", version, 50)]
}

/// Returns edits whose entries take slots in two slices of 4 KiB.
fn wide(version: u32) -> Vec<Edit> {
    (0..150).map(|i| put(&format!("dir{}/file{}.bin", i % 3, i % 24), version + i, 30)).collect()
}

/// Returns a package that is longer than the longest slice. Its next free slots lie in two slices
/// of 4 KiB.
fn package(sealing: Sealing) -> Published {
    filled(fresh(1 << 20, sealing), 6, 180)
}

fn delta(package: &mut Published, edits: &[Edit]) -> Plan {
    package.delta(edits, false).expect("the deltas have room")
}

fn without_barriers(mut plan: Plan) -> Plan {
    plan.ops.retain(|op| *op != Op::Barrier);
    plan
}

#[test]
fn switch_before_its_bytes_are_appended() {
    // spec: R-CDN-11
    for sealing in [Sealing::None, Sealing::Digest] {
        let case = case("switch before append", &package(sealing), |p| {
            let mut plan = delta(p, &edits(1));
            let append = plan.ops.remove(1);
            plan.ops.push(append);
            vec![plan]
        });
        check("W2 append, then switch", case, [&[Kind::Lost]; 3]);
    }
}

#[test]
fn no_barrier_between_slots_and_switch() {
    // spec: R-CDN-11
    // A reader can get the new length of a group together with its old slots, which are entries of
    // zeros. This cannot happen if one slice holds the whole head: then the length and the slots
    // are both new or both old.
    for (sealing, kind) in [(Sealing::None, Kind::WrongBytes), (Sealing::Digest, Kind::Lost)] {
        let case =
            case("no barrier", &package(sealing), |p| vec![without_barriers(delta(p, &wide(1)))]);
        check("W2 barrier before the switch", case, [&[kind], &[], &[]]);
    }
}

#[test]
fn no_barriers_between_two_updates() {
    // spec: R-CDN-17
    let case = case("no barriers, two groups", &package(Sealing::Digest), |p| {
        let first = delta(p, &edits(1));
        let second = p.delta(&edits(2)[..1], true).expect("a group is free");
        vec![without_barriers(first), without_barriers(second)]
    });
    let (found, report) = run("W8 a plan begins with a barrier", case);
    assert!(!found[&4096].is_empty(), "{report}");
}

#[test]
fn place_of_t2_written_again_before_its_barrier() {
    // spec: R-CDN-10, R-CDN-17, R-CDN-25
    let case = case("T2 place reused", &fresh(4096, Sealing::Digest), |p| {
        let first = p.fold(&edits(1));
        let mut second = p.fold(&edits(2));
        second.ops.remove(0);
        vec![first, second]
    });
    let (found, report) = run("W1 a T2 place is reused after a barrier only", case);
    for slice in SLICES {
        assert!(!found[&slice].is_empty(), "slices of {slice}: {report}");
    }
}

/// A plan is interrupted while it appends. Another plan then appends other bytes at the same
/// position.
fn reused_tail(sealing: Sealing) -> Case {
    case("reused tail", &package(sealing), |p| {
        let mut died = p.clone();
        let mut first = delta(&mut died, &edits(1));
        first.ops.truncate(2);
        first.after = p.model.clone();
        vec![first, delta(p, &edits(2))]
    })
}

#[test]
fn bytes_past_the_end_reused_after_a_crash() {
    // spec: R-CDN-10
    // Digests do not help. The bytes of the interrupted plan match their own digest, under the same
    // id.
    for sealing in [Sealing::None, Sealing::Digest, Sealing::Signed] {
        let law = "W1 bytes past the end are never reused";
        check(law, reused_tail(sealing), [&[Kind::WrongBytes]; 3]);
    }
}

/// An append starts inside the padding at the end of the file.
fn unaligned(sealing: Sealing) -> Case {
    case("unaligned append", &package(sealing), |p| {
        let mut plan = delta(p, &edits(1));
        for op in &mut plan.ops {
            match op {
                Op::Append { at, bytes } => {
                    *at -= 1024;
                    bytes.truncate(bytes.len() - 1024);
                }
                Op::Reserve { bytes, .. } => {
                    for slot in bytes.chunks_exact_mut(24) {
                        let offset = u32::from_le_bytes(four(&slot[16..20])) - 1024;
                        slot[16..20].copy_from_slice(&offset.to_le_bytes());
                    }
                }
                _ => {}
            }
        }
        vec![plan]
    })
}

#[test]
fn append_within_the_padding_of_the_file() {
    // spec: R-CDN-14
    let law = "W5 appends are aligned";
    check(law, unaligned(Sealing::None), [&[Kind::WrongBytes]; 3]);
    check_healed(law, unaligned(Sealing::Digest));
}

/// An append writes its end first, so its start stays zero for a while.
fn descending(sealing: Sealing) -> Case {
    case("tail before front", &package(sealing), |p| {
        let mut plan = delta(p, &edits(1));
        let Op::Append { at, bytes } = plan.ops.remove(1) else { panic!("the append") };
        let (front, tail) = bytes.split_at(5000);
        plan.ops.insert(1, Op::Append { at, bytes: front.to_vec() });
        plan.ops.insert(1, Op::Append { at: at + 5000, bytes: tail.to_vec() });
        vec![plan]
    })
}

#[test]
fn tail_of_an_append_before_its_front() {
    // spec: R-CDN-11
    let law = "W2 an append is written upwards";
    check(law, descending(Sealing::None), [&[Kind::WrongBytes]; 3]);
    check_healed(law, descending(Sealing::Digest));
}

fn four(bytes: &[u8]) -> [u8; 4] {
    bytes.try_into().expect("four bytes")
}

/// Returns a package whose index lies after the head, and has room for one more group.
fn with_room_in_the_index(sealing: Sealing) -> Published {
    let mut package = large(4096, sealing);
    let file = &mut package.file;
    let container = by::read_container(file).expect("a package");
    let index = by::read_index(file, &container).expect("an index");
    let (index_at, index_len) = index.region;
    let index_end = (index_at + index_len) as usize;
    file.splice(index_end..index_end, vec![0; GROUP as usize]);
    let groups: BTreeSet<_> = index.entries.iter().map(|entry| entry.group_at).collect();
    for group in groups {
        let base = index.entries[0].base + GROUP;
        by::place(file, group as usize, &base.to_le_bytes());
    }
    // Enlarges the index region, and removes the fences from the table. Fences would have to cover
    // the added group.
    by::place(file, 504 + 24 + 24, &((index_len + GROUP) as u32).to_le_bytes());
    by::place(file, 504 + 20, &2_u32.to_le_bytes());
    file.resize(file.len().next_multiple_of(4096), 0);
    package
}

/// A plan fills a group after the head. Then it raises the count of groups.
fn far_slots(sealing: Sealing) -> Case {
    case("far slots", &with_room_in_the_index(sealing), |p| {
        let (mut data, mut entries) = (Vec::new(), Vec::new());
        for i in 0..200 {
            let (id, bytes) = (small(i), content("far", i, 20));
            entries.push(by::Entry { id, offset: data.len() as u32, size: 20 });
            data.extend(&bytes);
            data.extend(sealing.behind(id, NONE, &bytes));
            p.model.regions.insert(id, bytes);
        }
        data.resize(data.len().next_multiple_of(4096), 0);
        let (at, after) = (p.file.len() as u64, p.model.clone());
        let group = by::Group { base: at, encoding: NONE, entries, ..by::Group::default() };
        let container = by::read_container(&p.file).expect("a package");
        // The index has an empty group after the head. Readers refuse such an index (R-LAY-22), so
        // this code reads it without that check.
        let found = container.components.iter().find(|found| found.id == by::INDEX);
        let region =
            by::region(found.expect("an index"), p.file.len() as u64).expect("in the file");
        let index = by::index_at(&p.file, region).expect("an index");
        let group_at = index.region.0 + 8 + GROUP * u64::from(index.groups);
        let count = (index.groups + 1).to_le_bytes().to_vec();
        let ops = vec![
            Op::Barrier,
            Op::Append { at, bytes: data },
            Op::Reserve { at: group_at, bytes: by::index(&[group])[8..].to_vec() },
            Op::Barrier,
            Op::Switch { at: index.region.0 + 4, bytes: count },
        ];
        vec![Plan { name: "far slots".to_owned(), ops, after }]
    })
}

#[test]
fn slots_outside_the_head() {
    // spec: R-CDN-10
    // Edges cache the group as immutable data. So they keep old bytes of the group for ever.
    let law = "L1 slots are in the head";
    let wrong: &[Kind] = &[Kind::WrongBytes, Kind::NotVisible];
    check(law, far_slots(Sealing::None), [wrong, wrong, &[]]);
    let lost: &[Kind] = &[Kind::Lost, Kind::NotVisible];
    check(law, far_slots(Sealing::Digest), [lost, lost, &[]]);
}

#[test]
fn switch_of_a_whole_table() {
    // spec: R-CDN-12
    let case = case("T2 in force rewritten", &fresh(4096, Sealing::Digest), |p| {
        let mut plan = p.fold(&edits(1));
        let Op::Reserve { bytes, .. } = plan.ops.remove(2) else { panic!("the place of T2") };
        plan.ops.pop();
        plan.ops.push(Op::Switch { at: 504, bytes });
        by::place(&mut p.file, 36, &504_u32.to_le_bytes());
        vec![plan]
    });
    let (found, report) = run("W3 a switch is eight aligned bytes at most", case);
    for slice in SLICES {
        assert!(found[&slice].contains(&Kind::Lost), "slices of {slice}: {report}");
    }
}

#[test]
fn switch_of_a_whole_group_header() {
    // spec: R-CDN-12, R-CDN-23
    // The origin reads bytes in ascending order while the switch writes them. So a reader can get
    // the old base with the new length.
    for (sealing, kind) in [(Sealing::None, Kind::WrongBytes), (Sealing::Digest, Kind::Lost)] {
        let case = case("base and length at once", &fresh(4096, sealing), |p| {
            let mut plan = delta(p, &[put("dir2/file5.bin", 1, 5000)]);
            let Op::Reserve { at, mut bytes } = plan.ops.remove(3) else { panic!("the header") };
            let Some(Op::Switch { bytes: length, .. }) = plan.ops.pop() else { panic!("a switch") };
            bytes.extend(length);
            plan.ops.push(Op::Switch { at, bytes });
            vec![plan]
        });
        check("W3 a switch is one aligned word", case, [&[kind]; 3]);
    }
}

#[test]
fn update_of_two_switches() {
    // spec: R-CDN-13
    let case = case("two switches", &package(Sealing::Digest), |p| {
        let first = delta(p, &edits(1));
        let second = p.delta(&[put("dir0/file9.bin", 1, 33)], true).expect("a group is free");
        let ops = [first.ops, second.ops].concat();
        vec![Plan { name: "two deltas".to_owned(), ops, after: second.after }]
    });
    check("W4 one switch publishes it all", case, [&[Kind::HalfUpdate, Kind::OutOfTime]; 3]);
}

/// A region is moved to the end of the file, and other bytes are written over its old bytes.
fn moved(sealing: Sealing) -> Case {
    case("moved", &package(sealing), |p| {
        let path = "dir1/file4.bin";
        let container = by::read_container(&p.file).expect("a package");
        let index = by::read_index(&p.file, &container).expect("an index");
        let entry = index.regions()[&path_id(path)];
        let at = entry.base + u64::from(entry.offset);
        let bytes = p.model.regions[&path_id(path)].clone();
        let mut plan = delta(p, &[Edit::Put(path.to_owned(), bytes.clone())]);
        plan.ops.push(Op::Barrier);
        plan.ops.push(Op::Reserve { at, bytes: vec![0; bytes.len()] });
        vec![plan]
    })
}

#[test]
fn bytes_moved_within_the_file() {
    // spec: R-CDN-10
    let law = "W1 bytes that an old head reaches are never moved";
    check(law, moved(Sealing::None), [&[Kind::WrongBytes]; 3]);
    // Digests detect the other bytes. But even the origin no longer has the region's bytes at this
    // position.
    check(law, moved(Sealing::Digest), [&[Kind::Lost]; 3]);
}
