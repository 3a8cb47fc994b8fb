//! An origin and the caches in front of it, while a package is updated: what can a reader see?
//!
//! A case is a published file and plans that change it ([`Op`]). [`Origin`] plays them write by
//! write, also half of a write. An edge ([`Edge`]) has cached the file in slices, each at some
//! moment of its own, as old as the barriers allow. A reader ([`World`]) takes its head from one
//! mix of such slices and all else from others, and does what R1 and R2 ask of it. [`prove`] lets
//! every such reader read everything and says what came that is neither the old package nor the new
//! one.
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
