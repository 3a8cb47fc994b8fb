//! The new index of a fold, or the new run of changes of a package in parts: its regions in order,
//! and its bytes in pieces.
//!
//! Each pass merges the entries of the snapshot with the edits again, so no list of the merged
//! entries is kept. Specification: `docs/spec/dacti-cdn.md`, "Fold"; `docs/spec/dacti-parts.md`,
//! "The run of changes".

mod emit;
mod merge;
mod runs;

pub use emit::Derived;

pub(crate) use emit::{emit_pieces, pieces};
pub(crate) use merge::{Change, Listed};

use merge::Merged;
use runs::Runs;

use crate::parts::BaseGroups;
use crate::{Error, IndexEntries, LimitOf, Reason, Snapshot};
use alloc::vec::Vec;
use dacti_index::{GROUPS_MAX, index_len};
use dacti_lookup::{
    KeptRun, RUNS_MAX, Run, RunSpec, STRIDE_MAX, lookup_len, lookup_len_with, stride_for,
};
use daicon_core::{Span, to_u64};

/// The maximum number of groups of an index without fences. One fetch reads all of them.
const GROUPS_WITHOUT_KEYS: u32 = 10;
/// The maximum length of fences in a block, in bytes. One fetch reads all of them.
const FENCES_LEN_MAX: u64 = 65_536;
/// Alignment of fences and index.
pub(crate) const DERIVED_ALIGN: u64 = 8;

/// A new index: its regions, its place, and the place of its fences.
#[derive(Debug)]
pub(crate) struct NewIndex<'a> {
    pub(crate) merged: Merged<'a>,
    pub(crate) runs: Runs,
    pub(crate) stride: Option<u32>,
    /// The runs of the base groups, which follow the new runs; empty in a fold.
    pub(crate) kept: Vec<KeptRun<'a>>,
    /// The lookup region; empty if there is none. If it lies in the head, it is the whole room for
    /// fences, so its component does not change when the number of fences changes.
    pub(crate) fences: Span,
    /// Whether the lookup region lies in the head, and not in the block.
    pub(crate) fences_in_head: bool,
    /// The number of groups of the index, base groups included.
    pub(crate) groups: u32,
    /// The index region, base groups included.
    pub(crate) index: Span,
    /// The bytes of the index region that the block holds.
    pub(crate) written: Span,
}

impl<'a> NewIndex<'a> {
    /// Lays out the new index of a fold: `entries` with `changes` applied. In a package in parts,
    /// the fences lie in the head if they fit there, and the index starts at `at`. Otherwise the
    /// fences start at `at`, and the index follows them.
    pub(crate) fn fold(
        snapshot: &Snapshot,
        entries: &'a IndexEntries,
        changes: Vec<Change>,
        at: u64,
    ) -> Result<Self, Error> {
        let merged = Merged::new(entries, changes);
        let runs = Runs::of(&merged, snapshot.layout.fresh_end)?;
        let groups = groups_of(&runs, 0)?;
        let specs = runs.specs();
        let wanted = groups > GROUPS_WITHOUT_KEYS;
        let room = snapshot.fence_room().filter(|_| wanted);
        let in_head = room.and_then(|room| Some((room, stride_for(&specs, room.len())?)));
        let in_block = || stride_for(&specs, FENCES_LEN_MAX).filter(|_| wanted);
        let stride = in_head.map(|(_, stride)| stride).or_else(in_block);
        let fences_len = stride.map_or(0, |stride| lookup_len(&specs, stride));
        let fences = match in_head {
            Some((room, _)) => room,
            None => Span::new(at, fences_len).ok_or(Error::PastLastPosition)?,
        };
        let index_at = if in_head.is_some() { at } else { fences.end };
        let index = Span::new(index_at, index_len(groups)).ok_or(Error::PastLastPosition)?;
        let (kept, fences_in_head) = (Vec::new(), in_head.is_some());
        Ok(Self {
            merged,
            runs,
            stride,
            kept,
            fences,
            fences_in_head,
            groups,
            index,
            written: index,
        })
    }

    /// Lays out a run of changes. The run lists `entries`, which are the entries before the base
    /// groups, and `changes`. The index starts at `at`, and its fences lie in the head.
    ///
    /// Returns the reason if the package must be folded.
    pub(crate) fn before_base(
        snapshot: &'a Snapshot,
        entries: &'a IndexEntries,
        changes: Vec<Change>,
        at: u64,
    ) -> Result<Result<Self, Reason>, Error> {
        let (Some(base), Some(base_runs), Some(room)) =
            (snapshot.base, snapshot.base_runs(), snapshot.fence_room())
        else {
            return Ok(Err(Reason::NoBaseGroups));
        };
        let merged = Merged::new(entries, changes);
        let changes = to_u64(merged.iter().count());
        if let Some(reason) = too_many(changes, &base) {
            return Ok(Err(reason));
        }
        let runs = match Runs::of(&merged, snapshot.layout.fresh_end) {
            Err(Error::LimitExceeded { what: LimitOf::Runs, .. }) => {
                return Ok(Err(Reason::NoRoomForFences));
            }
            runs => runs?,
        };
        let groups = groups_of(&runs, base.groups)?;
        let specs = runs.specs();
        let Some((stride, kept)) = strides(&specs, &base_runs, room.len()) else {
            return Ok(Err(Reason::NoRoomForFences));
        };
        let index = Span::new(at, index_len(groups)).ok_or(Error::PastLastPosition)?;
        let end = index.end.saturating_sub(base.span.len());
        let written = Span { end, ..index };
        let (stride, fences, fences_in_head) = (Some(stride), room, true);
        Ok(Ok(Self { merged, runs, stride, kept, fences, fences_in_head, groups, index, written }))
    }

    pub(crate) fn specs(&self) -> Vec<RunSpec> {
        self.runs.specs()
    }

    /// Returns whether the block must end with the groups that it holds. It must if base groups
    /// follow the block.
    pub(crate) fn ends_block(&self) -> bool {
        self.written != self.index
    }
}

/// Returns the reason to fold, if the number of changes is more than a tenth of the number of
/// entries for which the base groups have room.
pub(crate) fn too_many(changes: u64, base: &BaseGroups) -> Option<Reason> {
    // spec: R-PART-36
    let regions = base.entries_max();
    let is_above = changes.saturating_mul(10) > regions;
    is_above.then_some(Reason::ManyChanges { changes, regions })
}

/// Returns the number of groups of a new index with these runs and `kept` further groups.
fn groups_of(runs: &Runs, kept: u32) -> Result<u32, Error> {
    let groups = runs.groups().saturating_add(u64::from(kept));
    let counted = u32::try_from(groups).ok().filter(|groups| *groups <= GROUPS_MAX);
    let fault = dacti_index::Misuse::TooManyGroups { groups };
    counted.ok_or_else(|| dacti_index::Error::from(fault).into())
}

/// Returns the stride of the new runs, and the base runs with the fences that they keep. Drops as
/// few fences as possible, so that the lookup region fits into `room` bytes. Returns `None` if it
/// cannot fit.
fn strides<'b>(
    specs: &[RunSpec],
    base_runs: &[Run<'b>],
    room: u64,
) -> Option<(u32, Vec<KeptRun<'b>>)> {
    if specs.len().saturating_add(base_runs.len()) > RUNS_MAX {
        return None;
    }
    (1..=STRIDE_MAX).find_map(|every| {
        let kept: Vec<_> = base_runs.iter().map(|run| KeptRun { run: *run, every }).collect();
        let longest = kept.iter().map(KeptRun::stride).max().unwrap_or_default();
        if longest > STRIDE_MAX {
            return None;
        }
        let fits = |stride: &u32| lookup_len_with(specs, *stride, &kept) <= room;
        (1..=longest).find(fits).map(|stride| (stride, kept))
    })
}

impl Snapshot {
    /// Returns the room for fences in the head, if the plan can write there. Returns `None` for a
    /// package in one file, because readers may still use the old fences in that room.
    pub(crate) fn fence_room(&self) -> Option<Span> {
        let room = self.layout.fences;
        let is_free = self.is_in_parts && !room.is_empty() && self.is_room_for_fences(room);
        is_free.then_some(room)
    }
}
