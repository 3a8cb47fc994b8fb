//! The blocks of a package's index that were looked at: which of them were checked, and the bytes
//! of the last ones that were read.
//!
//! Shared by all look-ups of an open package. None of them waits for another: what is known is told
//! by atomic bits, and where two want the same place of the cache at once, one does without.
//! Specification: `docs/spec/dacti-lookup.md`, "When a miss counts".

use crate::Error;
use crate::fetch::source::{ReadAt, read_span};
use crate::read::view::read_failed;
use crate::threads::known;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use dacti_lookup::{Search, SearchOutcome};
use daicon_core::{Span, Window};
use std::sync::{Arc, Mutex, OnceLock};

/// What is remembered of an index's blocks.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// How many blocks there are, and how long the longest is.
    count: usize,
    len_max: u64,
    /// The most bytes that are kept.
    kept_len_max: u64,
    /// A bit for each block that answered a miss from bytes that the source lends.
    checked: OnceLock<Box<[AtomicU64]>>,
    /// Blocks that were read, each in the place that its number gives it.
    kept: OnceLock<Box<[Place]>>,
    /// The block of which a part was read last; one that there is not at first.
    in_part: AtomicUsize,
}

/// Where a block is kept. Nobody waits for the lock.
type Place = Mutex<Option<Arc<Kept>>>;

#[derive(Debug)]
struct Kept {
    block: usize,
    bytes: Vec<u8>,
    /// Whether a miss has been answered from these bytes.
    checked: AtomicBool,
}

impl Blocks {
    /// Of an index with `count` blocks, the longest of `len_max` bytes; at most `kept_len_max`
    /// bytes of them are kept.
    pub(crate) const fn new(count: usize, len_max: u64, kept_len_max: u64) -> Self {
        Self {
            count,
            len_max,
            kept_len_max,
            checked: OnceLock::new(),
            kept: OnceLock::new(),
            in_part: AtomicUsize::new(count),
        }
    }

    /// Feeds `search` what it wants: from the head, lent by the source, from what is kept, or read.
    pub(crate) fn feed(
        &self,
        search: &mut Search<'_>,
        want: Span,
        head: &Window<'_>,
        source: &dyn ReadAt,
    ) -> Result<(), Error> {
        if self.feed_in_hand(search, want, head, source)? {
            return Ok(());
        }
        if let Some(block) = search.block() {
            if source.is_local() && self.feed_likely(search, block, source)? {
                return Ok(());
            }
            return self.feed_read(search, block, want, source);
        }
        let bytes = read_span(source, want).map_err(read_failed)?;
        Ok(search.feed(&bytes).map(drop)?)
    }

    /// As [`feed`](Self::feed), where nothing is to be read for it; false where something is.
    pub(crate) fn feed_in_hand(
        &self,
        search: &mut Search<'_>,
        want: Span,
        head: &Window<'_>,
        source: &dyn ReadAt,
    ) -> Result<bool, Error> {
        let block = search.block();
        if let Some(bytes) = source.slice(want).or_else(|| head.answer(want)) {
            match block {
                Some(block) => self.feed_lent(search, block, bytes)?,
                None => drop(search.feed(bytes)?),
            }
            return Ok(true);
        }
        Ok(block.is_some_and(|block| self.feed_kept(search, block)))
    }

    /// Feeds `search` the block where it is kept, and says whether that was enough. Bytes that have
    /// answered hits were not looked at as a whole: where they contradict their key now, they are
    /// dropped, and to be read again.
    fn feed_kept(&self, search: &mut Search<'_>, block: usize) -> bool {
        let Some(kept) = self.kept(block) else { return false };
        // The search ends with an error, so that it is tried on a copy.
        let mut tried = search.clone();
        let is_fed = kept.feed(&mut tried).is_ok();
        if is_fed {
            *search = tried;
        } else if let Some(Ok(mut place)) = self.place(block).map(Mutex::try_lock) {
            *place = None;
        }
        is_fed
    }

    /// Feeds `search` what it wants from bytes that were read for others too.
    pub(crate) fn feed_shared(&self, search: &mut Search<'_>, bytes: &[u8]) -> Result<(), Error> {
        let place = search.block().and_then(|block| Some((block, self.place(block)?)));
        let Some((block, place)) = place else { return Ok(search.feed(bytes).map(drop)?) };
        if self.feed_kept(search, block) {
            return Ok(());
        }
        let kept = Kept { block, bytes: bytes.into(), checked: AtomicBool::new(false) };
        kept.feed(search)?;
        keep(place, kept);
        Ok(())
    }

    fn feed_lent(&self, search: &mut Search<'_>, block: usize, bytes: &[u8]) -> Result<(), Error> {
        let (word, bit) = (block / 64, 1_u64 << (block % 64));
        let words = self.checked.get();
        if words
            .and_then(|words| words.get(word))
            .is_some_and(|w| w.load(Ordering::Relaxed) & bit > 0)
        {
            search.feed_checked(bytes)?;
            return Ok(());
        }
        if is_miss(search.feed(bytes)?) {
            let none = || (0..self.count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
            let words = known(&self.checked, none);
            if let Some(word) = words.get(word) {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Feeds `search` the part of the block that most likely has the region, and says whether that
    /// was enough. Not where the block was read in part just before: who looks for neighbours has
    /// it kept.
    fn feed_likely(
        &self,
        search: &mut Search<'_>,
        block: usize,
        source: &dyn ReadAt,
    ) -> Result<bool, Error> {
        let Some(span) = search.likely() else { return Ok(false) };
        let is_neighbour = self.in_part.swap(block, Ordering::Relaxed) == block;
        if is_neighbour && self.place(block).is_some() {
            return Ok(false);
        }
        let bytes = read_span(source, span).map_err(read_failed)?;
        Ok(search.feed_likely(&bytes))
    }

    fn feed_read(
        &self,
        search: &mut Search<'_>,
        block: usize,
        want: Span,
        source: &dyn ReadAt,
    ) -> Result<(), Error> {
        let kept = loop {
            let bytes = read_span(source, want).map_err(read_failed)?;
            let kept = Kept { block, bytes, checked: AtomicBool::new(false) };
            // The search ends with an error, so that it is tried on a copy.
            let mut tried = search.clone();
            match kept.feed(&mut tried) {
                Ok(()) => {
                    *search = tried;
                    break kept;
                }
                Err(fault) if doubted(source, want, &fault)? => {}
                Err(fault) => return Err(fault),
            }
        };
        if let Some(place) = self.place(block) {
            keep(place, kept);
        }
        Ok(())
    }

    /// The bytes of `block` where they are kept, taken out of their place by a count, so that the
    /// place is free while the block is searched.
    fn kept(&self, block: usize) -> Option<Arc<Kept>> {
        let kept = self.place(block)?.try_lock().ok()?;
        kept.as_ref().filter(|kept| kept.block == block).cloned()
    }

    /// Where `block` is kept; `None` where nothing is.
    fn place(&self, block: usize) -> Option<&Place> {
        let kept = known(&self.kept, || {
            let places = self.kept_len_max.checked_div(self.len_max).unwrap_or(0);
            let places = usize::try_from(places).unwrap_or(usize::MAX).min(self.count);
            (0..places).map(|_| Place::default()).collect()
        });
        kept.get(block.checked_rem(kept.len())?)
    }
}

/// Keeps a block where nobody is at its place. Only what answered is kept: what contradicts the
/// keys may be read otherwise next time.
fn keep(place: &Place, kept: Kept) {
    if let Ok(mut place) = place.try_lock() {
        *place = Some(Arc::new(kept));
    }
}

impl Kept {
    fn feed(&self, search: &mut Search<'_>) -> Result<(), Error> {
        if self.checked.load(Ordering::Relaxed) {
            search.feed_checked(&self.bytes)?;
        } else if is_miss(search.feed(&self.bytes)?) {
            self.checked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Whether groups contradict their keys, and the source reads them in another way next time.
fn doubted(source: &dyn ReadAt, span: Span, fault: &Error) -> Result<bool, Error> {
    let Some(why) = fault.doubt() else { return Ok(false) };
    source.doubt(span, why).map_err(read_failed)
}

/// Whether the block that gave this answer did not have the region, and so was checked.
const fn is_miss(answer: Option<SearchOutcome>) -> bool {
    !matches!(answer, Some(SearchOutcome::Found(_)))
}
