//! A plan as data: its steps, its cost, and the strategies that it rejects.
//!
//! A plan can be shown, saved, checked, and carried out later by another program. Specification:
//! `docs/spec/dacti-cdn.md`, "The plan".

use crate::{Action, Append, Edit, PieceContent, Reason, State, Step, Switch};
use alloc::vec::Vec;
use core::fmt;
use daicon_core::to_u64;

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

impl Cost {
    /// Counts what the steps cost, except for `bytes_dying`, which is 0.
    pub(crate) fn of(steps: &[Step], slice_len: u64) -> Self {
        let mut cost = Self::default();
        // Slices of the head, by number; it has few.
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
