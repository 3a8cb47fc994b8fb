//! Buckets: some neighbouring entries each, of which 32 bytes tell nearly all misses, and lead
//! nearly all hits to their entry and, without waiting for that, to their region.

use super::SLOTS;
use super::filled::word_of;
use super::wanted::Wanted;
use crate::threads::known;
use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use dacti_index::Entry;
use std::sync::OnceLock;

/// Entries of a bucket that have a byte of their own.
const TAGS: u32 = 7;
/// Entries of a bucket whose offsets it has.
const OFFSETS: usize = 5;

/// Buckets of a piece of them.
pub(super) const PIECE_BUCKETS: usize = 512;
/// Bytes of a piece. A bucket has 32: there are two in a cache line.
pub(super) const PIECE_LEN: usize = size_of::<Piece>();
const _: () = assert!(PIECE_LEN == 32 * PIECE_BUCKETS);

/// What the top byte of a bucket's head says; 0 where nothing is known of it.
const FEW: u64 = 1 << 56;
const MANY: u64 = 2 << 56;
const APART: u64 = 3 << 56;
const KINDS: u64 = 0xff << 56;

/// A bucket's head, where its first entry stands, and an offset for each of the first entries.
///
/// The head has a byte of each id, none of them 0, and says in its top byte what the bucket is:
/// where it is one of many entries, the first one's slot and their number follow it. A slot is an
/// entry's number where every group has 255.
type Words = (AtomicU64, [AtomicU32; 1 + OFFSETS]);

/// Some buckets, none of them in two cache lines.
#[derive(Debug)]
#[repr(align(64))]
struct Piece([Words; PIECE_BUCKETS]);

impl Piece {
    /// Buckets of which nothing is known.
    fn unknown() -> Box<Self> {
        let words = || (AtomicU64::new(0), [const { AtomicU32::new(0) }; 1 + OFFSETS]);
        Box::new(Self(core::array::from_fn(|_| words())))
    }
}

/// All buckets, in pieces that are allocated when something of them is known.
#[derive(Debug)]
pub(super) struct Buckets(Box<[OnceLock<Box<Piece>>]>);

/// What is known of a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket<'b> {
    head: u64,
    numbers: &'b [AtomicU32; 1 + OFFSETS],
}

/// What a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    /// Its entries have a byte each.
    Few,
    /// They have not: they are more, or in two groups.
    Many {
        first: u32,
        count: u32,
    },
    /// Its entries stand in more places than one.
    Apart,
}

impl Buckets {
    pub(super) fn new(count: usize) -> Self {
        Self((0..count.div_ceil(PIECE_BUCKETS)).map(|_| OnceLock::new()).collect())
    }

    /// `None` where nothing is known of it, nor of those around it.
    #[inline]
    pub(super) fn get(&self, bucket: usize) -> Option<Bucket<'_>> {
        let piece = self.0.get(bucket / PIECE_BUCKETS)?.get()?;
        let (head, numbers) = piece.0.get(bucket % PIECE_BUCKETS)?;
        // Read first, as it is written last.
        Some(Bucket { head: head.load(Acquire), numbers })
    }

    /// How many pieces there are.
    #[cfg(test)]
    pub(super) fn pieces(&self) -> usize {
        self.0.iter().filter(|piece| piece.get().is_some()).count()
    }

    /// Two threads that set the same bucket set it to the same.
    pub(super) fn set(&self, bucket: usize, entries: &Gathered) -> Option<()> {
        let piece = known(self.0.get(bucket / PIECE_BUCKETS)?, Piece::unknown);
        let (head, numbers) = piece.0.get(bucket % PIECE_BUCKETS)?;
        for (word, number) in numbers.iter().zip(entries.numbers()) {
            word.store(number, Relaxed);
        }
        head.store(entries.head(), Release);
        Some(())
    }
}

impl Bucket<'_> {
    /// Whether its entries have a byte each.
    #[inline]
    pub(super) const fn is_few(&self) -> bool {
        self.head & KINDS == FEW
    }

    pub(super) fn kind(&self) -> Kind {
        match self.head & KINDS {
            FEW => Kind::Few,
            MANY => Kind::Many { first: self.first(), count: self.number(1).unwrap_or(0) },
            APART => Kind::Apart,
            _ => Kind::Unknown,
        }
    }

    /// The top bit of each byte that is the wanted one, and of no other: what stands where the
    /// bucket has no entry may look like one, and the byte there is 0.
    #[inline]
    pub(super) const fn alike(&self, wanted: &Wanted) -> u64 {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let word = self.head ^ wanted.tags;
        // A byte's top bit is set by the sum where any bit below it is; no sum reaches the next
        // byte.
        !((word & LOW).wrapping_add(LOW) | word) & 0x0080_8080_8080_8080
    }

    /// The word of the run where its first entry stands; of one with many entries, the first slot.
    #[inline]
    pub(super) fn first(&self) -> u32 {
        self.number(0).unwrap_or(0)
    }

    /// The offset of entry `i` of the bucket, where it has that.
    #[inline]
    pub(super) fn offset(&self, i: usize) -> Option<u32> {
        self.number(i.wrapping_add(1))
    }

    #[inline]
    fn number(&self, i: usize) -> Option<u32> {
        Some(self.numbers.get(i)?.load(Relaxed))
    }
}

/// The entries of a bucket while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    first: u32,
    count: u32,
    tags: u64,
    offsets: [u32; OFFSETS],
    /// Whether there are slots between them that are none of theirs, or a group's header.
    is_apart: bool,
    is_split: bool,
}

impl Gathered {
    /// No entries that a bucket could lead to.
    pub(super) fn apart() -> Self {
        Self { is_apart: true, ..Self::default() }
    }

    pub(super) fn push(&mut self, slot: u32, entry: &Entry) {
        if self.count == 0 {
            self.first = slot;
        }
        self.is_apart |= self.first.saturating_add(self.count) != slot;
        self.is_split |= self.first.checked_div(SLOTS) != slot.checked_div(SLOTS);
        if self.count < TAGS {
            let shift = self.count.saturating_mul(8);
            self.tags |= Wanted::of(entry).tag() << shift;
        }
        let i = usize::try_from(self.count).unwrap_or(usize::MAX);
        if let Some(offset) = self.offsets.get_mut(i) {
            *offset = entry.offset.get();
        }
        self.count = self.count.saturating_add(1);
    }

    const fn is_many(&self) -> bool {
        self.is_split || self.count > TAGS
    }

    const fn head(&self) -> u64 {
        if self.is_apart {
            APART
        } else if self.is_many() {
            MANY
        } else {
            FEW | self.tags
        }
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        let (mut first, mut offsets) = (word_of(self.first), self.offsets);
        if self.is_many() {
            first = self.first;
            offsets[0] = self.count;
        }
        core::iter::once(first).chain(offsets)
    }
}
