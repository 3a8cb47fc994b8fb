//! A published package as a planner sees it: its head, its tables, and its room for updates.
//!
//! A snapshot does not hold the content of regions. It holds the entries of the delta groups. For a
//! fold, it also holds all entries of the index; for a run of changes, the entries before the base
//! groups. Specification: `docs/spec/dacti-cdn.md`, "What an updater reads".

mod base;
mod reader;
mod room;
mod scan;

pub use reader::SnapshotReader;
pub use room::Room;
pub(crate) use room::{T1_COUNT_AT, T1_EXTENSION_AT};
pub(crate) use scan::ENCODINGS_MAX;
pub use scan::{IndexEntries, IndexEntriesReader, Live};

use crate::parts::BaseGroups;
use crate::{Digest, Edit, Error, HEAD_LEN, Layout, State};
use alloc::vec::Vec;
use dacti_index::{Encoding, GROUP_HEADER_LEN, Group};
use daicon_core::{Component, Span};
use uuid::Uuid;

/// A published package, read for an update.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The earliest position at which the next block can begin.
    pub(crate) len: u64,
    /// The length of the package. In a package in parts, it may be larger than `len`.
    pub(crate) bound: u64,
    pub(crate) head: Vec<u8>,
    pub(crate) layout: Layout,
    /// Tables of the chain, in order.
    pub(crate) tables: Vec<TableBytes>,
    pub(crate) components: Vec<Component>,
    pub(crate) index: Span,
    pub(crate) index_groups: u32,
    pub(crate) delta_groups: Vec<DeltaGroup>,
    pub(crate) seal_len: u64,
    pub(crate) room_len: u64,
    /// The number of the second table's current place, 0 or 1. `None` if the table lies in neither
    /// place, or does not list the index.
    pub(crate) place: Option<usize>,
    pub(crate) entries: Option<IndexEntries>,
    /// The entries of the groups before the base groups, removals included.
    pub(crate) changes: Option<IndexEntries>,
    /// The last groups of the index, if a part holds exactly these groups.
    pub(crate) base: Option<BaseGroups>,
    /// The results of look-ups, ascending by id: the number of stored bytes, or `None` if the
    /// package does not have the region.
    looked_up: Vec<(Uuid, Option<u64>)>,
    pub(crate) is_in_parts: bool,
}

/// The region of an id, as far as a snapshot has read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The package has the region. `len` is the length of its stored bytes and its seal.
    Region { len: u64 },
    /// The package does not have the region.
    Missing,
    /// The index was not read, and no look-up of the id was made.
    Unknown,
}

/// A table of the chain as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableBytes {
    pub(crate) span: Span,
    /// Header and entries, without free slots.
    pub(crate) bytes: Vec<u8>,
}

/// A delta group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaGroup {
    /// Number of the group in the index, from 0.
    pub number: u32,
    /// Start of the group, absolute.
    pub at: u64,
    /// Group base. It has no meaning in a group without entries.
    pub base: u64,
    /// Encoding of the group's regions. It has no meaning in a group without entries.
    pub encoding: Encoding,
    /// Number of entries in use.
    pub length: u8,
}

impl Snapshot {
    /// Returns the alignment of a block's start and end in a plan with this slice length.
    pub(crate) const fn block_align(&self, slice_len: u64) -> u64 {
        if self.is_in_parts { crate::parts::BLOCK_ALIGN } else { slice_len }
    }

    /// Returns the physical length of the file in bytes. In a package in parts, this is the
    /// earliest position at which the next block can begin.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether the file is empty. A package is never empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the head: the first 65,536 bytes.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns the content of the layout component.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the current components.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Returns the current index region, absolute.
    #[must_use]
    pub const fn index(&self) -> Span {
        self.index
    }

    /// Returns the number of groups of the index, delta groups included.
    #[must_use]
    pub const fn index_groups(&self) -> u32 {
        self.index_groups
    }

    /// Returns the delta groups of the index, group 0 first; none after a fold.
    #[must_use]
    pub fn delta_groups(&self) -> &[DeltaGroup] {
        &self.delta_groups
    }

    /// Returns the length of the package's seals; 0 if it has none.
    #[must_use]
    pub const fn seal_len(&self) -> u64 {
        self.seal_len
    }

    /// Returns how many zeros each block must have for reads of seals; 0 if regions do not share
    /// stored bytes. A reader reads a region together with the maximum number of seals that may
    /// follow it. The zeros ensure that this read does not pass the end of the block.
    #[must_use]
    pub const fn room_len(&self) -> u64 {
        self.room_len
    }

    /// Returns the state of the file.
    #[must_use]
    pub fn state(&self) -> State {
        State { len: self.len, head: Digest::of(&self.head) }
    }

    /// Returns the room for updates that need no fold.
    #[must_use]
    pub fn room(&self) -> Room {
        Room::of(self)
    }

    /// Returns a machine that reads all entries of the index. Only a fold needs them.
    ///
    /// # Errors
    /// `Index` if the index region is too short.
    pub fn entries_reader(&self) -> Result<IndexEntriesReader, Error> {
        IndexEntriesReader::new(self.index, self.bound, None)
    }

    /// Returns a machine that reads the entries of the groups before the base groups. The next run
    /// of changes lists these entries together with the edits.
    ///
    /// # Errors
    /// `Index` if the index region is too short; `Misuse` if the package has no base groups.
    pub fn changes_reader(&self) -> Result<IndexEntriesReader, Error> {
        let base = self.base.ok_or(crate::Misuse::IndexNeeded)?;
        IndexEntriesReader::new(self.index, self.bound, Some(base.first_group))
    }

    /// Stores the entries that a reader of [`changes_reader`](Self::changes_reader) has read.
    pub fn set_changes(&mut self, changes: IndexEntries) {
        self.changes = Some(changes);
    }

    /// Returns the entries before the base groups. Fails if they were not read.
    pub(crate) fn changes(&self) -> Result<&IndexEntries, crate::Misuse> {
        self.changes.as_ref().ok_or(crate::Misuse::ChangesNeeded)
    }

    /// Stores the entries that a reader of [`entries_reader`](Self::entries_reader) has read.
    pub fn set_entries(&mut self, entries: IndexEntries) {
        self.entries = Some(entries);
    }

    /// Returns the valid entry of each id, if the index was read.
    #[must_use]
    pub const fn entries(&self) -> Option<&IndexEntries> {
        self.entries.as_ref()
    }

    /// Stores the results of look-ups in the package. The result for an id is the number of stored
    /// bytes without the seal, or `None` if the package does not have the region.
    ///
    /// [`plan`](crate::plan) writes the results into the edits, as the length of the region that
    /// each edit replaces or removes. [`check`](crate::check) compares these lengths with the
    /// results. If the snapshot has all entries of the index, look-ups are not needed.
    pub fn set_found(&mut self, found: impl IntoIterator<Item = (Uuid, Option<u64>)>) {
        self.looked_up = found.into_iter().collect();
        self.looked_up.sort_unstable();
    }

    /// Returns the region of an id, as far as it was read.
    pub(crate) fn found(&self, id: Uuid) -> Found {
        let stored = if let Some(entries) = &self.entries {
            entries.find(id).map(|live| u64::from(live.size))
        } else {
            let i = self.looked_up.binary_search_by_key(&id, |(id, _)| *id);
            match i.ok().and_then(|i| self.looked_up.get(i)) {
                Some((_, stored)) => *stored,
                None => return Found::Unknown,
            }
        };
        stored.map_or(Found::Missing, |stored| Found::Region {
            len: stored.saturating_add(self.seal_len),
        })
    }

    /// Returns a copy of the edits. If the snapshot knows the length that an edit replaces, the
    /// copy states this length.
    pub(crate) fn informed(&self, edits: &[Edit]) -> Vec<Edit> {
        let mut edits = edits.to_vec();
        for edit in &mut edits {
            let Some(id) = edit.region_id() else { continue };
            let len = match self.found(id) {
                Found::Region { len } => len,
                Found::Missing => 0,
                Found::Unknown => continue,
            };
            match edit {
                Edit::Put(put) => put.replaced_len = len,
                Edit::Remove(remove) => remove.replaced_len = len,
                Edit::Component(_) | Edit::ExplicitIds => {}
            }
        }
        edits
    }

    /// Parses a delta group from the bytes of the head.
    pub(crate) fn delta_group(&self, delta: &DeltaGroup) -> Result<Group<'_>, Error> {
        let rest = Span { start: delta.at, end: HEAD_LEN };
        Ok(Group::parse(rest.slice_of(&self.head, 0).unwrap_or_default(), delta.at)?)
    }
}

impl DeltaGroup {
    /// Returns the position of the group's length, absolute.
    #[must_use]
    pub const fn length_at(&self) -> u64 {
        self.at.saturating_add(12)
    }

    /// Returns the start of the group's entries, absolute.
    #[must_use]
    pub const fn entries_at(&self) -> u64 {
        self.at.saturating_add(GROUP_HEADER_LEN)
    }
}
