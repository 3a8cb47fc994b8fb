//! Finds regions in the index of an open package.
//!
//! [`finder`] makes the whole look-up. The other files contain the steps of a look-up, and do not
//! use each other. No file here reads the content of regions. Specification:
//! `docs/spec/dacti-index.md` and `docs/spec/dacti-lookup.md`.

mod blocks;
pub(crate) mod finder;
mod guide;
mod head_groups;
pub(crate) mod index_scan;
pub(crate) mod scan;
