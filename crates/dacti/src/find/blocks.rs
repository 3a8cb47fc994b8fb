//! The blocks of an index that look-ups have read: which blocks were checked, and the bytes of the
//! latest ones.
//!
//! This module reads nothing. All look-ups of an open package share it, and no look-up waits for
//! another: atomic bits record which blocks were checked. If two look-ups want the same place of
//! the cache at once, one does without it. Specification: `docs/spec/dacti-lookup.md`, "When a miss
//! counts".

use crate::Error;
use crate::threads::known;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use dacti_index::{GROUP_HEADER_LEN, GROUP_LEN, INDEX_ENTRY_LEN};
use dacti_lookup::{Lookup, Search, SearchOutcome};
use daicon_core::Span;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock};

/// Look-ups that have read so many blocks read more blocks at once.
const ASKED_OFTEN: usize = 2;

/// How many times the blocks that were read before are read at once.
const GROWTH: usize = 4;

/// The blocks of an index, as far as they are remembered.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// How many blocks there are.
    count: usize,
    /// How many blocks are kept at most.
    places: usize,
    /// A bit for each block that answered a miss from lent bytes.
    checked: OnceLock<Box<[AtomicU64]>>,
    /// Blocks that were read, each at the place that its number gives it.
    kept: OnceLock<Box<[Place]>>,
    /// One more than the number of the block of which a part was read last; 0 if there is none.
    in_part: AtomicUsize,
    /// How many blocks were read whole.
    read: AtomicUsize,
}

/// The place of a kept block. No thread waits for its lock.
type Place = Mutex<Option<Arc<Kept>>>;

#[derive(Debug)]
struct Kept {
    block: usize,
    bytes: Vec<u8>,
    /// Whether a miss was answered from these bytes.
    checked: AtomicBool,
}

impl Blocks {
    /// The blocks that the fences lead to, of which at most `kept_len_max` bytes are kept.
    pub(crate) fn new(lookup: &Lookup<'_>, kept_len_max: u64) -> Self {
        let stride = lookup.runs().map(|run| run.stride.min(run.groups)).max().unwrap_or(0);
        // A block ends with the first entry of the next one.
        let next_len = GROUP_HEADER_LEN.saturating_add(INDEX_ENTRY_LEN);
        let len_max = GROUP_LEN.saturating_mul(stride.into()).saturating_add(next_len);
        let count = lookup.fence_count();
        let places = kept_len_max.checked_div(len_max).unwrap_or(0);
        let places = usize::try_from(places).unwrap_or(usize::MAX).min(count);
        Self { count, places, ..Self::default() }
    }

    /// Feeds `search` lent bytes, and checks a block only at its first miss.
    pub(crate) fn feed_lent(&self, search: &mut Search<'_>, bytes: &[u8]) -> Result<(), Error> {
        let Some(block) = search.block() else { return Ok(search.feed(bytes).map(drop)?) };
        let (word, bit) = (block / 64, 1_u64 << (block % 64));
        let checked = self.checked.get().and_then(|words| words.get(word));
        if checked.is_some_and(|word| word.load(Ordering::Relaxed) & bit > 0) {
            search.feed_checked(bytes)?;
        } else if is_miss(search.feed(bytes)?) {
            let none = || (0..self.count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
            if let Some(word) = known(&self.checked, none).get(word) {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Feeds `search` the wanted block if it is kept, and returns whether that was enough. Hits do
    /// not check a block as a whole. So if a kept block contradicts its fence later, it is dropped
    /// and read again.
    pub(crate) fn feed_kept(&self, search: &mut Search<'_>) -> bool {
        let Some((block, place)) = self.place(search) else { return false };
        // A counted reference is taken, so that the place is free while the block is searched.
        let kept = place.try_lock().ok().and_then(|kept| kept.clone());
        let Some(kept) = kept.filter(|kept| kept.block == block) else { return false };
        let is_fed = kept.feed(search).is_ok();
        if !is_fed && let Ok(mut place) = place.try_lock() {
            *place = None;
        }
        is_fed
    }

    /// Feeds `search` bytes that were read for it, and keeps the block if it gave an answer. A
    /// block that contradicts its fence is not kept, because the next read may bring other bytes.
    pub(crate) fn feed_read(
        &self,
        search: &mut Search<'_>,
        bytes: Cow<'_, [u8]>,
    ) -> Result<(), Error> {
        let Some((block, place)) = self.place(search) else {
            return tried(search, |search| Ok(search.feed(&bytes).map(drop)?));
        };
        let bytes = bytes.into_owned();
        let kept = Kept { block, bytes, checked: AtomicBool::new(false) };
        kept.feed(search)?;
        self.read.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut place) = place.try_lock() {
            *place = Some(Arc::new(kept));
        }
        Ok(())
    }

    /// Returns the part of the wanted block that most likely has the region. `None` if a part of
    /// the same block was read just before: then the caller looks for neighbours, and needs the
    /// whole block.
    pub(crate) fn likely_part(&self, search: &Search<'_>) -> Option<Span> {
        let (block, span) = (search.block()?, search.likely()?);
        let block = block.saturating_add(1);
        let is_neighbour = self.in_part.swap(block, Ordering::Relaxed) == block;
        (!is_neighbour || self.places == 0).then_some(span)
    }

    /// Returns the span to read for the wanted block, if it is more than the block. Look-ups that
    /// have asked often read the blocks around it too, if all blocks can be kept: more each time,
    /// so that a few reads bring them all, and the bytes stay in proportion to the wanted ones.
    pub(crate) fn around(&self, lookup: &Lookup<'_>, search: &Search<'_>) -> Option<Span> {
        let (block, read) = (search.block()?, self.read.load(Ordering::Relaxed));
        if read < ASKED_OFTEN || self.places < self.count {
            return None;
        }
        let blocks = read.saturating_mul(GROWTH).min(self.count);
        let last_start = self.count.saturating_sub(blocks);
        let start = block.saturating_sub(blocks.div_euclid(2)).min(last_start);
        let last = start.saturating_add(blocks).saturating_sub(1);
        let (first, last) = (lookup.block_span(start)?, lookup.block_span(last)?);
        Some(Span { start: first.start, end: last.end })
    }

    /// Feeds `search` the bytes of `span`, which [`around`](Self::around) returned, and keeps all
    /// blocks in them. The blocks around the wanted one are checked when they are searched.
    pub(crate) fn feed_around(
        &self,
        lookup: &Lookup<'_>,
        search: &mut Search<'_>,
        span: Span,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let part = |of: Span| of.slice_of(bytes, span.start);
        let wanted = search.want().and_then(part).unwrap_or_default();
        let wanted_block = search.block();
        self.feed_read(search, wanted.into())?;
        let kept = self.kept.get().into_iter().flatten().enumerate();
        for (block, place) in kept.filter(|(block, _)| Some(*block) != wanted_block) {
            let Some(bytes) = lookup.block_span(block).and_then(part) else { continue };
            let kept = Kept { block, bytes: bytes.into(), checked: AtomicBool::new(false) };
            if let Ok(mut place) = place.try_lock()
                && place.is_none()
            {
                *place = Some(Arc::new(kept));
                self.read.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Returns the number and the place of the wanted block; `None` if no block is kept.
    fn place(&self, search: &Search<'_>) -> Option<(usize, &Place)> {
        let block = search.block()?;
        let kept = known(&self.kept, || (0..self.places).map(|_| Place::default()).collect());
        Some((block, kept.get(block.checked_rem(kept.len())?)?))
    }
}

impl Kept {
    fn feed(&self, search: &mut Search<'_>) -> Result<(), Error> {
        tried(search, |search| {
            if self.checked.load(Ordering::Relaxed) {
                search.feed_checked(&self.bytes)?;
            } else if is_miss(search.feed(&self.bytes)?) {
                self.checked.store(true, Ordering::Relaxed);
            }
            Ok(())
        })
    }
}

/// Feeds a copy of `search`, so that the search goes on after an error.
fn tried<'s>(
    search: &mut Search<'s>,
    feed: impl FnOnce(&mut Search<'s>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut tried = search.clone();
    feed(&mut tried)?;
    *search = tried;
    Ok(())
}

/// Returns whether this answer is a miss, so that the block was checked.
const fn is_miss(answer: Option<SearchOutcome>) -> bool {
    !matches!(answer, Some(SearchOutcome::Found(_)))
}
