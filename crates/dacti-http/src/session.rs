//! A session: what all fetches of one file share.
//!
//! It keeps the budget, counts, knows which slices an edge was stale for, and judges heads: the
//! same state, a later one, an earlier one, another file. It has no view of its own: what a head
//! says, others read. Specification: `docs/spec/dacti-http.md`, "Budget", "Heads".

use crate::fetch::Level;
use crate::mark::Mark;
use crate::{Doubt, Error, Fault, Fetch, Grid, Options};
use alloc::collections::VecDeque;
use daicon_core::Span;

/// What a session has cost so far, and what it met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Requests sent, redirects among them.
    pub requests: u64,
    /// Bytes of bodies taken.
    pub bytes: u64,
    /// Answers that ended early and were taken up again further on.
    pub resumes: u64,
    /// Requests that were sent again as they were.
    pub retries: u64,
    /// Times that a tag or a nonce was added, or the one gave way to the other.
    pub escalations: u64,
    /// Answers of a stale edge: the others below, and bytes that the caller found wrong.
    pub stale: u64,
    /// 416 among them.
    pub not_satisfiable: u64,
    /// 200 to the request for a range.
    pub whole: u64,
    /// Redirects followed.
    pub redirects: u64,
}

impl Stats {
    /// What two sessions have cost together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            bytes: self.bytes.saturating_add(other.bytes),
            resumes: self.resumes.saturating_add(other.resumes),
            retries: self.retries.saturating_add(other.retries),
            escalations: self.escalations.saturating_add(other.escalations),
            stale: self.stale.saturating_add(other.stale),
            not_satisfiable: self.not_satisfiable.saturating_add(other.not_satisfiable),
            whole: self.whole.saturating_add(other.whole),
            redirects: self.redirects.saturating_add(other.redirects),
        }
    }
}

/// Which file a head is of, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The file id; for a file without one, a digest of its head.
    pub file_id: [u8; 16],
    /// Numbers that grow, the first that differs counting, with each update of that file.
    pub generation: [u64; 3],
}

/// What a head is to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum News {
    /// The same state.
    Same,
    /// A later state: it is the session's from now on.
    Grown,
    /// An earlier state, of a stale edge: to be ignored.
    Older,
}

/// The shared part of all fetches of one file.
#[derive(Debug, Clone)]
pub struct Session {
    options: Options,
    stats: Stats,
    /// Bytes that requests under way may still bring.
    held: u64,
    grid: Grid,
    /// From here on the plain URL was stale and a slice's tag was not.
    stale_from: Option<u64>,
    /// The latest state that the file is known to have been in, and how often that was found out
    /// by a look at the head.
    known: Option<Mark>,
    looks: u32,
    identity: Option<Identity>,
    doubted: VecDeque<Doubted>,
}

/// Ranges that are remembered as found wrong.
const DOUBTED_MAX: usize = 64;

/// A range that was found wrong, and how often.
#[derive(Debug, Clone, Copy)]
struct Doubted {
    span: Span,
    steps: u32,
}

impl Session {
    /// A session that has read nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            stats: Stats::default(),
            held: 0,
            grid: Grid::default(),
            stale_from: None,
            known: None,
            looks: 0,
            identity: None,
            doubted: VecDeque::new(),
        }
    }

    /// The same session for a file whose layout is known: its slice length, and where the bytes end
    /// that it was packed with. Until then the default slice is taken, and no bytes for appended.
    pub const fn set_grid(&mut self, grid: Grid) {
        self.grid = grid;
    }

    /// Takes from the budget what was spent elsewhere for the same file.
    pub const fn spend(&mut self, requests: u64, bytes: u64) {
        self.options.requests_max = self.options.requests_max.saturating_sub(requests);
        self.options.bytes_max = self.options.bytes_max.saturating_sub(bytes);
    }

    /// The same session for a URL that turned out to take no query.
    pub const fn forbid_tags(&mut self) {
        self.options.tags = false;
    }

    /// The fetch of the head.
    #[must_use]
    pub fn head(&self) -> Fetch {
        Fetch::head(false)
    }

    /// The fetch of a fresh head: with a nonce at once, as the plain one may be a cache's.
    #[must_use]
    pub fn reload_head(&self) -> Fetch {
        Fetch::head(self.options.tags)
    }

    /// The fetch of a range.
    #[must_use]
    pub fn fetch(&self, span: Span) -> Fetch {
        self.fetch_part(span, span.start)
    }

    /// The fetch of a part of a region that starts at `region_at`, which its tag is taken from.
    #[must_use]
    pub fn fetch_part(&self, span: Span, region_at: u64) -> Fetch {
        let slice = self.grid.slice_start(region_at);
        Fetch::range(span, slice, self.level_for(span, slice))
    }

    /// The fetch of the whole file, from a server that has no ranges.
    ///
    /// # Errors
    /// `NoRanges` where it is longer than [`Options::whole_len_max`] and [`Options::allow_whole`]
    /// does not say otherwise.
    pub fn whole(&self, len: Option<u64>) -> Result<Fetch, Error> {
        let max = if self.options.allow_whole { u64::MAX } else { self.options.whole_len_max };
        if len.is_some_and(|len| len > max) || (len.is_none() && max == 0) {
            return Err(Error::NoRanges { span: Span::default(), len });
        }
        Ok(Fetch::whole(len, max))
    }

    /// Takes the caller's word that the bytes of `span`, which were fetched, are wrong: the next
    /// fetch of any of them takes the next step of the escalation.
    ///
    /// # Errors
    /// `Stale` where no step is left.
    pub fn doubt(&mut self, span: Span, doubt: Doubt) -> Result<(), Error> {
        let fault = Fault::Doubt(doubt);
        self.count(&fault);
        let known = self.doubted.iter().position(|doubted| doubted.span == span);
        let steps = known.and_then(|n| self.doubted.remove(n)).map_or(0, |doubted| doubted.steps);
        let Some(level) = self.level_of(steps) else {
            return Err(Error::Stale { span, fault, tags: self.options.tags });
        };
        let stats = &mut self.stats;
        if level == Level::Plain {
            stats.retries = stats.retries.saturating_add(1);
        } else {
            stats.escalations = stats.escalations.saturating_add(1);
        }
        // The oldest is forgotten: it is most likely cured, and else begins anew.
        if self.doubted.len() >= DOUBTED_MAX {
            self.doubted.pop_front();
        }
        self.doubted.push_back(Doubted { span, steps: steps.saturating_add(1) });
        Ok(())
    }

    /// The level of a range that was found wrong `steps` times before.
    fn level_of(&self, steps: u32) -> Option<Level> {
        match (self.options.tags, steps) {
            (true, 0) => Some(Level::Plain),
            (true, 1) => Some(Level::Slice),
            (true, 2) => Some(Level::Nonce),
            (true, _) => None,
            (false, _) => (steps < self.options.retries_max).then_some(Level::Plain),
        }
    }

    fn level_for(&self, span: Span, slice: u64) -> Level {
        let doubted = self.doubted.iter().filter(|doubted| doubted.span.overlaps(&span));
        let steps = doubted.map(|doubted| doubted.steps.saturating_sub(1)).max();
        match steps.and_then(|steps| self.level_of(steps)) {
            Some(level) if level != Level::Plain => level,
            _ if self.options.tags && self.is_known_stale(slice) => Level::Slice,
            _ => Level::Plain,
        }
    }

    /// Counts a redirect that the transport is about to follow.
    ///
    /// # Errors
    /// `RequestsSpent`.
    pub fn redirect(&mut self) -> Result<(), Error> {
        self.send(0)?;
        self.stats.redirects = self.stats.redirects.saturating_add(1);
        Ok(())
    }

    /// The latest state that the session has judged, and of which file; `None` before the first.
    #[must_use]
    pub const fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Takes the file and its state that a view was taken of, whatever was judged before: heads
    /// that are read from now on are held against it.
    pub const fn set_identity(&mut self, viewed: Identity) {
        self.identity = Some(viewed);
    }

    /// Holds a head that was read against the latest one before it.
    ///
    /// # Errors
    /// `Replaced`.
    pub fn judge(&mut self, head: Identity) -> Result<News, Error> {
        let Some(known) = self.identity else {
            self.identity = Some(head);
            return Ok(News::Same);
        };
        if known.file_id != head.file_id {
            return Err(Error::Replaced { expected: known.file_id, found: head.file_id });
        }
        if head.generation < known.generation {
            self.stats.stale = self.stats.stale.saturating_add(1);
            return Ok(News::Older);
        }
        self.identity = Some(head);
        Ok(if head == known { News::Same } else { News::Grown })
    }

    /// Whether the bytes of `fetch`, which is done, are to wait until the head was looked at again:
    /// an answer said that the file is in a later state than any that is known to be of the
    /// session's file. Once they were, [`looked`](Self::looked) is to be told.
    ///
    /// False, too, where that was so [`Session::LOOKS_MAX`] times before: of a server whose answers
    /// say something new each time.
    #[must_use]
    pub fn wants_look(&self, fetch: &Fetch) -> bool {
        let is_later = |known: Mark| fetch.mark().is_some_and(|mark| mark.is_later_than(&known));
        self.looks < Self::LOOKS_MAX && self.known.is_some_and(is_later)
    }

    /// Takes the caller's word that the head of now was fetched, and is of the session's file: the
    /// state that the bytes of `fetch` are of is known from now on.
    pub fn looked(&mut self, fetch: &Fetch) {
        self.looks = self.looks.saturating_add(1);
        if self.wants_look(fetch) {
            self.known = fetch.mark();
        }
    }

    /// How often a head is looked at again for the sake of a changed validator, at most.
    pub const LOOKS_MAX: u32 = 8;

    /// What was spent, and what was met.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// The bounds that the session keeps.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) const fn stats_mut(&mut self) -> &mut Stats {
        &mut self.stats
    }

    /// Takes a request that may bring `len` bytes out of the budget, before it is sent.
    pub(crate) fn send(&mut self, len: u64) -> Result<(), Error> {
        if self.stats.requests >= self.options.requests_max {
            return Err(Error::RequestsSpent { max: self.options.requests_max });
        }
        self.hold(len)?;
        self.stats.requests = self.stats.requests.saturating_add(1);
        Ok(())
    }

    /// Sets `len` bytes of the budget aside.
    pub(crate) fn hold(&mut self, len: u64) -> Result<(), Error> {
        let max = self.options.bytes_max;
        let left = max.saturating_sub(self.stats.bytes).saturating_sub(self.held);
        if len > left {
            return Err(Error::BytesSpent { needed: len, left, max });
        }
        self.held = self.held.saturating_add(len);
        Ok(())
    }

    pub(crate) fn release(&mut self, len: u64) {
        self.held = self.held.saturating_sub(len);
    }

    /// Notes bytes that came, out of those set aside.
    pub(crate) fn take(&mut self, len: u64) {
        self.release(len);
        self.stats.bytes = self.stats.bytes.saturating_add(len);
    }

    /// Whether no answer has said anything of the file: its head came from elsewhere.
    pub(crate) const fn knows_no_state(&self) -> bool {
        self.known.is_none()
    }

    /// Notes a state of the session's file.
    pub(crate) fn know(&mut self, mark: Mark) {
        if self.known.is_none_or(|known| mark.is_later_than(&known)) {
            self.known = Some(mark);
        }
    }

    pub(crate) fn count(&mut self, fault: &Fault) {
        let stats = &mut self.stats;
        match fault {
            Fault::NotSatisfiable { .. } => {
                stats.not_satisfiable = stats.not_satisfiable.saturating_add(1);
            }
            Fault::Doubt(_) => {}
            _ => return,
        }
        stats.stale = stats.stale.saturating_add(1);
    }

    /// Whether the plain URL is not worth asking for this slice.
    fn is_known_stale(&self, slice: u64) -> bool {
        self.stale_from.is_some_and(|from| slice >= from)
    }

    /// A slice's tag brought what the plain URL did not.
    pub(crate) fn learn_stale(&mut self, slice: u64) {
        // Below it nothing was appended: whatever was wrong there says nothing about the rest.
        if self.grid.is_appended(slice) {
            self.stale_from = Some(self.stale_from.map_or(slice, |from| from.min(slice)));
        }
    }

    /// A slice's tag was of no use.
    pub(crate) const fn unlearn_stale(&mut self) {
        self.stale_from = None;
    }
}
