//! The places of the blocks that a walk has sent, kept as spans. A walk mostly follows the order of
//! the frames, so adjacent places become one span. A DAG of any size needs only a few spans, unless
//! its blocks are scattered.

use super::store::Place;
use std::collections::BTreeMap;

/// The maximum number of remembered spans. They take about 6 MiB.
const SPANS_MAX: usize = 1 << 17;

/// The places of the blocks that were sent.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The end of each span, by archive and start. The spans neither touch nor overlap.
    spans: BTreeMap<(usize, u64), u64>,
}

impl Seen {
    /// Returns whether the block at a place was sent.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.before(place.archive, place.at).is_some_and(|(_, end)| end > place.at)
    }

    /// Notes that the block at a place is sent. Returns false if there are too many spans now.
    #[must_use]
    pub(super) fn add(&mut self, place: &Place) -> bool {
        let Place { archive, from, mut end, .. } = *place;
        let mut start = from.min(place.at);
        if let Some((before, before_end)) = self.before(archive, start)
            && before_end >= start
        {
            (start, end) = (before, end.max(before_end));
        }
        // The new span takes in all spans that begin within it.
        while let Some((&key, &other_end)) =
            self.spans.range((archive, start)..=(archive, end)).next()
        {
            end = end.max(other_end);
            self.spans.remove(&key);
        }
        self.spans.insert((archive, start), end);
        self.spans.len() <= SPANS_MAX
    }

    /// Returns the last span that begins at `at` or before.
    fn before(&self, archive: usize, at: u64) -> Option<(u64, u64)> {
        let (&(_, start), &end) = self.spans.range((archive, 0)..=(archive, at)).next_back()?;
        Some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, SPANS_MAX, Seen};

    fn place(from: u64, at: u64, end: u64) -> Place {
        Place { archive: 0, from, at, end }
    }

    #[test]
    fn places_along_the_frames_are_one_span() {
        let mut seen = Seen::default();
        assert!(!seen.has(&place(5, 5, 10)));
        // There are blocks at 5 and 10, back-references from 12 to 14, and a block at 14.
        assert!(seen.add(&place(5, 5, 10)) && seen.add(&place(10, 10, 12)));
        assert!(seen.add(&place(12, 14, 20)));
        assert_eq!(seen.spans.len(), 1);
        for (at, expected) in [(4, false), (5, true), (10, true), (14, true), (20, false)] {
            assert_eq!(seen.has(&place(at, at, at + 1)), expected, "{at}");
        }
        assert!(!seen.has(&Place { archive: 1, ..place(5, 5, 10) }));
    }

    #[test]
    fn spans_that_meet_become_one() {
        let mut seen = Seen::default();
        for (at, end) in [(100, 110), (50, 60), (70, 80), (60, 70), (80, 100)] {
            assert!(seen.add(&place(at, at, end)));
        }
        assert_eq!(seen.spans.into_iter().collect::<Vec<_>>(), [((0, 50), 110)]);
    }

    #[test]
    fn scattered_places_are_too_many_at_some_time() {
        let mut seen = Seen::default();
        let count = (0..2 * SPANS_MAX as u64).filter(|n| seen.add(&place(3 * n, 3 * n, 3 * n + 1)));
        assert_eq!(count.count(), SPANS_MAX);
    }
}
