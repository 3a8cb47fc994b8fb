//! A guide to a sorted run of entries that lie in memory: for evenly spread ids it leads to an
//! entry at once, as a table does that is addressed by the id itself.
//!
//! The ids' range is divided into buckets, a few entries each. Of every bucket the guide keeps
//! where its entries and their regions are and a byte of each id's hash, in 32 bytes: so nearly
//! every miss is told without a look at the entries, and a hit looks at one. Buckets are made block
//! by block, when a block is looked into for the second time, after that was checked as a miss
//! requires. The guide answers only what is beyond doubt, and leaves the rest to the search.
//! Threads read and fill it without locks; two that fill the same bucket write the same.
//! Specification: `docs/spec/dacti-lookup.md`, "When a miss counts".

mod bucket;
mod fill;
mod filled;
mod spread;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests compute small numbers of their own")]
mod tests;
mod wanted;

use crate::fetch::source::Lent;
use bucket::{PIECE_BUCKETS, PIECE_LEN};
use core::sync::atomic::AtomicBool;
use dacti_index::GROUP_ENTRIES;
use dacti_lookup::Lookup;
use daicon_core::Span;
pub(crate) use filled::{Filled, Told};
use filled::{Place, WORD};
use spread::Spread;
use std::sync::OnceLock;

/// Entries of a bucket, on average, where the guide may be as large as it likes.
const BUCKET_ENTRIES: u64 = 3;
/// Slots of a group.
const SLOTS: u32 = 255;
const _: () = assert!(GROUP_ENTRIES == SLOTS as usize);

/// A guide to the only run of an index.
#[derive(Debug)]
pub(crate) struct Guide {
    /// How many groups stand in front of the run.
    deltas: u32,
    /// The run's keys and its groups, absolute.
    keys: Span,
    run: Span,
    place: Place,
    blocks: usize,
    /// Groups of a block.
    stride: usize,
    spread: Spread,
    /// Whether somebody has looked before: one look-up needs no guide.
    asked: AtomicBool,
    filled: OnceLock<Filled>,
}

impl Guide {
    /// For an index with one run that is lent, of a file of `len` bytes, in at most `len_max`.
    pub(crate) fn new(lookup: &Lookup<'_>, lent: &Lent, len: u64, len_max: u64) -> Option<Self> {
        let mut runs = lookup.runs();
        let (run, None) = (runs.next()?, runs.next()) else { return None };
        let entries = u64::from(run.groups).checked_mul(u64::try_from(GROUP_ENTRIES).ok()?)?;
        let blocks = u64::try_from(run.fences.len()).ok()?;
        let pieces = len_max.checked_sub(blocks)?.checked_div(u64::try_from(PIECE_LEN).ok()?)?;
        let buckets_max = pieces.checked_mul(u64::try_from(PIECE_BUCKETS).ok()?)?;
        let buckets = usize::try_from(buckets_max.min(entries / BUCKET_ENTRIES)).ok()?;
        let run_span = lookup.groups_span(run.first_group, run.groups);
        lent.slice(run_span)?;
        u32::try_from(run_span.len().checked_div(WORD)?).ok()?;
        let run_in_lent = usize::try_from(run_span.start.checked_sub(lent.at())?).ok()?;
        Some(Self {
            deltas: run.first_group,
            keys: lookup.fences_span(),
            run: run_span,
            place: Place { run_at: run_span.start, run_in_lent, len },
            blocks: run.fences.len(),
            stride: usize::try_from(run.stride).ok()?,
            spread: Spread::new(buckets, run.fences)?,
            asked: AtomicBool::new(false),
            filled: OnceLock::new(),
        })
    }

    /// How many groups stand in front of the run.
    pub(crate) const fn deltas(&self) -> u32 {
        self.deltas
    }

    /// The groups of the run, absolute.
    pub(crate) const fn run(&self) -> Span {
        self.run
    }

    /// What look-ups have filled in; `None` before the second one.
    #[inline]
    pub(crate) fn filled(&self) -> Option<&Filled> {
        self.filled.get()
    }
}
