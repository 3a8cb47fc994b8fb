//! Which ranges to ask for, where many are wanted.
//!
//! Pure arithmetic over spans. Specification: `docs/spec/dacti-http.md`, "Joining".

use alloc::vec::Vec;
use core::ops::Range;
use daicon_core::Span;

/// How far spans may be joined into one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joining {
    /// Bytes that nobody wants and that may lie between two spans of one request.
    pub gap_len_max: u64,
    /// How long a joined request may be. A single span may be longer.
    pub joined_len_max: u64,
}

impl Default for Joining {
    /// A gap of 16 KiB costs less than another request takes on most networks.
    fn default() -> Self {
        Self { gap_len_max: 16 << 10, joined_len_max: 4 << 20 }
    }
}

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

    pub(crate) const fn is_appended(&self, at: u64) -> bool {
        at >= self.fresh_end
    }

    /// Whether a joined request may take these bytes.
    const fn may_join(&self, span: &Span) -> bool {
        let last = span.end.saturating_sub(1);
        span.end <= self.fresh_end || self.slice_start(span.start) == self.slice_start(last)
    }
}

/// One request for one or more of the spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The bytes to ask for.
    pub span: Span,
    /// Which spans they hold, as a range of [`Plan::order`].
    pub members: Range<usize>,
}

/// The requests that bring a set of spans, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The numbers of the spans, ascending by start. Empty spans are not among them.
    pub order: Vec<usize>,
    /// The requests.
    pub requests: Vec<Joined>,
    /// Bytes of all requests.
    pub bytes: u64,
    /// Bytes among them that no span wants.
    pub excess: u64,
}

impl Plan {
    pub(crate) fn new(spans: &[Span], joining: &Joining, grid: &Grid) -> Self {
        let mut order: Vec<(Span, usize)> = spans.iter().copied().zip(0..).collect();
        order.retain(|(span, _)| !span.is_empty());
        order.sort_unstable();
        let mut plan = Self::default();
        for (n, (span, _)) in order.iter().enumerate() {
            plan.add(n, *span, joining, grid);
        }
        plan.bytes = plan.requests.iter().fold(0, |sum, r| r.span.len().saturating_add(sum));
        plan.order = order.into_iter().map(|(_, number)| number).collect();
        plan
    }

    fn add(&mut self, n: usize, span: Span, joining: &Joining, grid: &Grid) {
        let behind = n.saturating_add(1);
        if let Some(last) = self.requests.last_mut() {
            let both = Span { start: last.span.start, end: last.span.end.max(span.end) };
            let gap = span.start.saturating_sub(last.span.end);
            let inside = last.span.contains(&span);
            let near = gap <= joining.gap_len_max && both.len() <= joining.joined_len_max;
            if inside || (near && grid.may_join(&both)) {
                *last = Joined { span: both, members: last.members.start..behind };
                self.excess = self.excess.saturating_add(gap);
                return;
            }
        }
        self.requests.push(Joined { span, members: n..behind });
    }
}

#[cfg(test)]
mod tests {
    use super::{Grid, Joining, Plan};
    use daicon_core::Span;
    use proptest::prelude::*;
    use std::vec::Vec;

    const JOINING: Joining = Joining { gap_len_max: 10, joined_len_max: 100 };
    const GRID: Grid = Grid { slice_len: 64, fresh_end: 640 };

    #[track_caller]
    fn check(spans: &[(u64, u64)], requests: &[(u64, u64)], excess: u64) {
        let spans: Vec<_> = spans.iter().map(|&(start, end)| Span { start, end }).collect();
        let plan = Plan::new(&spans, &JOINING, &GRID);
        let found: Vec<_> = plan.requests.iter().map(|r| (r.span.start, r.span.end)).collect();
        assert_eq!(found, requests);
        assert_eq!(plan.excess, excess);
    }

    #[test]
    fn spans_are_joined_up_to_gap_and_cap() {
        // spec: R-HTTP-03
        check(&[], &[], 0);
        check(&[(5, 5)], &[], 0);
        check(&[(0, 10), (20, 30)], &[(0, 30)], 10);
        check(&[(0, 10), (21, 30)], &[(0, 10), (21, 30)], 0);
        check(&[(20, 30), (0, 10)], &[(0, 30)], 10);
        check(&[(0, 50), (50, 100)], &[(0, 100)], 0);
        check(&[(0, 50), (50, 101)], &[(0, 50), (50, 101)], 0);
        check(&[(0, 500), (100, 200)], &[(0, 500)], 0);
        check(&[(0, 10), (5, 20), (5, 20)], &[(0, 20)], 0);
    }

    #[test]
    fn behind_the_fresh_end_no_join_crosses_a_slice() {
        // spec: R-HTTP-04
        check(&[(600, 630), (630, 640)], &[(600, 640)], 0);
        check(&[(630, 640), (640, 650)], &[(630, 640), (640, 650)], 0);
        check(&[(640, 650), (655, 704)], &[(640, 704)], 5);
        check(&[(690, 704), (704, 710)], &[(690, 704), (704, 710)], 0);
        // One region may: it is asked for as it is.
        check(&[(690, 710), (710, 720)], &[(690, 710), (710, 720)], 0);
    }

    #[test]
    fn a_grid_of_no_length_has_slices_of_one_byte() {
        assert_eq!(Grid { slice_len: 0, fresh_end: 0 }.slice_start(7), 7);
        assert_eq!(Grid { slice_len: 4, fresh_end: 0 }.slice_start(7), 4);
    }

    proptest! {
        #[test]
        fn every_span_is_in_its_request_and_the_sums_are_right(
            spans in prop::collection::vec((0_u64..1_500, 0_u64..120), 0..30),
            gap in 0_u64..40,
            cap in 0_u64..400,
        ) {
            // spec: R-HTTP-03, R-HTTP-04
            let spans: Vec<_> =
                spans.iter().map(|&(at, len)| Span { start: at, end: at + len }).collect();
            let joining = Joining { gap_len_max: gap, joined_len_max: cap };
            let plan = Plan::new(&spans, &joining, &GRID);
            let mut seen = vec![0; spans.len()];
            let (mut bytes, mut excess) = (0, 0);
            for request in &plan.requests {
                let members: Vec<_> =
                    plan.order[request.members.clone()].iter().map(|&n| spans[n]).collect();
                plan.order[request.members.clone()].iter().for_each(|&n| seen[n] += 1);
                prop_assert!(members.iter().all(|span| request.span.contains(span)));
                bytes += request.span.len();
                let wanted = |at: &u64| members.iter().any(|s| s.start <= *at && *at < s.end);
                let unwanted = (request.span.start..request.span.end).filter(|at| !wanted(at));
                excess += unwanted.count() as u64;
                let alone = members.contains(&request.span);
                prop_assert!(alone || request.span.len() <= cap);
                let slices = request.span.start / 64 == (request.span.end - 1) / 64;
                prop_assert!(alone || request.span.end <= 640 || slices);
            }
            for (span, seen) in spans.iter().zip(seen) {
                prop_assert_eq!(seen, u32::from(!span.is_empty()));
            }
            prop_assert_eq!((plan.bytes, plan.excess), (bytes, excess));
        }
    }
}
