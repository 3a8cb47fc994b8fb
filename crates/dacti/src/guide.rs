//! A guide to a sorted run of entries that lie in memory: for evenly spread ids it leads to an
//! entry at once, as a table does that is addressed by the id itself.
//!
//! The ids' range is divided into buckets, a few entries each. Of every bucket the guide keeps
//! where its entries are and a byte of each id's hash, in 16 bytes: so nearly every miss is told
//! without a look at the entries, and a hit looks at one. Buckets are made block by block, when a
//! block is looked into for the second time, after that was checked as a miss requires. The guide
//! answers only what is beyond doubt, and leaves the rest to the search. Threads read and fill it
//! without locks; two that fill the same bucket write the same. Specification:
//! `docs/spec/dacti-lookup.md`, "When a miss counts".

use core::cmp::Ordering;
use core::ops::Range;
use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use dacti_index::{Encoding, Entry, GROUP_ENTRIES, GROUP_LEN, Group, GroupHeader, Located};
use dacti_lookup::{Key, Lookup};
use daicon_core::{Span, bytes_of, slice_at, struct_at};
use std::sync::OnceLock;
use uuid::Uuid;

/// Entries of a bucket, on average, where the guide may be as large as it likes.
const BUCKET_ENTRIES: u64 = 3;
/// Entries of a bucket that have a byte of their own.
const TAGS: u32 = 8;
/// Buckets that are allocated at once: 16 KiB.
const SEGMENT: usize = 1024;
/// Slots of a group.
const SLOTS: u32 = 255;
const _: () = assert!(GROUP_ENTRIES == SLOTS as usize);

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
    spread: Spread,
    /// Whether somebody has looked before: one look-up needs no guide.
    asked: AtomicBool,
    filled: OnceLock<Filled>,
}

/// What is filled in as blocks are looked into.
#[derive(Debug)]
struct Filled {
    /// The buckets, [`SEGMENT`] of them together.
    segments: Box<[OnceLock<Box<[Bucket]>>]>,
    /// How many there are.
    buckets: usize,
    /// Of each block, how far it is known.
    blocks: Box<[AtomicU8]>,
    /// Base and encoding of all groups so far, and whether they differ.
    common: OnceLock<(u64, Encoding)>,
    mixed: AtomicBool,
}

/// Some neighbouring entries. A slot is an entry's number where every group has 255.
#[derive(Debug, Default)]
#[repr(align(16))]
struct Bucket {
    /// A byte of each of the first [`TAGS`] ids, none of them 0; written first.
    tags: AtomicU64,
    /// The first slot and, in the upper half, one more than the number of entries; 0 where neither
    /// is known, and [`LEFT`] where the search is to look.
    place: AtomicU64,
}

/// Of a bucket: its entries stand in more places than one.
const LEFT: u64 = u64::MAX << 32;

/// How ids fall into buckets.
#[derive(Debug, Clone, Copy)]
struct Spread {
    count: usize,
    first: u64,
    last: u64,
    shift: u32,
    factor: u64,
}

/// What the guide says of an id.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    /// In which slot its entry is.
    Found(u32),
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
        // Slots are counted in 32 bits, and the most that they can be means something else.
        u32::try_from(entries.checked_add(1)?).ok()?;
        let blocks = u64::try_from(run.keys.len()).ok()?;
        let bucket_len = u64::try_from(size_of::<Bucket>()).ok()?;
        let buckets = len_max.checked_sub(blocks)?.checked_div(bucket_len)?;
        let buckets = usize::try_from(buckets.min(entries / BUCKET_ENTRIES)).ok()?;
        let deltas = lookup.groups_span(0, run.first_group);
        Some(Self {
            deltas: (deltas, run.first_group),
            keys: lookup.keys_span(),
            run: lookup.groups_span(run.first_group, run.groups),
            blocks: run.keys.len(),
            stride: usize::try_from(run.stride).ok()?,
            spread: Spread::new(buckets, run.keys)?,
            asked: AtomicBool::new(false),
            filled: OnceLock::new(),
        })
    }

    /// The groups in front of the run, absolute, and how many they are.
    pub(crate) const fn deltas(&self) -> (Span, u32) {
        self.deltas
    }

    /// The groups of the run, absolute.
    #[inline]
    pub(crate) const fn run(&self) -> Span {
        self.run
    }

    /// Where `id` is, or that it is not there. `run` are the run's groups.
    ///
    /// One look-up is to run ahead while another waits for memory, so what decides here is seldom
    /// decided otherwise, and everything stays in registers.
    #[inline]
    pub(crate) fn find(&self, id: Uuid, run: &[u8]) -> Told {
        let Some(filled) = self.filled.get() else { return Told::Unknown };
        let wanted = Wanted::new(id);
        let Some(bucket) = self.spread.bucket_of(wanted.lead) else { return Told::Nothing };
        let Some(bucket) = filled.bucket(bucket) else { return Told::Unknown };
        let place = bucket.place.load(Acquire);
        let [first, count] = halves(place);
        // What is not known is past all counts, too.
        if count.wrapping_sub(1) > TAGS {
            return far(run, place, id.as_u128());
        }
        let mut alike = zeros(bucket.tags.load(Relaxed) ^ wanted.tags);
        while alike != 0 {
            let slot = first.wrapping_add(alike.trailing_zeros() / 8);
            let Some(entry) = entry_at(run, slot) else { return Told::Nothing };
            if wanted.is(entry) {
                return Told::Found(slot);
            }
            alike &= alike.wrapping_sub(1);
        }
        Told::Absent
    }

    /// The region of the entry in `slot`; `None` where it names no place, for the search to tell.
    #[inline]
    pub(crate) fn located(&self, id: Uuid, run: &[u8], slot: u32) -> Option<Located> {
        let entry = entry_at(run, slot)?;
        let (base, encoding) = self.filled.get()?.common(run, slot)?;
        let start = base.checked_add(entry.offset.get().into())?;
        let span = Span::new(start, entry.size.get().into())?;
        let at = self.run.start.checked_add(u64::try_from(slot_at(slot)).ok()?)?;
        Some(Located { id, span, encoding, at })
    }

    /// The block that is to be checked and filled in before the guide can tell of `id`: its own, or
    /// the one beside it. `None` where it was not looked into before, or is of no use. `bytes` have
    /// the run's keys, and start at file position `at`.
    #[cold]
    pub(crate) fn block_to_fill(&self, id: Uuid, bytes: &[u8], at: u64) -> Option<usize> {
        if !self.asked.swap(true, Relaxed) {
            return None;
        }
        let filled = self.filled.get_or_init(|| Filled::new(self.spread.count, self.blocks));
        let keys = slice_at::<Key>(self.keys.slice_of(bytes, at)?, self.blocks)?;
        let lead = lead_of(id);
        let own = keys.partition_point(|key| key.get() <= lead).checked_sub(1)?;
        match filled.state(own)? {
            NEW => {
                filled.blocks.get(own)?.store(SEEN, Relaxed);
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
        let Some(filled) = self.filled.get() else { return };
        let filled_in = run.and_then(|run| self.fill_between(filled, block, run));
        let Some(state) = filled.blocks.get(block) else { return };
        let (Some(run), Some(())) = (run, filled_in) else { return state.store(GIVEN_UP, SeqCst) };
        // Of two threads that fill neighbours at once, one sees that the other's is filled.
        state.store(FILLED, SeqCst);
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
            return filled.set(bucket, 0, LEFT);
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
            let own = self.spread.bucket_of(lead_at(entry))?;
            if own < bucket {
                continue;
            }
            while bucket < own.min(buckets.end) {
                filled.set(bucket, some.tags, some.place())?;
                (bucket, some) = (bucket.checked_add(1)?, Gathered::default());
            }
            if own >= buckets.end {
                return Some(());
            }
            some.push(slot, entry);
        }
        for bucket in bucket..buckets.end {
            filled.set(bucket, some.tags, some.place())?;
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
        let slot = block.checked_mul(self.stride)?.checked_mul(GROUP_ENTRIES)?;
        self.spread.bucket_of(lead_at(entry_at(run, u32::try_from(slot).ok()?)?))
    }
}

/// States of a block: nobody has looked into it, one look-up has, it was checked and filled in, or
/// it is not in order.
const NEW: u8 = 0;
const SEEN: u8 = 1;
const FILLED: u8 = 2;
const GIVEN_UP: u8 = 3;

impl Filled {
    fn new(buckets: usize, blocks: usize) -> Self {
        Self {
            segments: (0..buckets.div_ceil(SEGMENT)).map(|_| OnceLock::new()).collect(),
            buckets,
            blocks: (0..blocks).map(|_| AtomicU8::new(NEW)).collect(),
            common: OnceLock::new(),
            mixed: AtomicBool::new(false),
        }
    }

    fn state(&self, block: usize) -> Option<u8> {
        Some(self.blocks.get(block)?.load(SeqCst))
    }

    #[inline]
    fn bucket(&self, bucket: usize) -> Option<&Bucket> {
        self.segments.get(bucket / SEGMENT)?.get()?.get(bucket % SEGMENT)
    }

    /// Sets what is known of a bucket.
    fn set(&self, bucket: usize, tags: u64, place: u64) -> Option<()> {
        let number = bucket / SEGMENT;
        let left = self.buckets.saturating_sub(number.saturating_mul(SEGMENT));
        let new = || (0..left.min(SEGMENT)).map(|_| Bucket::default()).collect();
        let bucket = self.segments.get(number)?.get_or_init(new).get(bucket % SEGMENT)?;
        bucket.tags.store(tags, Relaxed);
        bucket.place.store(place, Release);
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

/// The entries of a bucket while they are gathered.
#[derive(Debug, Default)]
struct Gathered {
    first: u32,
    count: u32,
    tags: u64,
    /// Whether there are slots between them that are none of theirs.
    is_apart: bool,
}

impl Gathered {
    fn push(&mut self, slot: u32, entry: &Entry) {
        if self.count == 0 {
            self.first = slot;
        }
        self.is_apart |= self.first.saturating_add(self.count) != slot;
        if self.count < TAGS {
            let shift = self.count.saturating_mul(8);
            self.tags |= Wanted::of(entry).tag() << shift;
        }
        self.count = self.count.saturating_add(1);
    }

    fn place(&self) -> u64 {
        if self.is_apart {
            return LEFT;
        }
        u64::from(self.count.saturating_add(1)) << 32 | u64::from(self.first)
    }
}

impl Spread {
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

    /// The bucket of ids that begin with `lead`. `None` before the first id.
    #[inline]
    fn bucket_of(&self, lead: u64) -> Option<usize> {
        if lead < self.first {
            return None;
        }
        let distance = lead.min(self.last).wrapping_sub(self.first) << self.shift;
        // Two numbers of 64 bits: their product has no more than 128.
        let place = u128::from(distance).wrapping_mul(u128::from(self.factor)) >> 64;
        let bucket = usize::try_from(place).unwrap_or(usize::MAX);
        Some(bucket.min(self.count.saturating_sub(1)))
    }
}

/// An id that is looked for.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    /// Its first eight bytes, in text order.
    lead: u64,
    /// All of it, as it stands in the file.
    stored: [u64; 2],
    /// The byte of its hash, eight times over.
    tags: u64,
}

impl Wanted {
    #[inline]
    fn new(id: Uuid) -> Self {
        let lead = lead_of(id);
        let tail = id.as_bytes().last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self::stored([stored_lead(lead), tail], lead)
    }

    #[inline]
    fn of(entry: &Entry) -> Self {
        Self::stored(stored_id(entry), lead_at(entry))
    }

    #[inline]
    fn stored(stored: [u64; 2], lead: u64) -> Self {
        // Fibonacci hashing: wherever ids differ, the product's top byte does.
        let [one, other] = stored;
        let hash = (one ^ other).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        Self { lead, stored, tags: hash.max(1).wrapping_mul(0x0101_0101_0101_0101) }
    }

    /// The byte of its hash.
    fn tag(&self) -> u64 {
        self.tags & 0xff
    }

    #[inline]
    fn is(&self, entry: &Entry) -> bool {
        stored_id(entry) == self.stored
    }
}

/// The lower and the upper half.
#[inline]
fn halves(word: u64) -> [u32; 2] {
    [word & 0xffff_ffff, word >> 32].map(|half| u32::try_from(half).unwrap_or(u32::MAX))
}

/// The top bit of each byte that is zero, and of some above the first such.
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
}

/// Looks for an id, given as a number, in a bucket with more entries than tags, or of which nothing
/// is known.
#[inline(never)]
fn far(run: &[u8], place: u64, id: u128) -> Told {
    if place == 0 {
        return Told::Unknown;
    }
    if place == LEFT {
        return Told::Nothing;
    }
    let [mut low, count] = halves(place);
    let mut high = low.saturating_add(count.saturating_sub(1));
    while low < high {
        let middle = low.midpoint(high);
        let Some(entry) = entry_at(run, middle) else { return Told::Nothing };
        match entry.id.get().as_u128().cmp(&id) {
            Ordering::Less => low = middle.saturating_add(1),
            Ordering::Equal => return Told::Found(middle),
            Ordering::Greater => high = middle,
        }
    }
    Told::Absent
}

/// The header of a run's group.
fn header_of(run: &[u8], g: u32) -> Option<&GroupHeader> {
    let offset = u64::from(g).checked_mul(GROUP_LEN)?;
    struct_at(run.get(usize::try_from(offset).ok()?..)?)
}

fn group_of(run: &[u8], g: usize) -> Option<Group<'_>> {
    let offset = u64::try_from(g).ok()?.checked_mul(GROUP_LEN)?;
    Group::parse(run.get(usize::try_from(offset).ok()?..)?, 0).ok()
}

/// The entry in a slot of a run.
#[inline]
fn entry_at(run: &[u8], slot: u32) -> Option<&Entry> {
    struct_at(run.get(slot_at(slot)..)?)
}

/// Where a slot's entry starts, from the start of its run.
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
    let [stored, _] = stored_id(entry);
    // Three little-endian fields: of 32, 16 and 16 bits.
    (stored << 32) | ((stored >> 16) & 0xffff_0000) | (stored >> 48)
}

/// The first eight bytes of an id in text order, as they stand in the file.
#[inline]
fn stored_lead(lead: u64) -> u64 {
    (lead >> 32) | ((lead & 0xffff_0000) << 16) | (lead << 48)
}

/// An entry's id, as it stands in the file.
#[inline]
fn stored_id(entry: &Entry) -> [u64; 2] {
    let bytes = bytes_of(&entry.id);
    let number = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    [number(bytes.first_chunk()), number(bytes.last_chunk())]
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
                            guide.fill(block, Some(run));
                            found = guide.find(near, run);
                        }
                        let knows = match found {
                            Told::Found(slot) => {
                                let located = guide.located(near, run, slot).unwrap();
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
        // With little room there are more entries in a bucket than it has bytes for.
        for len_max in [1 << 19, 600] {
            let (knew, of) = World::new(&full_groups(50, &spread(5000))).ask(len_max);
            assert_eq!((knew, of), (15_000, 15_000), "in {len_max}");
        }
        let ids: Vec<_> = (1..=3000_u64).map(|n| Uuid::from_u64_pair(n << 44, 1 << 63)).collect();
        assert_eq!(World::new(&full_groups(50, &ids)).ask(1 << 19), (9000, 9000));
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
    fn ids_whose_bytes_are_alike_are_told_apart() {
        // spec: R-LKP-12
        // The hash is of the sum of both halves, which is the same in all of these.
        let alike = |n: u64| {
            let lead = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let fields = [lead >> 32, (lead >> 16) & 0xffff, lead & 0xffff];
            let stored = fields[0] | fields[1] << 32 | fields[2] << 48;
            Uuid::from_u64_pair(lead, (stored ^ 0x1234).swap_bytes())
        };
        let mut ids: Vec<_> = (1..=4000).map(alike).collect();
        ids.sort_unstable();
        let world = World::new(&full_groups(50, &ids));
        assert_eq!(world.ask(1 << 19), (12_000, 12_000));
        let run: Vec<_> = ids.iter().map(|id| super::Wanted::new(*id).tag()).collect();
        assert!(run.iter().all(|tag| *tag == run[0]), "they are not what this is about");
    }

    #[test]
    fn a_guide_grows_where_it_is_asked_and_no_further_than_its_limit() {
        // 60,000 entries have 20,000 buckets of 16 bytes at best, in pieces of 1,024.
        let world = World::new(&full_groups(50, &spread(60_000)));
        let lookup = Lookup::parse(&world.region, 0).unwrap();
        for (len_max, pieces) in [(1 << 20, 20), (1 << 16, 4), (1 << 14, 1)] {
            let guide = Guide::new(&lookup, len_max).unwrap();
            let run = guide.run().slice_of(&world.index, AT).unwrap();
            let len = |guide: &Guide| {
                let filled = guide.filled.get().unwrap();
                let there = filled.segments.iter().filter_map(|segment| segment.get());
                let there: Vec<_> = there.map(|buckets| buckets.len()).collect();
                (there.len(), there.iter().sum::<usize>() as u64 * 16)
            };
            let fill = |block| guide.fill(block, Some(run));
            assert!(guide.block_to_fill(world.ids[0].0, &world.region, 0).is_none());
            assert!(guide.block_to_fill(world.ids[0].0, &world.region, 0).is_none());
            fill(0);
            assert!(len(&guide).0 <= 1, "one block, one piece");
            (1..guide.blocks).for_each(fill);
            assert_eq!(len(&guide).0, pieces);
            assert!(len(&guide).1 <= len_max);
            for (id, _) in world.ids.iter().step_by(7) {
                assert!(matches!(guide.find(*id, run), Told::Found(_)));
            }
        }
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
