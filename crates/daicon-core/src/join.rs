//! Joins neighbouring spans into reads.
//!
//! This module only computes: it reads nothing, and no rule of the format depends on it.

use crate::Span;

/// How spans are joined into reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joining {
    /// The maximum gap between two spans of one read. The bytes of a gap are read but not used:
    /// to read them costs less than another read.
    pub gap_len_max: u64,
    /// The maximum length of a read that joins several spans. A longer span gets a read of its own.
    pub len_max: u64,
    /// Borders between the slices of a cache. A read crosses a border only if one of its spans
    /// crosses this border.
    pub slices: Option<Slices>,
}

/// Borders between the slices of a cache: all multiples of `len` that are at least `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slices {
    /// The first position that may be a border, absolute.
    pub from: u64,
    /// Bytes from one border to the next. 0 means that there are no borders.
    pub len: u64,
}

/// One read, and the spans that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// The span to read, absolute.
    pub span: Span,
    /// Number of the read's first span among the given spans, from 0.
    pub first: usize,
    /// Number of consecutive spans that the read covers.
    pub count: usize,
}

/// Joins `spans`, which should ascend by start, into as few reads as `joining` allows.
///
/// The reads have the order of the spans, and each span lies entirely in one read. A span that
/// starts before the current read starts a new read, so unsorted spans only cost more reads. An
/// empty span joins any read.
///
/// ```
/// use daicon_core::{Joining, Span, coalesce};
///
/// let spans = [(0, 10), (12, 20), (500, 510)].map(|(start, end)| Span { start, end });
/// let joining = Joining { gap_len_max: 4, len_max: 1 << 20, slices: None };
/// let reads: Vec<_> = coalesce(&spans, joining).map(|read| (read.span, read.count)).collect();
/// assert_eq!(reads, [(Span { start: 0, end: 20 }, 2), (Span { start: 500, end: 510 }, 1)]);
/// ```
pub fn coalesce(spans: &[Span], joining: Joining) -> impl Iterator<Item = Joined> + '_ {
    let mut next = 0_usize;
    core::iter::from_fn(move || {
        let first = next;
        let mut span = *spans.get(first)?;
        next = first.saturating_add(1);
        while let Some(joined) = spans.get(next).and_then(|more| joining.join(span, *more)) {
            span = joined;
            next = next.saturating_add(1);
        }
        Some(Joined { span, first, count: next.saturating_sub(first) })
    })
}

impl Joining {
    /// Returns the span of one read that covers `read` and `more`; `None` if they need two reads.
    fn join(&self, read: Span, more: Span) -> Option<Span> {
        if more.is_empty() {
            return Some(read);
        }
        if read.is_empty() {
            return Some(more);
        }
        let joined = Span { start: read.start, end: read.end.max(more.end) };
        if joined == read && more.start >= read.start {
            // The read already covers these bytes.
            return Some(read);
        }
        let apart = more.start < read.start
            || more.start.saturating_sub(read.end) > self.gap_len_max
            || joined.len() > self.len_max
            || self.slices.is_some_and(|slices| slices.divide(joined));
        (!apart).then_some(joined)
    }
}

impl Slices {
    /// Returns whether a border lies inside `span`.
    fn divide(self, span: Span) -> bool {
        // The first border after the span's start.
        let after = span.start.saturating_add(1).max(self.from);
        let border = after.checked_next_multiple_of(self.len);
        border.is_some_and(|border| border < span.end)
    }
}

#[cfg(test)]
mod tests {
    use super::{Joined, Joining, Slices, coalesce};
    use crate::Span;
    use proptest::prelude::*;
    use std::vec::Vec;

    const JOINING: Joining = Joining { gap_len_max: 10, len_max: 100, slices: None };

    #[track_caller]
    fn check(spans: &[(u64, u64)], joining: Joining, expected: &[(u64, u64, usize)]) {
        let spans: Vec<_> = spans.iter().map(|&(start, end)| Span { start, end }).collect();
        let found: Vec<_> = coalesce(&spans, joining)
            .map(|Joined { span, count, .. }| (span.start, span.end, count))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn near_spans_are_one_read() {
        check(&[], JOINING, &[]);
        check(&[(5, 9)], JOINING, &[(5, 9, 1)]);
        check(&[(0, 10), (10, 20), (30, 40)], JOINING, &[(0, 40, 3)]);
        check(&[(0, 10), (21, 30)], JOINING, &[(0, 10, 1), (21, 30, 1)]);
    }

    #[test]
    fn a_read_is_no_longer_than_it_may_be_but_for_one_span() {
        check(&[(0, 60), (60, 100), (100, 101)], JOINING, &[(0, 100, 2), (100, 101, 1)]);
        check(&[(0, 500), (500, 510)], JOINING, &[(0, 500, 1), (500, 510, 1)]);
    }

    #[test]
    fn what_a_read_brings_already_joins_it() {
        check(&[(0, 500), (3, 8), (400, 500)], JOINING, &[(0, 500, 3)]);
        check(&[(0, 50), (0, 70), (40, 60)], JOINING, &[(0, 70, 3)]);
    }

    #[test]
    fn empty_spans_cost_no_read_of_their_own() {
        check(&[(0, 10), (900, 900), (12, 14)], JOINING, &[(0, 14, 3)]);
        check(&[(7, 7), (900, 910)], JOINING, &[(900, 910, 2)]);
        check(&[(7, 7)], JOINING, &[(7, 7, 1)]);
    }

    #[test]
    fn spans_out_of_order_cost_reads_only() {
        check(&[(50, 60), (0, 10), (10, 12)], JOINING, &[(50, 60, 1), (0, 12, 2)]);
    }

    #[test]
    fn no_read_is_joined_across_a_border() {
        let slices = Some(Slices { from: 64, len: 32 });
        let joining = Joining { slices, ..JOINING };
        // Spans before the first border are joined. Spans on different sides of a border are not.
        check(&[(20, 31), (31, 40)], joining, &[(20, 40, 2)]);
        check(&[(50, 64), (64, 70)], joining, &[(50, 64, 1), (64, 70, 1)]);
        check(&[(64, 70), (90, 96)], Joining { gap_len_max: 99, ..joining }, &[(64, 96, 2)]);
        check(&[(90, 96), (96, 99)], joining, &[(90, 96, 1), (96, 99, 1)]);
        // A span that crosses a border is read alone.
        check(&[(90, 100), (100, 101)], joining, &[(90, 100, 1), (100, 101, 1)]);
        let none = Joining { slices: Some(Slices { from: 0, len: 0 }), ..JOINING };
        check(&[(50, 64), (64, 70)], none, &[(50, 70, 2)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..<_>::default() })]

        #[test]
        fn every_span_is_whole_in_one_read_and_no_read_is_longer_than_allowed(
            spans in prop::collection::vec((any::<u16>(), any::<u8>()), 0..40),
            gap_len_max in 0_u64..2000,
            len_max in 0_u64..4000,
            slices in prop::option::of((any::<u16>(), any::<u16>())),
        ) {
            let mut spans: Vec<_> = { spans.iter() }
                .map(|(at, len)| Span::new((*at).into(), (*len).into()).unwrap())
                .collect();
            spans.sort_unstable();
            let slices = slices.map(|(from, len)| Slices { from: from.into(), len: len.into() });
            let mut next = 0;
            for read in coalesce(&spans, Joining { gap_len_max, len_max, slices }) {
                prop_assert_eq!(read.first, next);
                next += read.count;
                let brought = &spans[read.first..next];
                for span in brought {
                    prop_assert!(span.is_empty() || read.span.contains(span));
                }
                let longest = brought.iter().map(Span::len).max().unwrap();
                prop_assert!(read.span.len() <= len_max.max(longest));
            }
            prop_assert_eq!(next, spans.len());
        }
    }
}
