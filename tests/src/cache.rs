//! An origin and the caches in front of it, while a package is updated: which views can a reader
//! get?
//!
//! A case is a published file and plans that change it ([`Op`]). [`Origin`] plays them write by
//! write, and also stops in the middle of a write. An edge ([`Edge`]) has cached the file in
//! slices, each at some moment of its own, as old as the barriers allow. A reader ([`World`]) takes
//! its head from one mix of such slices and all else from others, and follows R1 and R2. [`prove`]
//! lets every such reader read everything, and reports each view that is neither the old package
//! nor the new one.
//!
//! Nothing here imports the crates: `reference.rs` reads the bytes. The laws are those of
//! `docs/spec/dacti-cdn.md`.

mod edge;
mod origin;
mod proof;
mod reader;

pub use edge::{Age, Edge, Head};
pub use origin::{HEAD, Moment, Op, Origin};
pub use proof::{Breach, Case, Counts, Kind, Model, Plan, Report, prove};
pub use reader::{Answer, Known, Refusal, View, World};
