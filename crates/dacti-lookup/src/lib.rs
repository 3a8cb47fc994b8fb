//! A sparse index over the sorted groups of a dacti index: one region of millions is found with one
//! read.
//!
//! The index of a package is a list of groups; a million entries are 24 MB. Where groups form
//! *runs*, sorted by region id, this component keeps the first eight bytes of the first id of every
//! so many groups: few enough to stand in the package's first 64 KiB. A search looks among those
//! fences, reads one block of groups, and looks there. The normative text is
//! `docs/spec/dacti-lookup.md`.
//!
//! This crate refuses to know where bytes come from, how the groups of a package are sorted into
//! runs, and what is to be done when fences and groups contradict each other: it says so, and where.
//!
//! # Who needs this crate
//!
//! Readers and writers of dacti packages that bring their own IO.
//!
//! # Example
//!
//! ```
//! use dacti_index::{Encoding, Entry, GroupHeader, emit_group, emit_header, index_len};
//! use dacti_lookup::{SearchOutcome, Lookup, RunSpec, emit_lookup, lookup_len, stride_for};
//! use daicon_core::Span;
//! use uuid::Uuid;
//!
//! // An index of three groups of one entry each, at the start of a file.
//! let id = |n: u32| Uuid::from_u128(u128::from(n) << 96);
//! let mut file = vec![0; index_len(3) as usize];
//! emit_header(3, &mut file)?;
//! for n in 0..3 {
//!     let header = GroupHeader::new(100_000, Encoding::NONE, 1);
//!     emit_group(&header, &[Entry::new(id(n), n, 1)], &mut file[8 + n as usize * 6136..])?;
//! }
//! let index = Span { start: 0, end: file.len() as u64 };
//!
//! // Its fences, in at most 50 bytes.
//! let runs = [RunSpec { first_group: 0, groups: 3 }];
//! let stride = stride_for(&runs, 50).expect("two fences fit");
//! let mut region = vec![0; lookup_len(&runs, stride) as usize];
//! emit_lookup(index.start, &runs, stride, id, &mut region)?;
//!
//! let lookup = Lookup::parse(&region, 1536)?;
//! assert!(lookup.is_of(index, 3)?);
//! let mut search = lookup.search(id(2));
//! while let Some(span) = search.want() {
//!     search.feed(&file[span.start as usize..span.end as usize])?; // or: read_at(span).await?
//! }
//! let Some(SearchOutcome::Found(located)) = search.answer() else { panic!("it was written above") };
//! assert_eq!(located.span, Span { start: 100_002, end: 100_003 });
//! # Ok::<(), dacti_lookup::Error>(())
//! ```
//!
//! # Cost
//!
//! Eight bytes for each fence, 16 for each run, and 16. Nothing is allocated. A search wants one
//! block as a rule: `stride` groups of 6,136 bytes and 40 bytes more; where n fences are the region's
//! own first eight bytes, at most 2 + log2(n + 1). In memory a hit looks at a handful of entries
//! where ids are spread evenly, as random and hashed ones are; a miss looks at the whole block the
//! first time.
//!
//! # Promise
//!
//! Untrusted input cannot panic, loop or allocate here. Wrong fences cannot hide a region or make one
//! up: a search answers what the runs have or ends in a typed error, as long as the runs are
//! sorted; that they are is what it checks before a miss counts, in the block on which the miss
//! rests.
//!
//! `uuid`, `bytemuck`, `daicon-core` and `dacti-index` are public dependencies.

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

#[cfg(test)]
extern crate std;

mod block;
mod emit;
mod error;
mod limits;
mod region;
mod search;
mod wire;
#[cfg(test)]
mod world;

pub use block::{RunOrder, find_in_groups};
pub use emit::{RunSpec, emit_lookup, lookup_len, stride_for};
pub use error::{Contradiction, Error, Misuse, RunFault, Structure};
pub use limits::{RUNS_MAX, STRIDE_MAX};
pub use region::{Lookup, Run};
pub use search::{Search, SearchOutcome};
pub use wire::{FENCE_LEN, Fence, LOOKUP_HEADER_LEN, LookupHeader, RUN_LEN, RunRecord};

use daicon_core::Version;
use uuid::Uuid;

/// The UUID of the lookup component.
pub const LOOKUP_ID: Uuid = Uuid::from_u128(0x20e717c9_2799_4f4c_a341_3153d87bfb07);
/// The component version that this crate writes and reads.
pub const LOOKUP_VERSION: Version = Version::new(0, 1);

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
