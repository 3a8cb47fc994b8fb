//! The result of one pass over an index.
//!
//! The pass itself is in `scan.rs`. Specification: `docs/spec/dacti-index.md`, "Which entry
//! counts".

use dacti_index::{Encoding, Group, Located};
use daicon_core::Span;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The groups of an index, and all regions. If an id has several entries, its newest entry counts.
///
/// Memory: 56 bytes for each entry, 24 for each group. A region may extend past the end of the
/// file.
#[derive(Debug, Clone, Default)]
pub struct IndexScan {
    pub(crate) groups: Vec<GroupSummary>,
    pub(crate) found: Vec<Located>,
    pub(crate) faults: Vec<dacti_index::Error>,
    pub(crate) replaced: Vec<Located>,
    pub(crate) removals: Vec<Located>,
}

impl IndexScan {
    /// Returns every group, newest first, including groups without entries.
    #[must_use]
    pub fn groups(&self) -> &[GroupSummary] {
        &self.groups
    }

    /// Returns all regions, ascending by id, including the names list.
    #[must_use]
    pub fn regions(&self) -> &[Located] {
        &self.found
    }

    /// Returns the faults of entries that count but have an invalid span. Their regions are not
    /// listed.
    #[must_use]
    pub fn faults(&self) -> &[dacti_index::Error] {
        &self.faults
    }

    /// Returns the places of the stored bytes of entries that newer entries have replaced or
    /// removed.
    #[must_use]
    pub fn replaced(&self) -> &[Located] {
        &self.replaced
    }

    /// Returns the removals that count, ascending by id. A removal has no stored bytes. In a
    /// package with seals, the removal's span leads to its seal.
    #[must_use]
    pub fn removals(&self) -> &[Located] {
        &self.removals
    }
}

/// The header of a group, without the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupSummary {
    /// Where the group starts, absolute.
    pub at: u64,
    /// The number of entries in use.
    pub length: u8,
    /// The group base, absolute. It has no meaning if no entry is in use.
    pub base: u64,
    /// How the group's regions are stored. It has no meaning if no entry is in use.
    pub encoding: Encoding,
}

/// The groups of an index and all their entries. [`into_scan`](Self::into_scan) then chooses the
/// entries that count.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    scan: IndexScan,
    /// The faults of entries with an invalid span, by the entries' positions.
    wrong: BTreeMap<u64, dacti_index::Error>,
}

impl Collected {
    /// Adds the entries of a group. The caller must pass the groups newest first.
    pub(crate) fn take(&mut self, group: &Group<'_>) {
        let length = u8::try_from(group.entries().len()).unwrap_or(u8::MAX);
        let (at, base, encoding) = (group.at(), group.base(), group.encoding());
        self.scan.groups.push(GroupSummary { at, length, base, encoding });
        let entries = group.entries().iter().zip(group.regions());
        let is_sorted = group.entries().is_sorted_by(|a, b| a.id.get() < b.id.get());
        if is_sorted {
            // No id occurs twice in this group, so the entries need not be reversed. Then the
            // ascending groups of a run make one ascending list, and the sort of all entries takes
            // one pass.
            entries.for_each(|(entry, located)| self.take_entry(entry.id.get(), located));
        } else {
            // The newest entry of a group is stored last, so the entries are visited in reverse.
            // Then the first entry of each id counts.
            entries.rev().for_each(|(entry, located)| self.take_entry(entry.id.get(), located));
        }
    }

    fn take_entry(&mut self, id: Uuid, located: Result<Located, dacti_index::Error>) {
        self.scan.found.push(located.unwrap_or_else(|fault| {
            // A faulty entry is kept with the other entries of its id, because its fault matters
            // only if the entry counts.
            let at = fault.at().unwrap_or_default();
            self.wrong.insert(at, fault);
            Located { id, span: Span::default(), encoding: Encoding::NONE, at }
        }));
    }

    /// Chooses the entries that count, after all groups were taken.
    pub(crate) fn into_scan(mut self) -> IndexScan {
        let IndexScan { found, faults, replaced, removals, .. } = &mut self.scan;
        // A stable sort leaves the newest of equal ids first.
        found.sort_by_key(|located| located.id);
        found.dedup_by(|older, newer| {
            if older.id == newer.id {
                replaced.push(*older);
            }
            older.id == newer.id
        });
        replaced.retain(|located| !self.wrong.contains_key(&located.at));
        found.retain(|located| match self.wrong.remove(&located.at) {
            Some(fault) => {
                faults.push(fault);
                false
            }
            None if located.is_removal() => {
                removals.push(*located);
                false
            }
            None => true,
        });
        self.scan
    }
}
