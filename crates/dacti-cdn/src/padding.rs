//! Computes the room that a new package should leave for expected updates.
//!
//! A packer may leave more or less room. Specification: `docs/spec/dacti-cdn.md`, "Room for
//! updates".

use crate::layout::{fences_room, stride_in};
use crate::{T1_SLOTS, T2_SLOTS};
use dacti_index::GROUP_ENTRIES;
use daicon_core::to_u64;

/// The maximum stride of fences that is accepted in return for more delta groups. With this stride,
/// a reader finds a region by one read of ten groups (about 64 kB).
const STRIDE_MAX: u32 = 10;
/// The shortest common slice length of caches.
const SLICE_LEN_MIN: u64 = 65_536;
/// The maximum slice length that this module suggests. A longer update takes several slices.
const SLICE_LEN_MAX: u64 = 1 << 20;
/// Length of the digest that follows each region.
const SEAL_LEN: u64 = 32;

/// The expected updates of a package before it is compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedUpdates {
    /// Number of updates.
    pub updates: u64,
    /// Regions that each update adds or replaces, without the names list.
    pub regions: u64,
}

/// Room for updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Padding {
    /// Delta groups of the new index.
    pub delta_groups: u32,
    /// Slots of the first table, used ones included.
    pub t1_slots: u32,
    /// Slots of each place of the second table.
    pub t2_slots: u32,
    /// The shortest slice length with which an update fits into one slice. Use it only if no cache
    /// has longer slices.
    pub slice_len: u64,
}

/// Returns the room that a new package of `entries` regions should leave. `stored_len_mean` is the
/// mean number of stored bytes of a region.
///
/// - An update takes `regions + 1` entries of one group; one of them is for the names list. So a
///   group takes `255 / (regions + 1)` updates. There are enough delta groups for the updates, but
///   at least one and at most ten. The number is lower if the fences would need a stride above ten.
///   Updates of more than 254 regions always fold, so they get one delta group.
/// - The tables have 16 and 8 slots, because their places are fixed and free slots need no further
///   bytes.
/// - The slice length is the smallest power of two that holds the bytes of an update, from 64 KiB
///   to 1 MiB.
#[must_use]
pub fn padding(expected: &ExpectedUpdates, entries: u64, stored_len_mean: u64) -> Padding {
    let per_update = expected.regions.saturating_add(1);
    let room = to_u64(GROUP_ENTRIES);
    let per_group = room.checked_div(per_update).unwrap_or_default();
    let groups = expected.updates.checked_div(per_group).map_or(1, |whole| {
        let rest = expected.updates.checked_rem(per_group).unwrap_or_default();
        whole.saturating_add(u64::from(rest > 0))
    });
    let filled = u32::try_from(entries.div_ceil(room)).unwrap_or(u32::MAX);
    let fits = |groups: &u32| {
        stride_in(fences_room(*groups), filled).is_some_and(|stride| stride <= STRIDE_MAX)
    };
    let most = (1..=10).rev().find(fits).unwrap_or(1);
    let delta_groups = u32::try_from(groups).unwrap_or(u32::MAX).clamp(1, most);
    let region = stored_len_mean.saturating_add(SEAL_LEN);
    let update = expected.regions.saturating_mul(region).min(SLICE_LEN_MAX);
    let slice_len = update.next_power_of_two().clamp(SLICE_LEN_MIN, SLICE_LEN_MAX);
    Padding { delta_groups, t1_slots: T1_SLOTS, t2_slots: T2_SLOTS, slice_len }
}

#[cfg(test)]
mod tests {
    use super::{ExpectedUpdates, Padding, padding};

    #[track_caller]
    fn check(updates: u64, regions: u64, entries: u64, mean: u64, expected: (u32, u64)) {
        let found = padding(&ExpectedUpdates { updates, regions }, entries, mean);
        let (delta_groups, slice_len) = expected;
        let expected = Padding { delta_groups, t1_slots: 16, t2_slots: 8, slice_len };
        assert_eq!(found, expected);
    }

    #[test]
    fn groups_are_as_many_as_the_updates_take() {
        // A group has room for 127 updates of one region and one names list.
        check(127, 1, 100_000, 1000, (1, 65_536));
        check(128, 1, 100_000, 1000, (2, 65_536));
        // Each group takes 255 / 101 = 2 updates, so 18 updates need nine groups.
        check(18, 100, 100_000, 1000, (9, 131_072));
        // There are at most ten groups, and only one if every update folds.
        check(u64::MAX, 1, 100_000, 1000, (10, 65_536));
        check(1000, 255, 100_000, 1000, (1, 524_288));
        check(0, 0, 0, 0, (1, 65_536));
        check(u64::MAX, u64::MAX, u64::MAX, u64::MAX, (1, 1 << 20));
    }

    #[test]
    fn keys_leave_fewer_groups_to_large_packages() {
        // The index has 3,922 groups. Ten delta groups would leave 584 bytes for 69 fences, and the
        // stride of 57 would be too large. Nine delta groups leave 6,720 bytes for 836 fences with
        // a stride of 5.
        check(u64::MAX, 1, 1_000_000, 1000, (9, 65_536));
        // The 39,216 groups need 3,922 fences with a stride of 10, in 31,408 bytes. Five delta
        // groups leave 31,264 bytes, which is too little. Four leave 37,400 bytes.
        check(u64::MAX, 1, 10_000_000, 1000, (4, 65_536));
    }
}
