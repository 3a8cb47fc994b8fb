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
use dacti_index::GROUP_LEN;
use dacti_lookup::{Lookup, Search, SearchOutcome};
use daicon_core::Span;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock};

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
        let len_max = GROUP_LEN.saturating_mul(u64::from(stride).saturating_add(1));
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
