//! A guide to a sorted run in memory: a table with one slot for each value of the leading bits of
//! an id. A slot leads to the entries whose ids begin with these bits.
//!
//! One pass over the run builds the guide. This pass also checks the whole run, which is required
//! before a look-up may report that an id is missing. So a guide also answers misses. No guide is
//! built for a run that is out of order or has removals, or for ids that are not spread evenly.
//! Specification: `docs/spec/dacti-lookup.md`, "When a miss counts".

use crate::fetch::source::Lent;
use dacti_index::{
    Encoding, Entry, GROUP_ENTRIES, GROUP_HEADER_LEN, GROUP_LEN, Group, GroupHeader,
    INDEX_ENTRY_LEN, Located,
};
use dacti_lookup::{Lookup, Run};
use daicon_core::{Span, UuidLe, struct_at};
use uuid::Uuid;

/// The number of entries that are compared at once. These comparisons do not depend on each other,
/// so the processor can begin the next look-up while it loads these entries from memory.
const AT_ONCE: u32 = 4;
/// The maximum number of entries that a slot may have for a look-up by the guide. In a slot with
/// more entries, a search by fences is faster.
const COMPARED_MAX: u32 = 16;
/// The number of searches before a guide is built is the number of the run's places divided by this
/// number. For example, a run of 1,600 places gets its guide after 100 searches. By then, the
/// searches together have taken about as much time as it takes to build the guide.
const ENTRIES_PER_SEARCH: u32 = 16;
/// The number of places in a group. A place has room for one entry, and is used or free.
const PLACES: u32 = 255;
const _: () = assert!(GROUP_ENTRIES == PLACES as usize);

/// A guide to the only run of an index.
#[derive(Debug)]
pub(crate) struct Guide {
    lent: Lent,
    /// Where the run starts, absolute. `run_in_lent` is the same position in the lent bytes.
    run_at: u64,
    run_in_lent: usize,
    file_len: u64,
    /// The number of leading bits that all ids of the run share. The bits that follow them are the
    /// number of an id's slot.
    shared_bits: u32,
    shift: u32,
    /// One number for each slot. The low bits of this number hold the place of the slot's first
    /// entry, and the high bits hold a filter of the slot's ids. The entries of a slot end where
    /// those of the next slot begin.
    slots: Box<[u32]>,
    place_bits: u32,
    /// The place where the entries of the last slot end.
    end: u32,
    /// The base and the encoding that all groups share. `None` if they differ, or if a group before
    /// the last is not full.
    even: Option<(u64, Encoding)>,
}

impl Guide {
    /// Returns the number of searches after which a guide is worth its cost. `None` if there can be
    /// no guide, because the index is not one run in lent bytes.
    pub(crate) fn pays_from(lookup: &Lookup<'_>, lent: &Lent) -> Option<u32> {
        let (_, span, places) = only_run(lookup)?;
        lent.slice(span)?;
        places.checked_div(ENTRIES_PER_SEARCH)
    }

    /// Builds a guide of at most `len_max` bytes for a file of `file_len` bytes. Returns `None` if
    /// no guide can be built for the run.
    pub(crate) fn build(
        lookup: &Lookup<'_>,
        lent: &Lent,
        file_len: u64,
        len_max: u64,
    ) -> Option<Self> {
        let (run, span, places) = only_run(lookup)?;
        let groups = lent.slice(span)?.chunks_exact(usize::try_from(GROUP_LEN).ok()?);
        let groups = groups.map(|bytes| Group::parse(bytes, span.start).ok());
        let groups = groups.collect::<Option<Vec<_>>>()?;
        if groups.iter().any(|group| group.encoding() == Encoding::GONE) {
            return None;
        }
        let (first, last) = (groups.first()?, groups.last()?);
        let end = |group: Option<&Entry>| Some(lead_of(group?.id.get()));
        let shared = end(first.entries().first())? ^ end(last.entries().last())?;
        let slots_max = u32::try_from(len_max / 4).unwrap_or(u32::MAX);
        // The number of slots is chosen so that a slot has one or two entries. The slots for a
        // million entries fit into a core's cache.
        let slots = (places / 2).checked_next_power_of_two()?.min(slots_max);
        let slot_bits = slots.checked_ilog2()?;
        if slot_bits == 0 || places >> slot_bits > COMPARED_MAX {
            return None;
        }
        let shift = 64_u32.checked_sub(slot_bits)?;
        let unused = GROUP_ENTRIES.checked_sub(last.entries().len())?;
        let mut guide = Self {
            lent: lent.clone(),
            run_at: span.start,
            run_in_lent: usize::try_from(span.start.checked_sub(lent.at())?).ok()?,
            file_len,
            shared_bits: shared.leading_zeros().min(shift),
            shift,
            slots: vec![0; 1_usize.checked_shl(slot_bits)?].into(),
            place_bits: places.checked_ilog2()?.checked_add(1)?,
            end: places.checked_sub(u32::try_from(unused).ok()?)?,
            even: is_even(&groups).then_some((first.base(), first.encoding())),
        };
        let (mut place, mut slot) = (0_u32, 0_usize);
        for (n, block) in groups.chunks(usize::try_from(run.stride).ok()?).enumerate() {
            lookup.check_block(n, lent.slice(lookup.block_span(n)?)?).ok()?;
            for group in block {
                // Free places have numbers, too. So the next group starts 255 places after this
                // one.
                for (entry, place) in group.entries().iter().zip(place..) {
                    slot = guide.take(entry.id.get(), place, slot)?;
                }
                place = place.checked_add(PLACES)?;
            }
        }
        guide.slots.get_mut(slot..)?.fill(guide.end);
        Some(guide)
    }

    /// Records the next entry of the run. Its place becomes the start of its own slot, and of the
    /// empty slots before its own. `slot` is the first slot that has no start yet. Returns the
    /// first slot that has no start after this call.
    fn take(&mut self, id: Uuid, place: u32, slot: usize) -> Option<usize> {
        let (own, bit) = (self.slot_of(id), self.filter_bit(id));
        // If the previous entry is in the same slot, the slot already has a start, and this range
        // is empty.
        self.slots.get_mut(slot..=own)?.fill(place);
        *self.slots.get_mut(own)? |= bit;
        own.checked_add(1)
    }

    /// Finds `id` in the run. Returns `None` if the guide cannot tell, so that a search by fences
    /// is needed.
    #[expect(clippy::option_option, reason = "known to be there, known to be absent, or unknown")]
    #[inline]
    pub(crate) fn find(&self, id: Uuid) -> Option<Option<Located>> {
        let slot = self.slot_of(id);
        let own = *self.slots.get(slot)?;
        if own & self.filter_bit(id) == 0 {
            return Some(None);
        }
        let place_mask = !u32::MAX.wrapping_shl(self.place_bits);
        let next = *self.slots.get(slot.wrapping_add(1)).unwrap_or(&self.end);
        let (mut place, end) = (own & place_mask, next & place_mask);
        let wanted = UuidLe::new(id);
        while end.wrapping_sub(place) <= COMPARED_MAX {
            let mut equal = 0_u32;
            for i in 0..AT_ONCE {
                let is_equal = |entry: &Entry| entry.id == wanted;
                let entry = self.entry(place.wrapping_add(i));
                equal |= u32::from(entry.is_some_and(is_equal)).wrapping_shl(i);
            }
            let left = end.wrapping_sub(place);
            // Places after the last entry may hold any bytes, so the results for these places are
            // cleared.
            equal &= !u32::MAX.wrapping_shl(left.min(AT_ONCE));
            if equal != 0 {
                return self.located(id, place.wrapping_add(equal.trailing_zeros())).map(Some);
            }
            if left <= AT_ONCE {
                return Some(None);
            }
            place = place.wrapping_add(AT_ONCE);
        }
        None
    }

    /// Returns the region of the entry at `place`. `None` if the region extends past the file's
    /// end, or the group has no such entry.
    #[inline]
    fn located(&self, id: Uuid, place: u32) -> Option<Located> {
        let entry = self.entry(place)?;
        let (base, encoding) = match self.even {
            Some(even) => even,
            None => self.group_of(place)?,
        };
        let start = base.checked_add(entry.offset.get().into())?;
        let end = start.checked_add(entry.size.get().into())?;
        let at = self.run_at.wrapping_add(u64::try_from(offset_of(place)).ok()?);
        (end <= self.file_len).then_some(Located { id, span: Span { start, end }, encoding, at })
    }

    /// Returns the base and the encoding of the group that contains `place`, if that place is used.
    #[cold]
    fn group_of(&self, place: u32) -> Option<(u64, Encoding)> {
        let first = place.checked_sub(place % PLACES)?;
        let header_len = usize::try_from(GROUP_HEADER_LEN).ok()?;
        let at = self.run_in_lent.checked_add(offset_of(first))?.checked_sub(header_len)?;
        let header: &GroupHeader = struct_at(self.lent.bytes().get(at..)?)?;
        let is_used = place % PLACES < u32::from(header.length);
        let encoding = Encoding::from_tag(header.encoding);
        is_used.then_some((header.base.get(), encoding))
    }

    #[inline]
    fn entry(&self, place: u32) -> Option<&Entry> {
        struct_at(self.lent.bytes().get(self.run_in_lent.wrapping_add(offset_of(place))..)?)
    }

    #[inline]
    fn slot_of(&self, id: Uuid) -> usize {
        let bits = lead_of(id).wrapping_shl(self.shared_bits).wrapping_shr(self.shift);
        usize::try_from(bits).unwrap_or(usize::MAX)
    }

    /// Returns the bit of the filter that the last 32 bits of an id select.
    #[inline]
    fn filter_bit(&self, id: Uuid) -> u32 {
        let tail = id.as_bytes().last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let bits = u64::from(32_u32.wrapping_sub(self.place_bits));
        // The product's upper half is less than `bits`, which is at most 32.
        let bit = u64::from(tail).wrapping_mul(bits) >> 32;
        1_u32.wrapping_shl(self.place_bits).wrapping_shl(u32::try_from(bit).unwrap_or(0))
    }
}

/// Returns the run, the span of its groups and the number of its places; `None` unless there is
/// exactly one run.
fn only_run<'l>(lookup: &Lookup<'l>) -> Option<(Run<'l>, Span, u32)> {
    let mut runs = lookup.runs();
    let (run, None) = (runs.next()?, runs.next()) else { return None };
    let span = lookup.groups_span(run.first_group, run.groups);
    Some((run, span, run.groups.checked_mul(PLACES)?))
}

/// Returns whether all groups have the same base and encoding, and all groups but the last are
/// full.
fn is_even(groups: &[Group<'_>]) -> bool {
    let alike = |a: &Group<'_>, b: &Group<'_>| a.base() == b.base() && a.encoding() == b.encoding();
    let is_full = |group: &Group<'_>| group.entries().len() == GROUP_ENTRIES;
    groups.iter().zip(groups.iter().skip(1)).all(|(a, b)| alike(a, b) && is_full(a))
}

/// Returns the first 64 bits of an id, in text order.
#[inline]
fn lead_of(id: Uuid) -> u64 {
    id.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Returns the start of the entry at `place`, counted from the run's start.
#[inline]
fn offset_of(place: u32) -> usize {
    let entries = u64::from(place).wrapping_mul(INDEX_ENTRY_LEN);
    let headers = u64::from(place / PLACES).wrapping_add(1).wrapping_mul(GROUP_HEADER_LEN);
    usize::try_from(entries.wrapping_add(headers)).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "the numbers in tests are small")]
mod tests;
