//! Finds regions in the index of an open package.
//!
//! It refuses to know what a region contains. Specification: `docs/spec/dacti-index.md` and
//! `docs/spec/dacti-lookup.md`.

pub(crate) mod blocks;
pub(crate) mod front;
pub(crate) mod guide;
pub(crate) mod keys;
pub(crate) mod scan;
