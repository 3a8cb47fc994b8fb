//! The slices of a file, which caches hold in pieces.
//!
//! Specification: `docs/spec/dacti-http.md`, "Joining", "Tags".

use daicon_core::{Joining, Slices};

/// What is known of a file's layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Appended bytes start at a multiple of this, and caches may keep slices as long.
    pub slice_len: u64,
    /// Where the bytes end that the file was packed with; what lies behind was appended.
    pub fresh_end: u64,
}

impl Default for Grid {
    fn default() -> Self {
        Self { slice_len: 1 << 20, fresh_end: u64::MAX }
    }
}

impl Grid {
    /// The start of the slice in which `at` is.
    #[must_use]
    pub const fn slice_start(&self, at: u64) -> u64 {
        match at.checked_rem(self.slice_len) {
            Some(behind) => at.saturating_sub(behind),
            None => at,
        }
    }

    /// How ranges of this file may be joined by [`coalesce`](daicon_core::coalesce): never across
    /// slices behind the fresh end.
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
    fn behind_the_fresh_end_no_join_crosses_a_slice() {
        // spec: R-HTTP-04
        check(&[(600, 630), (630, 640)], &[(600, 640)]);
        check(&[(630, 640), (640, 650)], &[(630, 640), (640, 650)]);
        check(&[(640, 650), (655, 704)], &[(640, 704)]);
        check(&[(690, 704), (704, 710)], &[(690, 704), (704, 710)]);
        // One region may: it is asked for as it is.
        check(&[(690, 710), (710, 720)], &[(690, 710), (710, 720)]);
    }

    #[test]
    fn a_grid_of_no_length_has_slices_of_one_byte() {
        assert_eq!(Grid { slice_len: 0, fresh_end: 0 }.slice_start(7), 7);
        assert_eq!(Grid { slice_len: 4, fresh_end: 0 }.slice_start(7), 4);
    }
}
