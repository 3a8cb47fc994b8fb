//! A component table: a borrowed, checked view of its header and entries.
//!
//! A `Table` does not know its chain. [`TableWalker`](crate::TableWalker) reads chains.
//! Specification: `docs/spec/daicon.md`, "Tables".

use crate::{
    COMPONENT_ENTRY_LEN, Component, ComponentEntry, Error, Span, Structure, TABLE_HEADER_LEN,
    TableHeader, cast, slice_at, struct_at, to_u64,
};
use uuid::Uuid;

/// A component table, borrowed from the bytes that it was read from.
#[derive(Debug, Clone, Copy)]
pub struct Table<'b> {
    at: u64,
    header: TableHeader,
    entries: &'b [ComponentEntry],
}

impl<'b> Table<'b> {
    /// Views `bytes`, which start at file position `at`, as a table.
    ///
    /// # Errors
    /// `Truncated` if the bytes end before the table does.
    pub fn parse(bytes: &'b [u8], at: u64) -> Result<Self, Error> {
        let end = at.saturating_add(to_u64(bytes.len()));
        let truncated = |what, at, needed| Error::Truncated { what, at, needed, end };
        let header: &TableHeader = struct_at(bytes)
            .ok_or_else(|| truncated(Structure::TableHeader, at, TABLE_HEADER_LEN))?;
        let rest = bytes.get(size_of::<TableHeader>()..).unwrap_or_default();
        let entries_at = at.saturating_add(TABLE_HEADER_LEN);
        Self::from_parts(*header, rest, at)
            .ok_or_else(|| truncated(Structure::TableEntries, entries_at, entries_len(header)))
    }

    /// Views the entries of a table whose header was read before.
    pub(crate) fn from_parts(header: TableHeader, entries: &'b [u8], at: u64) -> Option<Self> {
        let count = cast::to_usize(u64::from(header.count.get()))?;
        Some(Self { at, header, entries: slice_at(entries, count)? })
    }

    /// Returns the start of the table, absolute.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Returns the span of header and entries, absolute, without free slots.
    #[must_use]
    pub fn span(&self) -> Span {
        let len = TABLE_HEADER_LEN.saturating_add(entries_len(&self.header));
        Span { start: self.at, end: self.at.saturating_add(len) }
    }

    /// Returns the region base, absolute: the offsets of this table's regions are added to it.
    #[must_use]
    pub const fn region_base(&self) -> u64 {
        self.header.region_base.get()
    }

    /// Returns the position of the next table, absolute; `None` at the end of the chain.
    #[must_use]
    pub const fn extension_at(&self) -> Option<u64> {
        match self.header.extension_offset.get() {
            0 => None,
            at => Some(at),
        }
    }

    /// Returns the header as it lies in the file.
    #[must_use]
    pub const fn header(&self) -> &TableHeader {
        &self.header
    }

    /// Returns the entries as they lie in the file, duplicates included.
    #[must_use]
    pub const fn entries(&self) -> &'b [ComponentEntry] {
        self.entries
    }

    /// Returns every component in table order, duplicates included.
    pub fn components(&self) -> impl Iterator<Item = Component> + use<'b> {
        let base = self.region_base();
        let first_at = self.at.saturating_add(TABLE_HEADER_LEN);
        self.entries.iter().zip(0_u64..).map(move |(entry, i)| {
            let at = first_at.saturating_add(i.saturating_mul(COMPONENT_ENTRY_LEN));
            Component::from_entry(entry, at, base)
        })
    }

    /// Finds the first component of that UUID and major version. Later such components are
    /// duplicates.
    #[must_use]
    pub fn find(&self, id: Uuid, major: u16) -> Option<Component> {
        self.components().find(|found| found.id == id && found.version.major == major)
    }
}

/// Returns the length of a table's entries in bytes.
pub(crate) fn entries_len(header: &TableHeader) -> u64 {
    u64::from(header.count.get()).saturating_mul(COMPONENT_ENTRY_LEN)
}
