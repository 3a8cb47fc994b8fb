#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_alloc,
        reason = "the numbers in tests are small"
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "alloc")]
mod brotli;
mod decode;
mod dictionary;
mod emit;
mod encoding;
mod error;
mod group;
mod limits;
#[cfg(feature = "alloc")]
mod ranges;
mod reader;
#[cfg(feature = "brotli")]
mod window;
mod wire;

#[cfg(feature = "brotli")]
pub use brotli::open_brotli;
#[cfg(feature = "alloc")]
pub use brotli::{BrotliStanding, BrotliStep, BrotliStream, OpenBrotli};
pub use decode::{Decoder, Progress, decode_into};
#[cfg(feature = "alloc")]
pub use decode::{decode_to_vec, decode_to_vec_by, decode_to_vec_with};
pub use dictionary::{DICTIONARY_ID, DICTIONARY_LEN_MAX, DICTIONARY_VERSION, window_len};
pub use emit::{emit_group, emit_header};
pub use encoding::Encoding;
pub use error::{Error, Misuse, Structure};
pub use group::{Group, Located};
pub use limits::{GROUPS_MAX, RANGE_LEN_MAX, REGION_LEN_MAX};
#[cfg(feature = "alloc")]
pub use ranges::{IdRange, id_ranges};
pub use reader::{Event, Finder, IndexReader};
pub use wire::{
    Entry, GROUP_ENTRIES, GROUP_HEADER_LEN, GROUP_LEN, GroupHeader, INDEX_ENTRY_LEN,
    INDEX_HEADER_LEN, IndexHeader, index_len,
};

use daicon_core::Version;
use uuid::Uuid;

/// The UUID of the index component.
pub const INDEX_ID: Uuid = Uuid::from_u128(0x2c5e4717_b715_429b_85cd_d320d242547a);
/// The component version that this crate writes.
pub const INDEX_VERSION: Version = Version::new(0, 1);
/// Further minor versions of major 0 that this crate reads.
pub const INDEX_MINORS: &[u16] = &[0];
