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
    /// Returns the removal of an id for a run of changes. Its seal starts at `start`. If the
    /// package has no seals, the entry has no bytes, and its position is 0.
    pub(crate) fn removal(id: Uuid, start: u64, seal_len: u64) -> Self {
        // spec: R-GONE-03
        let start = if seal_len == 0 { 0 } else { start };
        Self { id, put: Some(Listed { id, start, size: 0, encoding: Encoding::GONE }) }
    }
}

/// Entries and changes.
#[derive(Debug)]
pub(crate) struct Merged<'a> {
    entries: &'a IndexEntries,
    /// Ascending by id, each id once.
    changes: Vec<Change>,
}

impl<'a> Merged<'a> {
    pub(crate) fn new(entries: &'a IndexEntries, mut changes: Vec<Change>) -> Self {
        changes.sort_unstable_by_key(|change| change.id);
        Self { entries, changes }
    }

    /// Returns the regions of the new index, ascending by id in text order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Listed> + '_ {
        let mut live = self.entries.live().iter().peekable();
        let mut changes = self.changes.iter().peekable();
        core::iter::from_fn(move || {
            loop {
                let next = live.peek().map(|live| live.id);
                let other = changes.peek().map(|change| change.id);
                match (next, other) {
                    (None, None) => return None,
                    (Some(id), Some(other)) if id == other => {
                        // The change replaces or removes the entry of this id.
                        live.next();
                    }
                    (Some(id), other) if other.is_none_or(|other| id < other) => {
                        let live = live.next()?;
                        let encoding = self.entries.encoding(live);
                        let (start, size) = (live.start, live.size);
                        return Some(Listed { id, start, size, encoding });
                    }
                    _ => {
                        if let Some(put) = changes.next()?.put {
                            return Some(put);
                        }
                    }
                }
            }
        })
    }
}
