//! The new index of a fold: its regions in order, and its bytes in pieces.
//!
//! Each pass merges the entries of the snapshot with the edits again. So only 16 bytes of memory
//! are needed for each group. Specification: `docs/spec/dacti-cdn.md`, "Fold".

mod emit;
mod merge;
mod runs;

pub use emit::Derived;

pub(crate) use emit::{emit_pieces, pieces};
pub(crate) use merge::{Change, Listed};

use merge::Merged;
use runs::Runs;

use crate::{Error, IndexEntries};
use alloc::vec::Vec;
use dacti_index::{GROUPS_MAX, index_len};
use dacti_lookup::{RunSpec, lookup_len, stride_for};
use daicon_core::Span;

/// The maximum number of groups of an index without fences. One fetch reads all of them.
const GROUPS_WITHOUT_KEYS: u32 = 10;
/// The maximum length of the fences in bytes. One fetch reads all of them.
const FENCES_LEN_MAX: u64 = 65_536;
/// Alignment of fences and index.
pub(crate) const DERIVED_ALIGN: u64 = 8;

/// The places of a new index and its fences, and its regions.
#[derive(Debug)]
pub(crate) struct NewIndex<'a> {
    pub(crate) merged: Merged<'a>,
    pub(crate) runs: Runs,
    pub(crate) groups: u32,
    pub(crate) stride: Option<u32>,
    /// The lookup region; empty if there is none.
    pub(crate) fences: Span,
    pub(crate) index: Span,
}

impl<'a> NewIndex<'a> {
    /// Lays out the index of `entries` after `changes`. Fences, if any, start at `at`, and the
    /// index follows them.
    pub(crate) fn new(
        entries: &'a IndexEntries,
        changes: Vec<Change>,
        fresh_end: u64,
        at: u64,
    ) -> Result<Self, Error> {
        let merged = Merged::new(entries, changes);
        let runs = Runs::of(&merged, fresh_end)?;
        let groups = runs.groups();
        if groups > u64::from(GROUPS_MAX) {
            return Err(
                dacti_index::Error::from(dacti_index::Misuse::TooManyGroups { groups }).into()
            );
        }
        let groups = u32::try_from(groups).unwrap_or(u32::MAX);
        let specs = runs.specs();
        let wanted = groups > GROUPS_WITHOUT_KEYS;
        let stride = stride_for(&specs, FENCES_LEN_MAX).filter(|_| wanted);
        let fences_len = stride.map_or(0, |stride| lookup_len(&specs, stride));
        let fences = Span::new(at, fences_len).ok_or(Error::PastLastPosition)?;
        let index = Span::new(fences.end, index_len(groups)).ok_or(Error::PastLastPosition)?;
        Ok(Self { merged, runs, groups, stride, fences, index })
    }

    pub(crate) fn specs(&self) -> Vec<RunSpec> {
        self.runs.specs()
    }
}
