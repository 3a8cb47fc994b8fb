//! What look-ups have filled in, and how it leads to an entry.

use super::SLOTS;
use super::bucket::{Bucket, Buckets, Kind};
use super::spread::Spread;
use super::wanted::Wanted;
use core::cmp::Ordering;
use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use dacti_index::{
    Encoding, Entry, GROUP_HEADER_LEN, GROUP_LEN, Group, GroupHeader, INDEX_ENTRY_LEN, Located,
};
use daicon_core::{Span, struct_at};
use std::sync::OnceLock;
use uuid::Uuid;

/// What is filled in as blocks are looked into.
#[derive(Debug)]
pub(crate) struct Filled {
    spread: Spread,
    place: Place,
    /// Whether there are no entries but the run's.
    is_alone: bool,
    /// Whether base and encoding of the groups differ.
    is_mixed: AtomicBool,
    /// Those of all groups, where they do not, in parts that are read without a question.
    encoding: AtomicU32,
    base: AtomicU64,
    first: OnceLock<(u64, Encoding)>,
    pub(super) buckets: Buckets,
    /// Of each block, how far it is known.
    blocks: Box<[AtomicU8]>,
}

/// Where a run is, and what has room for its regions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Where the run starts, absolute.
    pub(super) run_at: u64,
    /// Where it starts in what the source lends.
    pub(super) run_in_lent: usize,
    /// The file's length.
    pub(super) len: u64,
}

/// Places in a run are counted in words, so that 32 bits are enough.
pub(super) const WORD: u64 = 8;
const ENTRY_WORDS: u32 = 3;
const HEADER_WORDS: u32 = 2;
const GROUP_WORDS: u32 = 767;
const _: () = {
    assert!(INDEX_ENTRY_LEN == ENTRY_WORDS as u64 * WORD);
    assert!(GROUP_HEADER_LEN == HEADER_WORDS as u64 * WORD);
    assert!(GROUP_LEN == GROUP_WORDS as u64 * WORD);
};

/// Bases up to which sums need no check.
const BASE_MAX: u64 = u64::MAX - 2 * (u32::MAX as u64);

/// What is told of an id.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    /// Where its region is, which lies within the file.
    Found(Located),
    /// The run does not have it.
    Absent,
    /// Nothing, as something is not filled in: see [`Guide::block_to_fill`](super::Guide).
    Unknown,
    /// Nothing: search.
    Nothing,
}

/// The same, where it takes a search in a bucket; small enough for a register.
#[derive(Debug, Clone, Copy)]
enum Far {
    Word(u32),
    Absent,
    Unknown,
    Nothing,
}

/// States of a block: nobody has looked into it, one look-up has, it was checked and filled in, or
/// it is not in order.
pub(super) const NEW: u8 = 0;
pub(super) const SEEN: u8 = 1;
pub(super) const FILLED: u8 = 2;
pub(super) const GIVEN_UP: u8 = 3;

impl Filled {
    pub(super) fn new(spread: Spread, place: Place, blocks: usize, is_alone: bool) -> Self {
        Self {
            spread,
            place,
            is_alone,
            is_mixed: AtomicBool::new(false),
            encoding: AtomicU32::new(0),
            base: AtomicU64::new(0),
            first: OnceLock::new(),
            buckets: Buckets::new(spread.count),
            blocks: (0..blocks).map(|_| AtomicU8::new(NEW)).collect(),
        }
    }

    /// Whether there are no entries but the run's, so that what is told is all there is to say.
    #[inline]
    pub(crate) const fn is_alone(&self) -> bool {
        self.is_alone
    }

    pub(super) fn state(&self, block: usize) -> Option<u8> {
        Some(self.blocks.get(block)?.load(SeqCst))
    }

    pub(super) fn set_state(&self, block: usize, state: u8) {
        if let Some(block) = self.blocks.get(block) {
            block.store(state, SeqCst);
        }
    }

    /// Notes base and encoding of a group.
    pub(super) fn note(&self, group: &Group<'_>) {
        let own = (group.base(), group.encoding());
        let first = *self.first.get_or_init(|| own);
        let (base, encoding) = first;
        if first != own || base > BASE_MAX {
            self.is_mixed.store(true, Relaxed);
        }
        // Whoever stores here stores the same; a bucket is set after that.
        self.base.store(base, Relaxed);
        self.encoding.store(u32::from_le_bytes(encoding.tag()), Relaxed);
    }

    /// Where `id` is, or that it is not there, as far as that is known. `lent` has the run.
    ///
    /// A look-up is to run ahead while another waits for memory: so there are few instructions and
    /// fewer branches, nearly all of which always go the same way, and the region can be read
    /// before the entry has come.
    #[expect(
        clippy::inline_always,
        reason = "not inlined, it takes a third longer: docs/rationale.md"
    )]
    #[inline(always)]
    pub(crate) fn find(&self, id: Uuid, lent: &[u8]) -> Told {
        let wanted = Wanted::new(id);
        let Some(bucket) = self.buckets.get(self.spread.bucket_of(wanted.lead)) else {
            return Told::Unknown;
        };
        if !bucket.is_few() {
            return self.far(bucket, id, lent);
        }
        let mut alike = bucket.alike(&wanted);
        while alike != 0 {
            let i = alike.trailing_zeros() / 8;
            let word = bucket.first().wrapping_add(i.wrapping_mul(ENTRY_WORDS));
            let Some(entry) = self.entry(word, lent) else { return Told::Nothing };
            if wanted.is(entry) {
                let i = usize::try_from(i).unwrap_or(usize::MAX);
                let offset = bucket.offset(i).unwrap_or_else(|| entry.offset.get());
                return self.located(id, word, offset, entry, lent);
            }
            alike &= alike.wrapping_sub(1);
        }
        Told::Absent
    }

    /// The region of `entry`, which stands at `word` of the run, and whose offset is `offset`.
    #[inline]
    fn located(&self, id: Uuid, word: u32, offset: u32, entry: &Entry, lent: &[u8]) -> Told {
        let (mut base, mut encoding) = (self.base.load(Relaxed), self.encoding.load(Relaxed));
        if self.is_mixed.load(Relaxed) {
            let header =
                self.header(word, lent).filter(|header| header.entries_offset.get() <= BASE_MAX);
            let Some(header) = header else { return Told::Nothing };
            (base, encoding) = (header.entries_offset.get(), u32::from_le_bytes(header.encoding));
        }
        let start = base.wrapping_add(offset.into());
        let end = start.wrapping_add(entry.size.get().into());
        if end > self.place.len {
            return Told::Nothing;
        }
        let encoding = Encoding::from_tag(encoding.to_le_bytes());
        let at = self.place.run_at.wrapping_add(u64::from(word).wrapping_mul(WORD));
        Told::Found(Located { id, span: Span { start, end }, encoding, at })
    }

    /// As [`find`](Self::find), in a bucket that has no byte for each of its entries.
    #[inline]
    fn far(&self, bucket: Bucket<'_>, id: Uuid, lent: &[u8]) -> Told {
        match self.far_word(bucket, id.as_u128(), lent) {
            Far::Word(word) => match self.entry(word, lent) {
                Some(entry) => self.located(id, word, entry.offset.get(), entry, lent),
                None => Told::Nothing,
            },
            Far::Absent => Told::Absent,
            Far::Unknown => Told::Unknown,
            Far::Nothing => Told::Nothing,
        }
    }

    #[inline(never)]
    fn far_word(&self, bucket: Bucket<'_>, id: u128, lent: &[u8]) -> Far {
        let (mut low, mut high) = match bucket.kind() {
            Kind::Many { first, count } => (first, first.saturating_add(count)),
            Kind::Unknown => return Far::Unknown,
            Kind::Few | Kind::Apart => return Far::Nothing,
        };
        while low < high {
            let middle = low.midpoint(high);
            let word = word_of(middle);
            let Some(entry) = self.entry(word, lent) else { return Far::Nothing };
            match entry.id.get().as_u128().cmp(&id) {
                Ordering::Less => low = middle.saturating_add(1),
                Ordering::Equal => return Far::Word(word),
                Ordering::Greater => high = middle,
            }
        }
        Far::Absent
    }

    /// The header of the group that has the entry at `word`.
    fn header<'l>(&self, word: u32, lent: &'l [u8]) -> Option<&'l GroupHeader> {
        let group = word.checked_div(GROUP_WORDS)?;
        struct_at(lent.get(self.in_lent(group.checked_mul(GROUP_WORDS)?)..)?)
    }

    /// The entry at `word` of the run.
    #[inline]
    fn entry<'l>(&self, word: u32, lent: &'l [u8]) -> Option<&'l Entry> {
        struct_at(lent.get(self.in_lent(word)..)?)
    }

    #[inline]
    fn in_lent(&self, word: u32) -> usize {
        let offset = u64::from(word).wrapping_mul(WORD);
        self.place.run_in_lent.wrapping_add(usize::try_from(offset).unwrap_or(usize::MAX))
    }
}

/// The word of a run at which the entry in a slot stands.
pub(super) fn word_of(slot: u32) -> u32 {
    let group = slot.checked_div(SLOTS).unwrap_or(0);
    let headers = group.saturating_add(1).saturating_mul(HEADER_WORDS);
    slot.saturating_mul(ENTRY_WORDS).saturating_add(headers)
}
