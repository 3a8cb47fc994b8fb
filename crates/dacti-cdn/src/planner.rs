//! The planner: it chooses the cheapest strategy that publishes all edits by one switch.
//!
//! Specification: `docs/spec/dacti-cdn.md`, "The plan".

mod block;
mod changes;
mod components;
mod delta;
mod first_table;
mod fold;
mod steps;
mod tables;

use crate::wanted::Wanted;
use crate::{Digest, Edit, Error, Plan, Reason, Rejected, Snapshot, Strategy, UpdatePolicy};
use alloc::vec::Vec;
use block::Block;

/// Plans an update by the cheapest strategy that publishes all edits by one switch.
///
/// # Errors
/// Faults of the edits or the policy; `NoStrategy` if one switch cannot publish all edits.
pub fn plan(snapshot: &Snapshot, edits: &[Edit], policy: &UpdatePolicy) -> Result<Plan, Error> {
    let slice_len = policy.slice_len_for(snapshot)?;
    let edits = snapshot.informed(edits);
    let wanted = Wanted::of(snapshot, &edits)?;
    wanted.check_seals(snapshot)?;
    let mut block = Block::of_edits(snapshot, &wanted, slice_len, policy)?;
    let delta = delta::slot(snapshot, &wanted, &block);
    let mut fits = Vec::from([
        (Strategy::Delta, delta.map(|_| ())),
        (Strategy::FirstTable, first_table::fits(snapshot, &wanted, &block)),
        (Strategy::SecondTable, tables::fits(snapshot, &wanted)),
    ]);
    if snapshot.is_in_parts {
        let is_cheaper = fits.iter().any(|(_, fits)| fits.is_ok());
        let changes = if is_cheaper {
            Err(Reason::Dearer)
        } else {
            changes::fits(snapshot, &wanted, &block)?
        };
        fits.push((Strategy::Changes, changes));
    }
    fits.push((Strategy::Fold, tables::fits_second(snapshot, &wanted)));
    let Some((strategy, _)) = fits.iter().find(|(_, fits)| fits.is_ok()) else {
        let reason = fits.into_iter().rev().find_map(|(_, fits)| fits.err());
        return Err(Error::NoStrategy { reason: reason.unwrap_or(Reason::Dearer) });
    };
    let strategy = *strategy;
    let others = fits.into_iter().filter(|(other, _)| *other != strategy);
    let rejected = others.map(|(strategy, fits)| Rejected {
        strategy,
        reason: fits.err().unwrap_or(Reason::Dearer),
    });
    let rejected = rejected.collect();
    // A fold writes a new index, which lists no removals. So a plan that folds has no seals of
    // removals.
    let unsealed = without_seals(&edits);
    let has_seals = strategy.lists_removals() && snapshot.seal_len > 0;
    let (edits, wanted) = if has_seals || wanted.removes.is_empty() {
        (&edits, wanted)
    } else {
        let wanted = Wanted::of(snapshot, &unsealed)?;
        block = Block::of_edits(snapshot, &wanted, slice_len, policy)?;
        (&unsealed, wanted)
    };
    let steps = match (strategy, delta) {
        (Strategy::Delta, Ok(slot)) => delta::steps(snapshot, &wanted, block, &slot, policy),
        (Strategy::FirstTable, _) => first_table::steps(snapshot, &wanted, block, policy),
        (Strategy::SecondTable, _) => tables::steps(snapshot, &wanted, block, policy),
        (Strategy::Changes, _) => changes::steps(snapshot, &wanted, block, policy),
        (Strategy::Fold | Strategy::Delta, _) => fold::steps(snapshot, &wanted, block, policy),
    };
    Ok(steps?.into_plan(snapshot, edits, strategy, rejected, slice_len))
}

/// Returns the edits, but without the seals of removals.
fn without_seals(edits: &[Edit]) -> Vec<Edit> {
    let mut edits = edits.to_vec();
    for edit in &mut edits {
        if let Edit::Remove(remove) = edit {
            (remove.seal_len, remove.digest) = (0, Digest::default());
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::plan;
    use crate::world::{World, fresh, id, put, put_long, remove};
    use crate::{Action, Edit, Misuse, PieceContent, Plan, Strategy, UpdatePolicy, check};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;
    use uuid::Uuid;

    type Model = BTreeMap<Uuid, (u64, u64)>;

    /// Plans, checks and applies an update, and compares the package with a model.
    #[track_caller]
    fn update(world: &mut World, model: &mut Model, edits: &[Edit], policy: &UpdatePolicy) -> Plan {
        let mut snapshot = world.snapshot().unwrap();
        let mut planned = plan(&snapshot, edits, policy);
        if planned == Err(Misuse::IndexNeeded.into()) {
            snapshot = world.scanned();
            planned = plan(&snapshot, edits, policy);
        }
        let planned = planned.unwrap();
        assert_eq!(check(&planned, &snapshot), Ok(()));
        world.apply(&planned, &snapshot);
        let pieces = planned.append().into_iter().flat_map(|append| &append.pieces);
        let starts: BTreeMap<u32, u64> = pieces
            .filter_map(|piece| match piece.content {
                PieceContent::Edit { edit, .. } => Some((edit, piece.span.start)),
                _ => None,
            })
            .collect();
        for (number, edit) in (0..).zip(edits) {
            match edit {
                Edit::Put(put) => drop(model.insert(put.id, (starts[&number], put.size))),
                Edit::Remove(removed) => drop(model.remove(&removed.id)),
                Edit::Component(_) | Edit::ExplicitIds => {}
            }
        }
        assert_eq!(world.regions(), *model);
        planned
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn chains_of_updates_equal_a_model(
            entries in prop_oneof![0_u32..4, 250..260_u32, Just(2551)],
            updates in prop::collection::vec(
                prop::collection::vec((0_u32..60, 0_u64..5000, 0..10), 1..20), 1..40),
            align in prop_oneof![Just(1_u64), Just(4096)],
        ) {
            let mut world = fresh(entries);
            let mut model = world.regions();
            let policy = UpdatePolicy { region_align: align, ..UpdatePolicy::default() };
            for (i, update_of) in updates.into_iter().enumerate() {
                let mut edits = BTreeMap::new();
                for (n, size, kind) in update_of {
                    let is_there = model.contains_key(&id(n));
                    // Every third update only removes regions. The others may also put regions.
                    let removes = is_there && if i % 3 == 0 { kind < 9 } else { kind == 0 };
                    if removes || i % 3 > 0 {
                        edits.insert(n, if removes { remove(n) } else { put(n, size) });
                    }
                }
                if edits.is_empty() {
                    continue;
                }
                let edits: Vec<_> = edits.into_values().collect();
                update(&mut world, &mut model, &edits, &policy);
            }
        }

        #[test]
        fn chains_past_four_gibibytes_equal_a_model(
            updates in prop::collection::vec(
                prop::collection::vec((0_u32..3000, 0_u64..1 << 32, 0..20), 1..6), 1..12),
        ) {
            let mut world = fresh(2600);
            let mut model = world.regions();
            for update_of in updates {
                let mut edits = BTreeMap::new();
                for (n, size, kind) in update_of {
                    let removes = kind == 0 && model.contains_key(&id(n));
                    let put = put_long(n, size);
                    edits.insert(n, if removes { remove(n) } else { put });
                }
                let edits: Vec<_> = edits.into_values().collect();
                update(&mut world, &mut model, &edits, &UpdatePolicy::default());
            }
        }
    }

    #[test]
    fn deltas_fill_from_the_last_group_down_and_then_fold() {
        let mut world = fresh(5);
        let mut model = world.regions();
        let policy = UpdatePolicy::default();
        // The package has nine delta groups of 255 entries. Each takes two updates of 100 entries,
        // because no update is split.
        let batch: Vec<_> = (0..100).map(|n| put(n, 3)).collect();
        for i in 0..18 {
            let plan = update(&mut world, &mut model, &batch, &policy);
            let (_, switch) = plan.switch().unwrap();
            let group = 8 - i / 2;
            assert_eq!(switch.field, crate::Field::DeltaLength { group });
            assert_eq!(switch.after, [if i % 2 == 0 { 100 } else { 200 }]);
        }
        // Group 0 has room for 55 more entries.
        let plan = update(&mut world, &mut model, &batch[..55], &policy);
        assert_eq!(plan.strategy, Strategy::Delta);
        let plan = update(&mut world, &mut model, &batch[..1], &policy);
        assert_eq!(plan.strategy, Strategy::Fold);
        assert_eq!(plan.cost.slices_dirtied, 1);
        assert!(world.snapshot().unwrap().delta_groups().is_empty());
        // From now on each update folds, and the places of the second table alternate.
        let places = [504_u32, 752, 504];
        for place in places {
            let plan = update(&mut world, &mut model, &batch[..1], &policy);
            let (_, switch) = plan.switch().unwrap();
            assert_eq!(switch.after, place.to_le_bytes());
            let reserves = plan.steps.iter().filter(|s| matches!(s.action, Action::Reserve(_)));
            assert_eq!(reserves.count(), 1);
        }
    }
}
