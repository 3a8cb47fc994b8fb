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

#[cfg(test)]
extern crate std;

mod block;
mod delta;
mod emit;
mod error;
mod limits;
mod order;
mod region;
mod search;
mod seek;
mod spread;
mod wire;
#[cfg(test)]
mod world;

pub use delta::find_in_groups;
pub use emit::{
    KeptRun, RunSpec, emit_lookup, emit_lookup_with, lookup_len, lookup_len_with, stride_for,
};
pub use error::{Contradiction, Error, Misuse, RunFault, Structure};
pub use limits::{RUNS_MAX, STRIDE_MAX};
pub use order::RunOrder;
pub use region::{Lookup, Run};
pub use search::{Search, SearchOutcome};
pub use wire::{FENCE_LEN, Fence, LOOKUP_HEADER_LEN, LookupHeader, RUN_LEN, RunRecord};

pub(crate) use wire::FIRST_ENTRY_LEN;

use daicon_core::Version;
use uuid::Uuid;

/// The UUID of the lookup component.
pub const LOOKUP_ID: Uuid = Uuid::from_u128(0x20e717c9_2799_4f4c_a341_3153d87bfb07);
/// The component version that this crate writes and reads.
pub const LOOKUP_VERSION: Version = Version::new(0, 1);
