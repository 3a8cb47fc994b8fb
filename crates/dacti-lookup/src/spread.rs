//! The expected position of an id if ids are spread evenly, as hashed and random ids are.
//!
//! These positions are only guesses: they choose the bytes to read first, and no answer depends on
//! them.

use crate::order::prefix;
use dacti_index::GROUP_ENTRIES;
use daicon_core::to_u64;
use uuid::Uuid;

/// Some groups of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LikelyGroups {
    /// Number of the first group in the block, from 0.
    pub(crate) first: u32,
    pub(crate) groups: u32,
    /// The fence that the first group would have, if ids were spread evenly.
    pub(crate) fence: u64,
    /// The fence that the group after the last of these groups would have, if ids were spread
    /// evenly.
    pub(crate) next_fence: u64,
}

impl LikelyGroups {
    /// Returns the groups that almost certainly include the group of `id`, if the region exists.
    /// The block has `groups` groups, and its ids lie between `fence` and `next_fence`. Returns
    /// `None` if the result would be all groups of the block.
    ///
    /// Among n evenly spread entries, only one id in 16,000 is more than 2 √n positions from its
    /// expected position. The usual distance is a quarter of that.
    pub(crate) fn of(fence: u64, next_fence: u64, groups: u32, id: Uuid) -> Option<Self> {
        let entries = entries_in(groups);
        let gap = gap(fence, next_fence, entries);
        let skipped = prefix(id.as_u128()).saturating_sub(fence).checked_div(gap)?.min(entries);
        let off = entries.isqrt().saturating_mul(2);
        let group_of = |place: u64| {
            let g = place.checked_div(to_u64(GROUP_ENTRIES)).and_then(|g| u32::try_from(g).ok());
            Some(g?.min(groups.checked_sub(1)?))
        };
        let first = group_of(skipped.saturating_sub(off))?;
        let end = group_of(skipped.saturating_add(off))?.saturating_add(1);
        let fence_of = |g| fence.saturating_add(gap.saturating_mul(entries_in(g)));
        let (fence, next_fence) = (fence_of(first), fence_of(end));
        let likely = Self { first, groups: end.saturating_sub(first), fence, next_fence };
        (likely.groups < groups).then_some(likely)
    }
}

/// Returns the average difference between the prefixes of neighbouring ids; at least 1.
pub(crate) fn gap(fence: u64, next_fence: u64, entries: u64) -> u64 {
    next_fence.saturating_sub(fence).checked_div(entries).unwrap_or(0).max(1)
}

/// Returns the number of entries in `groups` full groups.
pub(crate) fn entries_in(groups: u32) -> u64 {
    to_u64(GROUP_ENTRIES).saturating_mul(u64::from(groups))
}
