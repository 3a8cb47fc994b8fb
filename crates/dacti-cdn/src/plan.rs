//! A plan as data: its steps, its cost, and the strategies that were not chosen for it.
//!
//! A plan can be shown, saved, checked, and carried out later by another program. Specification:
//! `docs/spec/dacti-cdn.md`, "The plan".

use crate::{Action, Append, Edit, PieceContent, Reason, State, Step, Switch};
use alloc::vec::Vec;
use core::fmt;
use daicon_core::to_u64;

/// A plan of one update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// File id of the package.
    pub file_id: [u8; 16],
    /// Slice length. Appends begin and end at its multiples, unless the package is in parts.
    pub slice_len: u64,
    /// The edits.
    pub edits: Vec<Edit>,
    /// The strategy.
    pub strategy: Strategy,
    /// The other strategies, cheapest first, each with the reason against it.
    pub rejected: Vec<Rejected>,
    /// The cost.
    pub cost: Cost,
    /// State of the file before the first step.
    pub before: State,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Returns the state of the file before step `i`.
    #[must_use]
    pub fn state_before(&self, i: usize) -> State {
        let last = i.checked_sub(1).and_then(|last| self.steps.get(last));
        last.map_or(self.before, |step| step.after)
    }

    /// Returns the state of the file after the last step.
    #[must_use]
    pub fn after(&self) -> State {
        self.state_before(self.steps.len())
    }

    /// Returns the append, if there is one.
    #[must_use]
    pub fn append(&self) -> Option<&Append> {
        self.steps.iter().find_map(|step| match &step.action {
            Action::Append(append) => Some(append),
            _ => None,
        })
    }

    /// Returns the switch and the number of its step.
    #[must_use]
    pub fn switch(&self) -> Option<(usize, &Switch)> {
        self.steps.iter().enumerate().find_map(|(i, step)| match &step.action {
            Action::Switch(switch) => Some((i, switch)),
            _ => None,
        })
    }
}

/// A strategy: a way to publish an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Strategy {
    /// New entries in a delta group. The switch writes the length of the group.
    Delta,
    /// New components in free slots of the first table. The switch writes the count of the first
    /// table.
    FirstTable,
    /// A new second table in the other place, with the same index. The switch writes the first
    /// table's extension offset.
    SecondTable,
    /// A run of all changes, and a new second table. The run lies in appended bytes, in front of
    /// the last groups of the old index. Only packages in parts have this strategy. The switch
    /// writes the first table's extension offset.
    Changes,
    /// A new index in appended bytes, and a new second table that names it. The switch writes the
    /// first table's extension offset.
    Fold,
}

impl Strategy {
    /// All strategies, cheapest first.
    pub const ALL: [Self; 5] =
        [Self::Delta, Self::FirstTable, Self::SecondTable, Self::Changes, Self::Fold];

    /// Returns whether a plan of this strategy writes groups of an index after the head.
    pub(crate) const fn writes_index(self) -> bool {
        matches!(self, Self::Changes | Self::Fold)
    }

    /// Returns whether a plan of this strategy lists removals, with their seals. A fold leaves the
    /// removed regions out.
    pub(crate) const fn lists_removals(self) -> bool {
        matches!(self, Self::Delta | Self::Changes)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delta => "delta",
            Self::FirstTable => "first table",
            Self::SecondTable => "second table",
            Self::Changes => "changes",
            Self::Fold => "fold",
        })
    }
}

/// A strategy that was not chosen for the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Rejected {
    /// The strategy.
    pub strategy: Strategy,
    /// The reason against it.
    pub reason: Reason,
}

/// The cost of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Cost {
    /// Slices of the head that a step changes. Caches may hold them.
    pub slices_dirtied: u64,
    /// New slices, which no cache can hold yet.
    pub slices_fresh: u64,
    /// Bytes written, without padding.
    pub bytes_written: u64,
    /// Zeros for alignment and padding.
    pub bytes_padding: u64,
    /// Bytes that the new view no longer reaches: replaced and removed regions, if their lengths
    /// are known, and the bytes of the old index and its fences that the plan replaces.
    pub bytes_dying: u64,
}

impl Cost {
    /// Returns the cost of the steps, with 0 for `bytes_dying`.
    pub(crate) fn of(steps: &[Step], slice_len: u64) -> Self {
        let mut cost = Self::default();
        // The numbers of the slices of the head that steps write. There are only a few.
        let mut dirtied: Vec<u64> = Vec::new();
        for step in steps {
            let (at, written) = match &step.action {
                Action::Append(append) => {
                    let slices = append.span().len().checked_div(slice_len).unwrap_or_default();
                    cost.slices_fresh = cost.slices_fresh.saturating_add(slices);
                    for piece in &append.pieces {
                        let sum = match piece.content {
                            PieceContent::Zeros => &mut cost.bytes_padding,
                            _ => &mut cost.bytes_written,
                        };
                        *sum = sum.saturating_add(piece.span.len());
                    }
                    continue;
                }
                Action::Barrier(_) => continue,
                Action::Reserve(reserve) => (reserve.at, reserve.after.len()),
                Action::Switch(switch) => (switch.at, switch.after.len()),
            };
            let written = to_u64(written);
            cost.bytes_written = cost.bytes_written.saturating_add(written);
            let last = at.saturating_add(written.saturating_sub(1));
            let slice = |at: u64| at.checked_div(slice_len).unwrap_or_default();
            dirtied.extend(slice(at)..=slice(last));
        }
        dirtied.sort_unstable();
        dirtied.dedup();
        cost.slices_dirtied = to_u64(dirtied.len());
        cost
    }
}
