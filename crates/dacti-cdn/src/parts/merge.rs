//! Chooses the entries that a publisher merges, so that the list stays short and each byte is
//! copied only a few times.
//!
//! Specification: `docs/spec/dacti-parts.md`, "Merging".

use super::{BASE_ENTRIES_MAX, UPDATE_ENTRIES_MAX};
use core::ops::Range;
use daicon_core::Span;

/// The entries that belong to the base, and the entries that a merge must not change.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Merging {
    /// Entries that start below this position belong to the base.
    pub(super) fresh_end: u64,
    /// The entry of the groups that a later index may keep. A merge must leave it as a part of its
    /// own.
    pub(super) own_part: Option<Span>,
    /// The number of second starts at the end of the list.
    pub(super) second_starts: usize,
}

/// Returns the numbers of the entries to merge into one, if the list is too long. When this returns
/// `None`, the list is short enough.
pub(super) fn entries_to_merge(entries: &[Span], merging: &Merging) -> Option<Range<usize>> {
    let base = entries.partition_point(|entry| entry.start < merging.fresh_end);
    if entries.len().saturating_sub(base) > UPDATE_ENTRIES_MAX {
        let end = entries.len().saturating_sub(merging.second_starts);
        let own = entries.iter().position(|entry| Some(*entry) == merging.own_part);
        let own = own.filter(|own| *own >= base);
        let after = own.map_or(base, |own| own.saturating_add(1))..end;
        let before = base..own.unwrap_or(base);
        let is_enough = |among: &Range<usize>| among.len() >= 2;
        let among = [after, before].into_iter().find(is_enough).unwrap_or(base..end);
        return Some(youngest(entries, among));
    }
    if base > BASE_ENTRIES_MAX {
        return Some(youngest(entries, 0..base));
    }
    None
}

/// Returns the shortest run of at least two entries at the end of `among` that has at most as many
/// bytes as the entry before the run. If there is no such run, returns all of `among`.
fn youngest(entries: &[Span], among: Range<usize>) -> Range<usize> {
    let entry = |i: usize| entries.get(i).map_or(0, Span::len);
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
    use super::{Merging, entries_to_merge};
    use daicon_core::Span;
    use std::vec::Vec;

    /// Publishes updates of these lengths after a base. Returns the number of uploaded bytes, and
    /// the length of the longest list.
    fn publish(lens: impl Iterator<Item = u64>) -> (u64, usize) {
        let fresh_end = 1 << 20;
        let merging = Merging { fresh_end, ..Merging::default() };
        let mut entries: Vec<Span> = [Span { start: 65_536, end: fresh_end }].into();
        let (mut uploaded, mut longest) = (0, 0);
        for len in lens {
            let start = entries.last().map_or(fresh_end, |last| last.end);
            entries.push(Span { start, end: start + len });
            let from = match entries_to_merge(&entries, &merging) {
                Some(run) => {
                    assert_eq!(run.end, entries.len());
                    assert!(run.len() >= 2);
                    run.start
                }
                None => entries.len() - 1,
            };
            let merged = Span { start: entries[from].start, end: start + len };
            entries.truncate(from);
            entries.push(merged);
            assert_eq!(entries_to_merge(&entries, &merging), None, "one merge is enough");
            uploaded += merged.len();
            longest = longest.max(entries.len());
        }
        (uploaded, longest)
    }

    #[test]
    fn a_part_of_its_own_and_second_starts_are_not_merged() {
        // spec: R-PART-29
        // The list has a base, 20 updates, long groups, four updates, and a second start of the
        // groups.
        let mut entries: Vec<Span> = [Span { start: 65_536, end: 1 << 20 }].into();
        let lens = (0..20).map(|_| 1000).chain([90_000]).chain((0..4).map(|_| 1000));
        for len in lens.chain([90_000]) {
            let start = entries.last().unwrap().end;
            entries.push(Span { start, end: start + len });
        }
        let own_part = Some(entries[21]);
        let merging = Merging { fresh_end: 1 << 20, own_part, second_starts: 1 };
        // All four updates are merged, because no shorter run of them has at most as many bytes as
        // the entry before the run.
        assert_eq!(entries_to_merge(&entries, &merging), Some(22..26));
        entries.splice(22..26, [Span { start: entries[22].start, end: entries[25].end }]);
        assert_eq!(entries_to_merge(&entries, &merging), None);
        // Only one update follows the groups, so the entries in front of the groups are merged. All
        // of them are merged, because no shorter run has at most as many bytes as the entry before
        // the run.
        let first = entries[1];
        entries.splice(1..2, (0..4).map(|i| Span::new(first.start + i * 250, 250).unwrap()));
        assert_eq!(entries_to_merge(&entries, &merging), Some(1..24));
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
