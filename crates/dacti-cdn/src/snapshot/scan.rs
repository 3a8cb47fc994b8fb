//! Reads the entries of an index: all of them for a fold, or those of the first groups for a run of
//! changes. Keeps the newest entry of each id, because only this entry is valid.
//!
//! Memory is 32 bytes for each entry read. Specification: `docs/spec/dacti-cdn.md`, "Fold".

use crate::{Error, HEAD_LEN, LimitOf};
use alloc::vec::Vec;
use dacti_index::{Encoding, Event, IndexReader};
use daicon_core::{Span, to_u64};
use uuid::Uuid;

/// The maximum number of encodings of one index. Each encoding needs its own runs.
pub(crate) const ENCODINGS_MAX: usize = 64;

/// The valid entry of a region: the newest one of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Id of the region.
    pub id: Uuid,
    /// Start of the region's stored bytes, absolute.
    pub start: u64,
    /// Number of stored bytes.
    pub size: u32,
    encoding: u8,
}

/// The valid entries of an index, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexEntries {
    index: Span,
    live: Vec<Live>,
    encodings: Vec<Encoding>,
}

impl IndexEntries {
    /// Returns the index region, absolute.
    #[must_use]
    pub const fn index(&self) -> Span {
        self.index
    }

    /// Returns the entries, ascending by id in text order.
    #[must_use]
    pub fn live(&self) -> &[Live] {
        &self.live
    }

    /// Returns the encoding of an entry.
    #[must_use]
    pub fn encoding(&self, live: &Live) -> Encoding {
        let encoding = self.encodings.get(usize::from(live.encoding));
        encoding.copied().unwrap_or(Encoding::NONE)
    }

    /// Finds the entry of an id.
    #[must_use]
    pub fn find(&self, id: Uuid) -> Option<&Live> {
        let i = self.live.binary_search_by_key(&id, |live| live.id).ok()?;
        self.live.get(i)
    }
}

/// The walk over the groups of an index: a machine that says which bytes it wants and is fed them.
///
/// It takes at most `1 + 2 * groups` feeds.
#[derive(Debug, Clone)]
pub struct IndexEntriesReader {
    reader: IndexReader,
    file_len: u64,
    /// The groups that are still to be read; `None` for all groups of the index.
    left: Option<u32>,
    found: IndexEntries,
}

impl IndexEntriesReader {
    /// Returns a walk over an index. If `groups` is given, the walk covers this number of groups
    /// from the first on, and keeps removals. Otherwise the walk covers all groups, and drops
    /// removals.
    pub(super) fn new(index: Span, file_len: u64, groups: Option<u32>) -> Result<Self, Error> {
        let found = IndexEntries { index, ..IndexEntries::default() };
        Ok(Self { reader: IndexReader::new(index)?, file_len, left: groups, found })
    }

    /// Returns the span to feed next, absolute; `None` if the walk has ended.
    #[must_use]
    pub fn want(&self) -> Option<Span> {
        self.reader.want().filter(|_| self.left != Some(0))
    }

    /// Takes the wanted bytes, and ignores bytes past them. A shorter slice means that the file
    /// ends there.
    ///
    /// # Errors
    /// `Index` for faults of the index. It is a fault if a region passes the end of the file,
    /// because the region would then contain bytes that are appended later. `EmptyGroup` for a
    /// group without entries in an index after the head. `LimitExceeded` for too many encodings.
    /// After an error, the walk has ended.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(Event::Group(group)) = self.reader.feed(bytes)? else { return Ok(()) };
        self.left = self.left.map(|left| left.saturating_sub(1));
        if group.entries().is_empty() {
            // spec: R-LAY-22
            if self.found.index.start >= HEAD_LEN {
                self.reader.stop();
                return Err(Error::EmptyGroup { at: group.at() });
            }
            return Ok(());
        }
        let taken = self.found.take(&group, self.file_len);
        taken.inspect_err(|_| self.reader.stop())
    }

    /// Returns the valid entries.
    ///
    /// # Errors
    /// `Misuse` if the walk has not ended.
    pub fn finish(mut self) -> Result<IndexEntries, Error> {
        if self.want().is_some() {
            return Err(crate::Misuse::NotFed.into());
        }
        // The walk reads the newest entries first. A stable sort keeps the order of entries with
        // the same id, so the newest of them is kept.
        self.found.live.sort_by_key(|live| live.id);
        self.found.live.dedup_by_key(|live| live.id);
        if self.left.is_some() {
            // The removals are kept, because groups that were not read may list the removed
            // regions.
            return Ok(self.found);
        }
        // If the newest entry of an id is a removal, the package has no such region.
        let IndexEntries { live, encodings, .. } = &mut self.found;
        let gone = encodings.iter().position(|encoding| *encoding == Encoding::GONE);
        live.retain(|live| gone != Some(usize::from(live.encoding)));
        Ok(self.found)
    }
}

impl IndexEntries {
    /// Returns the entries of these regions, given by id, start, length and encoding.
    #[cfg(test)]
    pub(crate) fn of(regions: impl Iterator<Item = (Uuid, u64, u32, Encoding)>) -> Self {
        let mut entries = Self::default();
        for (id, start, size, encoding) in regions {
            let encoding = entries.number_of(encoding).unwrap();
            entries.live.push(Live { id, start, size, encoding });
        }
        entries.live.sort_by_key(|live| live.id);
        entries
    }

    /// Adds the entries of a group, newest first.
    fn take(&mut self, group: &dacti_index::Group<'_>, file_len: u64) -> Result<(), Error> {
        let encoding = self.number_of(group.encoding())?;
        for located in group.regions().rev() {
            let located = located?.within(file_len)?;
            let size = u32::try_from(located.span.len()).unwrap_or(u32::MAX);
            self.live.push(Live { id: located.id, start: located.span.start, size, encoding });
        }
        Ok(())
    }

    fn number_of(&mut self, encoding: Encoding) -> Result<u8, Error> {
        let known = self.encodings.iter().position(|known| *known == encoding);
        let number = known.unwrap_or(self.encodings.len());
        if number >= ENCODINGS_MAX {
            let limit = to_u64(ENCODINGS_MAX);
            let found = limit.saturating_add(1);
            return Err(Error::LimitExceeded { what: LimitOf::Encodings, found, limit });
        }
        if known.is_none() {
            self.encodings.push(encoding);
        }
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::Live;
    use crate::world::{NONE, fresh, id};

    #[test]
    fn every_id_is_found_once_by_the_entry_that_counts() {
        let mut world = fresh(300);
        // The package has eight delta groups and two filled groups. Delta group 7 gets two entries
        // of id 7, of which the last one is valid.
        let at = 4168 + 8 + 6136 * 7;
        world.bytes[at..at + 16].copy_from_slice(b"\0\0\x01\0\0\0\0\0none\x02\0\0\0");
        let stored = id(7).to_bytes_le();
        for (i, rest) in [b"\x05\0\0\0\x01\0\0\0", b"\x06\0\0\0\x02\0\0\0"].iter().enumerate() {
            let at = at + 16 + 24 * i;
            world.bytes[at..at + 16].copy_from_slice(&stored);
            world.bytes[at + 16..at + 24].copy_from_slice(*rest);
        }
        let snapshot = world.scanned();
        let entries = snapshot.entries().unwrap();
        assert_eq!(entries.live().len(), 300);
        let expected = Live { id: id(7), start: 65_542, size: 2, encoding: 0 };
        assert_eq!(entries.find(id(7)), Some(&expected));
        assert_eq!(entries.encoding(&expected), NONE);
        let group = 65_536 + 42 * 8;
        let expected = Live { id: id(8), start: group, size: 10, encoding: 0 };
        assert_eq!(entries.find(id(8)), Some(&expected));
        assert_eq!(entries.find(id(300)), None);
        assert!(entries.live().is_sorted_by_key(|live| live.id));
    }
}
