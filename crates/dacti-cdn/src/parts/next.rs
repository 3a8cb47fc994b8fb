//! The list of parts after an update: the entries that stay, the new ones, and second starts.
//!
//! This module does not know the digests of new parts.
//! Specification: `docs/spec/dacti-parts.md`, "Second starts", "Merging".

use super::merge::{Merging, entries_to_merge};
use super::{BaseGroups, PartEntry, PartList, PartsError, PartsFault};
use alloc::vec::Vec;
use dacti_index::{GROUP_LEN, INDEX_HEADER_LEN};
use daicon_core::Span;

/// The maximum number of groups after the head that need no part of their own. A fold writes these
/// groups again at little cost.
const GROUPS_WITHOUT_PART: u64 = 10;

/// The properties of an update that change the list of parts.
#[derive(Debug, Clone, Copy)]
pub struct ListChange {
    /// The bytes that the update appends; empty if there are none.
    pub block: Span,
    /// The index region before the update, and the number of its groups.
    pub index_before: (Span, u32),
    /// The index region after the update.
    pub index_after: Span,
    /// The end of the package when it was packed, as the layout states it. Entries that start below
    /// this end belong to the base.
    pub fresh_end: u64,
}

/// An entry of the next list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextEntry {
    /// The entry of a part that is already published. It may be a second start of that part.
    There(PartEntry),
    /// The entry of a part with these bytes, which must be hashed and uploaded.
    New(Span),
}

impl NextEntry {
    /// Returns the positions that the part holds.
    #[must_use]
    pub const fn span(&self) -> Span {
        match self {
            Self::There(entry) => entry.span,
            Self::New(span) => *span,
        }
    }
}

/// Cuts `span` into parts, so that the groups of a long index become a part of their own.
pub fn cut_at_groups(span: Span, index: Span) -> impl Iterator<Item = Span> {
    let groups_at = index.start.saturating_add(INDEX_HEADER_LEN).max(span.start);
    let groups = Span { start: groups_at, end: index.end };
    let is_whole = groups.len().is_multiple_of(GROUP_LEN) && span.contains(&groups);
    let is_long = groups.len() > GROUPS_WITHOUT_PART.saturating_mul(GROUP_LEN);
    let border = |at: u64| if is_whole && is_long { at } else { span.end };
    let (a, b) = (border(groups.start), border(groups.end));
    let cuts = [(span.start, a), (a, b), (b, span.end)];
    cuts.into_iter().map(|(start, end)| Span { start, end }).filter(|span| !span.is_empty())
}

impl PartList {
    /// Returns the entries of the list after an update.
    ///
    /// # Errors
    /// `Hole` if the index after the update ends neither with the block nor with groups that are a
    /// part of their own.
    pub fn next_entries(&self, change: &ListChange) -> Result<Vec<NextEntry>, PartsError> {
        let ListChange { block, index_before, index_after, fresh_end } = *change;
        if block.is_empty() {
            return Ok(self.entries().iter().map(|entry| NextEntry::There(*entry)).collect());
        }
        // The block takes the positions of second starts, so only the entries before the block
        // stay.
        let stays = |entry: &&PartEntry| entry.span.end <= block.start;
        let stays = self.entries().iter().filter(stays);
        let mut entries: Vec<_> = stays.map(|entry| NextEntry::There(*entry)).collect();
        entries.extend(cut_at_groups(block, index_after).map(NextEntry::New));
        let base = BaseGroups::of(self, index_before.0, index_before.1);
        let base = base.and_then(|base| self.entry_of(base.span.start));
        let mut own_part = base.map(|base| self.first_start(base).span);
        let mut second_starts = 0;
        if index_after.start >= block.start && index_after.end > block.end {
            let span = Span { start: block.end, end: index_after.end };
            let hole = PartsError { at: block.end, fault: PartsFault::Hole };
            let base = base.filter(|base| base.span.len() == span.len()).ok_or(hole)?;
            entries.push(NextEntry::There(PartEntry { span, ..*base }));
            second_starts = 1;
        } else if index_after != index_before.0 {
            let groups_at = index_after.start.saturating_add(INDEX_HEADER_LEN);
            let groups = Span { start: groups_at, end: index_after.end };
            own_part = Some(groups);
        }
        Ok(merged(entries, &Merging { fresh_end, own_part, second_starts }))
    }

    /// Returns the entries of the list for a package that was updated as one file. `rest` is the
    /// span of the bytes that were added after the parts of this list. `index` is the index region
    /// of the package.
    #[must_use]
    pub fn continued(&self, rest: Span, index: Span, fresh_end: u64) -> Vec<NextEntry> {
        let mut entries: Vec<_> = self.entries().iter().copied().map(NextEntry::There).collect();
        entries.extend(cut_at_groups(rest, index).map(NextEntry::New));
        let groups_at = index.start.saturating_add(INDEX_HEADER_LEN);
        let own_part = Some(Span { start: groups_at, end: index.end });
        merged(entries, &Merging { fresh_end, own_part, second_starts: 0 })
    }

    /// Returns whether `next` lacks a part of this list.
    #[must_use]
    pub fn loses_part_in(&self, next: &Self) -> bool {
        let is_kept = |entry: &PartEntry| next.entries().iter().any(|new| new.is_same_part(entry));
        !self.entries().iter().all(is_kept)
    }
}

/// Merges entries until the list is short enough.
fn merged(mut entries: Vec<NextEntry>, merging: &Merging) -> Vec<NextEntry> {
    loop {
        let spans: Vec<_> = entries.iter().map(NextEntry::span).collect();
        let Some(run) = entries_to_merge(&spans, merging) else { return entries };
        let Some([first, .., last]) = spans.get(run.clone()) else { return entries };
        let merged = NextEntry::New(Span { start: first.start, end: last.end });
        entries.splice(run, [merged]);
    }
}
