//! The content of one region as a stream, from its start or from any position.
//!
//! This module does not find regions. Specification: `docs/spec/dacti-seal.md`, "Verification".

mod proof;
mod reader;
mod seek;
mod spool;
mod unverified;
mod verified;

pub(crate) use proof::Proofs;
pub use reader::RegionReader;
#[cfg(feature = "async")]
pub(crate) use seek::RangeReader;
pub use seek::RegionSeeker;
pub use unverified::UnverifiedReader;
pub(crate) use unverified::{pieces, second_pieces};
pub use verified::VerifiedReader;
