//! The room that a published package has for updates that need no fold.

use super::{DeltaGroup, Snapshot};
use dacti_index::{Encoding, GROUP_ENTRIES, GROUP_LEN, INDEX_HEADER_LEN};
use dacti_names::{Flags, NAMES_ID};
use daicon_core::{
    COMPONENT_ENTRY_LEN, PREAMBLE_LEN, Span, TABLE_HEADER_LEN, TableHeader, struct_at, to_u64,
};

/// Position of the first table's extension offset.
pub(crate) const T1_EXTENSION_AT: u64 = PREAMBLE_LEN + 8;
/// Position of the first table's count.
pub(crate) const T1_COUNT_AT: u64 = PREAMBLE_LEN + 20;

/// Room for updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Number of delta groups, full ones included; 0 after a fold.
    pub delta_groups: u32,
    /// Number of delta groups without entries.
    pub delta_groups_free: u32,
    /// Number of free entries in the newest delta group that lists regions. Each free group has
    /// room for 255 more.
    pub entries_free: u32,
    /// Group base and encoding of the newest delta group that lists regions, if there is one.
    pub current: Option<(u64, Encoding)>,
    /// Number of free slots of the first table.
    pub first_table_free: u32,
    /// Whether an update can write a new second table.
    pub second_table: bool,
}

impl Room {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let newest = snapshot.current_delta();
        let free = newest.map_or(count(snapshot.delta_groups.len()), |newest| newest.number);
        let is_of_puts = |group: &&DeltaGroup| group.length > 0 && group.encoding != Encoding::GONE;
        let used = snapshot.delta_groups.iter().find(is_of_puts);
        Self {
            delta_groups: count(snapshot.delta_groups.len()),
            delta_groups_free: free,
            entries_free: used.map_or(0, DeltaGroup::free),
            current: used.map(|used| (used.base, used.encoding)),
            first_table_free: snapshot.layout.t1_slots.saturating_sub(snapshot.t1_count()),
            second_table: snapshot.place.is_some(),
        }
    }
}

impl DeltaGroup {
    /// Returns the number of free entries of this group.
    #[must_use]
    pub fn free(&self) -> u32 {
        let room = u32::try_from(GROUP_ENTRIES).unwrap_or(u32::MAX);
        room.saturating_sub(u32::from(self.length))
    }
}

impl Snapshot {
    /// Returns the newest delta group with entries. It is the first one with entries, because
    /// updates use the groups from the last to the first.
    pub(crate) fn current_delta(&self) -> Option<&DeltaGroup> {
        self.delta_groups.iter().find(|group| group.length > 0)
    }

    /// Returns the number of components in the first table.
    pub(crate) fn t1_count(&self) -> u32 {
        let entries = self.tables.first().map_or(0, |table| table.span.len());
        let entries = entries.saturating_sub(TABLE_HEADER_LEN).checked_div(COMPONENT_ENTRY_LEN);
        u32::try_from(entries.unwrap_or_default()).unwrap_or(u32::MAX)
    }

    /// Returns whether readers search the names list if they do not find the hashed id of a path.
    /// They do this if the names component has the flag for explicit ids, or if the component is
    /// missing.
    pub(crate) fn explicit_ids(&self) -> bool {
        let names = self.components.iter().find(|found| found.id == NAMES_ID);
        names.is_none_or(|names| Flags::from_data(names.data).explicit_ids)
    }

    /// Returns the region base of the first table.
    pub(crate) fn t1_base(&self) -> u64 {
        let first = self.tables.first().map(|table| &table.bytes[..]).unwrap_or_default();
        struct_at::<TableHeader>(first).map_or(0, |header| header.region_base.get())
    }

    /// Returns the position of the first table's next free slot.
    pub(crate) fn t1_end(&self) -> u64 {
        self.tables.first().map_or(PREAMBLE_LEN, |table| table.span.end)
    }

    /// Returns the span of the first table, free slots included.
    pub(crate) fn t1_span(&self) -> Span {
        table_span(PREAMBLE_LEN, self.layout.t1_slots)
    }

    /// Returns the spans of the two places of the second table.
    pub(crate) fn t2_spans(&self) -> [Span; 2] {
        self.layout.t2_places.map(|at| table_span(u64::from(at), self.layout.t2_slots))
    }

    /// Returns the span of all delta groups.
    pub(crate) fn delta_span(&self) -> Span {
        let start = self.index.start.saturating_add(INDEX_HEADER_LEN);
        let groups = to_u64(self.delta_groups.len());
        Span { start, end: start.saturating_add(GROUP_LEN.saturating_mul(groups)) }
    }
}

fn table_span(at: u64, slots: u32) -> Span {
    let len = COMPONENT_ENTRY_LEN.saturating_mul(u64::from(slots)).saturating_add(TABLE_HEADER_LEN);
    Span { start: at, end: at.saturating_add(len) }
}
