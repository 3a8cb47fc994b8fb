//! Regions that share some of their stored bytes, but not all.
//!
//! Equal regions may share all of their bytes. Writers of packages never let regions overlap in
//! part: a small file could list any number of such regions, and a copy would store each of them
//! whole.

#[cfg(feature = "write")]
use crate::Error;
use crate::{Located, Package};

/// The regions that share some of their stored bytes with another region, but not all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartOverlaps {
    /// How many there are.
    pub count: u64,
    /// The first overlap in the order of the file: a region, and the later region that shares its
    /// bytes.
    pub first: Option<[Located; 2]>,
}

impl PartOverlaps {
    fn of(mut regions: Vec<Located>, seal_len: u64) -> Self {
        regions.retain(|found| !found.span.is_empty());
        regions.sort_unstable_by_key(|found| (found.span, found.id));
        let mut overlaps = Self::default();
        let mut longest: Option<Located> = None;
        for found in regions {
            if let Some(first) = longest
                && first.span != found.span
                && first.span.end.saturating_add(seal_len) > found.span.start
            {
                overlaps.count = overlaps.count.saturating_add(1);
                overlaps.first = overlaps.first.or(Some([first, found]));
            }
            if longest.is_none_or(|first| found.span.end >= first.span.end) {
                longest = Some(found);
            }
        }
        overlaps
    }
}

impl Package {
    /// Finds regions that share some of their stored bytes with another of `regions`, but not all.
    /// Reading such a package is safe, but writers refuse it.
    #[must_use]
    pub fn part_overlaps(&self, regions: impl IntoIterator<Item = Located>) -> PartOverlaps {
        PartOverlaps::of(regions.into_iter().collect(), self.trust().seal_len())
    }

    /// Returns the first overlap as an error.
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
            let path = names.and_then(|names| names.all().into_iter().find(|n| n.id == of.id));
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
        let found = PartOverlaps::of(regions.to_vec(), seal_len);
        let first = first.map(|pair| pair.map(|i| regions[i]));
        assert_eq!(found, PartOverlaps { count, first });
    }

    #[test]
    fn regions_that_share_all_of_their_bytes_are_none() {
        check(&[region(1, 0, 10), region(2, 0, 10), region(3, 10, 20)], 0, 0, None);
        check(&[region(1, 0, 10), region(2, 5, 5)], 0, 0, None);
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
