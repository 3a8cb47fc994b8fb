//! Plans that keep the laws: nobody ever sees anything but the old package or the new one.

use crate::cdn_cases::{
    SEALINGS, case, edges, filled, foreign, fresh, large, prove_all, put, remove,
};
use dacti_tests::cache::{Age, Case, Report};
use dacti_tests::edit::{Edit, Published, Sealing};

/// An update as people make them: a new region, two replaced, one of them empty from now on.
fn update(version: u32) -> Vec<Edit> {
    vec![
        put(&format!("new/{version}.bin"), version, 6000),
        put("dir1/file1.bin", version, 9001),
        put("dir2/file5.bin", version, 0),
        put("dir0/file9.bin", version, 33),
    ]
}

/// An update of so many regions that its slots lie in several slices of 4 KiB.
fn wide(version: u32, count: u32) -> Vec<Edit> {
    (0..count).map(|i| put(&format!("wide/{i}"), version, 40)).collect()
}

fn delta(package: &mut Published, edits: &[Edit], next: bool) -> dacti_tests::cache::Plan {
    package.delta(edits, next).expect("the deltas have room")
}

/// Chains of three plans on every kind of package.
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

/// Every shape with every sealing; the slice lengths that a package promises go round.
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

#[test]
fn every_reader_of_every_plan_sees_the_old_package_or_the_new_one() {
    let (cases, edges) = (all_chains(), edges());
    let reports = prove_all(&cases, &edges);
    let mut total = Report::default();
    let mut renewed = 0;
    for of_case in reports {
        for (edge, report) in edges.iter().zip(of_case) {
            if edge.age == Age::Renewed {
                renewed += report.counts.escalations;
            }
            total.add(report);
        }
    }
    println!("{} cases behind {} kinds of edges: {total}", cases.len(), edges.len());
    assert!(total.breaches.is_empty(), "{total}");
    println!("escalations where every barrier holds for data too: {renewed}");
}
