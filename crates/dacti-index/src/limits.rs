//! The limits that the format itself sets.
//!
//! An index region has a 32-bit size, so an index needs no further limit. Callers limit decoded
//! bytes, by an argument of the decoders.

/// The most groups of an index: an index region has a 32-bit size.
pub const GROUPS_MAX: u32 = 699_962;

/// The most stored bytes of a region: its size is a `u32`.
pub const REGION_LEN_MAX: u64 = u32::MAX as u64;

/// The most stored bytes that the regions of one group, and so of one id range, may span: their
/// offsets are `u32`.
pub const RANGE_LEN_MAX: u64 = u32::MAX as u64;

const _: () = {
    use crate::{GROUP_LEN, INDEX_HEADER_LEN};
    assert!(INDEX_HEADER_LEN + GROUPS_MAX as u64 * GROUP_LEN <= u32::MAX as u64);
    assert!(INDEX_HEADER_LEN + (GROUPS_MAX as u64 + 1) * GROUP_LEN > u32::MAX as u64);
};
