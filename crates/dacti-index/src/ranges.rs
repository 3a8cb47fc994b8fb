//! Divides regions, sorted by id, into id ranges of less than 4 GiB each. One group base reaches
//! all regions of an id range.
//!
//! The regions of a package below 4 GiB form one range. In a larger package, each range has its own
//! base. So each group reaches all of its regions, and the groups still ascend by id.
//! Specification: `docs/spec/dacti-index.md`, "What a writer of sorted groups does".

use crate::{Error, GROUP_ENTRIES, GROUPS_MAX, Misuse, RANGE_LEN_MAX, REGION_LEN_MAX};
use alloc::vec::Vec;
use daicon_core::to_u64;

/// Regions that follow each other in id order and share a group base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdRange {
    /// Number of the range's first region, in id order.
    pub first: usize,
    /// Number of regions.
    pub count: usize,
    /// The sum of the maximum stored lengths of the regions, in bytes.
    pub stored_len_max: u64,
}

impl IdRange {
    /// Returns the number of groups that the range needs. The last group may have free entries.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.count.div_ceil(GROUP_ENTRIES)
    }
}

/// Divides regions into as few id ranges as their sizes allow. Without regions, there are no
/// ranges.
///
/// `sizes` has the maximum stored length of each region, in the order of ids. Bytes between stored
/// regions, such as a seal, count as part of the region before them. Cost: one pass, and memory for
/// the ranges only.
///
/// # Errors
/// `Misuse` if a region is too long, or if there are more groups than an index can have.
pub fn id_ranges(sizes: impl IntoIterator<Item = u64>) -> Result<Vec<IdRange>, Error> {
    let mut ranges = Vec::new();
    let mut range = IdRange::default();
    for (i, len) in sizes.into_iter().enumerate() {
        if len > REGION_LEN_MAX {
            return Err(Misuse::RegionTooLong { len }.into());
        }
        let sum = range.stored_len_max.saturating_add(len);
        if sum > RANGE_LEN_MAX && range.count > 0 {
            ranges.push(range);
            range = IdRange { first: i, count: 1, stored_len_max: len };
        } else {
            range.count = range.count.saturating_add(1);
            range.stored_len_max = sum;
        }
    }
    if range.count > 0 {
        ranges.push(range);
    }
    let groups = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(to_u64(range.groups())));
    if groups > u64::from(GROUPS_MAX) {
        return Err(Misuse::TooManyGroups { groups }.into());
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::{IdRange, id_ranges};
    use crate::{Error, Misuse};
    use std::vec::Vec;

    const GIB: u64 = 1 << 30;

    #[track_caller]
    fn check(sizes: &[u64], expected: &[(usize, usize)]) {
        let ranges = id_ranges(sizes.iter().copied()).unwrap();
        let found: Vec<_> = ranges.iter().map(|range| (range.first, range.count)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn ranges_stay_below_four_gibibytes() {
        check(&[], &[]);
        check(&[0], &[(0, 1)]);
        check(&[GIB, GIB, GIB, GIB - 1], &[(0, 4)]);
        check(&[GIB, GIB, GIB, GIB], &[(0, 3), (3, 1)]);
        check(&[4 * GIB - 1, 4 * GIB - 1, 0, 1], &[(0, 1), (1, 2), (3, 1)]);
    }

    #[test]
    fn groups_are_counted_per_range() {
        for (count, groups) in [(1, 1), (255, 1), (256, 2), (510, 2), (511, 3)] {
            assert_eq!(IdRange { count, ..IdRange::default() }.groups(), groups);
        }
    }

    #[test]
    fn what_no_index_can_hold_is_refused() {
        let expected = Error::Misuse(Misuse::RegionTooLong { len: 4 * GIB });
        assert_eq!(id_ranges([4 * GIB]), Err(expected));
        let too_many = 699_962 * 255 + 1;
        let expected = Error::Misuse(Misuse::TooManyGroups { groups: 699_963 });
        assert_eq!(id_ranges(core::iter::repeat_n(0, too_many)), Err(expected));
        assert!(id_ranges(core::iter::repeat_n(0, too_many - 1)).is_ok());
    }
}
