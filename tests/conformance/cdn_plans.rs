//! Plans that obey the laws. Every reader must see the old package or the new one.

use crate::cdn_cases::{
    SEALINGS, before, case, edges, filled, foreign, fresh, large, prove_all, put, remove,
};
use crate::cdn_planner::{Kind, Planned, Update, built, built_with, update_sparse, update_with};
use dacti_cdn::{Purge, UpdatePolicy};
use dacti_tests::cache::{Age, Case, Op, Plan, Report};
use dacti_tests::edit::{Edit, Published, Sealing};
use std::collections::BTreeSet;

/// Returns a typical update. It adds one region and replaces three regions, one of which becomes
/// empty.
fn update(version: u32) -> Vec<Edit> {
    vec![
        put(&format!("new/{version}.bin"), version, 6000),
        put("dir1/file1.bin", version, 9001),
        put("dir2/file5.bin", version, 0),
        put("dir0/file9.bin", version, 33),
    ]
}

/// Returns an update of `count` regions. Their entries take slots in several slices of 4 KiB.
fn wide(version: u32, count: u32) -> Vec<Edit> {
    (0..count).map(|i| put(&format!("wide/{i}"), version, 40)).collect()
}

fn delta(package: &mut Published, edits: &[Edit], next: bool) -> Plan {
    package.delta(edits, next).expect("the deltas have room")
}

/// Returns chains of three plans, for each kind of package.
fn chains(sealing: Sealing, slice: u64) -> Vec<Case> {
    let new = fresh(slice, sealing);
    let name = |what: &str| format!("{what}, {sealing:?}, slice {slice}");
    let nearly_full = filled(new.clone(), 0, 100);
    let nearly_next = filled(new.clone(), 3, 90);
    let mut folded = new.clone();
    folded.fold(&update(1));
    vec![
        case(name("fresh: deltas"), &new, |p| {
            vec![
                delta(p, &update(2), false),
                delta(p, &wide(3, 200), false),
                delta(p, &update(4), true),
            ]
        }),
        case(name("nearly full group: delta, next group, delta"), &nearly_next, |p| {
            vec![
                delta(p, &wide(2, 80), false),
                delta(p, &wide(3, 240), false),
                delta(p, &update(4), false),
            ]
        }),
        case(name("nearly full deltas: delta, fold, fold"), &nearly_full, |p| {
            let first = delta(p, &wide(2, 90), false);
            assert!(p.clone().delta(&wide(3, 20), false).is_none(), "the deltas are full");
            vec![first, p.fold(&update(3)), p.fold(&wide(4, 30))]
        }),
        case(name("fresh: fold, fold with removal, fold"), &new, |p| {
            let second = [update(3), vec![remove("dir0/file0.bin"), remove("dir1/file4.bin")]];
            vec![p.fold(&update(2)), p.fold(&second.concat()), p.fold(&update(4))]
        }),
        case(name("fresh: removals in groups of their own"), &new, |p| {
            let gone = ["dir0/file0.bin", "dir1/file1.bin"].map(remove);
            let back = [put("dir1/file1.bin", 5, 8000)];
            let first = [delta(p, &gone[..1], false), delta(p, &update(2), false)];
            let last = [delta(p, &gone[1..], false), delta(p, &back, false)];
            [first, last].concat()
        }),
        case(name("fresh: removal, fold, removal"), &new, |p| {
            let gone = ["dir0/file0.bin", "dir1/file1.bin"].map(remove);
            vec![delta(p, &gone, false), p.fold(&[]), p.fold(&[remove("dir2/file2.bin")])]
        }),
        case(name("fresh: component slot, delta, further table"), &new, |p| {
            vec![
                p.slot(foreign(1), b"a format of somebody's own"),
                delta(p, &update(2), false),
                p.further_table(foreign(2), &[7; 5000]),
            ]
        }),
        case(name("folded: further table, fold, component slot"), &folded, |p| {
            vec![
                p.further_table(foreign(1), b"one"),
                p.fold(&[remove("dir1/file1.bin"), put("dir1/file1.txt", 5, 4000)]),
                p.slot(foreign(2), &[9; 70_000]),
            ]
        }),
    ]
}

/// Returns chains for all kinds of packages and of seals, with several lengths of slices.
fn all_chains() -> Vec<Case> {
    let slices = [4 << 10, 64 << 10, 1 << 20];
    let mut out = Vec::new();
    for (i, sealing) in SEALINGS.into_iter().enumerate() {
        out.extend(chains(sealing, 4096));
        out.extend(chains(sealing, slices[i]).into_iter().skip(if i == 0 { 99 } else { 0 }));
    }
    let big = large(4096, Sealing::Digest);
    out.push(case("large: delta, fold, delta", &big, |p| {
        let edits = [put("tile/3/13", 1, 50), put("tile/new", 1, 60)];
        vec![
            delta(p, &edits, false),
            p.fold(&[put("tile/4/14", 2, 3)]),
            p.fold(&[remove("tile/5/15")]),
        ]
    }));
    out
}

/// Returns chains of three plans that the crates' planner made, and the names of the plans, which
/// state their strategies.
fn planned_chains() -> (Vec<Case>, BTreeSet<String>) {
    let mut out = Vec::new();
    for (sealing, slice) in [
        (Sealing::None, 4 << 10),
        (Sealing::Digest, 4 << 10),
        (Sealing::Signed, 4 << 10),
        (Sealing::Digest, 64 << 10),
        (Sealing::None, 1 << 20),
    ] {
        out.extend(chains_by_planner(sealing, slice));
    }
    let names = out.iter().flat_map(|case: &Case| &case.plans).map(|plan| plan.name.clone());
    let names = names.collect();
    (out, names)
}

fn chains_by_planner(sealing: Sealing, slice: u64) -> Vec<Case> {
    let new = built(24, slice, sealing);
    let nearly_full = filled(new.clone(), 0, 100);
    let nearly_next = filled(new.clone(), 3, 90);
    let name = |what: &str| format!("{what}, by the planner, {sealing:?}, slice {slice}");
    let plain = |edits: Vec<Edit>| Update::from(edits);
    let components = |ids: std::ops::Range<u32>| Update {
        components: ids.map(|i| (foreign(i), vec![i as u8; 100 + 500 * i as usize])).collect(),
        ..Update::default()
    };
    let mut out = vec![
        case(name("fresh: three deltas"), &new, |p| {
            [plain(update(2)), plain(wide(3, 200)), plain(update(4))].map(|u| by(p, &u)).into()
        }),
        case(name("nearly full group: delta, next group, delta"), &nearly_next, |p| {
            [plain(wide(2, 80)), plain(wide(3, 240)), plain(update(4))].map(|u| by(p, &u)).into()
        }),
        case(name("nearly full deltas: delta, fold, fold with removal"), &nearly_full, |p| {
            let last = [update(4), vec![remove("dir1/file4.bin"), remove("dir0/file3.bin")]];
            [plain(wide(2, 90)), plain(update(3)), plain(last.concat())].map(|u| by(p, &u)).into()
        }),
        case(name("fresh: removal, component, removal"), &new, |p| {
            let rest = plain(vec![remove("dir0/file0.bin")]);
            [plain(vec![remove("dir1/file1.bin")]), components(1..2), rest]
                .map(|u| by(p, &u))
                .into()
        }),
        case(name("fresh: removal, put of the same and of others, removal"), &new, |p| {
            let (gone, back) = ([remove("dir1/file1.bin")], [put("dir1/file1.bin", 3, 700)]);
            [plain(gone.to_vec()), plain(back.to_vec()), plain(update(4)), plain(gone.to_vec())]
                .map(|u| by(p, &u))
                .into()
        }),
        case(name("nearly full deltas: removal, which folds, put"), &nearly_full, |p| {
            [plain(vec![remove("dir1/file4.bin")]), plain(update(4))].map(|u| by(p, &u)).into()
        }),
        case(name("fresh: all slots of T1, a further table, a fold"), &new, |p| {
            let fold = plain(vec![remove("dir0/file9.bin"), put("dir2/file5.bin", 7, 9)]);
            [components(1..14), components(20..29), fold].map(|u| by(p, &u)).into()
        }),
        case(name("fresh: explicit ids, delta, both at once"), &new, |p| {
            let explicit = Update { explicit_ids: true, ..Update::default() };
            let both = Update { components: components(1..2).components, ..plain(update(3)) };
            [explicit, plain(update(2)), both].map(|u| by(p, &u)).into()
        }),
    ];
    out.push(case(name("aligned regions, larger slices, confirmed"), &new, |p| {
        let policy = UpdatePolicy {
            slice_len: Some(slice * 4),
            region_align: 4096,
            purge: Purge::Probed,
            confirm: true,
        };
        let updates = [plain(update(2)), plain(vec![remove("dir0/file6.bin")]), plain(update(3))];
        updates.map(|u| update_with(p, &u, &policy)).into()
    }));
    out.push(case(name("brotli among plain regions: next group, mixed fold"), &new, |p| {
        let brotli = Update { brotli: true, ..plain(update(3)) };
        let fold = plain(vec![remove("dir2/file5.bin"), put("dir0/file9.bin", 9, 100)]);
        [plain(update(2)), brotli, fold].map(|u| by(p, &u)).into()
    }));
    out
}

fn by(package: &mut Published, update: &Update) -> Plan {
    update_with(package, update, &UpdatePolicy::default())
}

#[test]
fn every_reader_of_every_plan_of_the_planner_sees_the_old_package_or_the_new_one() {
    // spec: R-CDN-10, R-CDN-11, R-CDN-12, R-CDN-13, R-CDN-14, R-CDN-17
    let (mut cases, names) = planned_chains();
    // A large package has fences. They lie in the head, or after it.
    let big = built(2700, 4096, Sealing::Digest);
    cases.push(case("large, by the planner: delta, removal, fold, fold", &big, |p| {
        let replaced = ["dir0/file30.bin", "dir2/file2000.bin"].map(|path| put(path, 1, 50));
        let removed = ["dir1/file31.bin", "dir2/file5.bin"].map(remove);
        let mixed = [put("dir1/file31.bin", 2, 20), remove("dir2/file8.bin")];
        let last = [put("dir1/file1000.bin", 2, 10), remove("dir0/file0.bin")];
        [replaced, removed, mixed, last].map(|edits| by(p, &edits.to_vec().into())).into()
    }));
    let strategies = ["delta", "first table", "second table", "fold"];
    assert_eq!(names, strategies.map(|name| format!("{name} by the planner")).into());
    prove_sound(&cases);
}

#[test]
fn packages_with_hot_regions_or_past_four_gibibytes_are_seen_old_or_new() {
    // spec: R-CDN-10, R-CDN-21
    let mut cases = Vec::new();
    let first = [put("dir1/file1.bin", 1, 1), put("dir0/file3.bin", 1, 700)];
    let second = [put("dir1/file1.bin", 2, 1), put("dir2/file5.bin", 2, 5000)];
    let removal = [remove("dir0/file3.bin"), put("dir1/file10.bin", 3, 31)];
    for sealing in SEALINGS {
        let hot = built_with(24, 4096, sealing, Kind::Hot);
        cases.push(case(format!("hot regions, {sealing:?}"), &hot, |p| {
            let updates = [first.to_vec(), wide(2, 200), removal.to_vec()];
            updates.map(|edits| by(p, &edits.into())).into()
        }));
        // The file ends 8 KiB before 4 GiB, or at 5 GiB. Offsets of 32 bits cannot reach bytes
        // after 4 GiB from the base of the current group or of the old T2, so the plans need new
        // bases.
        let new = built(24, 4096, sealing);
        let mut near = new.clone();
        by(&mut near, &first.to_vec().into());
        for (name, package) in [("new", &new), ("updated", &near)] {
            for len in [(4 << 30) - 8192, 5 << 30] {
                let updates =
                    [&second[..], &removal, &first[..1]].map(|edits| edits.to_vec().into());
                let plans = update_sparse(package, len, &updates);
                let name = format!("{name}, {len} bytes long, {sealing:?}");
                cases.push(Case { len, ..before(name, package, plans) });
            }
        }
    }
    let ops = cases.iter().flat_map(|case| &case.plans).flat_map(|plan| &plan.ops);
    let bases = ops.filter_map(|op| match op {
        Op::Reserve { bytes, .. } => Some(u64::from_le_bytes(bytes[..8].try_into().ok()?)),
        _ => None,
    });
    // At least twelve of the bases lie between 4 and 6 GiB. These belong to new delta groups, and
    // to the T2 of a fold.
    assert!(bases.filter(|base| (4 << 30..6 << 30).contains(base)).count() >= 12);
    prove_sound(&cases);
}

#[test]
fn packages_with_shared_bytes_are_seen_old_or_new() {
    // spec: R-CDN-10, R-CDN-11, R-CDN-19, R-SEAL-22, R-SEAL-24
    let mut cases = Vec::new();
    for sealing in [Sealing::Digest, Sealing::Signed] {
        let shared = built_with(24, 4096, sealing, Kind::Shared);
        // Every second one of the 24 regions has the same content. The first edits change the first
        // and the last of these equal regions, and the later edits change some in between.
        let first = [put("dir1/file1.bin", 1, 1), put("dir2/file23.bin", 1, 700)];
        let removal = [remove("dir0/file9.bin"), remove("dir1/file13.bin")];
        let fold = [remove("dir2/file11.bin"), put("dir0/file9.bin", 2, 4000)];
        // The new content and its seal end exactly at the end of a slice. So the zeros for further
        // seals take one more slice.
        let seal_len = if sealing == Sealing::Signed { 96 } else { 32 };
        let full = [put("dir0/file0.bin", 4, 4096 - seal_len)];
        cases.push(case(format!("shared bytes, by the planner, {sealing:?}"), &shared, |p| {
            [&first[..], &removal, &full, &fold].map(|edits| by(p, &edits.to_vec().into())).into()
        }));
        cases.push(case(
            format!("shared bytes, by the other planner, {sealing:?}"),
            &shared,
            |p| {
                vec![
                    delta(p, &first, false),
                    delta(p, &removal, false),
                    delta(p, &full, false),
                    p.fold(&fold),
                ]
            },
        ));
    }
    prove_sound(&cases);
}

/// Returns an update that the planner made. It is interrupted after `kept` steps and half of the
/// next step. Returns `None` if the update does not have this many steps.
fn died(package: &mut Published, update: &Update, kept: usize) -> Option<Plan> {
    let planned = Planned::new(package, update, &UpdatePolicy::default());
    let mut ops = planned.ops();
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let cut = match ops.get(kept)? {
        Op::Append { at, bytes } => Op::Append { at: *at, bytes: half(bytes) },
        Op::Reserve { at, bytes } => Op::Reserve { at: *at, bytes: half(bytes) },
        // A switch has happened completely or not at all, so an interrupted switch is left out.
        Op::Barrier | Op::Switch { .. } => Op::Barrier,
    };
    ops.truncate(kept);
    ops.push(cut);
    Some(package.finish("died", ops, &[]))
}

#[test]
fn updates_after_one_that_died_at_any_step_are_seen_old_or_new() {
    // spec: R-CDN-10
    let mut cases = Vec::new();
    for sealing in [Sealing::None, Sealing::Digest] {
        let new = built(24, 4096, sealing);
        let fold = Update::from(vec![put("dir1/file1.bin", 8, 900), remove("dir2/file5.bin")]);
        let delta = Update::from(vec![put("dir1/file1.bin", 9, 900), put("dir0/new", 9, 7000)]);
        for first in [&fold, &delta] {
            for kept in 0.. {
                let mut after = new.clone();
                let Some(plan) = died(&mut after, first, kept) else { break };
                let plans = vec![plan, by(&mut after, &delta), by(&mut after, &fold)];
                let name = format!("died after {kept} steps, {sealing:?}");
                cases.push(before(name, &new, plans));
            }
        }
    }
    assert!(cases.len() >= 24, "six steps and more, twice, in two packages");
    prove_sound(&cases);
}

/// Checks that these cases cause no corruption. If caches renew both heads and data at barriers, no
/// reader may need to ask the origin again.
fn prove_sound(cases: &[Case]) {
    let edges = edges();
    let mut total = Report::default();
    let mut renewed = 0;
    for of_case in prove_all(cases, &edges) {
        for (edge, report) in edges.iter().zip(of_case) {
            if edge.age == Age::Renewed {
                renewed += report.counts.escalations;
            }
            total.add(report);
        }
    }
    println!("{} cases behind {} kinds of edges: {total}", cases.len(), edges.len());
    assert!(total.breaches.is_empty(), "{total}");
    assert!(total.counts.escalations > 0, "some slices were short");
    assert_eq!(renewed, 0, "behind barriers that hold for data too nobody has to escalate");
}

#[test]
fn every_reader_of_every_plan_sees_the_old_package_or_the_new_one() {
    prove_sound(&all_chains());
}
