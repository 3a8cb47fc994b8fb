//! Opens packages and reads their regions.
//!
//! No code here writes packages. Specification: `docs/spec/dacti-package.md`.

pub(crate) mod dictionary;
pub(crate) mod digest_list;
pub(crate) mod explain;
pub(crate) mod index_region;
pub(crate) mod kept_index;
pub(crate) mod limits;
pub(crate) mod listing;
pub(crate) mod many;
pub(crate) mod names;
pub(crate) mod overlap;
pub(crate) mod package;
pub(crate) mod region;
pub(crate) mod sealed_spans;
pub(crate) mod seals;
pub(crate) mod stream;
pub(crate) mod total;
pub(crate) mod view;
pub(crate) mod whole;
