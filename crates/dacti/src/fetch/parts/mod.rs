//! A package in parts as a source that is read by position.
//!
//! The head is in memory. Every other read is split into ranges of immutable objects.
//! Specification: `docs/spec/dacti-parts.md`, "Reading".

mod folder;
mod source;

pub use folder::open_file;
pub use source::{PartObjects, PartsSource};
