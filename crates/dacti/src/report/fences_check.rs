//! Checks the fences of an index against its groups, while the index is read.
//!
//! Specification: `docs/spec/dacti-lookup.md`, "The lookup region".

use crate::Error;
use core::iter::Peekable;
use dacti_index::Group;
use dacti_lookup::{Lookup, Run, RunOrder};

/// A check of fences. It receives the groups of the index one after the other.
#[derive(Debug)]
pub(crate) struct FencesCheck<'k> {
    runs: Peekable<std::vec::IntoIter<Run<'k>>>,
    /// The number of the next group.
    number: u32,
    /// Checks that the ids of the current run ascend.
    order: RunOrder,
}

impl<'k> FencesCheck<'k> {
    /// Creates the check of the fences in `lookup`.
    ///
    /// # Errors
    /// `Lookup` if the fences themselves are out of order.
    pub(crate) fn new(lookup: &Lookup<'k>) -> Result<Self, Error> {
        lookup.check_fences()?;
        let runs = lookup.runs().collect::<Vec<_>>().into_iter().peekable();
        Ok(Self { runs, number: 0, order: RunOrder::default() })
    }

    /// Checks the next group of the index.
    ///
    /// # Errors
    /// `Lookup` if the group contradicts its fence or the group before it.
    pub(crate) fn take(&mut self, group: &Group<'_>) -> Result<(), Error> {
        let g = self.number;
        self.number = g.saturating_add(1);
        while self.runs.next_if(|run| run.first_group.saturating_add(run.groups) <= g).is_some() {}
        let Some(run) = self.runs.peek().filter(|run| run.first_group <= g) else {
            return Ok(());
        };
        let in_run = g.saturating_sub(run.first_group);
        if in_run == 0 {
            self.order = RunOrder::default();
        }
        let n = usize::try_from(in_run.checked_div(run.stride).unwrap_or(0)).ok();
        let fence = n.and_then(|n| run.fences.get(n)).filter(|_| in_run.is_multiple_of(run.stride));
        Ok(self.order.take(group, fence.map(|fence| fence.get()))?)
    }
}
