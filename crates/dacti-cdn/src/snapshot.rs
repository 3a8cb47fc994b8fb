//! The published file as a planner sees it: its head, its tables, and what room they leave.
//!
//! A snapshot holds no content and, until a fold needs them, no entries but those of the delta
//! groups. Specification: `docs/spec/dacti-cdn.md`, "What an updater reads".

mod reader;
mod room;
mod scan;

pub use reader::SnapshotReader;
pub use room::Room;
pub(crate) use room::{T1_COUNT_AT, T1_EXTENSION_AT};
pub(crate) use scan::ENCODINGS_MAX;
pub use scan::{IndexEntries, IndexEntriesReader, Live};

use crate::{Digest, Error, HEAD_LEN, Layout, State};
use alloc::vec::Vec;
use dacti_index::{Encoding, GROUP_HEADER_LEN, Group};
use daicon_core::{Component, Span};

/// A published package, read for an update.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) len: u64,
    pub(crate) head: Vec<u8>,
    pub(crate) layout: Layout,
    /// Tables of the chain, the first first.
    pub(crate) tables: Vec<TableBytes>,
    pub(crate) components: Vec<Component>,
    pub(crate) index: Span,
    pub(crate) index_groups: u32,
    pub(crate) delta_groups: Vec<DeltaGroup>,
    pub(crate) seal_len: u64,
    /// Which of the two places the second table is in.
    pub(crate) place: Option<usize>,
    pub(crate) entries: Option<IndexEntries>,
}

/// A table of the chain as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableBytes {
    pub(crate) span: Span,
    /// Header and entries, without free slots.
    pub(crate) bytes: Vec<u8>,
}

/// A delta group as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaGroup {
    /// Its number in the index, from 0.
    pub number: u32,
    /// Where it starts, absolute.
    pub at: u64,
    /// What its entries' offsets are counted from. Without meaning where its length is 0.
    pub base: u64,
    /// How its regions are stored. Without meaning where its length is 0.
    pub encoding: Encoding,
    /// Entries in use.
    pub length: u8,
}

impl Snapshot {
    /// Physical length of the file in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no byte, which no package has.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first 65,536 bytes.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// What the writer of the package promised.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The components in force.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// The index region in force, absolute.
    #[must_use]
    pub const fn index(&self) -> Span {
        self.index
    }

    /// Groups of that index, delta groups included.
    #[must_use]
    pub const fn index_groups(&self) -> u32 {
        self.index_groups
    }

    /// The delta groups of that index, group 0 first; none after a fold.
    #[must_use]
    pub fn delta_groups(&self) -> &[DeltaGroup] {
        &self.delta_groups
    }

    /// Bytes of the seal behind each region's stored bytes; 0 where the package has no seals.
    #[must_use]
    pub const fn seal_len(&self) -> u64 {
        self.seal_len
    }

    /// What the file is like.
    #[must_use]
    pub fn state(&self) -> State {
        State { len: self.len, head: Digest::of(&self.head) }
    }

    /// What room is left for updates without a fold.
    #[must_use]
    pub fn room(&self) -> Room {
        Room::of(self)
    }

    /// A machine that reads all entries of the index, which only a fold needs.
    ///
    /// # Errors
    /// `Index` where the index region cannot be one.
    pub fn entries_reader(&self) -> Result<IndexEntriesReader, Error> {
        IndexEntriesReader::new(self.index, self.len)
    }

    /// Takes what an [`IndexEntriesReader`] found.
    pub fn set_entries(&mut self, entries: IndexEntries) {
        self.entries = Some(entries);
    }

    /// All entries that count, where they have been read.
    #[must_use]
    pub const fn entries(&self) -> Option<&IndexEntries> {
        self.entries.as_ref()
    }

    /// The group of that number as it lies in the head.
    pub(crate) fn delta_group(&self, delta: &DeltaGroup) -> Result<Group<'_>, Error> {
        let rest = Span { start: delta.at, end: HEAD_LEN };
        Ok(Group::parse(rest.slice_of(&self.head, 0).unwrap_or_default(), delta.at)?)
    }
}

impl DeltaGroup {
    /// Where its length stands, absolute.
    #[must_use]
    pub const fn length_at(&self) -> u64 {
        self.at.saturating_add(12)
    }

    /// Where its entries start, absolute.
    #[must_use]
    pub const fn entries_at(&self) -> u64 {
        self.at.saturating_add(GROUP_HEADER_LEN)
    }
}
