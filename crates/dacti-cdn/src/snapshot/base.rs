//! The base groups of a snapshot, and their fences.
//!
//! Specification: `docs/spec/dacti-parts.md`, "The run of changes".

use super::Snapshot;
use crate::HEAD_LEN;
use crate::parts::{BaseGroups, PartList};
use alloc::vec::Vec;
use dacti_lookup::{LOOKUP_ID, Lookup, Run};

impl Snapshot {
    /// Returns the same snapshot, marked as a snapshot of a package in parts. `list` is its list of
    /// parts. The next block begins at `end`, or at the next multiple of 8 bytes.
    ///
    /// If `end` is less than the package's length, the positions from `end` on belong to second
    /// starts of parts. The block of the next update takes these positions. So if the index ends
    /// past `end`, the next update must write a run of changes or a new index.
    #[must_use]
    pub fn in_parts(self, list: &PartList, end: u64) -> Self {
        let mut snapshot = Self { is_in_parts: true, len: end, ..self };
        let base = BaseGroups::of(list, snapshot.index, snapshot.index_groups);
        snapshot.base = base.filter(|base| snapshot.base_runs_of(base).is_some());
        snapshot
    }

    /// Returns the base groups. Returns `None` for a package in one file, if no part holds exactly
    /// the last groups of the index, or if the fences do not lie in the head.
    #[must_use]
    pub const fn base_groups(&self) -> Option<&BaseGroups> {
        self.base.as_ref()
    }

    /// Returns the runs of the base groups; `None` if the package has none.
    pub(crate) fn base_runs(&self) -> Option<Vec<Run<'_>>> {
        self.base_runs_of(self.base.as_ref()?)
    }

    /// Returns the runs of the groups `base`. Returns `None` if the fences do not lie in the head,
    /// or if no run begins with the first of these groups.
    fn base_runs_of(&self, base: &BaseGroups) -> Option<Vec<Run<'_>>> {
        let found = self.components.iter().find(|found| found.id == LOOKUP_ID)?;
        let span = found.span().ok().filter(|span| span.end <= HEAD_LEN)?;
        let lookup = Lookup::parse(span.slice_of(&self.head, 0)?, span.start).ok()?;
        let is_bound = lookup.is_of(self.index, self.index_groups);
        is_bound.ok().filter(|is_bound| *is_bound)?;
        let runs = lookup.runs().filter(|run| run.first_group >= base.first_group);
        let runs: Vec<_> = runs.collect();
        let begins = runs.first().is_some_and(|first| first.first_group == base.first_group);
        begins.then_some(runs)
    }

    /// Returns whether the current index ends after the start of the next block. The block then
    /// takes the positions of some groups of that index.
    pub(crate) fn index_passes_end(&self) -> bool {
        self.is_in_parts && self.index.end > self.len
    }
}
