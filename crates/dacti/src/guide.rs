//! A guide to a sorted run of entries that lie in memory: for evenly spread ids it leads to an
//! entry at once, as a table does that is addressed by the id itself.
//!
//! The ids' range is divided into buckets, a few entries each, and for every bucket the guide keeps
//! where its entries start. It is filled block by block, when a block is looked into for the second
//! time, after that was checked as a miss requires. It answers only what is beyond doubt, and
//! leaves the rest to the search. Threads read and fill it without locks: each of its words is true
//! by itself, and two that fill the same block write the same. Specification:
//! `docs/spec/dacti-lookup.md`, "When a miss counts".

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use dacti_index::{Encoding, Entry, GROUP_ENTRIES, GROUP_LEN, Group, GroupHeader, Located};
use dacti_lookup::{Key, Lookup};
use daicon_core::{Span, UuidLe, bytes_of, slice_at, struct_at};
use std::sync::OnceLock;
use uuid::Uuid;

/// Entries of a bucket, on average, where the guide may be as large as it likes.
const BUCKET_ENTRIES: u64 = 4;
/// Slots of a group.
const SLOTS: u32 = 255;
const _: () = assert!(GROUP_ENTRIES == SLOTS as usize);
/// Entries that are looked at one by one before the search halves what is left.
const STEPS: u32 = 8;

/// A guide to the only run of an index.
#[derive(Debug)]
pub(crate) struct Guide {
    /// The groups in front of the run, absolute, and how many they are.
    deltas: (Span, u32),
    /// The run's keys and its groups, absolute.
    keys: Span,
    run: Span,
    blocks: usize,
    /// Groups of a block.
    stride: usize,
    /// Slots of a block.
    block_slots: u32,
    buckets: Buckets,
    /// Whether somebody has looked before: one look-up needs no guide.
    asked: AtomicBool,
    filled: OnceLock<Filled>,
}

/// What is filled in as blocks are looked into.
#[derive(Debug)]
struct Filled {
    /// One more than the slot where a bucket's entries start; 0 where it is not known. A slot is an
    /// entry's number where every group has 255.
    starts: Box<[AtomicU32]>,
    /// Of each block, how often it was looked into: not, once, or so that it was filled.
    blocks: Box<[AtomicU32]>,
    /// Base and encoding of all groups so far, and whether they differ.
    common: OnceLock<(u64, Encoding)>,
    mixed: AtomicBool,
}

/// How ids fall into buckets.
#[derive(Debug, Clone, Copy)]
struct Buckets {
    count: usize,
    first: u64,
    last: u64,
    shift: u32,
    factor: u64,
}

/// What the guide says of an id.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    /// Where its stored bytes are.
    Found(Located),
    /// The run does not have it.
    Absent,
    /// Nothing, as something is not filled in: see [`Guide::block_to_fill`].
    Unknown,
    /// Nothing: search.
    Nothing,
}

impl Guide {
    /// For an index with one run, in at most `len_max` bytes.
    pub(crate) fn new(lookup: &Lookup<'_>, len_max: u64) -> Option<Self> {
        let mut runs = lookup.runs();
        let (run, None) = (runs.next()?, runs.next()) else { return None };
        let entries = u64::from(run.groups).checked_mul(u64::try_from(GROUP_ENTRIES).ok()?)?;
        // Slots are counted from 1 in 32 bits.
        u32::try_from(entries.checked_add(1)?).ok()?;
        let blocks = u64::try_from(run.keys.len()).ok()?;
        let words = (len_max / 4).checked_sub(blocks.checked_add(1)?)?;
        let buckets = usize::try_from(words.min(entries / BUCKET_ENTRIES)).ok()?;
        let deltas = lookup.groups_span(0, run.first_group);
        Some(Self {
            deltas: (deltas, run.first_group),
            keys: lookup.keys_span(),
            run: lookup.groups_span(run.first_group, run.groups),
            blocks: run.keys.len(),
            stride: usize::try_from(run.stride).ok()?,
            block_slots: run.stride.checked_mul(SLOTS)?,
            buckets: Buckets::new(buckets, run.keys)?,
            asked: AtomicBool::new(false),
            filled: OnceLock::new(),
        })
    }

    /// The groups in front of the run, absolute, and how many they are.
    pub(crate) const fn deltas(&self) -> (Span, u32) {
        self.deltas
    }

    /// The groups of the run, absolute.
    pub(crate) const fn run(&self) -> Span {
        self.run
    }

    /// Where `id` is, or that it is not there. `run` are the run's groups.
    #[inline]
    pub(crate) fn find(&self, id: Uuid, run: &[u8]) -> Told {
        let Some(filled) = self.filled.get() else { return Told::Unknown };
        let lead = lead_of(id);
        let Some((bucket, share)) = self.buckets.of(lead) else { return Told::Nothing };
        let starts = filled.starts.get(bucket..).and_then(<[_]>::first_chunk);
        let Some([from, to]) = starts else { return Told::Nothing };
        let (from, to) = (from.load(Relaxed), to.load(Relaxed));
        if from == 0 || to == 0 {
            return Told::Unknown;
        }
        // Each word is one more than the slot.
        let slots = from.wrapping_sub(1)..to.wrapping_sub(1);
        let count = to.saturating_sub(from);
        let near = u32::try_from(u64::from(count).wrapping_mul(share) >> 32).unwrap_or(0);
        let wanted = Wanted { lead, id: id.into() };
        let place = if (slots.start % SLOTS).wrapping_add(count) <= SLOTS {
            seek(run, slots.start, count, near, wanted)
        } else {
            self.seek_across(run, slots, near, wanted)
        };
        match place {
            Place::Entry(entry, slot) => self.located(filled, run, id, entry, slot),
            Place::Absent => Told::Absent,
            Place::Doubtful => Told::Nothing,
        }
    }

    /// The region of the entry in `slot`.
    #[inline]
    fn located(&self, filled: &Filled, run: &[u8], id: Uuid, entry: &Entry, slot: u32) -> Told {
        let Some((base, encoding)) = filled.common(run, slot) else { return Told::Nothing };
        let (start, overflows) = base.overflowing_add(u64::from(entry.offset.get()));
        let Some(span) = Span::new(start, u64::from(entry.size.get())).filter(|_| !overflows)
        else {
            // It names no place: the search tells.
            return Told::Nothing;
        };
        let offset = u64::try_from(slot_at(slot)).unwrap_or(u64::MAX);
        Told::Found(Located { id, span, encoding, at: self.run.start.saturating_add(offset) })
    }

    /// As [`seek`], in slots of several groups, of which each entry is found by itself.
    #[cold]
    fn seek_across<'b>(
        &self,
        run: &'b [u8],
        slots: Range<u32>,
        near: u32,
        wanted: Wanted,
    ) -> Place<'b> {
        let (mut low, mut high) = (slots.start, slots.end);
        // There may be blocks in between that nobody has checked, or slots without entries.
        let groups = low.checked_div(SLOTS).unwrap_or(0)..high.checked_div(SLOTS).unwrap_or(0);
        let full = |g| header_of(run, g).is_some_and(|header| u32::from(header.length) == SLOTS);
        if high.saturating_sub(low) > self.block_slots || !{ groups }.all(full) {
            return Place::Doubtful;
        }
        let (mut at, mut steps) = (low.saturating_add(near), 0_u32);
        while low < high {
            at = at.clamp(low, high.saturating_sub(1));
            let entry = run.get(slot_at(at)..).and_then(struct_at::<Entry>);
            let Some(entry) = entry else { return Place::Doubtful };
            let found = lead_at(entry);
            if found == wanted.lead {
                return wanted.place(entry, at);
            }
            (low, high) =
                if found < wanted.lead { (at.saturating_add(1), high) } else { (low, at) };
            steps = steps.saturating_add(1);
            at = match (steps < STEPS, found < wanted.lead) {
                (true, true) => low,
                (true, false) => high.saturating_sub(1),
                (false, _) => low.midpoint(high),
            };
        }
        Place::Absent
    }

    /// The block that is to be checked and filled in before the guide can tell of `id`: its own, or
    /// the one beside it. `None` where it was not looked into before, or is of no use. `bytes` have
    /// the run's keys, and start at file position `at`.
    #[cold]
    pub(crate) fn block_to_fill(&self, id: Uuid, bytes: &[u8], at: u64) -> Option<usize> {
        if !self.asked.swap(true, Relaxed) {
            return None;
        }
        let filled = self.filled.get_or_init(|| Filled {
            starts: (0..=self.buckets.count).map(|_| AtomicU32::new(0)).collect(),
            blocks: (0..self.blocks).map(|_| AtomicU32::new(NEW)).collect(),
            common: OnceLock::new(),
            mixed: AtomicBool::new(false),
        });
        let keys = slice_at::<Key>(self.keys.slice_of(bytes, at)?, self.blocks)?;
        let lead = lead_of(id);
        let own = keys.partition_point(|key| key.get() <= lead).checked_sub(1)?;
        match filled.blocks.get(own)?.load(Relaxed) {
            NEW => {
                filled.blocks.get(own)?.store(SEEN, Relaxed);
                None
            }
            SEEN => Some(own),
            // A bucket that lies in two blocks needs both.
            _ => [own.checked_sub(1), own.checked_add(1)].into_iter().flatten().find(|beside| {
                filled.blocks.get(*beside).is_some_and(|state| state.load(Relaxed) != DONE)
            }),
        }
    }

    /// Fills in block `block`, whose groups, and the first entry behind them, are `bytes`: they
    /// were found to be in order. `None` gives it up.
    #[cold]
    pub(crate) fn fill(&self, block: usize, bytes: Option<&[u8]>) {
        let Some(filled) = self.filled.get() else { return };
        if let Some(bytes) = bytes {
            self.fill_in(filled, block, bytes);
        }
        if let Some(state) = filled.blocks.get(block) {
            state.store(DONE, Relaxed);
        }
    }

    fn fill_in(&self, filled: &Filled, block: usize, bytes: &[u8]) -> Option<()> {
        let first_group = block.checked_mul(self.stride)?;
        // The last bucket whose start is known to be before the entry in hand. Where the first
        // block starts, all buckets up to its first entry's do.
        let mut before = if block == 0 { None } else { Some(self.bucket_of(bytes, 0)?) };
        for g in 0..self.stride {
            let Some(group) = group_of(bytes, g) else { break };
            if group.entries().is_empty() {
                break;
            }
            filled.note(&group);
            let first_slot = first_group.checked_add(g)?.checked_mul(GROUP_ENTRIES)?;
            for (i, entry) in group.entries().iter().enumerate() {
                let bucket = self.buckets.of(lead_at(entry))?.0;
                filled.start(before, bucket, first_slot.checked_add(i)?)?;
                before = Some(bucket);
            }
            let next_slot = first_slot.checked_add(group.entries().len())?;
            if next_slot == first_slot.checked_add(GROUP_ENTRIES)? {
                continue;
            }
            // Slots without entries follow. No bucket that starts before them ends with them, so
            // that they are never looked at; one that reaches over them is seen to do that. At the
            // run's end there is nothing to reach for.
            if self.is_end(first_group.checked_add(g)?) {
                break;
            }
            let behind = self.bucket_of(bytes, g.checked_add(1)?)?;
            before = Some(behind);
        }
        let end_group = first_group.checked_add(self.stride)?;
        if block.checked_add(1)? < self.blocks {
            let behind = self.bucket_of(bytes, self.stride)?;
            filled.start(before, behind, end_group.checked_mul(GROUP_ENTRIES)?)
        } else {
            let (slot, last) = self.end(bytes, first_group)?;
            filled.start(before.or(Some(last)), self.buckets.count, slot)
        }
    }

    /// Whether that is the run's last group.
    fn is_end(&self, group: usize) -> bool {
        let groups = self.run.len().checked_div(GROUP_LEN).unwrap_or(0);
        u64::try_from(group.saturating_add(1)).unwrap_or(u64::MAX) >= groups
    }

    /// The slot behind the last entry of the last block, and that entry's bucket.
    fn end(&self, bytes: &[u8], first_group: usize) -> Option<(usize, usize)> {
        let groups = usize::try_from(self.run.len().checked_div(GROUP_LEN)?).ok()?;
        let last = groups.checked_sub(1)?;
        let group = group_of(bytes, last.checked_sub(first_group)?)?;
        let entry = group.entries().last()?;
        let bucket = self.buckets.of(lead_at(entry))?.0;
        Some((last.checked_mul(GROUP_ENTRIES)?.checked_add(group.entries().len())?, bucket))
    }

    /// The bucket of the first entry of a block's group `g`.
    fn bucket_of(&self, bytes: &[u8], g: usize) -> Option<usize> {
        let slot = u32::try_from(g.checked_mul(GROUP_ENTRIES)?).ok()?;
        let entry: &Entry = struct_at(bytes.get(slot_at(slot)..)?)?;
        Some(self.buckets.of(lead_at(entry))?.0)
    }
}

/// States of a block.
const NEW: u32 = 0;
const SEEN: u32 = 1;
const DONE: u32 = 2;

impl Filled {
    /// Notes that the buckets behind `before`, up to `bucket`, start at `slot`.
    fn start(&self, before: Option<usize>, bucket: usize, slot: usize) -> Option<()> {
        let word = u32::try_from(slot).ok()?.checked_add(1)?;
        let from = before.map_or(0, |before| before.saturating_add(1));
        for start in self.starts.get(from..=bucket).unwrap_or_default() {
            start.store(word, Relaxed);
        }
        Some(())
    }

    /// Notes base and encoding of a group.
    fn note(&self, group: &Group<'_>) {
        let own = (group.base(), group.encoding());
        if *self.common.get_or_init(|| own) != own {
            self.mixed.store(true, Relaxed);
        }
    }

    /// Base and encoding of the group that has `slot`; from the group itself where they differ.
    #[inline]
    fn common(&self, run: &[u8], slot: u32) -> Option<(u64, Encoding)> {
        if !self.mixed.load(Relaxed) {
            return self.common.get().copied();
        }
        let header = header_of(run, slot.checked_div(SLOTS)?)?;
        Some((header.entries_offset.get(), Encoding::from_tag(header.encoding)))
    }
}

impl Buckets {
    /// `count` buckets for the ids of a run with these keys. `None` where there is no dividing
    /// them.
    fn new(count: usize, keys: &[Key]) -> Option<Self> {
        let (first, last) = (keys.first()?.get(), keys.last()?.get());
        // The ids behind the last key are taken to be as far apart as the others.
        let gaps = u64::try_from(keys.len()).ok()?.checked_sub(1)?;
        let gap = last.checked_sub(first)?.checked_div(gaps)?;
        let last = last.saturating_add(gap);
        let width = last.checked_sub(first).filter(|width| *width > 0 && count > 0)?;
        let shift = width.leading_zeros();
        let wide = u128::from(width << shift).checked_add(1)?;
        let factor = (u128::try_from(count).ok()? << 64).checked_div(wide)?;
        Some(Self { count, first, last, shift, factor: u64::try_from(factor).ok()? })
    }

    /// The bucket of ids that begin with `lead`, and where in it `lead` is, in 2^32 parts. `None`
    /// before the first id.
    #[inline]
    fn of(&self, lead: u64) -> Option<(usize, u64)> {
        if lead < self.first {
            return None;
        }
        let distance = lead.min(self.last).wrapping_sub(self.first) << self.shift;
        // Two numbers of 64 bits: their product has no more than 128.
        let place = u128::from(distance).wrapping_mul(u128::from(self.factor));
        let bucket = usize::try_from(place >> 64).unwrap_or(usize::MAX);
        let share = u64::try_from((place >> 32) & 0xffff_ffff).unwrap_or(0);
        Some((bucket.min(self.count.saturating_sub(1)), share))
    }
}

/// What some slots say of an id.
#[derive(Debug, Clone, Copy)]
enum Place<'b> {
    /// Its entry, in that slot.
    Entry(&'b Entry, u32),
    Absent,
    /// Others begin as it does, and may be in other slots.
    Doubtful,
}

/// An id that is looked for, as it stands in the file, and its first eight bytes.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    lead: u64,
    id: UuidLe,
}

impl Wanted {
    /// What an entry says that begins with the same bytes.
    #[inline]
    fn place(self, entry: &Entry, slot: u32) -> Place<'_> {
        if entry.id == self.id { Place::Entry(entry, slot) } else { Place::Doubtful }
    }
}

/// Looks for an id among the `count` sorted slots of `run` from `from` on, which are of one group,
/// from the one on that lies `near` behind that.
#[inline]
fn seek(run: &[u8], from: u32, count: u32, near: u32, wanted: Wanted) -> Place<'_> {
    let to_usize = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let row = run.get(slot_at(from)..).and_then(|row| slice_at::<Entry>(row, to_usize(count)));
    let Some(row) = row else { return Place::Doubtful };
    let Some((below, rest)) = row.split_at_checked(to_usize(near)) else { return Place::Doubtful };
    let mut slot = from.wrapping_add(near);
    let Some(first) = rest.first() else { return Place::Absent };
    if lead_at(first) <= wanted.lead {
        for entry in rest {
            let found = lead_at(entry);
            if found >= wanted.lead {
                return if found > wanted.lead { Place::Absent } else { wanted.place(entry, slot) };
            }
            slot = slot.wrapping_add(1);
        }
    } else {
        for entry in below.iter().rev() {
            slot = slot.wrapping_sub(1);
            let found = lead_at(entry);
            if found <= wanted.lead {
                return if found < wanted.lead { Place::Absent } else { wanted.place(entry, slot) };
            }
        }
    }
    Place::Absent
}

/// The header of a run's group.
fn header_of(run: &[u8], g: u32) -> Option<&GroupHeader> {
    let offset = u64::from(g).checked_mul(GROUP_LEN)?;
    struct_at(run.get(usize::try_from(offset).ok()?..)?)
}

fn group_of(bytes: &[u8], g: usize) -> Option<Group<'_>> {
    let offset = u64::try_from(g).ok()?.checked_mul(GROUP_LEN)?;
    Group::parse(bytes.get(usize::try_from(offset).ok()?..)?, 0).ok()
}

/// Where a slot's entry starts, from the start of its run or block.
#[inline]
fn slot_at(slot: u32) -> usize {
    let slot = usize::try_from(slot).unwrap_or(usize::MAX);
    let headers = (slot / GROUP_ENTRIES).saturating_add(1);
    size_of::<Entry>()
        .saturating_mul(slot)
        .saturating_add(size_of::<GroupHeader>().saturating_mul(headers))
}

/// The first eight bytes of an entry's id, in text order.
#[inline]
fn lead_at(entry: &Entry) -> u64 {
    let stored = bytes_of(&entry.id).first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    // Three little-endian fields: of 32, 16 and 16 bits.
    (stored << 32) | ((stored >> 16) & 0xffff_0000) | (stored >> 48)
}

/// The first eight bytes of an id.
#[inline]
fn lead_of(id: Uuid) -> u64 {
    id.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests compute small numbers of their own")]
mod tests {
    use super::{Guide, Told};
    use dacti_index::{
        Encoding, Entry, GroupHeader, IndexHeader, emit_group, emit_header, index_len,
    };
    use dacti_lookup::{Lookup, RunSpec, emit_lookup, lookup_len};
    use daicon_core::Span;
    use uuid::Uuid;

    const AT: u64 = 1000;
    const STRIDE: u32 = 3;

    /// An index of one run, its groups cut where `groups` says, its lookup region at 0.
    struct World {
        index: Vec<u8>,
        region: Vec<u8>,
        ids: Vec<(Uuid, u64)>,
    }

    impl World {
        /// `mut groups`: of base and ids.
        fn new(groups: &[(u64, Vec<Uuid>)]) -> Self {
            let count = u32::try_from(groups.len()).unwrap();
            let mut index = vec![0; usize::try_from(index_len(count)).unwrap()];
            emit_header(count, &mut index).unwrap();
            let mut all = Vec::new();
            let bytes = &mut index[size_of::<IndexHeader>()..];
            for ((base, ids), out) in groups.iter().zip(bytes.chunks_exact_mut(6136)) {
                let entries: Vec<_> =
                    { (0..).zip(ids) }.map(|(i, id)| Entry::new(*id, i * 10, 7)).collect();
                let length = u8::try_from(ids.len()).unwrap();
                let header = GroupHeader::new(*base, Encoding::NONE, length);
                emit_group(&header, &entries, out).unwrap();
                all.extend(ids.iter().zip(0_u64..).map(|(id, i)| (*id, base + i * 10)));
            }
            let runs = [RunSpec { first_group: 0, groups: count }];
            let mut region = vec![0; usize::try_from(lookup_len(&runs, STRIDE)).unwrap()];
            let first = |g: u32| groups[usize::try_from(g).unwrap()].1[0];
            emit_lookup(AT, &runs, STRIDE, first, &mut region).unwrap();
            Self { index, region, ids: all }
        }

        /// Asks for every id, and those beside it, until the guide knows what it can. Returns how
        /// many of the last round it knew, of how many.
        fn ask(&self, len_max: u64) -> (usize, usize) {
            let lookup = Lookup::parse(&self.region, 0).unwrap();
            // Ids that all begin alike have none.
            let Some(guide) = Guide::new(&lookup, len_max) else { return (0, 0) };
            let slice = |span: Span| span.slice_of(&self.index, AT).unwrap();
            let run = slice(guide.run());
            let mut told = (0, 0);
            for round in 0..3 {
                for (id, start) in &self.ids {
                    for near in [-1, 0, 1] {
                        let near = Uuid::from_u128(id.as_u128().wrapping_add_signed(near));
                        let expected = match self.ids.binary_search_by_key(&near, |(id, _)| *id) {
                            Ok(i) => Some(self.ids[i].1),
                            Err(_) => None,
                        };
                        assert!(near != *id || expected == Some(*start));
                        let mut found = guide.find(near, run);
                        while let Told::Unknown = found {
                            let Some(block) = guide.block_to_fill(near, &self.region, 0) else {
                                break;
                            };
                            let bytes = slice(lookup.block_span(block).unwrap());
                            lookup.check_block(block, bytes).unwrap();
                            guide.fill(block, Some(bytes));
                            found = guide.find(near, run);
                        }
                        let knows = match found {
                            Told::Found(located) => {
                                assert_eq!(
                                    (located.id, Some(located.span.start)),
                                    (near, expected)
                                );
                                assert_eq!(located.span.len(), 7);
                                let at = usize::try_from(located.at - AT).unwrap();
                                assert_eq!(self.index[at..at + 16], near.to_bytes_le());
                                true
                            }
                            Told::Absent => {
                                assert_eq!(expected, None, "{near}");
                                true
                            }
                            Told::Unknown | Told::Nothing => false,
                        };
                        if round == 2 {
                            told = (told.0 + usize::from(knows), told.1 + 1);
                        }
                    }
                }
            }
            told
        }
    }

    fn full_groups(base: u64, ids: &[Uuid]) -> Vec<(u64, Vec<Uuid>)> {
        ids.chunks(255).map(|ids| (base, ids.to_vec())).collect()
    }

    /// Ids that look random, ascending.
    fn spread(count: u64) -> Vec<Uuid> {
        let id = |n: u64| {
            let lead = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Uuid::from_u64_pair(lead, lead.rotate_left(17))
        };
        let mut ids: Vec<_> = (1..=count).map(id).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn spread_ids_are_found_and_missed_without_a_search() {
        // spec: R-LKP-12
        // Beside an id stands one that begins as it does: a miss of it is for the search to prove.
        for len_max in [1 << 19, 600] {
            let (knew, of) = World::new(&full_groups(50, &spread(5000))).ask(len_max);
            assert_eq!(of, 15_000);
            assert!(knew >= 5000, "{knew} of {of} in {len_max}");
        }
        let ids: Vec<_> = (1..=3000_u64).map(|n| Uuid::from_u64_pair(n << 44, 1 << 63)).collect();
        let (knew, of) = World::new(&full_groups(50, &ids)).ask(1 << 19);
        assert!(knew >= 3000, "{knew} of {of}");
    }

    #[test]
    fn whatever_the_ids_the_guide_tells_nothing_wrong() {
        // spec: R-LKP-12
        let sequential = (1..=2000_u128).map(Uuid::from_u128).collect::<Vec<_>>();
        let pair = |n| Uuid::from_u64_pair((n / 2) << 40, n);
        let pairs = (1..=2000_u64).map(pair).collect::<Vec<_>>();
        let times = (0..2000_u64).map(|n| {
            Uuid::from_u64_pair((0x0192_0000_0000 + n * n) << 16 | 0x7abc, n.rotate_right(9))
        });
        let clustered = (0..2000_u64).map(|n| {
            let lead = if n < 1990 { n << 8 } else { u64::MAX - ((2000 - n) << 50) };
            Uuid::from_u64_pair(lead, n)
        });
        for ids in [sequential, pairs, times.collect(), clustered.collect()] {
            assert!(ids.is_sorted());
            World::new(&full_groups(50, &ids)).ask(1 << 19);
        }
    }

    #[test]
    fn groups_with_room_and_bases_of_their_own_are_told_apart() {
        let ids = spread(4000);
        // An id range ends in the second, the fourth and the seventh group.
        let mut groups = Vec::new();
        let mut rest = &ids[..];
        for (g, take) in [255, 100, 255, 3, 255, 255, 1].into_iter().cycle().enumerate() {
            let (ids, behind) = rest.split_at(take.min(rest.len()));
            if ids.is_empty() {
                break;
            }
            groups.push((u64::try_from(g / 2).unwrap() << 33, ids.to_vec()));
            rest = behind;
        }
        let (knew, of) = World::new(&groups).ask(1 << 19);
        assert!(knew > 3000, "{knew} of {of}");
    }

    #[test]
    fn what_cannot_be_guided_is_not() {
        let world = World::new(&full_groups(50, &spread(300)));
        let lookup = Lookup::parse(&world.region, 0).unwrap();
        assert!(Guide::new(&lookup, 0).is_none(), "no room");
        let same = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let world = World::new(&full_groups(50, &same));
        let lookup = Lookup::parse(&world.region, 0).unwrap();
        assert!(Guide::new(&lookup, 1 << 19).is_none(), "nothing to divide ids by");
    }

    #[test]
    fn a_block_that_is_given_up_is_left_to_the_search() {
        let world = World::new(&full_groups(50, &spread(300)));
        let lookup = Lookup::parse(&world.region, 0).unwrap();
        let guide = Guide::new(&lookup, 1 << 19);
        // One block, so one key, and nothing to divide ids by.
        assert!(guide.is_none());
        let world = World::new(&full_groups(50, &spread(1500)));
        let lookup = Lookup::parse(&world.region, 0).unwrap();
        let guide = Guide::new(&lookup, 1 << 19).expect("there is room");
        let run = guide.run().slice_of(&world.index, AT).unwrap();
        let id = world.ids[9].0;
        for _ in 0..4 {
            assert!(matches!(guide.find(id, run), Told::Unknown));
            while let Some(block) = guide.block_to_fill(id, &world.region, 0) {
                guide.fill(block, None);
            }
        }
    }
}
