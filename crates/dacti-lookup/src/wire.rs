//! The fixed structures of the lookup region, exactly as they lie on disk.
//!
//! The fields are unchecked bytes. Specification: `docs/spec/dacti-lookup.md`, "The lookup region".

use bytemuck::{Pod, Zeroable};
use dacti_index::{GROUP_HEADER_LEN, INDEX_ENTRY_LEN};
use daicon_core::{U32Le, U64Le};
use uuid::Uuid;

/// Length of the header.
pub const LOOKUP_HEADER_LEN: u64 = 16;
/// Length of a run record.
pub const RUN_LEN: u64 = 16;
/// Length of a fence.
pub const FENCE_LEN: u64 = 8;
/// Length of a group up to the end of its first entry.
pub(crate) const FIRST_ENTRY_LEN: u64 = GROUP_HEADER_LEN.saturating_add(INDEX_ENTRY_LEN);

/// The header of a lookup region.
///
/// | at | bytes | field |
/// |---|---|---|
/// | 0 | 4 | version: 0 before 1.0 |
/// | 4 | 4 | count of runs |
/// | 8 | 8 | start of the index region that the fences belong to, absolute |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct LookupHeader {
    /// Version of the region's layout.
    pub version: U32Le,
    /// The number of runs that follow.
    pub runs: U32Le,
    /// Start of the index region that the fences belong to, absolute.
    pub index_at: U64Le,
}

/// One run: consecutive groups whose entries ascend by id.
///
/// | at | bytes | field |
/// |---|---|---|
/// | 0 | 4 | first group |
/// | 4 | 4 | count of groups |
/// | 8 | 4 | stride: groups from one fence to the next |
/// | 12 | 4 | count of fences: groups / stride, rounded up |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RunRecord {
    /// The number of the run's first group in the index.
    pub first_group: U32Le,
    /// The number of groups in the run.
    pub groups: U32Le,
    /// Groups from one fence to the next.
    pub stride: U32Le,
    /// The number of fences in the run.
    pub fences: U32Le,
}

/// A fence: the first eight bytes of a region id in text order, most significant first.
///
/// Fences are the only numbers of the format that are not little-endian. So the bytes of fences
/// sort in the same order as ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct Fence([u8; 8]);

impl Fence {
    /// Returns the fence of `id`.
    #[must_use]
    pub const fn of(id: Uuid) -> Self {
        let (high, _) = id.as_u64_pair();
        Self(high.to_be_bytes())
    }

    /// Returns the fence as a number. These numbers have the same order as fences.
    #[must_use]
    pub const fn get(self) -> u64 {
        u64::from_be_bytes(self.0)
    }
}

const _: () = {
    assert!(size_of::<LookupHeader>() as u64 == LOOKUP_HEADER_LEN);
    assert!(size_of::<RunRecord>() as u64 == RUN_LEN);
    assert!(size_of::<Fence>() as u64 == FENCE_LEN);
};
