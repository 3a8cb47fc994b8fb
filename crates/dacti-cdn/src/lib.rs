//! Updates of published dacti packages: the layout that leaves room for them, and the plan of what
//! is written where, in which order.
//!
//! The normative texts are `docs/spec/dacti-package.md`, "The cdn layout", and
//! `docs/spec/dacti-cdn.md`.
//!
//! This crate refuses to know how bytes are read, written, encoded or sealed: it is a set of pure
//! functions.
//!
//! # Who needs this crate
//!
//! Writers and updaters of dacti packages that bring their own IO. The facade `dacti` puts it to
//! work on files.
//!
//! # Example
//!
//! ```
//! use dacti_cdn::IndexPlace;
//!
//! // Where a package of 100,000 regions has its index: eight groups for updates end the head.
//! let place = IndexPlace::cdn(393, 100_000);
//! assert_eq!((place.delta_groups, place.span.start), (8, 16_440));
//! # Ok::<(), dacti_cdn::Error>(())
//! ```
//!
//! # Promise
//!
//! Untrusted input cannot panic, loop or allocate here.
//!
//! `daicon-core`, `dacti-index` and `uuid` are public dependencies.

#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_alloc,
        reason = "tests compute small numbers of their own"
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod check;
mod derived;
mod digest;
mod edit;
mod error;
#[cfg(feature = "serde")]
mod json;
mod layout;
mod plan;
mod policy;
mod snapshot;
mod step;
#[cfg(test)]
mod world;

pub use check::{Breach, Fault, Law, check};
pub use derived::Derived;
pub use digest::Digest;
pub use edit::{ComponentContent, Edit, NewComponent, Put};
pub use error::{Error, LayoutFault, LimitOf, Missing, Misuse, Structure};
#[cfg(feature = "serde")]
pub use json::PLAN_VERSION;
pub use layout::{
    HEAD_LEN, IndexPlace, KEYS_AT, LAYOUT_AT, LAYOUT_ID, LAYOUT_LEN, LAYOUT_VERSION, Layout,
    SEAL_AT, SLICE_LEN, SLICE_LEN_RANGE, T1_SLOTS, T2_PLACES, T2_SLOTS, check_slice_len,
};
pub use plan::{Cost, Plan, Reason, Rejected, Strategy, plan};
pub use policy::{Policy, Purge};
pub use snapshot::{DeltaGroup, IndexEntries, IndexScan, Live, Room, Snapshot, SnapshotReader};
pub use step::{
    Action, Append, Barrier, Content, Field, Part, Piece, Probe, Reserve, State, Step, Switch,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
