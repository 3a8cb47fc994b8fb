//! Reports on whole packages: verifies, maps and compares them, and counts their bytes.
//!
//! No code here writes packages.

pub(crate) mod difference;
mod fences_check;
pub(crate) mod gaps;
#[cfg(feature = "http")]
pub mod host;
pub mod inspect;
pub(crate) mod map;
mod moves;
pub(crate) mod parts_check;
pub(crate) mod usage;
pub(crate) mod verify;

pub use crate::read::overlap::PartOverlaps;
pub use difference::{DiffError, Difference, Differing, Evidence, Fetch, Relation, Renamed, Side};
pub use map::{Claim, Claimant, FileMap, Overlap};
pub use usage::{Compaction, Duplicates, ReserveLeft, Usage};
pub use verify::{Finding, Report, VerifyProgress};
