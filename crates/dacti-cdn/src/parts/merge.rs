//! Chooses the entries that a publisher merges, so that the list stays short and each byte is
//! copied only a few times.
//!
//! Specification: `docs/spec/dacti-parts.md`, "Merging".

use super::{BASE_ENTRIES_MAX, PartEntry, UPDATE_ENTRIES_MAX};
use core::ops::Range;

/// Returns the numbers of the entries to merge into one, if the list is too long.
///
/// Entries that start below `fresh_end` belong to the base. One merge suffices for a list that grew
/// by one entry.
#[must_use]
pub fn entries_to_merge(entries: &[PartEntry], fresh_end: u64) -> Option<Range<usize>> {
    let base = entries.partition_point(|entry| entry.span.start < fresh_end);
    if entries.len().saturating_sub(base) > UPDATE_ENTRIES_MAX {
        return Some(youngest(entries, base..entries.len()));
    }
    if base > BASE_ENTRIES_MAX {
        return Some(youngest(entries, 0..base));
    }
    None
}

/// Returns the shortest run of at least two entries at the end of `among` that has no more bytes
/// than the entry before the run. If there is no such run, returns all of `among`.
fn youngest(entries: &[PartEntry], among: Range<usize>) -> Range<usize> {
    let entry = |i: usize| entries.get(i).map_or(0, |entry| entry.span.len());
    let end = among.end;
    let mut start = end.saturating_sub(1);
    let mut len = entry(start);
    while start > among.start {
        let is_run = end.saturating_sub(start) >= 2;
        if is_run && entry(start.saturating_sub(1)) >= len {
            break;
        }
        start = start.saturating_sub(1);
        len = len.saturating_add(entry(start));
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::entries_to_merge;
    use crate::Digest;
    use crate::parts::PartEntry;
    use daicon_core::Span;
    use std::vec::Vec;

    /// Publishes updates of these lengths after a base. Returns the number of uploaded bytes, and
    /// the length of the longest list.
    fn publish(lens: impl Iterator<Item = u64>) -> (u64, usize) {
        let entry = |start, end| PartEntry {
            span: Span { start, end },
            piece_exponent: 0,
            digest: Digest::default(),
        };
        let fresh_end = 1 << 20;
        let mut entries: Vec<PartEntry> = [entry(65_536, fresh_end)].into();
        let (mut uploaded, mut longest) = (0, 0);
        for len in lens {
            let start = entries.last().map_or(fresh_end, |last| last.span.end);
            entries.push(entry(start, start + len));
            let from = match entries_to_merge(&entries, fresh_end) {
                Some(run) => {
                    assert_eq!(run.end, entries.len());
                    assert!(run.len() >= 2);
                    run.start
                }
                None => entries.len() - 1,
            };
            let merged = entry(entries[from].span.start, start + len);
            entries.truncate(from);
            entries.push(merged);
            uploaded += merged.span.len();
            longest = longest.max(entries.len());
        }
        (uploaded, longest)
    }

    #[test]
    fn five_hundred_updates_upload_each_byte_at_most_three_times() {
        // spec: R-PART-29
        let (uploaded, longest) = publish((0..500).map(|_| 1000));
        assert!(uploaded <= 3 * 500 * 1000, "{uploaded}");
        assert_eq!(longest, 25, "the base and 24 updates");
    }

    #[test]
    fn updates_of_any_sizes_keep_the_list_short() {
        // spec: R-PART-29
        let sizes = (0..2000_u64).map(|i| 1 + (i * 2_654_435_761) % 50_000);
        let total: u64 = sizes.clone().sum();
        let (uploaded, longest) = publish(sizes);
        assert!(longest <= 25 && uploaded <= 6 * total, "{uploaded} of {total}");
    }
}
