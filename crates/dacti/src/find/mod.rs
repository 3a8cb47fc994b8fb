//! Finds regions in the index of an open package.
//!
//! [`finder`] has the whole way of a look-up; the other files are its steps and know nothing of
//! each other. It refuses to know what a region contains. Specification:
//! `docs/spec/dacti-index.md` and `docs/spec/dacti-lookup.md`.

mod blocks;
pub(crate) mod finder;
mod guide;
mod head_groups;
pub(crate) mod index_scan;
pub(crate) mod scan;
