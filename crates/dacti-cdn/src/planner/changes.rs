//! The strategy that keeps the last groups of the index. It puts a run of all changes into the
//! block, before these groups, and writes a new second table.
//!
//! Only packages in parts have this strategy, because their list of parts can give these groups a
//! second start right after the block. Specification: `docs/spec/dacti-parts.md`, "The run of
//! changes".

use super::block::Block;
use super::fold::{changes, derived_steps};
use super::steps::Steps;
use super::tables;
use crate::derived::{DERIVED_ALIGN, NewIndex, too_many};
use crate::wanted::Wanted;
use crate::{Error, Reason, Snapshot, UpdatePolicy};
use daicon_core::to_u64;

/// Checks that a run of changes can publish all edits.
///
/// # Errors
/// `Misuse` if the entries before the base groups are needed and were not read.
pub(crate) fn fits(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    block: &Block,
) -> Result<Result<(), Reason>, Error> {
    if let Err(reason) = tables::fits_second(snapshot, wanted) {
        return Ok(Err(reason));
    }
    let Some(base) = snapshot.base_groups() else { return Ok(Err(Reason::NoBaseGroups)) };
    if snapshot.changes().is_err() {
        // If the edits alone are too many changes, the earlier changes need not be read.
        let edits = to_u64(wanted.puts.len().saturating_add(wanted.removes.len()));
        if let Some(reason) = too_many(edits, base) {
            return Ok(Err(reason));
        }
    }
    let changes = changes(wanted, block, true)?;
    let new = NewIndex::before_base(snapshot, snapshot.changes()?, changes, block.end)?;
    Ok(new.map(drop))
}

/// Appends regions, seals of removals and the run of changes, writes the fences and the second
/// table, and switches to it.
pub(crate) fn steps<'p>(
    snapshot: &Snapshot,
    wanted: &Wanted<'_>,
    mut block: Block,
    policy: &'p UpdatePolicy,
) -> Result<Steps<'p>, Error> {
    block.align(DERIVED_ALIGN)?;
    block.push_room()?;
    let listed = changes(wanted, &block, true)?;
    let lay_out = |at: u64| {
        let new = NewIndex::before_base(snapshot, snapshot.changes()?, listed.clone(), at)?;
        new.map_err(|reason| Error::NoStrategy { reason })
    };
    // The block ends with the run, so that the base groups follow the run. Extension tables lie
    // before the run, so their length moves the index. A first layout without them gives their
    // length, and the second layout places the index after them.
    let tables = tables::rest_len(snapshot, wanted, &block, &lay_out(block.end)?)?;
    let new = lay_out(block.end.saturating_add(tables))?;
    let mut steps = derived_steps(snapshot, wanted, block, &new, policy)?;
    steps.dying = snapshot.dying_in_changes(wanted);
    Ok(steps)
}

impl Snapshot {
    /// Returns the number of bytes of replaced and removed regions, and of the groups that the new
    /// run replaces.
    pub(crate) fn dying_in_changes(&self, wanted: &Wanted<'_>) -> u64 {
        let kept = self.base_groups().map_or(0, |base| base.span.len());
        let groups = self.index.len().saturating_sub(kept);
        wanted.replaced_len().saturating_add(groups)
    }
}

#[cfg(test)]
mod tests {
    use crate::world::{World, id, in_parts, put, remove};
    use crate::{Edit, Field, Misuse, Plan, Reason, Rejected, Strategy, UpdatePolicy, check, plan};
    use dacti_lookup::{LOOKUP_ID, Lookup, SearchOutcome};
    use daicon_core::Span;
    use std::vec::Vec;

    /// Plans the edits. If the planner asks for entries, reads them and plans again. Then checks
    /// the plan and applies it.
    fn update(world: &mut World, edits: &[Edit]) -> Plan {
        let mut snapshot = world.snapshot().unwrap();
        let policy = UpdatePolicy::default();
        let mut planned = plan(&snapshot, edits, &policy);
        if planned == Err(Misuse::ChangesNeeded.into()) {
            snapshot = world.with_changes();
            planned = plan(&snapshot, edits, &policy);
        }
        if planned == Err(Misuse::IndexNeeded.into()) {
            let entries = world.scanned().entries().unwrap().clone();
            snapshot.set_entries(entries);
            planned = plan(&snapshot, edits, &policy);
        }
        let planned = planned.unwrap();
        assert_eq!(check(&planned, &snapshot), Ok(()));
        world.apply(&planned, &snapshot);
        planned
    }

    /// Finds a region by fences and groups.
    fn search(world: &World, n: u32) -> Option<(u64, u64)> {
        let snapshot = world.snapshot().unwrap();
        let found = snapshot.components().iter().find(|found| found.id == LOOKUP_ID).unwrap();
        let span = found.span().unwrap();
        assert!(span.start >= 3584 && span.end <= 16_440, "the fences lie in the head: {span}");
        let bytes = world.read(span);
        let lookup = Lookup::parse(&bytes, span.start).unwrap();
        assert_eq!(lookup.is_of(snapshot.index(), snapshot.index_groups()), Ok(true));
        let mut search = lookup.search(id(n));
        while let Some(want) = search.want() {
            search.feed(&world.read(want)).unwrap();
        }
        match search.outcome() {
            Some(SearchOutcome::Found(found)) if !found.is_removal() => {
                Some((found.span.start, found.span.len()))
            }
            _ => None,
        }
    }

    #[test]
    fn full_deltas_become_a_run_in_front_of_the_base_groups() {
        // spec: R-PART-34, R-PART-36, R-PART-37
        let mut world = in_parts(2600, 8);
        let base = Span { start: 65_536, end: 65_536 + 11 * 6136 };
        let planned = update(&mut world, &[put(2, 6), put(9000, 7), remove(300)]);
        assert_eq!(planned.strategy, Strategy::Changes);
        let expected = [
            (Strategy::Delta, Reason::PutsAndRemoves),
            (Strategy::FirstTable, Reason::RemovesNoRegion),
            (Strategy::SecondTable, Reason::RemovesNoRegion),
            (Strategy::Fold, Reason::Dearer),
        ];
        let expected = expected.map(|(strategy, reason)| Rejected { strategy, reason });
        assert_eq!(planned.rejected, expected);
        assert_eq!(planned.switch().unwrap().1.field, Field::Extension);
        // The run lists ten entries of encoding `none` (eight of the delta groups, and two puts)
        // and one removal. So it has two groups after the header.
        let at = world.layout.fresh_end;
        let index = planned.append().unwrap().span().end - 8 - 2 * 6136;
        assert_eq!(index, (at + 38 + 39 + 32).next_multiple_of(8));
        let after = world.snapshot().unwrap();
        let end = index + 8 + (2 + 11) * 6136;
        assert_eq!(after.index(), Span { start: index, end });
        assert_eq!(after.index_groups(), 13);
        let entries = world.list.as_ref().unwrap().entries();
        assert_eq!(entries.len(), 4);
        let (second, first) = (entries[3], entries[0]);
        assert_eq!((first.span, second.span.end), (base, end));
        assert!(first.is_same_part(&second));
        assert_eq!(world.regions().len(), 2600 + 1 - 1);
        for n in [2, 3, 9000, 300, 255, 2599, 2600] {
            assert_eq!(search(&world, n), world.regions().get(&id(n)).copied(), "{n}");
        }
    }

    #[test]
    fn chains_of_updates_equal_a_model_and_fold_at_a_tenth() {
        // spec: R-PART-22, R-PART-34, R-PART-36
        let mut world = in_parts(3000, 8);
        let mut model = world.regions();
        let mut strategies = Vec::new();
        let mut state = 7_u32;
        for round in 0..60_u32 {
            let edits: Vec<_> = (0..9_u32)
                .map(|i| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let n = (state >> 16) % 300 * 9 + i;
                    let removes = model.contains_key(&id(n)) && state.is_multiple_of(3);
                    (n, if removes { remove(n) } else { put(n, u64::from(round)) })
                })
                .collect();
            let edits: std::collections::BTreeMap<_, _> = edits.into_iter().collect();
            let edits: Vec<_> = edits.into_values().collect();
            let planned = update(&mut world, &edits);
            strategies.push(planned.strategy);
            let mut starts = std::collections::BTreeMap::new();
            for piece in &planned.append().unwrap().pieces {
                if let crate::PieceContent::Edit { edit, .. } = piece.content {
                    starts.insert(edit as usize, piece.span.start);
                }
            }
            for (i, edit) in edits.iter().enumerate() {
                match edit {
                    Edit::Put(put) => drop(model.insert(put.id, (starts[&i], put.size))),
                    Edit::Remove(removed) => drop(model.remove(&removed.id)),
                    _ => unreachable!(),
                }
            }
            assert_eq!(world.regions(), model, "round {round}");
            let list = world.list.as_ref().unwrap();
            assert!(list.entries().len() <= 34);
            assert!(list.first_starts().all(|entry| entry.span.end <= world.len));
        }
        for n in 0..3100 {
            assert_eq!(search(&world, n), model.get(&id(n)).copied(), "{n}");
        }
        let folds = strategies.iter().filter(|strategy| **strategy == Strategy::Fold).count();
        // A tenth of the entries of 12 groups is 306. Each round adds at most nine changes.
        assert!((1..=3).contains(&folds), "{folds}");
        assert!(!strategies.contains(&Strategy::Delta));
    }

    #[test]
    fn without_a_part_of_its_own_the_base_is_folded() {
        // spec: R-PART-36
        let mut world = in_parts(2600, 8);
        let list = world.list.as_ref().unwrap().entries();
        let whole = Span { start: list[0].span.start, end: list[1].span.end };
        let whole = crate::parts::PartEntry { span: whole, ..list[0] };
        world.list = Some(crate::parts::PartList::new([whole].into(), 0).unwrap());
        let planned = update(&mut world, &[put(1, 1)]);
        assert_eq!(planned.strategy, Strategy::Fold);
        assert_eq!(planned.rejected[3].reason, Reason::NoBaseGroups);
        // The fold's groups are a part of their own, so the next update keeps them.
        let planned = update(&mut world, &[put(1, 2)]);
        assert_eq!(planned.strategy, Strategy::Changes);
        // The edits alone are more changes than a run may list, so the update folds.
        let many: Vec<_> = (0..300).map(|n| put(n, 1)).collect();
        let planned = update(&mut world, &many);
        assert_eq!(planned.strategy, Strategy::Fold);
        assert!(matches!(planned.rejected[3].reason, Reason::ManyChanges { .. }));
    }

    #[test]
    fn new_components_come_with_a_run_while_the_index_passes_the_end() {
        // spec: R-PART-36
        let mut world = in_parts(2600, 8);
        update(&mut world, &[put(1, 1)]);
        let component = |n: u128, size: u64| {
            let digest = crate::Digest::of(&std::vec![0; size as usize]);
            let content = crate::ComponentContent::Region { size, digest };
            let version = daicon_core::Version::new(1, 0);
            Edit::Component(crate::NewComponent { id: uuid::Uuid::from_u128(n), version, content })
        };
        let regions = world.regions();
        // The second table has five free slots. Further components need extension tables, which lie
        // before the run.
        for n in 0..9 {
            let planned = update(&mut world, &[component(n, 10)]);
            assert_eq!(planned.strategy, Strategy::Changes);
            assert_eq!(planned.rejected[1].reason, Reason::IndexPassesEnd);
            assert_eq!(world.regions(), regions);
        }
        assert_eq!(world.snapshot().unwrap().components().len(), 2 + 3 + 9);
    }

    #[test]
    fn past_four_gibibytes_the_fences_need_a_table_of_their_own() {
        // spec: R-PART-36
        let mut world = in_parts(2600, 8);
        world.len = 6 << 30;
        for n in [1, 2600, 1] {
            let planned = update(&mut world, &[put(n, 5)]);
            assert_eq!(planned.strategy, Strategy::Changes);
        }
        // The first of these updates writes an extension table that names the fences. The later
        // updates use the same table.
        assert_eq!(world.snapshot().unwrap().tables.len(), 3);
        for n in [1, 3, 2600, 2601, 700] {
            assert_eq!(search(&world, n), world.regions().get(&id(n)).copied(), "{n}");
        }
    }
}
