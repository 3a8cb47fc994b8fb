#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_alloc,
        reason = "the numbers in tests are small"
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
mod padding;
pub mod parts;
mod parts_fault;
mod plan;
mod planner;
mod policy;
mod reason;
mod snapshot;
mod step;
mod wanted;
#[cfg(test)]
mod world;

pub use check::{Breach, Fault, Law, check};
pub use daicon_core::HEAD_LEN;
pub use derived::Derived;
pub use digest::Digest;
pub use edit::{ComponentContent, Edit, NewComponent, Put, Remove};
pub use error::{Error, LayoutFault, LimitOf, Missing, Misuse, Structure};
#[cfg(feature = "serde")]
pub use json::PLAN_VERSION;
pub use layout::{
    FENCES_AT, IndexPlace, LAYOUT_AT, LAYOUT_ID, LAYOUT_LEN, LAYOUT_VERSION, Layout, SEAL_AT,
    SLICE_LEN, SLICE_LEN_RANGE, T1_SLOTS, T2_PLACES, T2_SLOTS, check_slice_len,
};
pub use padding::{ExpectedUpdates, Padding, padding};
pub use plan::{Cost, Plan, Rejected, Strategy};
pub use planner::plan;
pub use policy::{Purge, UpdatePolicy};
pub use reason::Reason;
pub use snapshot::{
    DeltaGroup, IndexEntries, IndexEntriesReader, Live, Room, Snapshot, SnapshotReader,
};
pub use step::{
    Action, Append, Barrier, DerivedRegion, Field, Piece, PieceContent, Probe, Reserve, State,
    Step, Switch,
};
