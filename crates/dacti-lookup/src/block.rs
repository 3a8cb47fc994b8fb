//! A block: the groups from one fence to the next, searched by interpolation and checked for order.
//!
//! Knows nothing of runs and fences beyond the two that bound it. Specification:
//! `docs/spec/dacti-lookup.md`, "Search", "When a miss counts".

use crate::region::{to_u64, truncated};
use crate::{Contradiction, Error, Structure};
use core::cmp::Ordering;
use dacti_index::{
    Entry, GROUP_ENTRIES, GROUP_HEADER_LEN, GROUP_LEN, Group, INDEX_ENTRY_LEN, Located,
};
use daicon_core::Span;
use uuid::Uuid;

/// Bytes of a group up to the end of its first entry.
pub(crate) const FIRST_ENTRY_LEN: u64 = GROUP_HEADER_LEN.saturating_add(INDEX_ENTRY_LEN);
/// How often a position is guessed before the search halves what is left.
const GUESSES: u32 = 2;
/// The longest step away from a good guess before the search halves what is left.
const STEP_MAX: usize = 8;

/// Consecutive groups of a run, borrowed from the bytes that they were read from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'b> {
    pub(crate) bytes: &'b [u8],
    /// Where its first group starts, absolute.
    pub(crate) at: u64,
    /// How many groups it has, at least one.
    pub(crate) groups: u32,
    /// The fence that leads to it.
    pub(crate) fence: u64,
    /// The fence behind it; `None` where it is its run's last. The first entry behind it is then in
    /// `bytes` too.
    pub(crate) next_fence: Option<u64>,
}

/// What a block says of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Found(Located),
    /// Smaller than the block's first id.
    Before,
    /// Between two ids of the block.
    Between,
    /// Larger than the block's last id.
    Behind,
}

impl<'b> Block<'b> {
    /// Where `id` is or would be, if the block is sorted. Looks at few entries.
    pub(crate) fn find(&self, id: Uuid) -> Result<Place, Error> {
        let target = id.as_u128();
        let gap = self.gap();
        let last = self.groups.saturating_sub(1);
        let skipped = prefix(target).saturating_sub(self.fence).checked_div(gap).unwrap_or(0);
        let entries = to_u64(GROUP_ENTRIES);
        let mut g =
            u32::try_from(skipped.checked_div(entries).unwrap_or(0)).unwrap_or(last).min(last);
        let mut guess = skipped.saturating_sub(u64::from(g).saturating_mul(entries));
        // Which way the search came from the group before: it never turns back.
        let mut from = Ordering::Equal;
        loop {
            let group = self.group(g)?;
            let found = seek(group.entries(), target, usize::try_from(guess).unwrap_or(0), gap);
            match found {
                Ok(i) => {
                    let located = group.located(i)?;
                    // `seek` only answers with positions that are there.
                    return Ok(located.map_or(Place::Between, Place::Found));
                }
                Err(0) if g == 0 => return Ok(Place::Before),
                Err(0) if from != Ordering::Less => {
                    (g, guess, from) = (g.saturating_sub(1), entries, Ordering::Greater);
                }
                Err(i) if i < group.entries().len() => return Ok(Place::Between),
                Err(_) if g == last => return Ok(Place::Behind),
                Err(_) if from != Ordering::Greater => {
                    (g, guess, from) = (g.saturating_add(1), 0, Ordering::Less);
                }
                Err(_) => return Ok(Place::Between),
            }
        }
    }

    /// Proves what a miss rests on: the block begins with its fence, ascends without a break, and
    /// ends before the entry behind it, which has the next fence. Looks at every entry.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut order = RunOrder::default();
        for g in 0..self.groups {
            let (bytes, at) = self.group_bytes(g);
            order.take(&Group::parse(bytes, at)?, (g == 0).then_some(self.fence))?;
        }
        let Some(next_fence) = self.next_fence else { return Ok(()) };
        let next = self.behind()?;
        let at = self.span().end.saturating_add(GROUP_HEADER_LEN);
        if prefix(next) != next_fence {
            return Err(contradiction(at, Contradiction::NextFence));
        }
        order.ascend(next, at)
    }

    /// The first id behind the block, in order.
    pub(crate) fn behind(&self) -> Result<u128, Error> {
        self.first_id(self.groups)
    }

    /// The first id of group `g` of the block, in order; only its header and that entry are looked
    /// at.
    pub(crate) fn first_id(&self, g: u32) -> Result<u128, Error> {
        let (bytes, at) = self.group_bytes(g);
        first_id(bytes, at)
    }

    /// The bytes of all its groups, absolute.
    pub(crate) fn span(&self) -> Span {
        let len = GROUP_LEN.saturating_mul(u64::from(self.groups));
        Span { start: self.at, end: self.at.saturating_add(len) }
    }

    fn group(&self, g: u32) -> Result<Group<'b>, Error> {
        let (bytes, at) = self.group_bytes(g);
        let group = Group::parse(bytes, at)?;
        if group.entries().is_empty() {
            return Err(contradiction(at, Contradiction::EmptyGroup));
        }
        Ok(group)
    }

    fn group_bytes(&self, g: u32) -> (&'b [u8], u64) {
        let offset = GROUP_LEN.saturating_mul(u64::from(g));
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        (self.bytes.get(start..).unwrap_or_default(), self.at.saturating_add(offset))
    }

    fn gap(&self) -> u64 {
        gap(self.fence, self.next_fence.unwrap_or(u64::MAX), entries_in(self.groups))
    }
}

/// Holds the groups of a run against each other, and against their fences, as they come.
#[derive(Debug, Clone, Default)]
pub struct RunOrder {
    /// The last id so far.
    before: Option<u128>,
}

impl RunOrder {
    /// Takes the run's next group. `fence` is what the group is to begin with, where it has a fence.
    ///
    /// # Errors
    /// `Contradiction`: a group without entries, one that begins with another fence, an id that does
    /// not ascend.
    pub fn take(&mut self, group: &Group<'_>, fence: Option<u64>) -> Result<(), Error> {
        let Some(first) = group.entries().first() else {
            return Err(contradiction(group.at(), Contradiction::EmptyGroup));
        };
        let mut at = group.at().saturating_add(GROUP_HEADER_LEN);
        if fence.is_some_and(|fence| fence != prefix(order(first))) {
            return Err(contradiction(at, Contradiction::FirstFence));
        }
        for entry in group.entries() {
            self.ascend(order(entry), at)?;
            at = at.saturating_add(INDEX_ENTRY_LEN);
        }
        Ok(())
    }

    /// Takes the next id, that of the entry at `at`.
    fn ascend(&mut self, id: u128, at: u64) -> Result<(), Error> {
        if self.before.replace(id).is_some_and(|before| before >= id) {
            return Err(contradiction(at, Contradiction::Unsorted));
        }
        Ok(())
    }
}

/// Some groups of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Number of the first in the block, from 0.
    pub(crate) first: u32,
    pub(crate) groups: u32,
    /// The fence that would lead to it, and the one behind it, if ids were spread evenly.
    fence: u64,
    next_fence: u64,
}

impl Part {
    /// The groups that have `id` as good as certainly, if any of the block of `groups` groups from
    /// `fence` to `next_fence` has it and ids are spread evenly: then the place of an id among n is
    /// off by more than 2 √n, four times what it is off as a rule, once in 16,000. `None` where
    /// these are all groups.
    pub(crate) fn likely(fence: u64, next_fence: u64, groups: u32, id: Uuid) -> Option<Self> {
        let entries = entries_in(groups);
        let gap = gap(fence, next_fence, entries);
        let skipped = prefix(id.as_u128()).saturating_sub(fence).checked_div(gap)?.min(entries);
        let off = entries.isqrt().saturating_mul(2);
        let group_of = |place: u64| {
            let g = place.checked_div(to_u64(GROUP_ENTRIES)).and_then(|g| u32::try_from(g).ok());
            Some(g?.min(groups.checked_sub(1)?))
        };
        let first = group_of(skipped.saturating_sub(off))?;
        let end = group_of(skipped.saturating_add(off))?.saturating_add(1);
        let fence_of = |g| fence.saturating_add(gap.saturating_mul(entries_in(g)));
        let (fence, next_fence) = (fence_of(first), fence_of(end));
        let part = Self { first, groups: end.saturating_sub(first), fence, next_fence };
        (part.groups < groups).then_some(part)
    }

    /// Views `bytes`, which start at file position `at`, as this part.
    pub(crate) const fn view<'b>(&self, bytes: &'b [u8], at: u64) -> Block<'b> {
        let next_fence = Some(self.next_fence);
        Block { bytes, at, groups: self.groups, fence: self.fence, next_fence }
    }
}

/// How far ids are from each other on average, by the fences around them; at least 1.
fn gap(fence: u64, next_fence: u64, entries: u64) -> u64 {
    next_fence.saturating_sub(fence).checked_div(entries).unwrap_or(0).max(1)
}

/// Entries of as many full groups.
fn entries_in(groups: u32) -> u64 {
    to_u64(GROUP_ENTRIES).saturating_mul(u64::from(groups))
}

/// The first id of the group in `bytes`, which start at file position `at`, in order.
pub(crate) fn first_id(bytes: &[u8], at: u64) -> Result<u128, Error> {
    let what = Structure::LookupBlock;
    let short = || truncated(what, at, FIRST_ENTRY_LEN, at, bytes);
    let header = daicon_core::struct_at::<dacti_index::GroupHeader>(bytes).ok_or_else(short)?;
    let rest = bytes.get(size_of::<dacti_index::GroupHeader>()..).unwrap_or_default();
    let entry = daicon_core::struct_at::<Entry>(rest).ok_or_else(short)?;
    if header.length == 0 {
        return Err(contradiction(at, Contradiction::EmptyGroup));
    }
    Ok(order(entry))
}

/// Where `target` is among sorted entries, or where it would be. `guess` is where it may be, `gap`
/// how far fences are from each other. Ends after at most `len` looks whatever the entries are, and
/// after a few where ids are spread evenly.
fn seek(entries: &[Entry], target: u128, guess: usize, gap: u64) -> Result<usize, usize> {
    let (mut low, mut high) = (0, entries.len());
    let (mut at, mut guesses, mut step) = (guess, 0, 1_usize);
    while low < high {
        at = at.clamp(low, high.saturating_sub(1));
        let Some(id) = entries.get(at).map(order) else { break };
        let ordering = id.cmp(&target);
        match ordering {
            Ordering::Equal => return Ok(at),
            Ordering::Less => low = at.saturating_add(1),
            Ordering::Greater => high = at,
        }
        if step > STEP_MAX {
            at = low.midpoint(high);
            continue;
        }
        let by = if guesses < GUESSES {
            guesses = guesses.saturating_add(1);
            let distance = prefix(id).abs_diff(prefix(target)).checked_div(gap).unwrap_or(0);
            usize::try_from(distance).unwrap_or(usize::MAX).max(1)
        } else {
            step = step.saturating_mul(2);
            step
        };
        at = match ordering {
            Ordering::Less => at.saturating_add(by),
            _ => at.saturating_sub(by),
        };
    }
    Err(low)
}

/// An entry's id as a number that compares as ids do in text order.
fn order(entry: &Entry) -> u128 {
    entry.id.get().as_u128()
}

/// The part of an id that a fence holds.
pub(crate) fn prefix(id: u128) -> u64 {
    u64::try_from(id >> 64).unwrap_or(u64::MAX)
}

pub(crate) fn contradiction(at: u64, fault: Contradiction) -> Error {
    Error::Contradiction { what: Structure::LookupBlock, at, fault }
}

/// Where the region `id` is by the first `groups` groups of `bytes`, which start at file position
/// `at`, whatever their order: the first group that has it counts, and in it the last entry. For
/// delta groups.
///
/// # Errors
/// Bytes that end before the groups do; an entry whose span passes 2^64.
pub fn find_in_groups(
    bytes: &[u8],
    at: u64,
    groups: u32,
    id: Uuid,
) -> Result<Option<Located>, Error> {
    for g in 0..groups {
        let offset = GROUP_LEN.saturating_mul(u64::from(g));
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let group =
            Group::parse(bytes.get(start..).unwrap_or_default(), at.saturating_add(offset))?;
        if let Some(located) = group.find(id)? {
            return Ok(Some(located));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{find_in_groups, seek};
    use crate::Error;
    use dacti_index::{Encoding, Entry, GroupHeader, emit_group};
    use std::vec::Vec;
    use uuid::Uuid;

    #[test]
    fn delta_groups_are_searched_newest_first() {
        // spec: R-LKP-14
        let entry = |id, offset| Entry::new(Uuid::from_u128(id), offset, 1);
        let groups = [std::vec![], std::vec![entry(7, 1), entry(7, 2)], std::vec![entry(7, 3)]];
        let mut bytes = std::vec![0; 3 * 6136];
        for (group, out) in groups.iter().zip(bytes.chunks_exact_mut(6136)) {
            let header = GroupHeader::new(50, Encoding::NONE, group.len() as u8);
            emit_group(&header, group, out).unwrap();
        }
        let find = |groups, id| find_in_groups(&bytes, 0, groups, Uuid::from_u128(id));
        assert_eq!(find(3, 7).unwrap().unwrap().span.start, 52);
        assert_eq!(find(1, 7), Ok(None));
        assert_eq!(find(3, 8), Ok(None));
        let cut = find_in_groups(&bytes[..6136 + 15], 0, 3, Uuid::nil()).unwrap_err();
        assert!(matches!(cut, Error::Index(dacti_index::Error::Truncated { at: 6136, .. })));
    }

    #[test]
    fn any_guess_leads_to_the_same_place() {
        let ids = (0..200_u128).map(|n| (n * n * 3) << 60);
        let entries: Vec<_> = ids.map(|id| Entry::new(Uuid::from_u128(id), 0, 0)).collect();
        for (i, entry) in entries.iter().enumerate() {
            let id = entry.id.get().as_u128();
            for guess in [0, 1, 99, 150, 199, 200, usize::MAX] {
                for gap in [1, 1000, 1 << 60, u64::MAX] {
                    assert_eq!(seek(&entries, id, guess, gap), Ok(i));
                    assert_eq!(seek(&entries, id + 1, guess, gap), Err(i + 1));
                }
            }
        }
        assert_eq!(seek(&[], 0, 0, 1), Err(0));
    }
}
