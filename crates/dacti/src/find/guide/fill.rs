//! Filling in a guide, block by block, as look-ups come.

use super::bucket::Gathered;
use super::filled::{FILLED, Filled, GIVEN_UP, NEW, SEEN};
use super::wanted::{lead_at, lead_of};
use super::{Guide, SLOTS};
use crate::threads::known;
use core::ops::Range;
use core::sync::atomic::Ordering::AcqRel;
use dacti_index::{Entry, GROUP_LEN, Group};
use dacti_lookup::Fence;
use daicon_core::slice_at;
use uuid::Uuid;

impl Guide {
    /// The block that is to be checked and filled in before the guide can tell of `id`: its own, or
    /// the one beside it. `None` where it was not looked into before, or is of no use. `bytes` have
    /// the run's keys, and start at file position `at`.
    /// `is_alone` says whether there are no entries but the run's.
    #[cold]
    pub(crate) fn block_to_fill(
        &self,
        id: Uuid,
        bytes: &[u8],
        at: u64,
        is_alone: impl FnOnce() -> bool,
    ) -> Option<usize> {
        // Whoever is not the first comes after it has looked into the delta groups, as it has
        // itself: one of the two has sorted them.
        if !self.asked.swap(true, AcqRel) {
            return None;
        }
        let new = || Filled::new(self.spread, self.place, self.blocks, is_alone());
        let filled = known(&self.filled, new);
        let keys = slice_at::<Fence>(self.keys.slice_of(bytes, at)?, self.blocks)?;
        let lead = lead_of(id);
        let own = keys.partition_point(|key| key.get() <= lead).checked_sub(1)?;
        match filled.state(own)? {
            NEW => {
                filled.set_state(own, SEEN);
                None
            }
            SEEN => Some(own),
            // A bucket that lies in two blocks needs both.
            _ => [own.checked_sub(1), own.checked_add(1)]
                .into_iter()
                .flatten()
                .find(|beside| matches!(filled.state(*beside), Some(NEW | SEEN))),
        }
    }

    /// Fills in what block `block` of `run` tells: it was found to be in order, and the first entry
    /// behind it with it. `None` gives it up.
    #[cold]
    pub(crate) fn fill(&self, block: usize, run: Option<&[u8]>) {
        let Some(filled) = self.filled() else { return };
        let filled_in = run.and_then(|run| self.fill_between(filled, block, run));
        let (Some(run), Some(())) = (run, filled_in) else {
            return filled.set_state(block, GIVEN_UP);
        };
        // Of two threads that fill neighbours at once, one sees that the other's is filled.
        filled.set_state(block, FILLED);
        for border in [Some(block), block.checked_add(1)].into_iter().flatten() {
            let _ = self.fill_border(filled, border, run);
        }
    }

    /// Fills in the buckets behind that of the block's first entry, up to that of the next block's:
    /// whatever is in them is in this block.
    fn fill_between(&self, filled: &Filled, block: usize, run: &[u8]) -> Option<()> {
        for g in self.groups_of(block) {
            filled.note(&group_of(run, g)?);
        }
        let from = if block == 0 { 0 } else { self.first_bucket(run, block)?.checked_add(1)? };
        let next = block.checked_add(1)?;
        let to = if next < self.blocks { self.first_bucket(run, next)? } else { self.spread.count };
        self.fill_buckets(filled, from..to, self.entries(run, block))
    }

    /// Fills in the bucket of a block's first entry, once it is known what the block before it has
    /// of it, too.
    fn fill_border(&self, filled: &Filled, block: usize, run: &[u8]) -> Option<()> {
        let (before, next) = (block.checked_sub(1)?, block.checked_add(1)?);
        if [before, block].map(|block| filled.state(block)) != [Some(FILLED); 2] {
            return None;
        }
        let bucket = self.first_bucket(run, block)?;
        // Where it reaches over one of the two blocks, a third has to do with it.
        let is_behind = before == 0 || self.first_bucket(run, before)? < bucket;
        let is_before = next >= self.blocks || self.first_bucket(run, next)? > bucket;
        if !(is_behind && is_before) {
            return filled.buckets.set(bucket, &Gathered::apart());
        }
        let entries = self.entries(run, before).chain(self.entries(run, block));
        self.fill_buckets(filled, bucket..bucket.checked_add(1)?, entries)
    }

    /// Fills in `buckets`; `entries` have all that is in them, in order, each with its slot.
    fn fill_buckets<'b>(
        &self,
        filled: &Filled,
        buckets: Range<usize>,
        entries: impl Iterator<Item = (u32, &'b Entry)>,
    ) -> Option<()> {
        let (mut bucket, mut some) = (buckets.start, Gathered::default());
        for (slot, entry) in entries {
            let own = self.spread.bucket_of(lead_at(entry));
            if own < bucket {
                continue;
            }
            while bucket < own.min(buckets.end) {
                filled.buckets.set(bucket, &some)?;
                (bucket, some) = (bucket.checked_add(1)?, Gathered::default());
            }
            if own >= buckets.end {
                return Some(());
            }
            some.push(slot, entry);
        }
        for bucket in bucket..buckets.end {
            filled.buckets.set(bucket, &some)?;
            some = Gathered::default();
        }
        Some(())
    }

    /// The groups of a block, by number.
    fn groups_of(&self, block: usize) -> Range<usize> {
        let all = self.run.len().checked_div(GROUP_LEN).unwrap_or(0);
        let end = block.saturating_add(1).saturating_mul(self.stride);
        block.saturating_mul(self.stride)..end.min(usize::try_from(all).unwrap_or(usize::MAX))
    }

    /// The entries of a block, each with its slot.
    fn entries<'b>(
        &self,
        run: &'b [u8],
        block: usize,
    ) -> impl Iterator<Item = (u32, &'b Entry)> + use<'b> {
        self.groups_of(block).flat_map(|g| {
            let entries = group_of(run, g).map(|group| group.entries()).unwrap_or_default();
            (u32::try_from(g).unwrap_or(u32::MAX).saturating_mul(SLOTS)..).zip(entries)
        })
    }

    /// The bucket of a block's first entry.
    fn first_bucket(&self, run: &[u8], block: usize) -> Option<usize> {
        let group = group_of(run, block.checked_mul(self.stride)?)?;
        Some(self.spread.bucket_of(lead_at(group.entries().first()?)))
    }
}

fn group_of(run: &[u8], g: usize) -> Option<Group<'_>> {
    let offset = u64::try_from(g).ok()?.checked_mul(GROUP_LEN)?;
    Group::parse(run.get(usize::try_from(offset).ok()?..)?, 0).ok()
}
