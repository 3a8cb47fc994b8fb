//! A session: the state that all fetches of one file share.
//!
//! It keeps the budget, counts events, and remembers the slices for which a cache was stale. It
//! also judges whether a head is of the same state, a later state, an earlier state or another
//! file. It parses no head. Specification: `docs/spec/dacti-http.md`, "Budget", "Heads".

use crate::ledger::more;
use crate::mark::{Mark, States};
use crate::step::{Begin, Step};
use crate::{Doubt, Error, Fault, Grid, Ledger, Options, Stats};
use alloc::collections::VecDeque;
use daicon_core::Span;

/// The file and the state that a head describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The file id. If the file has none, a digest of its head.
    pub file_id: [u8; 16],
    /// Numbers that grow with each update of the file, the most significant first.
    pub generation: [u64; 3],
}

/// The result of the comparison of a head with the session's latest head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum News {
    /// The same state.
    Same,
    /// A later state: the session's state from now on.
    Grown,
    /// An earlier state, from a stale cache: ignore it.
    Older,
}

/// The state that all fetches of one file share.
#[derive(Debug, Clone)]
pub struct Session {
    options: Options,
    ledger: Ledger,
    grid: Grid,
    /// The first slice for which the plain URL was stale and the slice's tag was not. The session
    /// assumes the same of all later slices.
    stale_from: Option<u64>,
    states: States,
    identity: Option<Identity>,
    doubted: VecDeque<Doubted>,
    /// Regions that are read part by part.
    regions: VecDeque<Span>,
    /// Why the session has ended for good.
    ended: Option<Error>,
    /// Whether the bytes were still missing after the latest wait for an upload.
    waited_in_vain: bool,
    /// The number of ranges that were fetched so far.
    ranges: u64,
    /// The value of `ranges` when the latest head that proved the file id was requested.
    confirmed: u64,
}

/// The maximum number of regions that the session remembers. Each of them spans several slices.
const REGIONS_MAX: usize = 64;
/// The maximum number of remembered ranges that the caller found wrong.
const DOUBTED_MAX: usize = 64;

/// A range that the caller found wrong, and how often.
#[derive(Debug, Clone, Copy)]
struct Doubted {
    span: Span,
    times: u32,
}

impl Session {
    /// Returns a session that has read nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            ledger: Ledger::new(options.requests_max, options.bytes_max),
            grid: Grid::default(),
            stale_from: None,
            states: States::default(),
            identity: None,
            doubted: VecDeque::new(),
            regions: VecDeque::new(),
            ended: None,
            waited_in_vain: false,
            ranges: 0,
            confirmed: 0,
        }
    }

    /// Sets the file's layout. Before that, slices have the default length and no bytes count as
    /// appended.
    pub const fn set_grid(&mut self, grid: Grid) {
        self.grid = grid;
    }

    /// Lowers the budget by the amounts that were spent elsewhere for the same file.
    pub const fn spend(&mut self, requests: u64, bytes: u64) {
        self.ledger.lower(requests, bytes);
    }

    /// Stops adding tags. Call it if the server accepts no query on this URL.
    pub const fn forbid_tags(&mut self) {
        self.options.tags = false;
    }

    /// Notes a region that is read part by part: the region's start determines the tag of each
    /// part. The session ignores regions within one slice. Of the others, it remembers the latest
    /// 64.
    pub fn note_region(&mut self, region: Span) {
        let last = Span { start: region.end.saturating_sub(1), ..region };
        let is_in_one = self.grid.slice_start(region.start) == self.grid.slice_start(last.start);
        if region.is_empty() || is_in_one || self.regions.contains(&region) {
            return;
        }
        if self.regions.len() >= REGIONS_MAX {
            self.regions.pop_front();
        }
        self.regions.push_back(region);
    }

    /// Records that the fetched bytes of `span` are wrong. The next fetch that overlaps `span`
    /// begins with the next form of the URL, which avoids more caches: see "Escalation" in
    /// `docs/spec/dacti-http.md`.
    ///
    /// # Errors
    /// `Stale` if no step is left. If the session has ended, the reason why it ended.
    pub fn doubt(&mut self, span: Span, doubt: Doubt) -> Result<(), Error> {
        self.check_ended()?;
        let fault = Fault::Doubt(doubt);
        self.ledger.stats_mut().count(&fault);
        let known = self.doubted.iter().position(|doubted| doubted.span == span);
        let times = known.and_then(|n| self.doubted.remove(n)).map_or(0, |doubted| doubted.times);
        let Some(begin) = self.begin_after(times) else {
            self.waited_in_vain = true;
            return Err(Error::Stale { span, fault, tags: self.options.tags });
        };
        let stats = self.ledger.stats_mut();
        if begin.step == Step::Plain || begin.waits > 0 {
            more(&mut stats.retries);
        } else {
            more(&mut stats.escalations);
        }
        // Drop the oldest range, because its bytes are most likely right by now. If they are not,
        // its escalation begins again.
        if self.doubted.len() >= DOUBTED_MAX {
            self.doubted.pop_front();
        }
        self.doubted.push_back(Doubted { span, times: times.saturating_add(1) });
        Ok(())
    }

    /// Returns the first step for a range that was found wrong `times` times before; `None` if no
    /// step is left.
    fn begin_after(&self, times: u32) -> Option<Begin> {
        let (step, steps) = match (self.options.tags, times) {
            (true, 0) => (Step::Plain, 3),
            (true, 1) => (Step::Slice, 3),
            (true, _) => (Step::Nonce, 3),
            (false, _) => (Step::Plain, self.options.retries_max),
        };
        let waits = times.saturating_add(1).saturating_sub(steps);
        let waits_max = if self.waited_in_vain { 0 } else { self.options.upload_waits_max };
        (waits <= waits_max).then_some(Begin { step, waits })
    }

    /// Returns the first step for `span`, whose region starts in `slice`.
    pub(crate) fn begin(&self, span: Span, slice: u64) -> Begin {
        let doubted = self.doubted.iter().filter(|doubted| doubted.span.overlaps(&span));
        let times = doubted.map(|doubted| doubted.times.saturating_sub(1)).max();
        match times.and_then(|times| self.begin_after(times)) {
            Some(begin) if begin != Begin::PLAIN => begin,
            _ if self.options.tags && self.is_known_stale(slice) => {
                Begin { step: Step::Slice, waits: 0 }
            }
            _ => Begin::PLAIN,
        }
    }

    /// Returns the start of the region that contains `span`: a region that is read part by part, or
    /// a range that was found wrong. If neither contains `span`, returns the start of `span`.
    pub(crate) fn region_start(&self, span: Span) -> u64 {
        let doubted = self.doubted.iter().map(|doubted| doubted.span);
        let whole = doubted.chain(self.regions.iter().copied());
        let whole = whole.filter(|whole| whole.contains(&span));
        whole.map(|whole| whole.start).min().unwrap_or(span.start)
    }

    /// Counts a redirect. Call this before the redirect is followed.
    ///
    /// # Errors
    /// `RequestsSpent`.
    pub fn redirect(&mut self) -> Result<(), Error> {
        self.ledger.request(0)?;
        more(&mut self.ledger.stats_mut().redirects);
        Ok(())
    }

    /// Returns the latest state that the session has judged; `None` before the first.
    #[must_use]
    pub const fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Sets the file and the state of the caller's view. Heads that are read later are compared
    /// with it.
    pub const fn set_identity(&mut self, viewed: Identity) {
        self.identity = Some(viewed);
    }

    /// Forgets the file: its latest head, its known states, and the reason why the session ended.
    /// Call it only before a view of the file was taken. The budget and the counts stay.
    pub fn restart(&mut self) {
        self.identity = None;
        self.states = States::default();
        self.ended = None;
    }

    /// Compares a head with the session's latest head. A head of another file ends the session.
    ///
    /// # Errors
    /// `Replaced` for a head of another file. If the session had ended before, the reason why it
    /// ended.
    pub fn judge(&mut self, head: Identity) -> Result<News, Error> {
        self.check_ended()?;
        let Some(known) = self.identity else {
            self.identity = Some(head);
            return Ok(News::Same);
        };
        if known.file_id != head.file_id {
            let replaced = Error::Replaced { expected: known.file_id, found: head.file_id };
            self.ended = Some(replaced);
            return Err(replaced);
        }
        if head.generation < known.generation {
            more(&mut self.ledger.stats_mut().stale);
            return Ok(News::Older);
        }
        self.identity = Some(head);
        Ok(if head == known { News::Same } else { News::Grown })
    }

    /// Returns why the session has ended for good; `None` while it goes on.
    #[must_use]
    pub const fn ended(&self) -> Option<Error> {
        self.ended
    }

    /// Ends the session for good: the file at the URL cannot be read as the session's file any
    /// more. Every later call returns the same error.
    pub fn end_unreadable(&mut self) -> Error {
        *self.ended.get_or_insert(Error::Unreadable)
    }

    pub(crate) fn check_ended(&self) -> Result<(), Error> {
        self.ended.map_or(Ok(()), Err)
    }

    /// Returns whether ranges were fetched since the latest head proved the file id. If so, fetch
    /// and judge the head again before you report success on regions that were read together.
    #[must_use]
    pub const fn wants_confirmation(&self) -> bool {
        self.ranges > self.confirmed
    }

    /// The maximum number of looks: fetches of the head after answers whose validators changed.
    pub const LOOKS_MAX: u32 = 8;

    /// Returns the counts.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.ledger.stats()
    }

    /// Returns the session's bounds.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) const fn grid(&self) -> &Grid {
        &self.grid
    }

    pub(crate) const fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    pub(crate) const fn stats_mut(&mut self) -> &mut Stats {
        self.ledger.stats_mut()
    }

    pub(crate) const fn states(&self) -> &States {
        &self.states
    }

    pub(crate) const fn states_mut(&mut self) -> &mut States {
        &mut self.states
    }

    /// Takes the state of a fetched head as the file's only known state, if no head has been judged
    /// yet.
    pub(crate) fn begin_with(&mut self, mark: Mark) {
        if self.identity.is_none() {
            self.states.begin_with(mark);
        }
    }

    pub(crate) const fn ranges(&self) -> u64 {
        self.ranges
    }

    pub(crate) fn count_range(&mut self) {
        more(&mut self.ranges);
    }

    /// Notes that a head proved the file id after `ranges` ranges.
    pub(crate) fn confirm(&mut self, ranges: u64) {
        self.confirmed = self.confirmed.max(ranges);
    }

    /// Returns whether a fetch that has waited `n` times may wait for an upload again.
    pub(crate) const fn may_wait(&self, n: u32) -> bool {
        !self.waited_in_vain && n < self.options.upload_waits_max
    }

    pub(crate) const fn note_wait(&mut self, in_vain: bool) {
        self.waited_in_vain = in_vain;
    }

    /// Returns whether the plain URL is known to be stale for this slice.
    fn is_known_stale(&self, slice: u64) -> bool {
        self.stale_from.is_some_and(|from| slice >= from)
    }

    /// Notes that the URL with a slice's tag returned the right bytes, and the plain URL did not.
    pub(crate) fn learn_stale(&mut self, slice: u64) {
        // A fault in bytes that the packer wrote does not show that a cache lacks appended bytes.
        if self.grid.is_appended(slice) {
            self.stale_from = Some(self.stale_from.map_or(slice, |from| from.min(slice)));
        }
    }

    /// Notes that a slice's tag did not lead to the right bytes.
    pub(crate) const fn unlearn_stale(&mut self) {
        self.stale_from = None;
    }
}
