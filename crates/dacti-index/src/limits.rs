//! The limits that the format itself sets.
//!
//! An index region has a 32-bit size, so an index needs no further limit. Callers pass a limit on
//! decoded bytes to the decoders.

/// The maximum number of groups in an index, because an index region has a 32-bit size.
pub const GROUPS_MAX: u32 = 699_962;

/// The maximum stored length of a region, because its size is a `u32`.
pub const REGION_LEN_MAX: u64 = u32::MAX as u64;

/// The maximum distance from a group base to the start of a region's stored bytes. The offsets of
/// entries are `u32`.
pub const RANGE_LEN_MAX: u64 = u32::MAX as u64;

const _: () = {
    use crate::{GROUP_LEN, INDEX_HEADER_LEN};
    assert!(INDEX_HEADER_LEN + GROUPS_MAX as u64 * GROUP_LEN <= u32::MAX as u64);
    assert!(INDEX_HEADER_LEN + (GROUPS_MAX as u64 + 1) * GROUP_LEN > u32::MAX as u64);
};
