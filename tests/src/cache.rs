//! A simulation of an origin, and of the caches before it, while a package is updated. It answers
//! one question: which views can a reader get?
//!
//! A case is a published file, and plans that change it ([`Op`]). [`Origin`] carries out the plans
//! write by write, and also stops in the middle of a write. An edge ([`Edge`]) keeps the file in
//! slices. It fetched each slice at a different moment, within the limits that barriers set. A
//! reader ([`World`]) takes its head from one mix of such slices, and everything else from other
//! mixes. It follows R-CDN-30 and R-CDN-33. [`prove`] lets all such readers read everything, and
//! reports each view that is neither the old package nor the new one.
//!
//! The simulation does not use our crates: `reference.rs` reads the bytes. `docs/spec/dacti-cdn.md`
//! defines the laws (W1 to W8) and the rules (R-CDN).

mod edge;
mod origin;
mod proof;
mod reader;

pub use edge::{Age, Edge, Head};
pub use origin::{HEAD, Moment, Op, Origin};
pub use proof::{Breach, Case, Counts, Kind, Model, Plan, Report, prove};
pub use reader::{Answer, Known, Refusal, View, World};
