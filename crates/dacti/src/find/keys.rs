//! The lookup keys of an open package: with them a region is found in one read of a few groups.
//!
//! They are only a help: where they are missing, of another index, or contradict it, the index is
//! scanned. Specification: `docs/spec/dacti-lookup.md`.

use crate::Error;
use crate::fetch::source::{Lent, ReadAt};
use crate::find::blocks::Blocks;
use crate::find::guide::{Guide, Told};
use crate::find::scan::{self, Known};
use crate::read::view::{View, in_head_or_read};
use core::iter::Peekable;
use dacti_index::{GROUP_LEN, GROUPS_MAX, Group, INDEX_HEADER_LEN, IndexHeader, Located};
use dacti_lookup::{
    FENCE_LEN, LOOKUP_HEADER_LEN, Lookup, RUN_LEN, RUNS_MAX, Run, RunOrder, Search, SearchOutcome,
};
use daicon_core::{Span, Window, struct_at};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// The longest that a lookup region can be: with as many runs and keys as an index can have.
const LOOKUP_LEN_MAX: u64 = {
    let runs = RUN_LEN.saturating_mul(RUNS_MAX as u64);
    let keys = FENCE_LEN.saturating_mul(GROUPS_MAX as u64);
    LOOKUP_HEADER_LEN.saturating_add(runs).saturating_add(keys)
};

/// How far what is in hand leads to a region.
#[derive(Debug)]
pub(crate) enum Begun<'v> {
    /// To where it is, if anywhere.
    Known(Result<Option<Located>, Error>),
    /// To a search that wants bytes which are not in hand.
    Search(Search<'v>),
    /// To a scan of the index, as there are no keys.
    Scan,
    /// To a look-up of its own.
    Alone,
}

/// The lookup region of the index in force, checked when the package was opened.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    span: Span,
    /// Its bytes, where they do not lie in the head.
    fetched: Option<Vec<u8>>,
    /// What a search met first that made it scan.
    contradiction: OnceLock<Arc<Error>>,
}

impl Keys {
    /// Takes the lookup region at `span`, from the head or else read, for the index at `index`.
    pub(crate) fn read(
        source: &dyn ReadAt,
        head: &Window<'_>,
        span: Span,
        index: Span,
        groups: u32,
    ) -> Result<Self, Error> {
        let at = span.start;
        let span = Span { start: at, end: span.end.min(at.saturating_add(LOOKUP_LEN_MAX)) };
        let bytes = in_head_or_read(source, head, span)?;
        let lookup = Lookup::parse(&bytes, at)?;
        if !lookup.is_of(index, groups)? {
            return Err(Error::OtherIndex { at, index_at: lookup.index_at() });
        }
        let fetched = match bytes {
            Cow::Borrowed(_) => None,
            Cow::Owned(bytes) => Some(bytes),
        };
        Ok(Self { span, fetched, contradiction: OnceLock::new() })
    }

    /// A guide of at most `len_max` bytes to an index that is lent.
    pub(crate) fn guide(&self, lent: &Lent, view: &View, len_max: u64) -> Option<Guide> {
        Guide::new(&self.lookup(view).ok()?, lent, view.len(), len_max)
    }

    /// What is to be remembered of the blocks that the keys lead to, in at most `kept_len_max`
    /// bytes.
    pub(crate) fn blocks(&self, view: &View, kept_len_max: u64) -> Result<Blocks, Error> {
        let lookup = self.lookup(view)?;
        let stride = lookup.runs().map(|run| run.stride.min(run.groups)).max().unwrap_or(0);
        let len_max = GROUP_LEN.saturating_mul(u64::from(stride).saturating_add(1));
        Ok(Blocks::new(lookup.fence_count(), len_max, kept_len_max))
    }

    fn lookup<'v>(&'v self, view: &'v View) -> Result<Lookup<'v>, dacti_lookup::Error> {
        let bytes = self.fetched.as_deref().or_else(|| view.head().answer(self.span));
        Lookup::parse(bytes.unwrap_or_default(), self.span.start)
    }

    /// What a search met first that made it scan the index instead.
    pub(crate) fn contradiction(&self) -> Option<&Arc<Error>> {
        self.contradiction.get()
    }

    /// What holds every key against its group, and every group of the runs against the one before
    /// it.
    pub(crate) fn checker<'v>(&'v self, view: &'v View) -> Result<KeysCheck<'v>, Error> {
        let lookup = self.lookup(view)?;
        lookup.check_fences()?;
        let runs = lookup.runs().collect::<Vec<_>>().into_iter().peekable();
        Ok(KeysCheck { runs, number: 0, order: RunOrder::default() })
    }

    /// What the guide says of `id` once it knows all that it can: of the delta groups and then of
    /// the run. `None` where the search is to tell.
    pub(crate) fn guided(&self, view: &View, known: &Known, id: Uuid) -> Option<SearchOutcome> {
        let guide = known.guide.as_ref()?;
        if !known.front.is_empty() {
            let (at, groups, bytes) = deltas_in_head(guide.deltas(), view)?;
            // What is wrong with them the search tells.
            if let Some(found) = known.front.find(bytes, at, groups, id).ok()? {
                return Some(SearchOutcome::Found(found));
            }
        }
        loop {
            match guide.filled().map_or(Told::Unknown, |filled| filled.find(id, known.lent.bytes()))
            {
                Told::Found(found) => return Some(SearchOutcome::Found(found)),
                Told::Absent => return Some(SearchOutcome::Absent),
                // Each round fills in one block more.
                Told::Unknown => self.fill(guide, view, known, id)?,
                Told::Nothing => return None,
            }
        }
    }

    /// Has the guide know a block that it needs for `id`; `None` where it knows what it can.
    #[cold]
    fn fill(&self, guide: &Guide, view: &View, known: &Known, id: Uuid) -> Option<()> {
        let keys = self.fetched.as_deref().or_else(|| view.head().answer(self.span))?;
        let block = guide.block_to_fill(id, keys, self.span.start, || known.front.is_empty())?;
        let lookup = self.lookup(view).ok()?;
        let bytes = lookup.block_span(block).and_then(|span| known.lent.slice(span));
        let checked = bytes.is_some_and(|bytes| lookup.check_block(block, bytes).is_ok());
        guide.fill(block, known.lent.slice(guide.run()).filter(|_| checked));
        Some(())
    }

    /// Finds the entry of `id` that counts. `None` where the keys are of no use, and the index is
    /// to be scanned.
    pub(crate) fn find(
        &self,
        source: &dyn ReadAt,
        view: &View,
        known: &Known,
        id: Uuid,
    ) -> Result<Option<SearchOutcome>, Error> {
        match self.search(source, view, known, id) {
            Ok(answer) => Ok(Some(answer)),
            // An entry that names no place is at fault by itself: a scan finds no better one.
            Err(Error::Lookup(dacti_lookup::Error::Index(fault))) => Err(fault.into()),
            Err(fault @ Error::Lookup(_)) => {
                // The first one is told; later ones are most likely the same.
                let _ = self.contradiction.set(fault.into());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn search(
        &self,
        source: &dyn ReadAt,
        view: &View,
        known: &Known,
        id: Uuid,
    ) -> Result<SearchOutcome, Error> {
        let lookup = self.lookup(view)?;
        let found = match deltas_in_head(lookup.delta_groups(), view) {
            Some((at, groups, bytes)) => known.front.find(bytes, at, groups, id)?,
            None => scan::find_in_first(source, view, lookup.delta_groups(), id)?,
        };
        if let Some(found) = found {
            return Ok(SearchOutcome::Found(found));
        }
        let mut search = lookup.search(id);
        while let Some(want) = search.want() {
            known.blocks.feed(&mut search, want, &view.head(), source)?;
        }
        Ok(search.outcome().unwrap_or(SearchOutcome::Absent))
    }

    /// As [`find`](Self::find), as far as what is in hand leads.
    pub(crate) fn begin<'v>(
        &'v self,
        source: &dyn ReadAt,
        view: &'v View,
        known: &Known,
        id: Uuid,
    ) -> Begun<'v> {
        let Ok(lookup) = self.lookup(view) else { return Begun::Alone };
        let Some((at, groups, bytes)) = deltas_in_head(lookup.delta_groups(), view) else {
            return Begun::Alone;
        };
        match known.front.find(bytes, at, groups, id) {
            Ok(Some(found)) => Begun::Known(located(SearchOutcome::Found(found), view.len())),
            Ok(None) => go_on(lookup.search(id), source, view, known),
            Err(_) => Begun::Alone,
        }
    }
}

/// Where the delta groups start, how many there are, and their bytes, where they lie in the head.
fn deltas_in_head(groups: u32, view: &View) -> Option<(u64, u32, &[u8])> {
    let start = view.index().start.saturating_add(INDEX_HEADER_LEN);
    let end = start.saturating_add(GROUP_LEN.saturating_mul(u64::from(groups)));
    // After a fold there are none, and the index is not in the head.
    let bytes = if groups == 0 { &[] } else { view.head().answer(Span { start, end })? };
    Some((start, groups, bytes))
}

/// Feeds a search what is in hand. Faults are left to [`Keys::find`], which knows what to do.
pub(crate) fn go_on<'v>(
    mut search: Search<'v>,
    source: &dyn ReadAt,
    view: &View,
    known: &Known,
) -> Begun<'v> {
    while let Some(want) = search.want() {
        match known.blocks.feed_in_hand(&mut search, want, &view.head(), source) {
            Ok(true) => {}
            Ok(false) => return Begun::Search(search),
            Err(_) => return Begun::Alone,
        }
    }
    Begun::Known(located(search.outcome().unwrap_or(SearchOutcome::Absent), view.len()))
}

/// A check of lookup keys while the index is read: it takes every group in turn.
#[derive(Debug)]
pub(crate) struct KeysCheck<'k> {
    runs: Peekable<std::vec::IntoIter<Run<'k>>>,
    /// Number of the next group.
    number: u32,
    /// The run so far.
    order: RunOrder,
}

impl KeysCheck<'_> {
    /// Takes the next group of the index.
    pub(crate) fn take(&mut self, group: &Group<'_>) -> Result<(), Error> {
        let g = self.number;
        self.number = g.saturating_add(1);
        while self.runs.next_if(|run| run.first_group.saturating_add(run.groups) <= g).is_some() {}
        let Some(run) = self.runs.peek().filter(|run| run.first_group <= g) else {
            return Ok(());
        };
        let in_run = g.saturating_sub(run.first_group);
        if in_run == 0 {
            self.order = RunOrder::default();
        }
        let n = usize::try_from(in_run.checked_div(run.stride).unwrap_or(0)).ok();
        let key = n.and_then(|n| run.fences.get(n)).filter(|_| in_run.is_multiple_of(run.stride));
        Ok(self.order.take(group, key.map(|key| key.get()))?)
    }
}

/// How many groups the index at `index` says that it has; `None` where there is no saying.
pub(crate) fn group_count(source: &dyn ReadAt, head: &Window<'_>, index: Span) -> Option<u32> {
    let want = Span::new(index.start, INDEX_HEADER_LEN).filter(|want| index.contains(want))?;
    let bytes = in_head_or_read(source, head, want).ok()?;
    struct_at::<IndexHeader>(&bytes).map(|header| header.groups.get())
}

/// A found region, held against the file's length.
#[inline]
pub(crate) fn located(answer: SearchOutcome, len: u64) -> Result<Option<Located>, Error> {
    match answer {
        SearchOutcome::Found(located) => Ok(Some(located.within(len)?)),
        SearchOutcome::Absent => Ok(None),
    }
}
