//! The plan of an update: steps, what they cost, and why no cheaper way was taken.
//!
//! A plan is data. It can be shown, saved, checked and carried out later, by others. Specification:
//! `docs/spec/dacti-cdn.md`, "The plan".

mod block;
mod delta;
mod first_table;
mod fold;
mod steps;
mod tables;
mod wanted;

use crate::{Action, Append, Edit, Error, Snapshot, State, Step, Switch, UpdatePolicy};
use alloc::vec::Vec;
use block::Block;
use core::fmt;

pub(crate) use steps::cost;
pub(crate) use wanted::Wanted;

/// Plans an update: the cheapest strategy that publishes all edits by one switch.
///
/// # Errors
/// What is wrong with the edits or the policy; `NoStrategy` where one switch cannot do it. Before
/// anything was written, in every case.
pub fn plan(snapshot: &Snapshot, edits: &[Edit], policy: &UpdatePolicy) -> Result<Plan, Error> {
    let slice_len = policy.slice_len_for(snapshot)?;
    let wanted = Wanted::of(snapshot, edits)?;
    let block = Block::of_edits(snapshot, &wanted, slice_len, policy)?;
    let delta = delta::slot(snapshot, &wanted, &block);
    let fits = [
        delta.map(|_| ()),
        first_table::fits(snapshot, &wanted, &block),
        tables::fits(snapshot, &wanted),
        tables::fits_second(snapshot, &wanted),
    ];
    let ways = Strategy::ALL.into_iter().zip(fits);
    let Some((strategy, _)) = ways.clone().find(|(_, fits)| fits.is_ok()) else {
        let reason = fits.into_iter().rev().find_map(Result::err).unwrap_or(Reason::Dearer);
        return Err(Error::NoStrategy { reason });
    };
    let others = ways.filter(|(other, _)| *other != strategy);
    let rejected = others.map(|(strategy, fits)| Rejected {
        strategy,
        reason: fits.err().unwrap_or(Reason::Dearer),
    });
    let rejected = rejected.collect();
    let steps = match (strategy, delta) {
        (Strategy::Delta, Ok(slot)) => {
            delta::steps(snapshot, &wanted, block, &slot, slice_len, policy)
        }
        (Strategy::FirstTable, _) => {
            first_table::steps(snapshot, &wanted, block, slice_len, policy)
        }
        (Strategy::SecondTable, _) => {
            tables::steps(snapshot, &wanted, block, None, slice_len, policy)
        }
        (Strategy::Fold | Strategy::Delta, _) => {
            fold::steps(snapshot, &wanted, block, slice_len, policy)
        }
    };
    Ok(steps?.into_plan(snapshot, edits, strategy, rejected, slice_len))
}

/// An update, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Of which package: its file id.
    pub file_id: [u8; 16],
    /// What appends are aligned to.
    pub slice_len: u64,
    /// What is changed.
    pub edits: Vec<Edit>,
    /// How.
    pub strategy: Strategy,
    /// Why not in the other ways, cheapest first.
    pub rejected: Vec<Rejected>,
    /// What it costs.
    pub cost: Cost,
    /// What the file is like before the first step.
    pub before: State,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// What the file is like before step `i`.
    #[must_use]
    pub fn state_before(&self, i: usize) -> State {
        let last = i.checked_sub(1).and_then(|last| self.steps.get(last));
        last.map_or(self.before, |step| step.after)
    }

    /// What the file is like when all is done.
    #[must_use]
    pub fn after(&self) -> State {
        self.state_before(self.steps.len())
    }

    /// The append, where there is one.
    #[must_use]
    pub fn append(&self) -> Option<&Append> {
        self.steps.iter().find_map(|step| match &step.action {
            Action::Append(append) => Some(append),
            _ => None,
        })
    }

    /// The switch and the number of its step.
    #[must_use]
    pub fn switch(&self) -> Option<(usize, &Switch)> {
        self.steps.iter().enumerate().find_map(|(i, step)| match &step.action {
            Action::Switch(switch) => Some((i, switch)),
            _ => None,
        })
    }
}

/// A way to publish an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Strategy {
    /// Entries behind the length of a delta group; the length is the switch.
    Delta,
    /// Free slots of the first table; its count is the switch.
    FirstTable,
    /// The second table written anew in the place that is not in force, with the index as it is;
    /// the first table's extension offset is the switch.
    SecondTable,
    /// A new index in fresh bytes, and the second table written anew to point at it; the first
    /// table's extension offset is the switch.
    Fold,
}

impl Strategy {
    /// All of them, cheapest first.
    pub const ALL: [Self; 4] = [Self::Delta, Self::FirstTable, Self::SecondTable, Self::Fold];
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delta => "delta",
            Self::FirstTable => "first table",
            Self::SecondTable => "second table",
            Self::Fold => "fold",
        })
    }
}

/// A way that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Rejected {
    /// The way.
    pub strategy: Strategy,
    /// Why not.
    pub reason: Reason,
}

/// Why a way was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, rename_all = "snake_case"))]
pub enum Reason {
    /// A cheaper way does it.
    #[error("a cheaper way does it")]
    Dearer,
    /// It cannot add or replace regions.
    #[error("it cannot add regions")]
    AddsNoRegion,
    /// It cannot take regions away.
    #[error("it cannot take regions away")]
    RemovesNoRegion,
    /// It cannot add components, or say that there are explicit ids.
    #[error("it changes no table, or not this one")]
    ChangesNoTable,
    /// The index in force has no delta groups: there was a fold, or none were left for updates.
    #[error("the index in force has no delta groups")]
    NoDeltaGroups,
    /// More regions than a group has entries.
    #[error("{entries} entries do not fit one group, which takes 255")]
    TooManyEntries {
        /// Entries that the update needs.
        entries: u64,
    },
    /// The current delta group has too little room, and there is none below it.
    #[error("{entries} entries do not fit the last delta group, which has room for {free}")]
    DeltasFull {
        /// Entries that the update needs.
        entries: u64,
        /// Entries that the last group still takes.
        free: u32,
    },
    /// The regions are stored in more than one encoding, and a group has one.
    #[error("the regions are stored in more than one encoding, and a group has one")]
    MixedEncodings,
    /// The last delta group has another encoding.
    #[error("the last delta group has another encoding")]
    OtherEncoding,
    /// The last delta group does not reach the fresh bytes, which lie 4 GiB or more behind its
    /// base, or the update alone passes 4 GiB.
    #[error("no delta group reaches the fresh bytes: they span more than 4 GiB from its base")]
    OutOfReach,
    /// The first table has too few free slots.
    #[error("the first table has {free} free slots, {needed} are needed")]
    FirstTableFull {
        /// Slots needed.
        needed: u32,
        /// Slots free.
        free: u32,
    },
    /// The component's region would lie where the first table's 32-bit offsets do not reach.
    #[error("the first table does not reach the fresh bytes")]
    FirstTableOutOfReach,
    /// The second table is not in one of the two places that the layout names.
    #[error("the second table is in none of the two places of the layout")]
    NoSecondTable,
    /// The names component, which is to say that there are explicit ids, is not in the second
    /// table.
    #[error("the names component is not in the second table")]
    NamesElsewhere,
}

/// What a plan costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Cost {
    /// Slices that caches may hold and that change: those of the head that a step writes into.
    pub slices_dirtied: u64,
    /// Slices that nobody can hold yet.
    pub slices_fresh: u64,
    /// Bytes written, padding left out.
    pub bytes_written: u64,
    /// Bytes of zeros that align and pad.
    pub bytes_padding: u64,
    /// Bytes that nobody reaches any more from the new view: regions that were replaced or
    /// removed, as far as that is known, and what a fold leaves behind.
    pub bytes_dying: u64,
}

#[cfg(test)]
mod tests {
    use super::{Strategy, plan};
    use crate::world::{World, fresh, id, put, put_long};
    use crate::{Action, Edit, Misuse, PieceContent, Plan, UpdatePolicy, check};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;
    use uuid::Uuid;

    type Model = BTreeMap<Uuid, (u64, u64)>;

    /// Plans, checks and applies an update, and holds the package against a model.
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
                Edit::Remove { id } => drop(model.remove(id)),
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
            for update_of in updates {
                let mut edits = BTreeMap::new();
                for (n, size, kind) in update_of {
                    let removes = kind == 0 && model.contains_key(&id(n));
                    let edit = if removes { Edit::Remove { id: id(n) } } else { put(n, size) };
                    edits.insert(n, edit);
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
                    edits.insert(n, if removes { Edit::Remove { id: id(n) } } else { put });
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
        // Nine groups of 255: two updates of 100 in each, as none is split.
        let batch: Vec<_> = (0..100).map(|n| put(n, 3)).collect();
        for i in 0..18 {
            let plan = update(&mut world, &mut model, &batch, &policy);
            let (_, switch) = plan.switch().unwrap();
            let group = 8 - i / 2;
            assert_eq!(switch.field, crate::Field::DeltaLength { group });
            assert_eq!(switch.after, [if i % 2 == 0 { 100 } else { 200 }]);
        }
        // 55 entries are left in group 0.
        let plan = update(&mut world, &mut model, &batch[..55], &policy);
        assert_eq!(plan.strategy, Strategy::Delta);
        let plan = update(&mut world, &mut model, &batch[..1], &policy);
        assert_eq!(plan.strategy, Strategy::Fold);
        assert_eq!(plan.cost.slices_dirtied, 1);
        assert!(world.snapshot().unwrap().delta_groups().is_empty());
        // From now on each update folds, into one place after the other.
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
