//! An origin and the caches in front of it, while a package is updated: which views can a reader
//! get?
//!
//! A case is a published file and plans that change it ([`Op`]). [`Origin`] plays the plans write
//! by write, and also stops in the middle of a write. An edge ([`Edge`]) has cached the file in
//! slices. Each slice was fetched at its own moment, within the limits that the barriers set. A
//! reader ([`World`]) reads its head from one mix of such slices and everything else from other
//! mixes, and follows R-CDN-30 and R-CDN-33. [`prove`] lets every such reader read everything. It
//! reports each view that is neither the old package nor the new one.
//!
//! Nothing here imports the crates: `reference.rs` reads the bytes. The laws (W1 to W8) and the
//! rules (R-CDN) are defined in `docs/spec/dacti-cdn.md`.

mod edge;
mod origin;
mod proof;
mod reader;

pub use edge::{Age, Edge, Head};
pub use origin::{HEAD, Moment, Op, Origin};
pub use proof::{Breach, Case, Counts, Kind, Model, Plan, Report, prove};
pub use reader::{Answer, Known, Refusal, View, World};
