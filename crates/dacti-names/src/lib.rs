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

extern crate alloc;
#[cfg(test)]
extern crate std;

mod attributes;
mod error;
mod flags;
mod path;
mod segment;
mod wire;

pub use attributes::{Attributes, Time};
pub use error::{Error, PathFault, Structure};
pub use flags::Flags;
pub use path::{NAMESPACE, PATH_LEN_MAX, check_path, normalize, region_id};
pub use segment::{Link, Name, SEGMENTS_MAX, Segment, emit_segment};

use daicon_core::Version;
use uuid::Uuid;

/// The id of the region that holds the names list, and the UUID of the names component.
pub const NAMES_ID: Uuid = Uuid::from_u128(0x16665c3c_6a55_4f8a_b0af_910ac2f7e414);
/// The component version that this crate writes.
pub const NAMES_VERSION: Version = Version::new(0, 1);
