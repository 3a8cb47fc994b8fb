//! Packages in parts: a head that is replaced as a whole, and immutable objects beside it.
//!
//! The module reads and writes the parts component's region, gives objects their names, finds the
//! objects for positions, and chooses the entries that a publisher merges. It performs no IO, and
//! reads no content except the head. Specification: `docs/spec/dacti-parts.md`.

mod base_groups;
mod entry;
mod head;
mod list;
mod merge;
mod next;
mod opened;
mod prefix;
mod region;

pub use base_groups::BaseGroups;
pub use entry::{PIECE_EXPONENT_DEFAULT, PartEntry};
pub use head::{head_digest, is_in_parts, name_hash, one_file_head, parts_head};
pub use list::{ObjectRead, PartList};
pub use next::{ListChange, NextEntry, cut_at_groups};
pub use opened::PartsHead;
pub use prefix::{PREFIX_LEN_MAX, check_prefix};
pub use region::PartsRegion;

pub use crate::layout::{PARTS_AT, PARTS_LEN};
pub use crate::parts_fault::{PartsError, PartsFault};

use daicon_core::Version;
use uuid::Uuid;

/// The UUID of the parts component.
pub const PARTS_ID: Uuid = Uuid::from_u128(0x72da7639_7975_4034_932f_631faf32da1c);
/// The version of the parts component that this crate writes.
pub const PARTS_VERSION: Version = Version::new(0, 1);
/// The UUID of the package format.
pub const PACKAGE_ID: Uuid = Uuid::from_u128(0x5f0f7929_7577_4be5_8bb5_4a63199b6722);
/// The format version of a package in parts.
pub const PARTS_FORMAT_VERSION: Version = Version::new(0, 2);
/// The alignment of the start of an update's block in a package in parts.
pub const BLOCK_ALIGN: u64 = 8;
/// The maximum number of entries of a list.
pub const PART_ENTRIES_MAX: usize = 34;
/// The maximum number of entries for the base.
pub const BASE_ENTRIES_MAX: usize = 10;
/// The maximum number of entries for updates.
pub const UPDATE_ENTRIES_MAX: usize = 24;
