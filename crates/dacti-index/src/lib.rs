//! The dacti index component: which regions a file has, where their bytes lie, and how they are
//! encoded.
//!
//! An index is a list of groups; a group is one base offset, one encoding and up to 255 entries of
//! 24 bytes. The newest entry of an id wins, which is what lets a published index grow without
//! rewriting anything. The normative text is `docs/spec/dacti-index.md`.
//!
//! This crate refuses to know where the bytes come from, what an id stands for, and how an index is
//! found fast in a large file: that is the business of a source, of `dacti-names` and of
//! `dacti-lookup`.
//!
//! # Who needs this crate
//!
//! Readers and writers of dacti packages that bring their own IO, and formats that embed an index
//! of their own.
//!
//! # Example
//!
//! ```
//! use dacti_index::{Encoding, Entry, Finder, GroupHeader, INDEX_HEADER_LEN};
//! use dacti_index::{emit_group, emit_header, index_len};
//! use daicon_core::Span;
//! use uuid::Uuid;
//!
//! // An index of one group at the start of a file, with one region of five bytes behind it.
//! let id = Uuid::from_u128(7);
//! let data_at = index_len(1);
//! let mut file = vec![0; data_at as usize];
//! emit_header(1, &mut file)?;
//! let header = GroupHeader::new(data_at, Encoding::NONE, 1);
//! emit_group(&header, &[Entry::new(id, 0, 5)], &mut file[INDEX_HEADER_LEN as usize..])?;
//! file.extend(b"hello");
//!
//! let mut finder = Finder::new(Span { start: 0, end: data_at }, id)?;
//! while let Some(span) = finder.want() {
//!     finder.feed(&file[span.start as usize..span.end as usize])?; // or: read_at(span).await?
//! }
//! let region = finder.found().expect("it was packed above").within(file.len() as u64)?;
//! assert_eq!(&file[region.span.start as usize..], b"hello");
//! # Ok::<(), dacti_index::Error>(())
//! ```
//!
//! # Cost
//!
//! A walk takes `1 + 2 * groups` feeds and never wants a byte that it does not need: eight for the
//! header, then of each group its 16-byte header and its entries in use. A search ends at the first
//! group that has the id. Nothing is allocated without the features `alloc` and `brotli`.
//!
//! # Promise
//!
//! Untrusted input cannot panic, loop or allocate beyond what a caller allows: a decoder is given
//! the largest decoded length that it may produce.
//!
//! `uuid`, `bytemuck` and `daicon-core` are public dependencies.

#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_alloc,
        reason = "tests compute small numbers of their own"
    )
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod decode;
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

#[cfg(feature = "alloc")]
pub use decode::decode_to_vec;
pub use decode::{Decoder, Progress, decode_into};
pub use emit::{emit_group, emit_header, index_len};
pub use encoding::Encoding;
pub use error::{Error, Misuse, Structure};
pub use group::{Group, Located};
pub use limits::{GROUPS_MAX, RANGE_LEN_MAX, REGION_LEN_MAX};
#[cfg(feature = "alloc")]
pub use ranges::{IdRange, id_ranges};
pub use reader::{Event, Finder, IndexReader};
pub use wire::{
    Entry, GROUP_ENTRIES, GROUP_HEADER_LEN, GROUP_LEN, GroupHeader, INDEX_ENTRY_LEN,
    INDEX_HEADER_LEN, IndexHeader,
};

use daicon_core::Version;
use uuid::Uuid;

/// The UUID of the index component.
pub const INDEX_ID: Uuid = Uuid::from_u128(0x2c5e4717_b715_429b_85cd_d320d242547a);
/// The component version that this crate writes.
pub const INDEX_VERSION: Version = Version::new(0, 1);
/// The minor versions of major 0 that this crate reads beside [`INDEX_VERSION`]'s.
pub const INDEX_MINORS: &[u16] = &[0];

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
