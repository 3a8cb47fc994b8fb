//! What room a published package has left for updates without a fold.

use super::{DeltaGroup, Snapshot};
use dacti_index::{Encoding, GROUP_ENTRIES, GROUP_LEN, INDEX_HEADER_LEN};
use dacti_names::{Flags, NAMES_ID};
use daicon_core::{
    COMPONENT_ENTRY_LEN, PREAMBLE_LEN, Span, TABLE_HEADER_LEN, TableHeader, struct_at, to_u64,
};

/// Where the first table's extension offset stands.
pub(crate) const T1_EXTENSION_AT: u64 = PREAMBLE_LEN + 8;
/// Where the first table's count stands.
pub(crate) const T1_COUNT_AT: u64 = PREAMBLE_LEN + 20;

/// Room for updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Delta groups, full ones included; 0 after a fold.
    pub delta_groups: u32,
    /// Delta groups without any entry.
    pub delta_groups_free: u32,
    /// Entries that the group in use still takes, beside those of the free groups.
    pub entries_free: u32,
    /// Base and encoding of the group in use, where it has entries.
    pub current: Option<(u64, Encoding)>,
    /// Free slots of the first table.
    pub first_table_free: u32,
    /// Whether the second table can be written anew.
    pub second_table: bool,
}

impl Room {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let used = snapshot.current_delta();
        let free = used.map_or(count(snapshot.delta_groups.len()), |used| used.number);
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
    /// Entries that it still takes.
    #[must_use]
    pub fn free(&self) -> u32 {
        let room = u32::try_from(GROUP_ENTRIES).unwrap_or(u32::MAX);
        room.saturating_sub(u32::from(self.length))
    }
}

impl Snapshot {
    /// The delta group that was filled last: the first in the index that has entries, as they are
    /// filled from the last down.
    pub(crate) fn current_delta(&self) -> Option<&DeltaGroup> {
        self.delta_groups.iter().find(|group| group.length > 0)
    }

    /// Components in the first table.
    pub(crate) fn t1_count(&self) -> u32 {
        let entries = self.tables.first().map_or(0, |table| table.span.len());
        let entries = entries.saturating_sub(TABLE_HEADER_LEN).checked_div(COMPONENT_ENTRY_LEN);
        u32::try_from(entries.unwrap_or_default()).unwrap_or(u32::MAX)
    }

    /// Whether the names component says that there are explicit ids. Where there is no such
    /// component, readers look into the names list on a miss.
    pub(crate) fn explicit_ids(&self) -> bool {
        let names = self.components.iter().find(|found| found.id == NAMES_ID);
        names.is_none_or(|names| Flags::from_data(names.data).explicit_ids)
    }

    /// What the regions of the first table are counted from.
    pub(crate) fn t1_base(&self) -> u64 {
        let first = self.tables.first().map(|table| &table.bytes[..]).unwrap_or_default();
        struct_at::<TableHeader>(first).map_or(0, |header| header.region_base.get())
    }

    /// Where the first table's next free slot is.
    pub(crate) fn t1_end(&self) -> u64 {
        self.tables.first().map_or(PREAMBLE_LEN, |table| table.span.end)
    }

    /// The first table with its free slots.
    pub(crate) fn t1_span(&self) -> Span {
        table_span(PREAMBLE_LEN, self.layout.t1_slots)
    }

    /// The places of the second table.
    pub(crate) fn t2_spans(&self) -> [Span; 2] {
        self.layout.t2_places.map(|at| table_span(u64::from(at), self.layout.t2_slots))
    }

    /// All delta groups together.
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
