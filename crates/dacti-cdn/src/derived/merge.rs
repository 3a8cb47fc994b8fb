//! The entries of a snapshot, merged with the changes of an update, ascending by id.

use crate::IndexEntries;
use alloc::vec::Vec;
use dacti_index::Encoding;
use uuid::Uuid;

/// A region of the new index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    pub(crate) start: u64,
    pub(crate) size: u32,
    pub(crate) encoding: Encoding,
}

/// The change of one region of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) id: Uuid,
    /// The new entry; `None` if the region is removed.
    pub(crate) put: Option<Listed>,
}

impl Change {
    /// Returns the removal of an id, for a run of changes. The seal of the removal starts at
    /// `start`. If the package has no seals, the entry has the position 0 instead.
    pub(crate) fn removal(id: Uuid, start: u64, seal_len: u64) -> Self {
        // spec: R-GONE-03
        let start = if seal_len == 0 { 0 } else { start };
        Self { id, put: Some(Listed { id, start, size: 0, encoding: Encoding::GONE }) }
    }
}

/// The entries of a snapshot and the changes of an update, read as one sorted list.
#[derive(Debug)]
pub(crate) struct Merged<'a> {
    entries: &'a IndexEntries,
    /// Ascending by id, each id once.
    changes: Vec<Change>,
    #[cfg(test)]
    steps: core::cell::Cell<u64>,
}

impl<'a> Merged<'a> {
    pub(crate) fn new(entries: &'a IndexEntries, mut changes: Vec<Change>) -> Self {
        changes.sort_unstable_by_key(|change| change.id);
        Self {
            entries,
            changes,
            #[cfg(test)]
            steps: core::cell::Cell::new(0),
        }
    }

    /// Returns the regions of the new index, ascending by id in text order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Listed> + '_ {
        self.numbered().map(|(_, listed)| listed)
    }

    /// Returns the regions of the new index, ascending by id in text order, each with the number by
    /// which [`get`](Self::get) finds it.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, Listed)> + '_ {
        let live = self.entries.live();
        let (mut next, mut other) = (0_usize, 0_usize);
        core::iter::from_fn(move || {
            loop {
                #[cfg(test)]
                self.steps.set(self.steps.get().saturating_add(1));
                let number = match (live.get(next), self.changes.get(other)) {
                    (None, None) => return None,
                    (Some(live), Some(change)) if live.id == change.id => {
                        // The change replaces or removes the entry of this id.
                        next = next.saturating_add(1);
                        continue;
                    }
                    (Some(live), change) if change.is_none_or(|change| live.id < change.id) => {
                        next = next.saturating_add(1);
                        next.saturating_sub(1)
                    }
                    _ => {
                        other = other.saturating_add(1);
                        live.len().saturating_add(other).saturating_sub(1)
                    }
                };
                // A removed region has no entry in the new index.
                if let Some(listed) = self.get(number) {
                    return Some((number, listed));
                }
            }
        })
    }

    /// Returns the region with this number; `None` if a change removes it.
    pub(crate) fn get(&self, number: usize) -> Option<Listed> {
        let live = self.entries.live();
        let Some(found) = live.get(number) else {
            return self.changes.get(number.checked_sub(live.len())?)?.put;
        };
        let (id, start, size) = (found.id, found.start, found.size);
        Some(Listed { id, start, size, encoding: self.entries.encoding(found) })
    }

    /// Returns how many steps all passes over the regions took.
    #[cfg(test)]
    pub(crate) fn steps(&self) -> u64 {
        self.steps.get()
    }
}
