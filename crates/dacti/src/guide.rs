//! A guide to a sorted run of entries that lie in memory: for evenly spread ids it leads to an
//! entry at once, as a table does that is addressed by the id itself.
//!
//! The ids' range is divided into buckets, a few entries each, and for every bucket the guide keeps
//! where its entries start. It is filled block by block, when a block is looked into for the second
//! time, after that was checked as a miss requires. It answers only what is beyond doubt, and
//! leaves the rest to the search. Threads read and fill it without locks: each of its words is true
//! by itself, and two that fill the same block write the same. Specification:
//! `docs/spec/dacti-lookup.md`, "When a miss counts".

use core::cmp::Ordering;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use dacti_index::{Encoding, Entry, GROUP_ENTRIES, GROUP_LEN, Group, GroupHeader, Located};
use dacti_lookup::{Answer, Key, Lookup};
use daicon_core::{Span, slice_at, struct_at};
use std::sync::OnceLock;
use uuid::Uuid;

/// Entries of a bucket, on average, where the guide may be as large as it likes.
const BUCKET_ENTRIES: u64 = 4;
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
    /// What a search would answer.
    Answer(Answer),
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
        let wanted = id.as_u128();
        let lead = lead_of(wanted);
        let Some((bucket, share)) = self.buckets.of(lead) else { return Told::Nothing };
        let start = |bucket: usize| {
            filled.starts.get(bucket).and_then(|start| start.load(Relaxed).checked_sub(1))
        };
        let (Some(from), Some(to)) = (start(bucket), start(bucket.saturating_add(1))) else {
            return Told::Unknown;
        };
        let count = u64::from(to.saturating_sub(from));
        if count > self.block_slots() {
            // There may be blocks in between that nobody has checked.
            return Told::Nothing;
        }
        let near = u32::try_from(count.saturating_mul(share) >> 32).unwrap_or(0);
        match seek(run, (from, to), from.saturating_add(near), wanted) {
            Place::Doubtful => Told::Nothing,
            Place::Absent => Told::Answer(Answer::Absent),
            Place::Entry(entry, slot) => {
                let found = filled
                    .common(run, slot)
                    .and_then(|(base, encoding)| self.located(entry, slot, base, encoding));
                found.map_or(Told::Nothing, |found| Told::Answer(Answer::Found(found)))
            }
        }
    }

    /// The region of the entry in `slot`; `None` where it names no place.
    #[inline]
    fn located(&self, entry: &Entry, slot: u32, base: u64, encoding: Encoding) -> Option<Located> {
        let start = base.checked_add(u64::from(entry.offset.get()))?;
        let span = Span::new(start, u64::from(entry.size.get()))?;
        let at = self.run.start.saturating_add(u64::try_from(slot_at(slot)).ok()?);
        Some(Located { id: entry.id.get(), span, encoding, at })
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
        let lead = lead_of(id.as_u128());
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
                let bucket = self.buckets.of(lead_of(entry.id.get().as_u128()))?.0;
                filled.start(before, bucket, first_slot.checked_add(i)?)?;
                before = Some(bucket);
            }
            let next_slot = first_slot.checked_add(group.entries().len())?;
            if next_slot == first_slot.checked_add(GROUP_ENTRIES)? {
                continue;
            }
            // Slots without entries follow, so no bucket may reach over them. At the run's end
            // there is nothing to reach for.
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
        let bucket = self.buckets.of(lead_of(entry.id.get().as_u128()))?.0;
        Some((last.checked_mul(GROUP_ENTRIES)?.checked_add(group.entries().len())?, bucket))
    }

    /// The bucket of the first entry of a block's group `g`.
    fn bucket_of(&self, bytes: &[u8], g: usize) -> Option<usize> {
        let slot = u32::try_from(g.checked_mul(GROUP_ENTRIES)?).ok()?;
        let entry: &Entry = struct_at(bytes.get(slot_at(slot)..)?)?;
        Some(self.buckets.of(lead_of(entry.id.get().as_u128()))?.0)
    }

    /// Slots of a block.
    fn block_slots(&self) -> u64 {
        u64::try_from(self.stride.saturating_mul(GROUP_ENTRIES)).unwrap_or(0)
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
        let group = usize::try_from(slot).ok()?.checked_div(GROUP_ENTRIES)?;
        let at = slot_at(u32::try_from(group.checked_mul(GROUP_ENTRIES)?).ok()?);
        let header = at.checked_sub(size_of::<GroupHeader>())?;
        let header: &GroupHeader = struct_at(run.get(header..)?)?;
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
        let distance = lead.min(self.last).checked_sub(self.first)? << self.shift;
        let place = u128::from(distance).saturating_mul(u128::from(self.factor));
        let bucket = usize::try_from(place >> 64).ok()?;
        Some((bucket.min(self.count.saturating_sub(1)), u64::try_from(place & LOW).ok()? >> 32))
    }
}

const LOW: u128 = 0xffff_ffff_ffff_ffff;

/// What some slots say of an id.
#[derive(Debug, Clone, Copy)]
enum Place<'b> {
    /// Its entry, in that slot.
    Entry(&'b Entry, u32),
    Absent,
    /// Others begin as it does, and may be in other slots.
    Doubtful,
}

/// Looks for `wanted` among the sorted slots `from..to` of `run`, near `near` first.
#[inline]
fn seek(run: &[u8], (mut from, mut to): (u32, u32), near: u32, wanted: u128) -> Place<'_> {
    let lead = lead_of(wanted);
    let (mut at, mut steps) = (near, 0_u32);
    while from < to {
        at = at.min(to.saturating_sub(1));
        let entry = run.get(slot_at(at)..).and_then(struct_at::<Entry>);
        let Some(entry) = entry else { return Place::Doubtful };
        let id = entry.id.get().as_u128();
        match lead_of(id).cmp(&lead) {
            Ordering::Equal if id == wanted => return Place::Entry(entry, at),
            Ordering::Equal => return Place::Doubtful,
            Ordering::Less => {
                from = at.saturating_add(1);
                at = from;
            }
            Ordering::Greater => {
                to = at;
                at = at.saturating_sub(1).max(from);
            }
        }
        steps = steps.saturating_add(1);
        if steps > STEPS {
            at = from.midpoint(to);
        }
    }
    Place::Absent
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

/// The first eight bytes of an id.
#[inline]
fn lead_of(id: u128) -> u64 {
    u64::try_from(id >> 64).unwrap_or(u64::MAX)
}
