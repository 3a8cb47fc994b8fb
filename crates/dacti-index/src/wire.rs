//! The fixed structures of the index, exactly as they lie on disk.
//!
//! The fields are unchecked bytes. Specification: `docs/spec/dacti-index.md`.

use crate::Encoding;
use bytemuck::{Pod, Zeroable};
use daicon_core::{U32Le, U64Le, UuidLe};
use uuid::Uuid;

/// Length of the index header.
pub const INDEX_HEADER_LEN: u64 = 8;
/// Length of a group's header.
pub const GROUP_HEADER_LEN: u64 = 16;
/// Length of an entry.
pub const INDEX_ENTRY_LEN: u64 = 24;
/// The maximum number of entries of a group.
pub const GROUP_ENTRIES: usize = 255;
/// Length of a group with room for all its entries.
pub const GROUP_LEN: u64 = 6136;

/// Returns the length of an index of `groups` groups.
#[must_use]
pub const fn index_len(groups: u32) -> u64 {
    // 2^32 groups have fewer than 2^45 bytes, so this cannot saturate.
    INDEX_HEADER_LEN.saturating_add(GROUP_LEN.saturating_mul(groups as u64))
}

/// The header of an index.
///
/// | at | bytes | field |
/// |---|---|---|
/// | 0 | 4 | version: 0 before 1.0 |
/// | 4 | 4 | count of groups that follow |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct IndexHeader {
    /// Version of the index's layout.
    pub version: U32Le,
    /// Number of groups that follow.
    pub groups: U32Le,
}

/// The header of a group.
///
/// | at | bytes | field |
/// |---|---|---|
/// | 0 | 8 | group base: absolute, added to the offset of every entry |
/// | 8 | 4 | encoding of the regions: UTF-8, null-padded |
/// | 12 | 1 | length: entries in use, 0 to 255 |
/// | 13 | 3 | reserved: written 0, ignored |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct GroupHeader {
    /// Group base, absolute: the offsets of the entries are added to it.
    pub base: U64Le,
    /// Encoding of the group's regions.
    pub encoding: [u8; 4],
    /// Entries in use.
    pub length: u8,
    /// Writers write 0; readers accept any value.
    pub reserved: [u8; 3],
}

impl GroupHeader {
    /// Creates the header of a group of `length` regions of one encoding, with the group base
    /// `base`.
    #[must_use]
    pub const fn new(base: u64, encoding: Encoding, length: u8) -> Self {
        let base = U64Le::new(base);
        Self { base, encoding: encoding.tag(), length, reserved: [0; 3] }
    }
}

/// One region in a group.
///
/// | at | bytes | field |
/// |---|---|---|
/// | 0 | 16 | region id |
/// | 16 | 4 | offset of the stored bytes from the group base |
/// | 20 | 4 | size of the stored bytes |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Entry {
    /// Id of the region.
    pub id: UuidLe,
    /// Bytes from the group base.
    pub offset: U32Le,
    /// Stored length in bytes.
    pub size: U32Le,
}

impl Entry {
    /// Creates the entry of a region of `size` stored bytes, `offset` bytes after the group base.
    #[must_use]
    pub const fn new(id: Uuid, offset: u32, size: u32) -> Self {
        Self { id: UuidLe::new(id), offset: U32Le::new(offset), size: U32Le::new(size) }
    }
}

const _: () = {
    assert!(size_of::<IndexHeader>() as u64 == INDEX_HEADER_LEN);
    assert!(size_of::<GroupHeader>() as u64 == GROUP_HEADER_LEN);
    assert!(size_of::<Entry>() as u64 == INDEX_ENTRY_LEN);
    assert!(GROUP_HEADER_LEN + GROUP_ENTRIES as u64 * INDEX_ENTRY_LEN == GROUP_LEN);
};
