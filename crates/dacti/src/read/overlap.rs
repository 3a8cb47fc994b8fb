//! Regions that share some, but not all, of their stored bytes.
//!
//! Equal regions may share all of their bytes. Writers of packages never let regions overlap in
//! part: a small file could list any number of such regions, and a copy would store each of them
//! whole.

#[cfg(feature = "write")]
use crate::Error;
use crate::{Located, Package};
use daicon_core::{Span, to_u64};

/// The regions that share some, but not all, of their stored bytes with another region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartOverlaps {
    /// The number of regions that overlap an earlier region, or its seals, in part.
    pub count: u64,
    /// The first overlap in the order of the file: a region, and the later region that shares some
    /// of its bytes.
    pub first: Option<[Located; 2]>,
}

impl PartOverlaps {
    /// Finds overlaps. A region ends with its seals. If several regions have the same stored bytes,
    /// one seal for each of them follows these bytes, up to `seals_max` seals.
    fn of(
        regions: &(impl Iterator<Item = Located> + Clone),
        seal_len: u64,
        seals_max: u64,
    ) -> Self {
        let mut spans: Vec<Span> = regions.clone().map(|found| found.span).collect();
        spans.retain(|span| !span.is_empty());
        spans.sort_unstable();
        let (mut count, mut first) = (0_u64, None);
        // The span with the highest end so far, and the end of its seals.
        let mut longest: Option<(Span, u64)> = None;
        for alike in spans.chunk_by(|a, b| a == b) {
            let (Some(span), alike) = (alike.first(), to_u64(alike.len())) else { continue };
            if let Some((before, end)) = longest
                && end > span.start
            {
                count = count.saturating_add(alike);
                first = first.or(Some([before, *span]));
            }
            let seals = alike.min(seals_max);
            let end = span.end.saturating_add(seal_len.saturating_mul(seals));
            if longest.is_none_or(|(_, longest)| end >= longest) {
                longest = Some((*span, end));
            }
        }
        let located = |span| regions.clone().filter(|r| r.span == span).min_by_key(|r| r.id);
        let first = first.and_then(|[a, b]| Some([located(a)?, located(b)?]));
        Self { count, first }
    }
}

impl Package {
    /// Finds regions that share some, but not all, of their stored bytes with another of `regions`.
    /// Reading such a package is safe, but writers refuse it.
    #[must_use]
    pub fn part_overlaps(
        &self,
        regions: impl IntoIterator<Item = Located, IntoIter: Clone>,
    ) -> PartOverlaps {
        let (seal_len, seals_max) = (self.trust().seal_len(), self.trust().seals_max());
        PartOverlaps::of(&regions.into_iter(), seal_len, seals_max)
    }

    /// Returns an error that describes the first overlap, if there is one.
    #[cfg(feature = "write")]
    pub(crate) fn refuse_part_overlaps(&self, regions: &[Located]) -> Result<(), Error> {
        let Some(pair) = self.part_overlaps(regions.iter().copied()).first else { return Ok(()) };
        Err(self.overlap_error(pair))
    }

    /// Returns the error that names two regions, each by its first path.
    #[cfg(feature = "write")]
    fn overlap_error(&self, pair: [Located; 2]) -> Error {
        let names = self.names().ok();
        let name = |of: &Located| {
            let path = names.and_then(|names| names.all().into_iter().find(|n| n.id() == of.id));
            path.map_or_else(|| of.id.to_string(), |name| format!("{:?}", name.path))
        };
        let [first, second] = pair;
        Error::Overlap {
            first: name(&first),
            first_at: first.span,
            second: name(&second),
            second_at: second.span,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PartOverlaps;
    use crate::{Encoding, Located, Span};
    use uuid::Uuid;

    fn region(id: u128, start: u64, end: u64) -> Located {
        let (id, span) = (Uuid::from_u128(id), Span { start, end });
        Located { id, span, encoding: Encoding::NONE, at: 0 }
    }

    #[track_caller]
    fn check(regions: &[Located], seal_len: u64, count: u64, first: Option<[usize; 2]>) {
        check_seals(regions, [seal_len, 1], count, first);
    }

    #[track_caller]
    fn check_seals(
        regions: &[Located],
        [seal_len, seals_max]: [u64; 2],
        count: u64,
        first: Option<[usize; 2]>,
    ) {
        let found = PartOverlaps::of(&regions.iter().copied(), seal_len, seals_max);
        let first = first.map(|pair| pair.map(|i| regions[i]));
        assert_eq!(found, PartOverlaps { count, first });
    }

    #[test]
    fn regions_that_share_all_of_their_bytes_are_none() {
        check(&[region(1, 0, 10), region(2, 0, 10), region(3, 10, 20)], 0, 0, None);
        check(&[region(1, 0, 10), region(2, 5, 5)], 0, 0, None);
    }

    #[test]
    fn regions_with_the_same_bytes_have_a_seal_each() {
        let all = [region(1, 0, 10), region(2, 0, 10), region(3, 0, 10), region(4, 106, 110)];
        // The first three regions share 10 bytes. If each has a seal of 32 bytes, the seals end at
        // offset 106, where the fourth region starts.
        check_seals(&all, [32, 16], 0, None);
        check_seals(&all, [32, 2], 0, None);
        check_seals(&all, [33, 16], 1, Some([0, 3]));
        check_seals(&all, [33, 2], 0, None);
        // With at most one seal after the shared bytes, a seal of 96 bytes ends at offset 106, too.
        check_seals(&all, [96, 1], 0, None);
        check_seals(&all, [97, 1], 1, Some([0, 3]));
    }

    #[test]
    fn regions_that_share_some_bytes_are_counted() {
        check(&[region(2, 9, 12), region(1, 0, 10)], 0, 1, Some([1, 0]));
        let all = [region(1, 0, 100), region(2, 5, 10), region(3, 20, 30), region(4, 100, 110)];
        check(&all, 0, 2, Some([0, 1]));
        // The seal after a region counts as part of the region.
        check(&all, 32, 3, Some([0, 1]));
    }
}
