//! Reports on whole packages: verifies, maps and compares them, and counts their bytes.
//!
//! It refuses to know how packages are written.

pub(crate) mod difference;
pub(crate) mod gaps;
pub(crate) mod map;
pub(crate) mod usage;
pub(crate) mod verify;
