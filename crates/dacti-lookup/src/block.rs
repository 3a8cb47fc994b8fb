//! An index block: the groups from one fence to the next, searched by interpolation and checked for
//! order.
//!
//! A block holds its own fence and the fence of the next block, but no other fence of its run.
//! Specification: `docs/spec/dacti-lookup.md`, "Search", "When a miss counts".

use crate::order::{RunOrder, first_id, prefix};
use crate::seek::seek;
use crate::spread::{LikelyGroups, entries_in, gap};
use crate::{Contradiction, Error, Lookup, Misuse, Run, Structure};
use core::cmp::Ordering;
use dacti_index::{GROUP_ENTRIES, GROUP_HEADER_LEN, GROUP_LEN, Group, Located};
use daicon_core::to_u64;
use uuid::Uuid;

/// Consecutive groups of a run, borrowed from the bytes that they were read from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'b> {
    bytes: &'b [u8],
    /// Start of the block's first group, absolute.
    pub(crate) at: u64,
    /// The number of the block's groups, at least one.
    groups: u32,
    /// The fence of this block.
    fence: u64,
    /// The fence of the run's next block, if there is a next block. `bytes` then extend to the end
    /// of that block's first entry.
    pub(crate) next_fence: Option<u64>,
}

/// The position of an id relative to the ids of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Found(Located),
    /// Smaller than the block's first id.
    Before,
    /// Between two ids of the block.
    Between,
    /// Larger than the block's last id.
    After,
}

impl Lookup<'_> {
    /// Checks block number `n`; the blocks of all runs are counted together. If the check succeeds
    /// and a search does not find an id in this block, the block does not have the id.
    ///
    /// The first id of the block must match the block's fence, and the ids must ascend. The first
    /// id of the next block must be larger than all of them, and must match the next fence.
    /// `bytes` are the bytes of [`block_span`](Self::block_span).
    ///
    /// # Errors
    /// `Contradiction`, and other faults of the block.
    pub fn check_block(&self, n: usize, bytes: &[u8]) -> Result<(), Error> {
        let (run, block) = self.block(n).ok_or(Misuse::NoSuchFence(to_u64(n)))?;
        Block::of(self, &run, block, bytes)?.check()
    }
}

impl<'b> Block<'b> {
    /// Views `bytes` as block `block` of `run`.
    pub(crate) fn of(
        lookup: &Lookup<'_>,
        run: &Run<'_>,
        block: usize,
        bytes: &'b [u8],
    ) -> Result<Self, Error> {
        let (first, groups) = run.block_groups(block);
        let at = lookup.groups_span(first, groups).start;
        let (fence, next_fence) = run.block_fences(block);
        let needed = lookup.run_block_span(run, block).len();
        if to_u64(bytes.len()) < needed {
            return Err(Error::truncated(Structure::LookupBlock, at, needed, at, bytes));
        }
        Ok(Self { bytes, at, groups, fence, next_fence })
    }

    /// Views `bytes`, which start at file position `at`, as some groups of a block.
    pub(crate) const fn of_likely(likely: &LikelyGroups, bytes: &'b [u8], at: u64) -> Self {
        let LikelyGroups { groups, fence, next_fence, .. } = *likely;
        Self { bytes, at, groups, fence, next_fence: Some(next_fence) }
    }

    /// Finds `id`, or the position at which it would be. Reads only a few entries. Relies on the
    /// order of the block's entries, and does not check it.
    pub(crate) fn find(&self, id: Uuid) -> Result<Place, Error> {
        let target = id.as_u128();
        let gap = gap(self.fence, self.next_fence.unwrap_or(u64::MAX), entries_in(self.groups));
        let last = self.groups.saturating_sub(1);
        let skipped = prefix(target).saturating_sub(self.fence).checked_div(gap).unwrap_or(0);
        let entries = to_u64(GROUP_ENTRIES);
        let mut g =
            u32::try_from(skipped.checked_div(entries).unwrap_or(0)).unwrap_or(last).min(last);
        let mut guess = skipped.saturating_sub(u64::from(g).saturating_mul(entries));
        // The search moves from group to group in one direction only, so it ends. `from` is
        // `Greater` after a move to an earlier group, and `Less` after a move to a later group.
        let mut from = Ordering::Equal;
        loop {
            let group = self.group(g)?;
            let found = seek(group.entries(), target, usize::try_from(guess).unwrap_or(0), gap);
            match found {
                Ok(i) => {
                    let located = group.located(i)?;
                    // `seek` returns only positions within the group.
                    return Ok(located.map_or(Place::Between, Place::Found));
                }
                Err(0) if g == 0 => return Ok(Place::Before),
                Err(0) if from != Ordering::Less => {
                    (g, guess, from) = (g.saturating_sub(1), entries, Ordering::Greater);
                }
                Err(i) if i < group.entries().len() => return Ok(Place::Between),
                Err(_) if g == last => return Ok(Place::After),
                Err(_) if from != Ordering::Greater => {
                    (g, guess, from) = (g.saturating_add(1), 0, Ordering::Less);
                }
                Err(_) => return Ok(Place::Between),
            }
        }
    }

    /// Checks that the first id of the block matches the block's fence, and that the ids ascend.
    /// The first id of the next block must be larger than all of them, and must match the next
    /// fence. Reads every entry.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut order = RunOrder::default();
        for g in 0..self.groups {
            let (bytes, at) = self.group_bytes(g);
            order.take(&Group::parse(bytes, at)?, (g == 0).then_some(self.fence))?;
        }
        let Some(next_fence) = self.next_fence else { return Ok(()) };
        let next = self.next_id()?;
        let at = self.group_bytes(self.groups).1.saturating_add(GROUP_HEADER_LEN);
        if prefix(next) != next_fence {
            return Err(Error::contradiction(at, Contradiction::NextFence));
        }
        order.ascend(next, at)
    }

    /// Returns the first id of the next block.
    pub(crate) fn next_id(&self) -> Result<u128, Error> {
        let (bytes, at) = self.group_bytes(self.groups);
        first_id(bytes, at)
    }

    fn group(&self, g: u32) -> Result<Group<'b>, Error> {
        let (bytes, at) = self.group_bytes(g);
        let group = Group::parse(bytes, at)?;
        if group.entries().is_empty() {
            return Err(Error::contradiction(at, Contradiction::EmptyGroup));
        }
        Ok(group)
    }

    /// Returns the bytes from group `g` on, and their absolute start.
    fn group_bytes(&self, g: u32) -> (&'b [u8], u64) {
        let offset = GROUP_LEN.saturating_mul(u64::from(g));
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        (self.bytes.get(start..).unwrap_or_default(), self.at.saturating_add(offset))
    }
}
