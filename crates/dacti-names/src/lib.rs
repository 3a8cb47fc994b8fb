//! Paths for the regions of a package.
//!
//! A region is found by a UUID. This crate makes that UUID from a path, so that a path is looked up
//! with no table at all, and reads and writes the *names list*, from which paths can be listed and
//! in which a path may be given another id. The normative text is `docs/spec/dacti-names.md`.
//!
//! It refuses to know how a names list is found, stored or compressed: it sees its content.
//!
//! # Who needs this crate
//!
//! Readers and writers that speak of paths, and formats that want the same ids for the same paths.
//!
//! # Example
//!
//! ```
//! use dacti_names::{Name, Segment, emit_segment, region_id};
//!
//! let logo = Name { decoded_len: Some(512), ..Name::hashed("img/logo.png")? };
//! let text = Name::hashed("text/ü.txt")?;
//! let content = emit_segment(&[logo, text], None)?;
//!
//! let segment = Segment::parse(&content)?;
//! let found = segment.find("img/logo.png").unwrap();
//! assert_eq!((found.id, found.decoded_len), (region_id("img/logo.png")?, Some(512)));
//! # Ok::<(), dacti_names::Error>(())
//! ```
//!
//! # Cost
//!
//! [`Segment::parse`] checks every record once, O(n), and allocates nothing; [`Segment::find`] is a
//! binary search. [`emit_segment`] allocates the segment, 32 bytes and a path a name.
//!
//! # Promise
//!
//! Untrusted input cannot panic, loop or allocate here.
//!
//! `uuid` and `daicon-core` are public dependencies.

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

extern crate alloc;
#[cfg(test)]
extern crate std;

mod error;
mod flags;
mod path;
mod segment;
mod wire;

pub use error::{Error, PathFault, Structure};
pub use flags::Flags;
pub use path::{NAMESPACE, PATH_LEN_MAX, check_path, normalize, region_id};
pub use segment::{Link, Name, SEGMENTS_MAX, Segment, emit_segment};

use daicon_core::Version;
use uuid::Uuid;

/// The id of the region that holds the names list, and of the component that says there is one.
pub const NAMES_ID: Uuid = Uuid::from_u128(0x16665c3c_6a55_4f8a_b0af_910ac2f7e414);
/// The component version that this crate writes.
pub const NAMES_VERSION: Version = Version::new(0, 1);

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
