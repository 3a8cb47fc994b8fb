//! A segment's fixed structures, exactly as they lie in its content.
//!
//! Specification: `docs/spec/dacti-names.md`, "Segments".

use bytemuck::{Pod, Zeroable};
use daicon_core::{U32Le, U64Le, UuidLe};

/// The first 32 bytes of a segment.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct NamesHeader {
    pub(crate) version: U32Le,
    pub(crate) count: U32Le,
    pub(crate) previous_at: U64Le,
    pub(crate) previous_size: U32Le,
    pub(crate) previous_encoding: [u8; 4],
    pub(crate) previous_len: U64Le,
}

/// One name.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct NamesRecord {
    pub(crate) id: UuidLe,
    pub(crate) decoded_len: U64Le,
    pub(crate) path_offset: U32Le,
    pub(crate) path_len: U32Le,
}

/// The attributes of a file, as a segment of version 1 stores them.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct NamesAttributes {
    pub(crate) secs: U64Le,
    pub(crate) nanos: U32Le,
    pub(crate) flags: U32Le,
}

pub(crate) const HEADER_LEN: usize = size_of::<NamesHeader>();
pub(crate) const RECORD_LEN: usize = size_of::<NamesRecord>();
pub(crate) const ATTRIBUTES_LEN: usize = size_of::<NamesAttributes>();

const _: () = assert!(HEADER_LEN == 32 && RECORD_LEN == 32 && ATTRIBUTES_LEN == 16);
