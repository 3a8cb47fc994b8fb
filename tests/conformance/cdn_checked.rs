//! Calls `dacti_cdn::check` with plans that break a law. The check must refuse every plan for which
//! the simulation shows corruption, and must name the broken law.
//!
//! The planner makes each plan, and the test changes it in one way. Then the test computes the
//! plan's digests and lengths again, so that the plan breaks only the law.

use crate::cdn_cases::{before, content, edges, filled, foreign, prove_all, put, remove};
use crate::cdn_planner::{Planned, Update, built, snapshot};
use dacti_cdn::{
    Action, Append, Barrier, Digest, Law, PieceContent, Probe, Reserve, State, Step, Strategy,
    UpdatePolicy, check,
};
use dacti_tests::cache::Report;
use dacti_tests::edit::{Published, Sealing};
use daicon_core::Span;
use std::collections::BTreeSet;

/// The steps of a plan, which a test can change.
type Steps = Vec<Step>;

/// Recomputes the fields that depend on the steps: the length and the head's digest after each
/// step, the old bytes of every write, and the bytes of the head that barriers compare.
fn restate(planned: &mut Planned) {
    let mut head = planned.snapshot.head().to_vec();
    let mut len = planned.snapshot.len();
    planned.plan.before = planned.snapshot.state();
    for step in &mut planned.plan.steps {
        match &mut step.action {
            Action::Append(append) => {
                len = append.pieces.iter().map(|piece| piece.span.end).fold(len, u64::max);
            }
            Action::Reserve(Reserve { at, before, after })
            | Action::Switch(dacti_cdn::Switch { at, before, after, .. }) => {
                let span = *at as usize..*at as usize + after.len();
                if let Some(there) = head.get_mut(span) {
                    before.clear();
                    before.extend(&*there);
                    there.copy_from_slice(after);
                }
            }
            Action::Barrier(barrier) => {
                for probe in barrier.probes.iter_mut().filter(|probe| probe.span.end <= 65_536) {
                    probe.digest = Digest::of(&head);
                }
            }
        }
        step.after = State { len, head: Digest::of(&head) };
    }
}

fn is_barrier(step: &Step) -> bool {
    matches!(step.action, Action::Barrier(_))
}

fn position(steps: &Steps, is: impl Fn(&Action) -> bool) -> usize {
    steps.iter().position(|step| is(&step.action)).expect("such a step")
}

fn append_of(steps: &mut Steps) -> &mut Append {
    let appends = steps.iter_mut().filter_map(|step| match &mut step.action {
        Action::Append(append) => Some(append),
        _ => None,
    });
    appends.last().expect("an append")
}

fn reserve_of(steps: &mut Steps) -> &mut Reserve {
    let mut reserves = steps.iter_mut().filter_map(|step| match &mut step.action {
        Action::Reserve(reserve) => Some(reserve),
        _ => None,
    });
    reserves.next().expect("a reserve")
}

/// Returns a step that writes these bytes into a reserve of the head.
fn reserve(at: u64, after: Vec<u8>) -> Step {
    let action = Action::Reserve(Reserve { at, before: vec![0; after.len()], after });
    Step { action, after: State { len: 0, head: Digest::default() } }
}

/// A change that breaks a law.
struct Broken {
    what: &'static str,
    law: Law,
    /// Whether the simulation shows a corrupt view. If it does not, the plan breaks the law without
    /// harm.
    corrupt: bool,
    change: fn(&mut Steps),
}

const BROKEN: [Broken; 12] = [
    Broken {
        what: "append and its barrier behind the switch",
        law: Law::W2,
        corrupt: true,
        change: |steps| {
            let at = position(steps, |action| matches!(action, Action::Append(_)));
            let moved: Vec<_> = steps.drain(at..at + 2).collect();
            steps.extend(moved);
        },
    },
    Broken {
        what: "no barrier but the first",
        law: Law::W2,
        corrupt: true,
        change: |steps| {
            let first = steps.remove(0);
            steps.retain(|step| !is_barrier(step));
            steps.insert(0, first);
        },
    },
    Broken {
        what: "no barrier on the head before the switch",
        law: Law::W2,
        corrupt: true,
        change: |steps| {
            let at = position(steps, |action| matches!(action, Action::Switch(_)));
            steps.remove(at - 1);
            // The barrier after the append compares only appended bytes, so it proves nothing about
            // the head.
            let at = position(steps, |action| matches!(action, Action::Append(_)));
            let landed = steps.remove(at + 1);
            steps.insert(at, landed);
            steps.swap(at, at + 1);
            let barrier = steps.remove(at + 1);
            assert!(is_barrier(&barrier));
            steps.insert(1, empty_barrier());
        },
    },
    Broken {
        what: "no first barrier",
        law: Law::W8,
        corrupt: false,
        change: |steps| drop(steps.remove(0)),
    },
    Broken {
        what: "append within the padding",
        law: Law::W1,
        corrupt: true,
        change: |steps| shift(steps, -16_384),
    },
    Broken {
        what: "append that shares a slice with what may come",
        law: Law::W5,
        corrupt: false,
        change: |steps| {
            // Makes the padding shorter, so that the append ends inside a slice.
            let pieces = &mut append_of(steps).pieces;
            pieces.last_mut().expect("padding").span.end -= 512;
        },
    },
    Broken {
        what: "a piece before the one in front of it",
        law: Law::W2,
        corrupt: true,
        change: |steps| append_of(steps).pieces.swap(3, 4),
    },
    Broken {
        what: "slots outside the head",
        law: Law::W1,
        corrupt: true,
        change: |steps| reserve_of(steps).at += 65_536,
    },
    Broken {
        what: "a switch of sixteen bytes",
        law: Law::W3,
        corrupt: true,
        change: |steps| {
            // A single switch writes the base, the encoding and the length of a group.
            let at = position(steps, |action| matches!(action, Action::Switch(_)));
            let (before, rest) = steps.split_at_mut(at);
            let Action::Switch(switch) = &mut rest[0].action else { unreachable!() };
            let header = before.iter().rev().find_map(|step| match &step.action {
                Action::Reserve(reserve) if reserve.after.len() == 12 => Some(reserve),
                _ => None,
            });
            let header = header.expect("the group's first entries");
            switch.at = header.at;
            switch.after = [&header.after[..], &switch.after, &[0; 3]].concat();
            let header_at = header.at;
            steps.retain(|step| !matches!(&step.action, Action::Reserve(r) if r.at == header_at));
        },
    },
    Broken {
        what: "half of the update published",
        law: Law::W4,
        corrupt: true,
        change: |steps| {
            let at = position(steps, |action| matches!(action, Action::Switch(_)));
            let Action::Switch(switch) = &mut steps[at].action else { unreachable!() };
            switch.after[0] -= 1;
        },
    },
    Broken {
        what: "a published entry taken away",
        law: Law::W1,
        corrupt: true,
        // In a small package, the index ends with the head. The last group of the index has the
        // entries of all regions.
        change: |steps| steps.insert(1, reserve(65_536 - 6136 + 12, vec![20])),
    },
    Broken {
        what: "a published region written over",
        law: Law::W1,
        corrupt: true,
        change: |steps| steps.insert(1, reserve(65_536 + 2048, vec![0xaa; 8])),
    },
];

fn empty_barrier() -> Step {
    let action = Action::Barrier(Barrier::default());
    Step { action, after: State { len: 0, head: Digest::default() } }
}

/// Moves an append by some bytes, and changes every offset that leads to it.
fn shift(steps: &mut Steps, by: i64) {
    let append = append_of(steps);
    append.at = append.at.wrapping_add_signed(by);
    for piece in &mut append.pieces {
        piece.span = Span {
            start: piece.span.start.wrapping_add_signed(by),
            end: piece.span.end.wrapping_add_signed(by),
        };
    }
    for step in steps {
        match &mut step.action {
            Action::Reserve(reserve) if reserve.after.len() == 12 => {
                let base = u64::from_le_bytes(reserve.after[..8].try_into().expect("eight bytes"));
                let base = base.wrapping_add_signed(by);
                reserve.after[..8].copy_from_slice(&base.to_le_bytes());
            }
            Action::Barrier(barrier) => {
                for probe in barrier.probes.iter_mut().filter(|probe| probe.span.end > 65_536) {
                    let Probe { span: Span { start, end }, .. } = probe;
                    (*start, *end) = (start.wrapping_add_signed(by), end.wrapping_add_signed(by));
                }
            }
            _ => {}
        }
    }
}

/// Returns a package without digests that is longer than the longest slice. Its next update needs
/// an empty group.
fn package() -> Published {
    filled(built(24, 1 << 20, Sealing::None), 7, 0)
}

#[test]
fn check_refuses_what_the_simulation_shows_to_be_corrupt() {
    // spec: R-CDN-10, R-CDN-11, R-CDN-12, R-CDN-13, R-CDN-14, R-CDN-17, R-CDN-40
    let package = package();
    // The new entries take slots in two slices of 4 KiB.
    let edits: Vec<_> = (0..180).map(|i| put(&format!("wide/{i}"), 1, 40)).collect();
    let update = Update::from(edits);
    let planned = Planned::new(&package, &update, &UpdatePolicy::default());
    assert_eq!(planned.plan.strategy, Strategy::Delta);
    for broken in BROKEN {
        let mut planned = planned.clone();
        (broken.change)(&mut planned.plan.steps);
        restate(&mut planned);
        let fault = check(&planned.plan, &planned.snapshot).expect_err(broken.what);
        assert_eq!(fault.law(), broken.law, "{}: {fault}", broken.what);
        let mut after = package.clone();
        let plans = vec![planned.run(&mut after, &update)];
        let case = before(broken.what, &package, plans);
        let mut total = Report::default();
        prove_all(&[case], &edges()).remove(0).into_iter().for_each(|report| total.add(report));
        println!("{}: check says {fault}; {total}", broken.what);
        assert_eq!(!total.breaches.is_empty(), broken.corrupt, "{}: {total}", broken.what);
    }
}

/// The plan writes into the unused place of T2. This place held the T2 of the view before the
/// previous plan, so stale readers may still read it. If a plan appends nothing, only its first
/// barrier protects them.
#[test]
fn first_barrier_alone_guards_a_place_that_was_in_force() {
    // spec: R-CDN-10, R-CDN-17
    let package = built(24, 4096, Sealing::Digest);
    let fold = Update::from(vec![remove("dir0/file0.bin"), put("dir0/file3.bin", 1, 700)]);
    let flag = Update { explicit_ids: true, ..Update::default() };
    for kept in [true, false] {
        let mut after = package.clone();
        let first = Planned::new(&after, &fold, &UpdatePolicy::default());
        assert_eq!(first.plan.strategy, Strategy::Fold);
        let first = first.run(&mut after, &fold);
        let mut second = Planned::new(&after, &flag, &UpdatePolicy::default());
        assert_eq!(second.plan.strategy, Strategy::SecondTable);
        assert_eq!(second.plan.append(), None);
        if !kept {
            second.plan.steps.remove(0);
            let fault = check(&second.plan, &second.snapshot).expect_err("no first barrier");
            assert_eq!(fault.law(), Law::W8, "{fault}");
        }
        let plans = vec![first, second.run(&mut after, &flag)];
        let case = before(format!("first barrier kept: {kept}"), &package, plans);
        let mut total = Report::default();
        prove_all(&[case], &edges()).remove(0).into_iter().for_each(|report| total.add(report));
        println!("first barrier kept: {kept}; {total}");
        assert_eq!(total.breaches.is_empty(), kept, "{total}");
    }
}

#[test]
fn plan_for_the_file_before_a_crash_is_refused() {
    // spec: R-CDN-10, R-CDN-40, R-CDN-41
    // An interrupted plan has written bytes after the end of the file. A later plan must not write
    // at the same positions.
    let mut package = package();
    let update = Update::from(vec![put("dir1/file1.bin", 1, 1)]);
    let mut planned = Planned::new(&package, &update, &UpdatePolicy::default());
    package.file.extend(content("what a crash left", 0, 5000));
    planned.snapshot = snapshot(&package.file, false);
    let fault = check(&planned.plan, &planned.snapshot).expect_err("another length");
    assert_eq!(fault.law(), Law::Plan, "{fault}");
    restate(&mut planned);
    let fault = check(&planned.plan, &planned.snapshot).expect_err("bytes reused");
    assert_eq!(fault.law(), Law::W1, "{fault}");
}

#[test]
fn check_refuses_folds_and_tables_that_lose_something() {
    // spec: R-CDN-26, R-CDN-40, R-CDN-41
    let mut laws = BTreeSet::new();
    let package = built(24, 4096, Sealing::Digest);
    let fold = Update::from(vec![remove("dir0/file0.bin"), put("dir1/file1.bin", 1, 9)]);
    let component = (foreign(1), b"somebody's".to_vec());
    let tables = Update {
        components: (1..18).map(|i| (foreign(i), component.1.clone())).collect(),
        ..Update::default()
    };
    for (update, strategy) in [(fold, Strategy::Fold), (tables, Strategy::SecondTable)] {
        let planned = Planned::new(&package, &update, &UpdatePolicy::default());
        assert_eq!(planned.plan.strategy, strategy);
        let at = position(&planned.plan.steps, |action| matches!(action, Action::Reserve(_)));
        let Action::Reserve(table) = &planned.plan.steps[at].action else { unreachable!() };
        // Changes one byte of the new table at a time: of its base, its extension offset, its count
        // or its components.
        let count = u32::from_le_bytes(table.after[20..24].try_into().expect("four bytes"));
        let mut caught = 0;
        for byte in (0..16).chain(20..24 + 28 * count as usize) {
            let mut planned = planned.clone();
            reserve_of(&mut planned.plan.steps).after[byte] ^= 1;
            restate(&mut planned);
            if let Err(fault) = check(&planned.plan, &planned.snapshot) {
                laws.insert(fault.law());
                caught += 1;
                continue;
            }
            // The check accepts this plan, so the plan must harm no reader.
            let mut after = package.clone();
            let plans = vec![planned.run(&mut after, &update)];
            let case = before(format!("byte {byte}"), &package, plans);
            let mut total = Report::default();
            prove_all(&[case], &edges()[..1]).remove(0).into_iter().for_each(|r| total.add(r));
            assert!(total.breaches.is_empty(), "{strategy}, byte {byte} of the table: {total}");
        }
        println!("{strategy}: {caught} changed bytes of the new table refused");
        // Changes the digest of each derived piece, and one byte of each inline piece.
        for i in 0..append_of(&mut planned.plan.steps.clone()).pieces.len() {
            let mut planned = planned.clone();
            match &mut append_of(&mut planned.plan.steps).pieces[i].content {
                PieceContent::Inline(bytes) => bytes[24] ^= 1,
                PieceContent::Derived { digest, .. } => digest.0[0] ^= 1,
                _ => continue,
            }
            restate(&mut planned);
            let fault = check(&planned.plan, &planned.snapshot).expect_err("other bytes");
            laws.insert(fault.law());
        }
    }
    assert_eq!(laws, BTreeSet::from([Law::W1, Law::W2, Law::W4, Law::Plan]));
}
