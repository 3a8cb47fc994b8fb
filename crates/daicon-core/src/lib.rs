//! The daicon container: a file that says what it is.
//!
//! A daicon file starts with a signature, the UUID and version of its format, and a table of
//! *components*: named, versioned pieces that a reader looks up by UUID and skips where it does not
//! know them. Tables can be continued elsewhere in the file, so a published file grows without
//! moving a byte.
//!
//! This crate reads and writes exactly that, and refuses to know anything else: no component of any
//! format, no IO, no allocation, no `std`. The normative text is `docs/spec/daicon.md`.
//!
//! # Who needs this crate
//!
//! Authors of file formats. Declare a [`Format`], write heads and tables with [`emit_container`] and
//! [`TableSpec`], and read them back with a [`TableWalker`], over whatever IO you have.
//!
//! # Example
//!
//! ```
//! use daicon_core::{ComponentSpec, Format, PreambleSpec, Region, TableSpec, TableWalker, Version};
//! use uuid::Uuid;
//!
//! let format = Format::new(Uuid::from_u128(0x1234), Version::new(1, 0));
//! let part = Uuid::from_u128(0x5678);
//!
//! // Write: one component whose region is the five bytes after the table.
//! let mut file = [0; 85];
//! let region = Region::new(80, 5);
//! let spec = ComponentSpec::with_region(part, Version::new(1, 2), region);
//! let head = PreambleSpec { format: format.id, version: format.version };
//! let table = TableSpec { components: &[spec], ..TableSpec::default() };
//! daicon_core::emit_container(&head, &table, &mut file)?;
//! file[80..].copy_from_slice(b"hello");
//!
//! // Read: the blocking loop. With async IO, the line that gets the bytes awaits, and that is all.
//! let mut walker: TableWalker = TableWalker::new(Some(85));
//! while let Some(span) = walker.want() {
//!     let bytes = &file[span.start as usize..span.end as usize]; // or: read_at(span).await?
//!     walker.feed(bytes)?;
//! }
//! let found = walker.find(part, Version::new(1, 0)).unwrap();
//! let span = found.span_within(85)?;
//! assert_eq!(&file[span.start as usize..span.end as usize], b"hello");
//! # Ok::<(), daicon_core::Error>(())
//! ```
//!
//! # Promise
//!
//! Untrusted input cannot panic, loop or allocate here: every sum is checked, every count is held
//! against [`Limits`], and a walk takes at most `2 * tables + 1` feeds. The walker's memory is its
//! own size, about 16 KiB with the default capacity; a smaller one is a type parameter away.
//!
//! # What it does not do
//!
//! It does not read regions (it says where they are), does not compress, does not verify content,
//! and does not update published files. Those are the crates above.
//!
//! `uuid` and `bytemuck` are public dependencies.

#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_alloc,
        clippy::similar_names,
        reason = "tests compute small numbers of their own"
    )
)]

#[cfg(test)]
extern crate std;

mod cast;
mod component;
mod emit;
mod error;
mod format;
mod hex;
mod int;
mod join;
mod limits;
mod span;
mod table;
mod version;
mod walk;
mod window;
mod wire;

pub use cast::{bytes_of, slice_at, struct_at, to_u64};
pub use component::{Component, ComponentSpec};
pub use emit::{PreambleSpec, TableSpec, emit_container, emit_extension, emit_preamble};
pub use error::{Error, ErrorKind, Misuse, Structure};
pub use format::{ComponentMatch, Format, Requirement};
pub use hex::Hex;
pub use int::{U16Le, U32Le, U64Le, UuidLe};
pub use join::{Joined, Joining, Slices, coalesce};
pub use limits::{COMPONENTS_MAX, DIAGNOSTICS_MAX, Limits, TABLES_MAX};
pub use span::{Region, Span};
pub use table::Table;
pub use version::Version;
pub use walk::{Diagnostic, Event, TableWalker};
pub use window::{HEAD_LEN, Window};
pub use wire::{
    COMPONENT_ENTRY_LEN, ComponentEntry, FORMAT_HEADER_LEN, FormatHeader, PREAMBLE_LEN, SIGNATURE,
    SIGNATURE_LEN, TABLE_HEADER_LEN, TableHeader,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
