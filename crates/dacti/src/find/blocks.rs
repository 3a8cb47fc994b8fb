//! The blocks of an index that look-ups have read: a cache of their bytes, and a record of which
//! blocks were checked.
//!
//! This module reads nothing. All look-ups of an open package share the cache and the record, and
//! no look-up waits for another: atomic bits record which blocks were checked. If two look-ups want
//! the same position of the cache at once, one of them goes on without the cache. Specification:
//! `docs/spec/dacti-lookup.md`, "When a miss counts".

use crate::Error;
use crate::threads::known;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use dacti_index::{GROUP_HEADER_LEN, GROUP_LEN, INDEX_ENTRY_LEN};
use dacti_lookup::{Lookup, Search, SearchOutcome};
use daicon_core::Span;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock};

/// After this number of block reads, look-ups read several blocks at once.
const ASKED_OFTEN: usize = 2;

/// A read of several blocks covers this many times the number of blocks that were read before.
const GROWTH: usize = 4;

/// The blocks of an index that look-ups have read or checked.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// The number of blocks in the index.
    count: usize,
    /// The maximum number of blocks that are kept.
    places: usize,
    /// One bit for each block. The bit is set after a search in the block's lent bytes was a miss,
    /// which means that the id is absent. Such a search checks the whole block, so later searches
    /// do not check it again.
    checked: OnceLock<Box<[AtomicU64]>>,
    /// Blocks that were read. A block's position in this cache is the block's number modulo the
    /// length of the cache.
    kept: OnceLock<Box<[Place]>>,
    /// The block of which a part was read last, as its number plus 1; 0 if there is none.
    in_part: AtomicUsize,
    /// The number of blocks that were read whole.
    read: AtomicUsize,
}

/// One position of the cache, which holds at most one block. A thread that does not get the lock of
/// a position at once goes on without the cache.
type Place = Mutex<Option<Arc<Kept>>>;

#[derive(Debug)]
struct Kept {
    block: usize,
    bytes: Vec<u8>,
    /// Whether the whole block was checked. The first search that does not find its id in these
    /// bytes checks them.
    checked: AtomicBool,
}

impl Blocks {
    /// Creates an empty cache of the blocks that the fences lead to. It keeps at most
    /// `kept_len_max` bytes.
    pub(crate) fn new(lookup: &Lookup<'_>, kept_len_max: u64) -> Self {
        let stride = lookup.runs().map(|run| run.stride.min(run.groups)).max().unwrap_or(0);
        // A block also includes the first entry of the next block.
        let next_len = GROUP_HEADER_LEN.saturating_add(INDEX_ENTRY_LEN);
        let len_max = GROUP_LEN.saturating_mul(stride.into()).saturating_add(next_len);
        let count = lookup.fence_count();
        let places = kept_len_max.checked_div(len_max).unwrap_or(0);
        let places = usize::try_from(places).unwrap_or(usize::MAX).min(count);
        Self { count, places, ..Self::default() }
    }

    /// Feeds `search` lent bytes of the wanted block. The first miss checks the whole block; later
    /// misses do not check it again.
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

    /// Feeds `search` the wanted block if the cache has it. Returns false if the cache lacks the
    /// block, or if the block contradicts its fence. A search that finds its id does not check the
    /// whole block, so a later search may be the first to find such a contradiction. Then the block
    /// is dropped, and the caller reads it again.
    pub(crate) fn feed_kept(&self, search: &mut Search<'_>) -> bool {
        let Some((block, place)) = self.place(search) else { return false };
        // A counted reference to the block is cloned, so that the lock is free during the search.
        let kept = place.try_lock().ok().and_then(|kept| kept.clone());
        let Some(kept) = kept.filter(|kept| kept.block == block) else { return false };
        let is_fed = kept.feed(search).is_ok();
        if !is_fed && let Ok(mut place) = place.try_lock() {
            *place = None;
        }
        is_fed
    }

    /// Feeds `search` bytes that were read for it, and keeps the block if it answered the search. A
    /// block that contradicts its fence is not kept, because the next read may return other bytes.
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

    /// Returns the part of the wanted block that most likely contains the wanted entry. Returns
    /// `None` if a part of the same block was read just before. In that case the caller most likely
    /// looks up ids near each other, so it reads the whole block.
    pub(crate) fn likely_part(&self, search: &Search<'_>) -> Option<Span> {
        let (block, span) = (search.block()?, search.likely()?);
        let block = block.saturating_add(1);
        let is_neighbour = self.in_part.swap(block, Ordering::Relaxed) == block;
        (!is_neighbour || self.places == 0).then_some(span)
    }

    /// Returns a span that is longer than the wanted block, to be read instead of it. After a few
    /// block reads, each read also covers the blocks around the wanted one, if the cache can keep
    /// all blocks. Such a read is at most four times as long as all reads before it together. So a
    /// few look-ups fetch few bytes, and after many look-ups all blocks are in memory.
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

    /// Returns the wanted block and its position in the cache; `None` if no block is wanted or the
    /// cache has no positions.
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

/// Feeds a copy of `search`, so that an error leaves `search` unchanged.
fn tried<'s>(
    search: &mut Search<'s>,
    feed: impl FnOnce(&mut Search<'s>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut tried = search.clone();
    feed(&mut tried)?;
    *search = tried;
    Ok(())
}

/// Returns whether this answer is a miss. Before a search reports a miss, it checks the whole
/// block.
const fn is_miss(answer: Option<SearchOutcome>) -> bool {
    !matches!(answer, Some(SearchOutcome::Found(_)))
}
