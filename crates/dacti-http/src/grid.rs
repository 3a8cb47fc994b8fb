//! The slices of a file: the units in which caches hold the file.
//!
//! Specification: `docs/spec/dacti-http.md`, "Joining", "Tags".

use daicon_core::{Joining, Slices};

/// The layout of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// The slice length. Appended bytes start at a multiple of it, and caches may keep the file in
    /// slices of this length.
    pub slice_len: u64,
    /// The end of the bytes that the packer wrote. Updates append their bytes after it.
    pub fresh_end: u64,
}

impl Default for Grid {
    fn default() -> Self {
        Self { slice_len: 1 << 20, fresh_end: u64::MAX }
    }
}

impl Grid {
    /// Returns the start of the slice that contains `at`.
    #[must_use]
    pub const fn slice_start(&self, at: u64) -> u64 {
        match at.checked_rem(self.slice_len) {
            Some(behind) => at.saturating_sub(behind),
            None => at,
        }
    }

    /// Returns the rules by which [`coalesce`](daicon_core::coalesce) joins ranges of this file.
    /// From `fresh_end` on, no joined range crosses the border of a slice.
    #[must_use]
    pub const fn joining(&self, gap_len_max: u64, len_max: u64) -> Joining {
        let slices = Some(Slices { from: self.fresh_end, len: self.slice_len });
        Joining { gap_len_max, len_max, slices }
    }

    pub(crate) const fn is_appended(&self, at: u64) -> bool {
        at >= self.fresh_end
    }
}

#[cfg(test)]
mod tests {
    use super::Grid;
    use daicon_core::{Span, coalesce};
    use std::vec::Vec;

    const GRID: Grid = Grid { slice_len: 64, fresh_end: 640 };

    #[track_caller]
    fn check(spans: &[(u64, u64)], requests: &[(u64, u64)]) {
        let spans: Vec<_> = spans.iter().map(|&(start, end)| Span { start, end }).collect();
        let found = coalesce(&spans, GRID.joining(10, 100));
        let found: Vec<_> = found.map(|read| (read.span.start, read.span.end)).collect();
        assert_eq!(found, requests);
    }

    #[test]
    fn ranges_are_joined_up_to_gap_and_cap() {
        // spec: R-HTTP-03
        check(&[(0, 10), (20, 30)], &[(0, 30)]);
        check(&[(0, 10), (21, 30)], &[(0, 10), (21, 30)]);
        check(&[(0, 50), (50, 100)], &[(0, 100)]);
        check(&[(0, 50), (50, 101)], &[(0, 50), (50, 101)]);
        check(&[(0, 500), (100, 200)], &[(0, 500)]);
    }

    #[test]
    fn past_the_fresh_end_no_join_crosses_a_slice() {
        // spec: R-HTTP-04
        check(&[(600, 630), (630, 640)], &[(600, 640)]);
        check(&[(630, 640), (640, 650)], &[(630, 640), (640, 650)]);
        check(&[(640, 650), (655, 704)], &[(640, 704)]);
        check(&[(690, 704), (704, 710)], &[(690, 704), (704, 710)]);
        // A single range that crosses the border of a slice is not split.
        check(&[(690, 710), (710, 720)], &[(690, 710), (710, 720)]);
    }

    #[test]
    fn a_grid_of_no_length_has_slices_of_one_byte() {
        assert_eq!(Grid { slice_len: 0, fresh_end: 0 }.slice_start(7), 7);
        assert_eq!(Grid { slice_len: 4, fresh_end: 0 }.slice_start(7), 4);
    }
}
