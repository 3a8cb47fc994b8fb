#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_alloc,
        clippy::similar_names,
        reason = "the numbers in tests are small"
    )
)]

#[cfg(feature = "std")]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod cast;
mod component;
mod emit;
mod error;
mod format;
mod hex;
mod int;
#[cfg(feature = "std")]
pub mod io;
mod join;
mod limits;
mod region;
mod region_layout;
mod span;
mod table;
mod version;
mod walk;
mod window;
mod wire;

pub use cast::{bytes_of, slice_at, struct_at, to_u64};
pub use component::{Component, ComponentSpec};
pub use emit::{TableSpec, emit_container, emit_extension, emit_preamble};
pub use error::{Error, ErrorKind, Misuse, Structure};
pub use format::{ComponentMatch, Format, PreambleSpec, Requirement};
pub use hex::Hex;
pub use int::{U16Le, U32Le, U64Le, UuidLe};
pub use join::{Joined, Joining, Slices, coalesce};
pub use limits::{COMPONENTS_MAX, DIAGNOSTICS_MAX, Limits, TABLES_MAX};
pub use region::Region;
pub use region_layout::RegionLayout;
pub use span::Span;
pub use table::Table;
pub use uuid::{self, Uuid};
pub use version::Version;
pub use walk::{Diagnostic, Event, TableWalker};
pub use window::{HEAD_LEN, Window};
pub use wire::{
    COMPONENT_ENTRY_LEN, ComponentEntry, FORMAT_HEADER_LEN, FormatHeader, PREAMBLE_LEN, SIGNATURE,
    SIGNATURE_LEN, TABLE_HEADER_LEN, TableHeader, container_len, table_len,
};
