//! The fixed structures of the container, exactly as they lie on disk.
//!
//! The fields are unchecked bytes. Specification: `docs/spec/daicon.md`.

use crate::{U16Le, U32Le, U64Le, UuidLe, Version};
use bytemuck::{Pod, Zeroable};

/// The eight bytes that every daicon file starts with: `FF "daicon0"`.
pub const SIGNATURE: [u8; 8] = *b"\xFFdaicon0";
/// Length of the signature.
pub const SIGNATURE_LEN: u64 = 8;
/// Length of the format header.
pub const FORMAT_HEADER_LEN: u64 = 20;
/// Length of the preamble: signature and format header. The first table follows it.
pub const PREAMBLE_LEN: u64 = 28;
/// Length of a table header.
pub const TABLE_HEADER_LEN: u64 = 24;
/// Length of the entry of one component in a table.
pub const COMPONENT_ENTRY_LEN: u64 = 28;

/// Returns the length of a preamble and a first table with `slots` slots. This is the smallest
/// buffer for [`emit_container`](crate::emit_container).
///
/// ```
/// let mut start = [0; daicon_core::container_len(2)];
/// assert_eq!(start.len(), 28 + 24 + 2 * 28);
/// ```
#[must_use]
pub const fn container_len(slots: usize) -> usize {
    table_len(slots).saturating_add(size_of::<FormatHeader>()).saturating_add(SIGNATURE.len())
}

/// Returns the length of a table with `slots` slots.
#[must_use]
pub const fn table_len(slots: usize) -> usize {
    size_of::<ComponentEntry>().saturating_mul(slots).saturating_add(size_of::<TableHeader>())
}

/// The format header, at offset 8.
///
/// | at | bytes | field |
/// |---|---|---|
/// | 0 | 16 | format UUID |
/// | 16 | 2 | major version |
/// | 18 | 2 | minor version |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FormatHeader {
    /// The format of the file.
    pub id: UuidLe,
    /// Major version of the format.
    pub major: U16Le,
    /// Minor version of the format.
    pub minor: U16Le,
}

impl FormatHeader {
    /// Returns the version of the format in which the file was written.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version::new(self.major.get(), self.minor.get())
    }
}

/// The header of a component table.
///
/// | at | bytes | field |
/// |---|---|---|
/// | 0 | 8 | region base: added to the offset of every region in this table |
/// | 8 | 8 | extension offset: absolute, 0 for none |
/// | 16 | 4 | reserved: written 0, ignored |
/// | 20 | 4 | count of entries that follow |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct TableHeader {
    /// Region base: the offsets of this table's regions are added to it.
    pub region_base: U64Le,
    /// Absolute position of the next table, or 0.
    pub extension_offset: U64Le,
    /// Writers write 0; readers accept any value.
    pub reserved: U32Le,
    /// Number of entries that follow.
    pub count: U32Le,
}

/// One component in a table.
///
/// | at | bytes | field |
/// |---|---|---|
/// | 0 | 16 | component UUID |
/// | 16 | 2 | major version |
/// | 18 | 2 | minor version |
/// | 20 | 8 | data: by default a region, offset u32 then size u32 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ComponentEntry {
    /// UUID of the component.
    pub id: UuidLe,
    /// Major version of the component.
    pub major: U16Le,
    /// Minor version of the component.
    pub minor: U16Le,
    /// Eight bytes that the component defines, most often a region.
    pub data: [u8; 8],
}

const _: () = {
    assert!(SIGNATURE.len() as u64 == SIGNATURE_LEN);
    assert!(size_of::<FormatHeader>() as u64 == FORMAT_HEADER_LEN);
    assert!(size_of::<TableHeader>() as u64 == TABLE_HEADER_LEN);
    assert!(size_of::<ComponentEntry>() as u64 == COMPONENT_ENTRY_LEN);
    assert!(SIGNATURE_LEN + FORMAT_HEADER_LEN == PREAMBLE_LEN);
    assert!(PREAMBLE_LEN + TABLE_HEADER_LEN + COMPONENT_ENTRY_LEN == 80);
    assert!(container_len(1) == 80);
};
