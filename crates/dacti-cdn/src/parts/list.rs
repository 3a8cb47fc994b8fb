//! The list that maps a package's positions to parts.
//!
//! Specification: `docs/spec/dacti-parts.md`, "The list", "Reading".

use super::{PART_ENTRIES_MAX, PartEntry, PartsError, PartsFault};
use alloc::vec::Vec;
use daicon_core::Span;

/// The entries of a package in parts, ascending by start and without overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartList(Vec<PartEntry>);

/// A range of one object that holds some of the bytes of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectRead {
    /// The entry that the object belongs to.
    pub entry: PartEntry,
    /// The object's number within its entry, from 0.
    pub object: u64,
    /// The range within the object, relative to the object's start.
    pub range: Span,
    /// The positions of the same bytes in the package, absolute.
    pub span: Span,
}

impl PartList {
    /// Returns a list of `entries`.
    ///
    /// # Errors
    /// `EntryCount` if there are more than 34 entries; `EntryOrder` if entries overlap or do not
    /// ascend. `at` is the start of the parts region. The position in the error is computed from
    /// it.
    pub fn new(entries: Vec<PartEntry>, at: u64) -> Result<Self, PartsError> {
        if entries.len() > PART_ENTRIES_MAX {
            let found = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            return Err(PartsError { at, fault: PartsFault::EntryCount(found) });
        }
        let mut end = 0;
        for (i, entry) in (0_u64..).zip(&entries) {
            let start = entry.span.start;
            if start < end {
                let at = entry_at(at, i);
                return Err(PartsError { at, fault: PartsFault::EntryOrder { start, end } });
            }
            end = entry.span.end;
        }
        Ok(Self(entries))
    }

    /// Returns the entries, ascending by start.
    #[must_use]
    pub fn entries(&self) -> &[PartEntry] {
        &self.0
    }

    /// Returns the end of the last entry, absolute; 0 for an empty list.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, |entry| entry.span.end)
    }

    /// Returns the entry that holds the byte at `position`.
    #[must_use]
    pub fn entry_of(&self, position: u64) -> Option<&PartEntry> {
        let i = self.0.partition_point(|entry| entry.span.end <= position);
        self.0.get(i).filter(|entry| entry.span.start <= position)
    }

    /// Returns the first entry that names the same part as `entry`. If the returned entry is not
    /// `entry` itself, `entry` is a second start of that part.
    #[must_use]
    pub fn first_start<'l>(&'l self, entry: &'l PartEntry) -> &'l PartEntry {
        self.0.iter().find(|first| first.is_same_part(entry)).unwrap_or(entry)
    }

    /// Returns the entries without second starts: each part once, at its first start.
    pub fn first_starts(&self) -> impl Iterator<Item = &PartEntry> {
        self.0.iter().filter(|entry| self.first_start(entry).span == entry.span)
    }

    /// Returns the second starts, each with the first start of its part.
    pub fn second_starts(&self) -> impl Iterator<Item = (&PartEntry, &PartEntry)> {
        let pairs = self.0.iter().map(|entry| (entry, self.first_start(entry)));
        pairs.filter(|(entry, first)| entry.span != first.span)
    }

    /// Maps `span` to the first starts of its parts. Returns the positions of the same bytes there,
    /// in order.
    ///
    /// A later publication may put other bytes at the positions of a second start, but never at the
    /// positions of a first start. So a later list still resolves the returned positions, but
    /// perhaps not `span` itself.
    #[must_use]
    pub fn settled(&self, span: Span) -> Vec<Span> {
        let mut settled = Vec::new();
        let mut at = span.start;
        while at < span.end {
            let i = self.0.partition_point(|entry| entry.span.end <= at);
            let entry = self.0.get(i);
            let inside = entry.filter(|entry| entry.span.start <= at);
            let border = match (inside, entry) {
                (Some(inside), _) => inside.span.end,
                (None, Some(next)) => next.span.start,
                (None, None) => span.end,
            };
            let end = border.min(span.end);
            settled.push(match inside {
                Some(inside) => {
                    let to = self.first_start(inside).span.start;
                    let moved = |at: u64| to.saturating_add(at.saturating_sub(inside.span.start));
                    Span { start: moved(at), end: moved(end) }
                }
                None => Span { start: at, end },
            });
            at = end;
        }
        settled
    }

    /// Checks that the first start of every part ends at or before the end field. `at` is the start
    /// of the parts region.
    pub(super) fn check_end(&self, end: u64, at: u64) -> Result<(), PartsError> {
        // spec: R-PART-05
        for (i, entry) in (0..).zip(&self.0) {
            if entry.span.end > end && self.first_start(entry).span.end > end {
                let fault = PartsFault::End { last: entry.span.end, end };
                return Err(PartsError { at: entry_at(at, i), fault });
            }
        }
        Ok(())
    }

    /// Returns the ranges of objects that hold the bytes of `span`, in order.
    ///
    /// The ranges are cut at the borders of entries and pieces. An empty span has no ranges.
    ///
    /// # Errors
    /// `Hole`, with the first position of `span` that no entry holds.
    pub fn resolve(&self, span: Span) -> Result<Vec<ObjectRead>, PartsError> {
        let mut reads = Vec::new();
        let mut at = span.start;
        while at < span.end {
            let hole = PartsError { at, fault: PartsFault::Hole };
            let entry = *self.entry_of(at).ok_or(hole)?;
            let offset = at.saturating_sub(entry.span.start);
            let object = offset.checked_div(entry.piece_len()).unwrap_or_default();
            let held = entry.object_span(object);
            let end = span.end.min(held.end);
            let range =
                Span { start: at.saturating_sub(held.start), end: end.saturating_sub(held.start) };
            reads.push(ObjectRead { entry, object, range, span: Span { start: at, end } });
            at = end;
        }
        Ok(reads)
    }
}

/// Returns the absolute position of entry `i` in the region that starts at `at`.
pub(super) fn entry_at(at: u64, i: u64) -> u64 {
    at.saturating_add(256).saturating_add(i.saturating_mul(48))
}

#[cfg(test)]
mod tests {
    use super::{PartList, PartsFault};
    use crate::Digest;
    use crate::parts::PartEntry;
    use alloc::vec::Vec;
    use daicon_core::Span;
    use std::vec;

    fn entry(start: u64, end: u64, piece_exponent: u8) -> PartEntry {
        PartEntry { span: Span { start, end }, piece_exponent, digest: Digest([1; 32]) }
    }

    fn list() -> PartList {
        // The first entry of the list has two pieces of 64 KiB and one piece of 10 bytes. An
        // adjoining entry, a hole of 5 bytes and a last entry follow.
        let base = entry(65_536, 65_536 + 2 * 65_536 + 10, 16);
        let end = base.span.end;
        let entries = vec![base, entry(end, end + 100, 0), entry(end + 105, end + 110, 0)];
        PartList::new(entries, 1536).expect("it is in order")
    }

    #[test]
    fn a_read_is_cut_at_pieces_and_entries() {
        // spec: R-PART-11
        let list = list();
        let end = 65_536 + 2 * 65_536 + 10;
        let reads = list.resolve(Span { start: 131_070, end: end + 4 }).expect("no hole");
        let found: Vec<_> = reads
            .iter()
            .map(|read| (read.object, read.range.start, read.range.end, read.span.start))
            .collect();
        assert_eq!(
            found,
            [
                (0, 65_534, 65_536, 131_070),
                (1, 0, 65_536, 131_072),
                (2, 0, 10, 196_608),
                (0, 0, 4, end),
            ]
        );
    }

    #[test]
    fn a_position_in_no_entry_is_corrupt_and_an_empty_read_asks_for_nothing() {
        // spec: R-PART-11
        let list = list();
        let hole = list.entries()[1].span.end;
        for span in [
            Span { start: hole, end: hole + 1 },
            Span { start: hole - 1, end: hole + 1 },
            Span { start: hole - 1, end: hole + 7 },
        ] {
            let error = list.resolve(span).expect_err("a hole");
            assert_eq!((error.at, error.fault), (hole, PartsFault::Hole));
        }
        assert_eq!(list.resolve(Span { start: hole, end: hole }), Ok(Vec::new()));
        let past = list.end();
        assert!(list.resolve(Span { start: past, end: past + 1 }).is_err());
        assert!(list.resolve(Span { start: 0, end: 1 }).is_err(), "the head is no part");
    }

    #[test]
    fn entries_that_overlap_are_refused_at_their_place() {
        // spec: R-PART-05
        let entries = vec![entry(65_536, 65_546, 0), entry(65_545, 65_550, 0)];
        let error = PartList::new(entries, 1536).expect_err("they overlap");
        assert_eq!(error.at, 1536 + 256 + 48);
        assert_eq!(error.fault, PartsFault::EntryOrder { start: 65_545, end: 65_546 });
        let many = (0..35).map(|i| entry(65_536 + i * 10, 65_540 + i * 10, 0)).collect();
        let error = PartList::new(many, 1536).expect_err("they are too many");
        assert_eq!(error.fault, PartsFault::EntryCount(35));
    }
}
