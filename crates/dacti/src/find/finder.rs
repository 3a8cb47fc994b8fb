//! The look-up of one region: it leads from an id to the place of the stored bytes.
//!
//! A look-up tries the cheapest step first. The steps are, in order: the results of earlier
//! look-ups, the groups in the head, the block that the fences lead to, and a scan of the index.
//! The modules of the steps do not use each other. Of these modules, only the scan reads from the
//! source. Specification: `docs/spec/dacti-index.md`, "Which entry counts";
//! `docs/spec/dacti-lookup.md`.

use crate::fetch::source::{Lent, ReadAt, Told, read_span};
use crate::find::blocks::Blocks;
use crate::find::guide::Guide;
use crate::find::head_groups::{HeadGroups, Recalled};
use crate::find::scan;
use crate::read::index_region::Groups;
use crate::read::kept_index::KeptIndex;
use crate::read::view::{View, read_failed};
use crate::{Error, Limits};
use core::sync::atomic::{AtomicU32, Ordering};
use dacti_index::Located;
use dacti_lookup::{Lookup, Search};
use daicon_core::Span;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// Finds regions in the index of an open package, and remembers what it read and checked.
///
/// Threads share it and never wait for each other.
#[derive(Debug)]
pub(crate) struct Finder {
    source: Arc<dyn ReadAt>,
    view: Arc<View>,
    /// The bytes that the source lends.
    lent: Lent,
    head_groups: HeadGroups,
    /// Whether the head has every group of the index.
    is_all_in_head: bool,
    blocks: Blocks,
    /// The number of searches by fences. Counting ends when the guide is built.
    searches: AtomicU32,
    /// The number of searches after which the guide is built; `None` if there can be no guide.
    guide_from: Option<u32>,
    guide_len_max: u64,
    guide: OnceLock<Option<Guide>>,
}

/// The state of a look-up after all bytes in memory were used.
#[derive(Debug)]
pub(crate) enum Begun<'f> {
    /// The result is known: the place of the region, its absence, or an error.
    Known(Result<Option<Located>, Error>),
    /// A search waits for bytes that must be read.
    Search(Search<'f>),
    /// The index has no fences and must be scanned.
    Scan,
    /// There is a fault, or the head lacks some of the delta groups. The caller must look up this
    /// region alone; that look-up reads the delta groups and handles the fault.
    Alone,
}

impl Finder {
    pub(crate) fn new(source: Arc<dyn ReadAt>, view: Arc<View>, limits: &Limits) -> Self {
        let (index, head, lent) = (view.index_region(), view.head(), source.lent());
        let lookup = index.lookup(&head);
        let guide_from = lookup.as_ref().and_then(|lookup| Guide::pays_from(lookup, &lent));
        Self {
            lent,
            head_groups: HeadGroups::default(),
            is_all_in_head: lookup.is_none() && index.groups_in(&head).is_some(),
            blocks: lookup.map_or_else(Blocks::default, |l| Blocks::new(&l, limits.blocks_len_max)),
            searches: AtomicU32::new(0),
            guide_from,
            guide_len_max: limits.guide_len_max,
            guide: OnceLock::new(),
            source,
            view,
        }
    }

    pub(crate) const fn source(&self) -> &Arc<dyn ReadAt> {
        &self.source
    }

    pub(crate) const fn view(&self) -> &Arc<View> {
        &self.view
    }

    #[inline]
    pub(crate) const fn lent(&self) -> &Lent {
        &self.lent
    }

    /// Finds the region of `id` by its newest entry. A region outside the file is an error.
    #[inline]
    pub(crate) fn find(&self, id: Uuid) -> Result<Option<Located>, Error> {
        match self.recall(id) {
            Some(found) => Ok(found),
            None => self.search(id),
        }
    }

    /// Returns the answer if the guide or the sorted groups in the head give it; otherwise `None`.
    #[expect(clippy::option_option, reason = "known to be there, known to be absent, or unknown")]
    #[inline]
    fn recall(&self, id: Uuid) -> Option<Option<Located>> {
        match self.head_groups.recall(id) {
            Recalled::Found(found) if found.is_removal() => Some(None),
            Recalled::Found(found) => (found.span.end <= self.view.bound()).then_some(Some(*found)),
            Recalled::Absent if self.is_all_in_head => Some(None),
            Recalled::Absent => self.guide.get()?.as_ref()?.find(id),
            Recalled::Nothing => None,
        }
    }

    #[inline(never)]
    fn search(&self, id: Uuid) -> Result<Option<Located>, Error> {
        let (index, head) = (self.view.index_region(), self.view.head());
        let found = match index.lookup(&head) {
            Some(lookup) => match self.search_by_fences(&lookup, id) {
                // The newest entry has an invalid span. No scan follows, because it would find the
                // same entry.
                Err(Error::Lookup(dacti_lookup::Error::Index(fault))) => return Err(fault.into()),
                Err(fault @ Error::Lookup(_)) => {
                    index.note_contradiction(fault);
                    scan::find(&*self.source, &self.view, id)?
                }
                found => found?,
            },
            None => match index.groups_in(&head) {
                Some(groups) => self.head_groups.find(groups, id).map_err(of_index)?,
                None => scan::find(&*self.source, &self.view, id)?,
            },
        };
        self.told(found)
    }

    /// Returns whether the fences contradicted the groups. If so, each look-up by fences may scan
    /// the whole index.
    pub(crate) fn must_scan(&self) -> bool {
        let index = self.view.index_region();
        index.has_fences() && index.fences_fault().is_some()
    }

    /// Returns the place of the found entry; `None` if it is a removal.
    fn told(&self, found: Option<Located>) -> Result<Option<Located>, Error> {
        // spec: R-GONE-01
        let found = found.filter(|found| !found.is_removal());
        Ok(found.map(|found| found.within(self.view.bound())).transpose()?)
    }

    fn search_by_fences(&self, lookup: &Lookup<'_>, id: Uuid) -> Result<Option<Located>, Error> {
        let newer = match self.delta_groups(lookup) {
            Some(groups) => self.head_groups.find(groups, id)?,
            None => scan::find_in_first(&*self.source, &self.view, lookup.delta_groups(), id)?,
        };
        if newer.is_some() {
            return Ok(newer);
        }
        self.count_search(lookup);
        let _told = self.tell_blocks(lookup, id);
        let mut search = lookup.search(id);
        while let Some(want) = search.want() {
            self.feed(lookup, &mut search, want)?;
        }
        Ok(found_by(&search))
    }

    /// Announces the first block of each run, if several of them must be fetched. So the blocks of
    /// all runs arrive in one round trip.
    fn tell_blocks(&self, lookup: &Lookup<'_>, id: Uuid) -> Option<Told<'_>> {
        let is_kept = self.view.index_region().kept().is_some();
        // With a budget, a block is fetched only if it is needed.
        if self.source.is_local() || is_kept || !self.source.may_read_around() {
            return None;
        }
        let head = self.view.head();
        let spans = lookup.searches(id).filter_map(|mut search| {
            let want = search.want()?;
            let is_here = head.answer(want).is_some() || self.blocks.feed_kept(&mut search);
            (!is_here).then(|| self.blocks.around(lookup, &search).unwrap_or(want))
        });
        let spans: Vec<Span> = spans.collect();
        (spans.len() > 1).then(|| Told::new(&*self.source, spans))
    }

    /// Returns the delta groups if the head has all of them.
    fn delta_groups(&self, lookup: &Lookup<'_>) -> Option<Groups<'_>> {
        let (region, head) = (self.view.index_region(), self.view.head());
        region.first_groups_in(&head, lookup.delta_groups())
    }

    /// Feeds `search` the bytes that it wants.
    fn feed(&self, lookup: &Lookup<'_>, search: &mut Search<'_>, want: Span) -> Result<(), Error> {
        if self.feed_in_hand(search, want)? {
            return Ok(());
        }
        if self.source.is_local()
            && let Some(part) = self.blocks.likely_part(search)
            && search.feed_likely(&self.read(part)?)
        {
            return Ok(());
        }
        if let Some(kept) = self.view.index_region().kept() {
            return self.feed_kept(search, want, kept);
        }
        let reads_around = self.source.may_read_around();
        let around = if reads_around { self.blocks.around(lookup, search) } else { None };
        let span = around.unwrap_or(want);
        loop {
            let bytes = self.read(span)?;
            let fed = match around {
                Some(_) => self.blocks.feed_around(lookup, search, span, &bytes),
                None => self.blocks.feed_read(search, bytes.into()),
            };
            match fed {
                Err(fault) if self.is_read_otherwise(span, &fault)? => {}
                fed => return fed,
            }
        }
    }

    /// Feeds `search` from an index that is fetched as a whole.
    fn feed_kept(
        &self,
        search: &mut Search<'_>,
        want: Span,
        kept: &KeptIndex,
    ) -> Result<(), Error> {
        let index = self.view.index_region().span();
        loop {
            let bytes = match kept.bytes() {
                Some(bytes) => bytes,
                None => kept.keep(self.read(index)?),
            };
            let part = want.slice_of(&bytes, index.start).unwrap_or_default();
            match self.blocks.feed_read(search, part.into()) {
                Err(fault) => {
                    kept.forget();
                    if !self.is_read_otherwise(index, &fault)? {
                        return Err(fault);
                    }
                }
                fed => return fed,
            }
        }
    }

    /// Feeds `search` from memory: lent bytes, the head, or a kept block. Returns false if the
    /// wanted bytes must be read.
    fn feed_in_hand(&self, search: &mut Search<'_>, want: Span) -> Result<bool, Error> {
        match self.source.slice(want).or_else(|| self.view.head().answer(want)) {
            Some(bytes) => self.blocks.feed_lent(search, bytes).map(|()| true),
            None => Ok(self.blocks.feed_kept(search)),
        }
    }

    fn read(&self, span: Span) -> Result<Vec<u8>, Error> {
        read_span(&*self.source, span).map_err(read_failed)
    }

    /// Reports a fault in the bytes of `span` to the source. Returns true if the source reads them
    /// in another way next time.
    fn is_read_otherwise(&self, span: Span, fault: &Error) -> Result<bool, Error> {
        let Some(why) = fault.doubt() else { return Ok(false) };
        self.source.doubt(span, why).map_err(read_failed)
    }

    /// Counts a search by fences, and builds the guide after enough searches. Searches of other
    /// threads do not wait for the guide.
    fn count_search(&self, lookup: &Lookup<'_>) {
        let Some(from) = self.guide_from else { return };
        if self.guide.get().is_none() && self.searches.fetch_add(1, Ordering::Relaxed) == from {
            let build = || Guide::build(lookup, &self.lent, self.view.bound(), self.guide_len_max);
            self.guide.get_or_init(build);
        }
    }

    /// Begins to look up `id` with the bytes in memory. Reads nothing.
    pub(crate) fn begin(&self, id: Uuid) -> Begun<'_> {
        let (index, head) = (self.view.index_region(), self.view.head());
        if let Some(kept) = index.kept() {
            // The first scan reads the whole index and keeps it for all look-ups.
            return if kept.bytes().is_some() { Begun::Known(self.find(id)) } else { Begun::Scan };
        }
        let Some(lookup) = index.lookup(&head) else {
            return if index.groups_in(&head).is_none() {
                Begun::Scan
            } else {
                Begun::Known(self.find(id))
            };
        };
        if self.must_scan() {
            return Begun::Scan;
        }
        if self.guide_from.is_some() {
            // There can be a guide, so the whole index is in memory.
            return Begun::Known(self.find(id));
        }
        let Some(groups) = self.delta_groups(&lookup) else { return Begun::Alone };
        match self.head_groups.find(groups, id) {
            Ok(None) => self.go_on(lookup.search(id)),
            Ok(found) => Begun::Known(self.told(found)),
            Err(_) => Begun::Alone,
        }
    }

    /// Continues a search that [`begin`](Self::begin) returned, after `bytes` were read for it.
    pub(crate) fn feed_begun<'f>(&'f self, mut search: Search<'f>, bytes: &[u8]) -> Begun<'f> {
        // Another search may have put the block into the cache meanwhile.
        if self.blocks.feed_kept(&mut search) {
            return self.go_on(search);
        }
        match self.blocks.feed_read(&mut search, bytes.into()) {
            Ok(()) => self.go_on(search),
            Err(_) => Begun::Alone,
        }
    }

    fn go_on<'f>(&'f self, mut search: Search<'f>) -> Begun<'f> {
        while let Some(want) = search.want() {
            match self.feed_in_hand(&mut search, want) {
                Ok(true) => {}
                Ok(false) => return Begun::Search(search),
                Err(_) => return Begun::Alone,
            }
        }
        Begun::Known(self.told(found_by(&search)))
    }
}

/// Returns the entry that an ended search found.
fn found_by(search: &Search<'_>) -> Option<Located> {
    match search.outcome() {
        Some(dacti_lookup::SearchOutcome::Found(located)) => Some(located),
        Some(dacti_lookup::SearchOutcome::Absent) | None => None,
    }
}

/// Converts an error of a search. A fault of the groups becomes a fault of the index.
fn of_index(error: dacti_lookup::Error) -> Error {
    match error {
        dacti_lookup::Error::Index(fault) => fault.into(),
        error => error.into(),
    }
}

#[cfg(test)]
#[cfg(feature = "write")]
mod tests {
    use super::Finder;
    use crate::{BuildOptions, EncodingChoice, Limits, Package, PackageBuilder};
    use core::sync::atomic::Ordering;
    use std::sync::{Arc, Barrier};
    use uuid::Uuid;

    fn id(n: u32) -> Uuid {
        dacti_names::region_id(&n.to_string()).unwrap()
    }

    fn package_of(count: u32) -> Package {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.dacti-pack");
        let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
        let mut builder = PackageBuilder::new(options);
        for n in 0..count {
            builder.add(id(n), vec![7]).unwrap();
        }
        builder.build(&path).unwrap();
        Package::from_bytes(std::fs::read(&path).unwrap()).unwrap()
    }

    fn finder(package: &Package, limits: &Limits) -> Finder {
        Finder::new(Arc::clone(package.source()), Arc::clone(package.shared_view()), limits)
    }

    #[test]
    fn enough_look_ups_build_a_guide_whatever_their_threads() {
        let package = package_of(3000);
        // The names list is a region, too. So the index has 3,001 entries in 12 groups, which have
        // 12 * 255 places. The guide is built after one search for every 16 places.
        let searches = 12 * 255 / 16;
        for round in 0..20 {
            let finder = finder(&package, &Limits::default());
            assert_eq!(finder.guide_from, Some(searches));
            let start = Barrier::new(2);
            std::thread::scope(|scope| {
                for thread in 0..2 {
                    let (finder, start) = (&finder, &start);
                    scope.spawn(move || {
                        start.wait();
                        for n in 0..searches {
                            let n = (thread * 1500 + round + n) % 3000;
                            assert!(finder.find(id(n)).unwrap().is_some(), "{n}");
                            assert!(finder.find(id(3000 + n)).unwrap().is_none(), "{n}");
                        }
                    });
                }
            });
            assert!(matches!(finder.guide.get(), Some(Some(_))), "round {round}");
            // Once there is a guide, no look-up searches by fences.
            let before = finder.searches.load(Ordering::Relaxed);
            for n in 0..3000 {
                assert!(finder.find(id(n)).unwrap().is_some(), "{n}");
            }
            assert_eq!(finder.searches.load(Ordering::Relaxed), before);
        }
    }

    #[test]
    fn without_room_for_a_guide_look_ups_search() {
        let package = package_of(3000);
        let finder = finder(&package, &Limits { guide_len_max: 0, ..Limits::default() });
        for n in (0..3000).chain(0..3000) {
            assert!(finder.find(id(n)).unwrap().is_some(), "{n}");
            assert!(finder.find(id(3000 + n)).unwrap().is_none(), "{n}");
        }
        assert!(matches!(finder.guide.get(), Some(None)));
    }
}
