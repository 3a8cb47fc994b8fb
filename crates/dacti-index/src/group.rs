//! A group: up to 255 regions that share a base and an encoding, as a borrowed view.
//!
//! Specification: `docs/spec/dacti-index.md`, "Groups", "Entries", "Which entry counts".

use crate::{
    Encoding, Entry, Error, GROUP_HEADER_LEN, GROUP_LEN, GroupHeader, INDEX_ENTRY_LEN, Structure,
};
use daicon_core::{Span, slice_at, struct_at, to_u64};
use uuid::Uuid;

/// The place of a region's stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// Id of the region.
    pub id: Uuid,
    /// Span of the stored bytes, absolute.
    pub span: Span,
    /// Encoding of the stored bytes.
    pub encoding: Encoding,
    /// Position of the region's entry, absolute.
    pub at: u64,
}

impl Located {
    /// Returns whether the entry removes its id. The package then does not have the region.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        self.encoding == Encoding::GONE
    }

    /// Checks that the stored bytes lie within a file of `len` bytes. An empty region has no bytes,
    /// so it may lie anywhere.
    ///
    /// # Errors
    /// `Truncated` if the stored bytes pass the end of the file.
    pub fn within(self, len: u64) -> Result<Self, Error> {
        if self.span.end > len && !self.span.is_empty() {
            let (at, needed) = (self.span.start, self.span.len());
            return Err(Error::Truncated { what: Structure::StoredRegion, at, needed, end: len });
        }
        Ok(self)
    }
}

/// A group, borrowed from the bytes that it was read from.
#[derive(Debug, Clone, Copy)]
pub struct Group<'b> {
    at: u64,
    header: GroupHeader,
    entries: &'b [Entry],
}

impl<'b> Group<'b> {
    /// Views `bytes`, which start at file position `at`, as a group. Ignores bytes after the
    /// entries in use.
    ///
    /// # Errors
    /// `Truncated` if the bytes end before the entries in use do.
    pub fn parse(bytes: &'b [u8], at: u64) -> Result<Self, Error> {
        let header: &GroupHeader = struct_at(bytes)
            .ok_or_else(|| truncated(Structure::GroupHeader, at, GROUP_HEADER_LEN, at, bytes))?;
        let rest = bytes.get(size_of::<GroupHeader>()..).unwrap_or_default();
        Self::from_parts(*header, rest, at)
    }

    /// Views `bytes` as the entries of a group whose header was read before.
    pub(crate) fn from_parts(header: GroupHeader, bytes: &'b [u8], at: u64) -> Result<Self, Error> {
        let entries = slice_at(bytes, usize::from(header.length)).ok_or_else(|| {
            let entries_at = at.saturating_add(GROUP_HEADER_LEN);
            let needed = used_len(&header);
            truncated(Structure::GroupEntries, entries_at, needed, entries_at, bytes)
        })?;
        Ok(Self { at, header, entries })
    }

    /// Returns the start of the group, absolute.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Returns the span of the group, with room for all 255 entries, absolute.
    #[must_use]
    pub const fn span(&self) -> Span {
        Span { start: self.at, end: self.at.saturating_add(GROUP_LEN) }
    }

    /// Returns the group base, absolute: the offsets of the entries are added to it. It has no
    /// meaning in a group without entries.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.header.base.get()
    }

    /// Returns the encoding of the group's regions. It has no meaning in a group without entries.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        Encoding::from_tag(self.header.encoding)
    }

    /// Returns the entries in use as they lie in the file, oldest first.
    #[must_use]
    pub const fn entries(&self) -> &'b [Entry] {
        self.entries
    }

    /// Returns the region of entry `i`; `None` if there is no such entry.
    ///
    /// # Errors
    /// `OutOfBounds` if the stored bytes pass 2^64; `RemovalWithBytes`.
    pub fn located(&self, i: usize) -> Result<Option<Located>, Error> {
        self.entries.get(i).map(|entry| self.locate(entry, i)).transpose()
    }

    /// Returns the regions in the order of the file, oldest first. A later region replaces an
    /// earlier one of the same id.
    #[must_use]
    pub fn regions(
        &self,
    ) -> impl DoubleEndedIterator<Item = Result<Located, Error>> + ExactSizeIterator + use<'b> {
        let group = *self;
        self.entries.iter().enumerate().map(move |(i, entry)| group.locate(entry, i))
    }

    /// Finds the entry of `id`. If several entries have the id, the last one decides. The entry may
    /// be a [removal](Located::is_removal).
    ///
    /// # Errors
    /// `OutOfBounds` if the stored bytes pass 2^64; `RemovalWithBytes`.
    pub fn find(&self, id: Uuid) -> Result<Option<Located>, Error> {
        let id = id.into();
        match self.entries.iter().rposition(|entry| entry.id == id) {
            Some(i) => self.located(i),
            None => Ok(None),
        }
    }

    fn locate(&self, entry: &Entry, i: usize) -> Result<Located, Error> {
        let i = to_u64(i);
        let entries_at = self.at.saturating_add(GROUP_HEADER_LEN);
        let at = entries_at.saturating_add(i.saturating_mul(INDEX_ENTRY_LEN));
        let (base, offset, size) = (self.base(), entry.offset.get(), entry.size.get());
        if self.encoding() == Encoding::GONE && size > 0 {
            return Err(Error::RemovalWithBytes { at, size });
        }
        let span = base
            .checked_add(u64::from(offset))
            .and_then(|start| Span::new(start, u64::from(size)))
            .ok_or(Error::OutOfBounds { at, base, offset, size })?;
        Ok(Located { id: entry.id.get(), span, encoding: self.encoding(), at })
    }
}

/// Returns the length of a group's entries in use, in bytes.
pub(crate) fn used_len(header: &GroupHeader) -> u64 {
    u64::from(header.length).saturating_mul(INDEX_ENTRY_LEN)
}

/// Returns the error for a structure at `at` that the fed bytes do not hold completely. `bytes` are
/// these bytes, and start at file position `fed_at`.
pub(crate) fn truncated(what: Structure, at: u64, needed: u64, fed_at: u64, bytes: &[u8]) -> Error {
    let len = to_u64(bytes.len());
    Error::Truncated { what, at, needed, end: fed_at.saturating_add(len) }
}

#[cfg(test)]
mod tests {
    use super::Group;
    use crate::{Encoding, Entry, Error, GroupHeader, Structure};
    use daicon_core::{Span, bytes_of};
    use std::vec::Vec;
    use uuid::Uuid;

    fn group(base: u64, entries: &[Entry]) -> Vec<u8> {
        let header = GroupHeader::new(base, Encoding::NONE, entries.len() as u8);
        let mut bytes = bytes_of(&header).to_vec();
        for entry in entries {
            bytes.extend(bytes_of(entry));
        }
        bytes
    }

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[test]
    fn the_last_entry_of_an_id_wins() {
        let entries = [Entry::new(id(1), 0, 1), Entry::new(id(2), 1, 1), Entry::new(id(1), 2, 9)];
        let bytes = group(100, &entries);
        let group = Group::parse(&bytes, 50).unwrap();
        let found = group.find(id(1)).unwrap().unwrap();
        assert_eq!(found.span, Span { start: 102, end: 111 });
        assert_eq!(found.at, 50 + 16 + 2 * 24);
        assert_eq!(group.find(id(3)), Ok(None));
    }

    #[test]
    fn regions_lie_past_four_gibibytes() {
        let bytes = group(1 << 33, &[Entry::new(id(1), u32::MAX, u32::MAX)]);
        let found = Group::parse(&bytes, 0).unwrap().find(id(1)).unwrap().unwrap();
        assert_eq!(found.span, Span::new((1 << 33) + 0xffff_ffff, 0xffff_ffff).unwrap());
    }

    #[test]
    fn a_span_past_the_last_position_is_refused() {
        let bytes = group(u64::MAX, &[Entry::new(id(1), 0, 1)]);
        let (at, base) = (16, u64::MAX);
        let expected = Error::OutOfBounds { at, base, offset: 0, size: 1 };
        assert_eq!(Group::parse(&bytes, 0).unwrap().find(id(1)), Err(expected));
    }

    #[test]
    fn a_removal_has_no_bytes() {
        // spec: R-GONE-01, R-GONE-02
        let mut bytes = group(100, &[Entry::new(id(1), 8, 0), Entry::new(id(2), 0, 7)]);
        bytes[8..12].copy_from_slice(b"gone");
        let group = Group::parse(&bytes, 50).unwrap();
        let found = group.find(id(1)).unwrap().unwrap();
        assert!(found.is_removal());
        assert_eq!(found.span, Span { start: 108, end: 108 });
        let expected = Error::RemovalWithBytes { at: 50 + 16 + 24, size: 7 };
        assert_eq!(group.find(id(2)), Err(expected));
    }

    #[test]
    fn bytes_behind_the_entries_in_use_are_not_needed() {
        let bytes = group(0, &[Entry::new(id(1), 0, 1)]);
        assert!(Group::parse(&bytes, 0).is_ok());
        let error = Group::parse(&bytes[..39], 7).unwrap_err();
        let what = Structure::GroupEntries;
        assert_eq!(error, Error::Truncated { what, at: 23, needed: 24, end: 46 });
        let error = Group::parse(&bytes[..15], 7).unwrap_err();
        let what = Structure::GroupHeader;
        assert_eq!(error, Error::Truncated { what, at: 7, needed: 16, end: 22 });
    }
}
