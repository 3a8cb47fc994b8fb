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
//! use dacti_cdn::{Digest, Edit, UpdatePolicy, Put, SnapshotReader, check, plan};
//! use dacti_index::Encoding;
//! use uuid::Uuid;
//!
//! # fn run(file: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! // What the published file has: one read of its head, as long as it was never folded.
//! let mut reader = SnapshotReader::new(file.len() as u64);
//! while let Some(span) = reader.want() {
//!     reader.feed(&file[span.start as usize..span.end as usize])?; // or: read_at(span).await?
//! }
//! let snapshot = reader.finish()?;
//!
//! // A region of five bytes, whose seal the package wants to be of `seal_len` bytes.
//! let (id, encoding, size) = (Uuid::from_u128(7), Encoding::NONE, 5);
//! let seal_len = snapshot.seal_len();
//! let digest = Digest::of(&[&b"hello"[..], &vec![0; seal_len as usize]].concat());
//! let put = Put { id, encoding, size, seal_len, digest, replaced_len: 0 };
//! let plan = plan(&snapshot, &[Edit::Put(put)], &UpdatePolicy::default())?;
//! check(&plan, &snapshot)?;
//! for step in &plan.steps {
//!     // append, reserve, barrier, switch
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Cost
//!
//! A snapshot keeps the head and the tables. An update into a delta group takes a few hashes of the
//! head, whatever the size of the package. A fold needs all entries, at 32 bytes each, which
//! [`IndexEntriesReader`] reads; it goes over them once for each run and once more, and hands the new index
//! out in pieces of about 400 kB.
//!
//! # Promise
//!
//! Untrusted packages and plans cannot panic, loop or allocate beyond their own size. Nothing is
//! planned that [`check`] refuses.
//!
//! # What it does not do
//!
//! It reads and writes nothing, knows no clock and no cache, and keeps no names list: the crate
//! `dacti` does.
//!
//! # Features
//!
//! `serde`: plans as JSON, or whatever else serde writes.
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
mod padding;
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
pub use edit::{ComponentContent, Edit, NewComponent, Put};
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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
