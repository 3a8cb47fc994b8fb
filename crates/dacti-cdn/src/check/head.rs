//! The unused bytes of the head, and the places of the fields that a switch can write.

use crate::snapshot::{T1_COUNT_AT, T1_EXTENSION_AT};
use crate::{Field, Snapshot};
use alloc::vec::Vec;
use dacti_index::{GROUP_LEN, INDEX_ENTRY_LEN};
use daicon_core::Span;

impl Snapshot {
    /// Returns whether `span` lies in one range of unused bytes.
    pub(super) fn nobody_reads(&self, span: Span) -> bool {
        self.unread().iter().any(|room| room.contains(&span))
    }

    /// Returns the ranges of unused bytes: free slots of the first table, the unused place of the
    /// second table, free entries of delta groups, and base and encoding of empty delta groups.
    fn unread(&self) -> Vec<Span> {
        let mut unread = Vec::new();
        unread.push(Span { start: self.t1_end(), end: self.t1_span().end });
        if let Some(place) = self.place {
            let [a, b] = self.t2_spans();
            unread.push(if place == 0 { b } else { a });
        }
        for group in &self.delta_groups {
            let used = INDEX_ENTRY_LEN.saturating_mul(u64::from(group.length));
            let start = group.entries_at().saturating_add(used);
            unread.push(Span { start, end: group.at.saturating_add(GROUP_LEN) });
            if group.length == 0 {
                unread.push(Span { start: group.at, end: group.length_at() });
            }
        }
        unread
    }

    /// Returns the span of a field that a switch can write; `None` if the package has no such
    /// field.
    pub(super) fn field_span(&self, field: Field) -> Option<Span> {
        match field {
            Field::DeltaLength { group } => {
                let number = usize::try_from(group).ok()?;
                Span::new(self.delta_groups.get(number)?.length_at(), 1)
            }
            Field::Extension => Span::new(T1_EXTENSION_AT, 4),
            Field::Count => Span::new(T1_COUNT_AT, 4),
        }
    }
}
