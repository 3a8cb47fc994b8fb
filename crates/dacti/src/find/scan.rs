//! Scans an index through a window that is read ahead, newest group first.
//!
//! The machines of `dacti-index` say which bytes they want; here those bytes are found in the head
//! or read in pieces.

use crate::fetch::source::{Lent, ReadAt, Told, read_span};
use crate::find::blocks::Blocks;
use crate::find::front::{self, Front};
use crate::find::guide::{Filled, Guide};
use crate::find::keys;
use crate::read::view::{View, read_failed};
use crate::{Error, Limits};
use dacti_index::{
    Encoding, Event, Finder, GROUP_HEADER_LEN, GROUP_LEN, Group, INDEX_HEADER_LEN, IndexReader,
    Located,
};
use daicon_core::{Span, Window};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Bytes of index that are read at once: about forty groups. More where all of it is read, from a
/// source where each read has a price of its own.
const READ_AHEAD: u64 = 256 * 1024;

/// Bytes that are read at once of an index that is read whole.
fn piece_len(source: &dyn ReadAt) -> u64 {
    READ_AHEAD.max(u64::try_from(source.read_len()).unwrap_or(u64::MAX))
}

/// What look-ups of an open package have learnt of its index.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) front: Front,
    /// Whether the groups in front are all that there are.
    is_all_in_front: bool,
    pub(crate) blocks: Blocks,
    pub(crate) guide: Option<Guide>,
    /// What the source lends.
    pub(crate) lent: Lent,
}

impl Known {
    /// Nothing as yet, and room for as much of it as `limits` say.
    pub(crate) fn new(source: &dyn ReadAt, view: &View, limits: &Limits) -> Self {
        let (keys, lent) = (view.keys(), source.lent());
        let blocks = keys.and_then(|keys| keys.blocks(view, limits.blocks_len_max).ok());
        Self {
            front: Front::default(),
            is_all_in_front: keys.is_none() && view.groups_in_head().is_some(),
            blocks: blocks.unwrap_or_else(|| Blocks::new(0, 0, 0)),
            guide: keys.and_then(|keys| keys.guide(&lent, view, limits.guide_len_max)),
            lent,
        }
    }

    /// What the groups in front tell of an id, where there are no others and they were sorted.
    #[inline]
    pub(crate) fn told_by_front(&self, id: Uuid) -> front::Told<'_> {
        if self.is_all_in_front { self.front.told(id.as_u128()) } else { front::Told::Nothing }
    }

    /// What is filled in of the guide where that has all to say: where there are no delta entries.
    #[inline]
    pub(crate) fn filled(&self) -> Option<&Filled> {
        self.guide.as_ref()?.filled().filter(|filled| filled.is_alone())
    }
}

/// Finds the entry of `id` that counts, with the stored bytes within the file, without the guide.
#[inline(never)]
pub(crate) fn find(
    source: &dyn ReadAt,
    view: &View,
    known: &Known,
    id: Uuid,
) -> Result<Option<Located>, Error> {
    if let Some(keys) = view.keys()
        && let Some(answer) = keys.find(source, view, known, id)?
    {
        return keys::located(answer, view.len());
    }
    let found = match view.groups_in_head() {
        Some((at, groups, bytes)) if view.keys().is_none() => {
            known.front.find(bytes, at, groups, id).map_err(of_index)?
        }
        _ => {
            let mut finder = Finder::new(view.index(), id)?;
            let mut ahead = ReadAhead::new(source, view);
            while let Some(want) = finder.want() {
                finder.feed(ahead.bytes(want)?)?;
            }
            finder.found()
        }
    };
    Ok(found.map(|found| found.within(view.len())).transpose()?)
}

/// Finds the entry of `id` that counts in the first `groups` groups of the index.
pub(crate) fn find_in_first(
    source: &dyn ReadAt,
    view: &View,
    groups: u32,
    id: Uuid,
) -> Result<Option<Located>, Error> {
    let mut reader = IndexReader::new(view.index())?;
    let mut ahead = ReadAhead::new(source, view);
    let mut left = groups;
    while let Some(want) = reader.want().filter(|_| left > 0) {
        if let Some(Event::Group(group)) = reader.feed(ahead.bytes(want)?)? {
            left = left.saturating_sub(1);
            if let Some(located) = group.find(id)? {
                return Ok(Some(located));
            }
        }
    }
    Ok(None)
}

/// Finds the entries of many ids, ascending, that count, in one pass over the index up to the group
/// that has the last of them.
pub(crate) fn find_all(
    source: &dyn ReadAt,
    view: &View,
    ids: &[Uuid],
) -> Result<Vec<Result<Option<Located>, dacti_index::Error>>, Error> {
    let mut found: Vec<_> = ids.iter().map(|_| Ok(None)).collect();
    // An id may be asked for twice.
    let mut left: HashMap<Uuid, core::ops::Range<usize>> = HashMap::new();
    for (i, id) in ids.iter().enumerate() {
        left.entry(*id).or_insert(i..i).end = i.saturating_add(1);
    }
    let mut reader = IndexReader::new(view.index())?;
    let mut ahead = ReadAhead::by(windows(source, view), source, view);
    while let Some(want) = reader.want().filter(|_| !left.is_empty()) {
        let Some(Event::Group(group)) = reader.feed(ahead.bytes(want)?)? else { continue };
        // Newest first within the group, too.
        for (entry, located) in group.entries().iter().zip(group.regions()).rev() {
            let Some(range) = left.remove(&entry.id.get()) else { continue };
            let told = located.and_then(|located| located.within(view.len()));
            let slots = found.get_mut(range).into_iter().flatten();
            slots.for_each(|slot| *slot = told.map(Some));
        }
    }
    Ok(found)
}

/// What a pass over the whole index reads where its groups are full: all that does not lie in the
/// head, in pieces.
pub(crate) fn windows(source: &dyn ReadAt, view: &View) -> Vec<Span> {
    let (head, index, len_max) = (view.head(), view.index(), piece_len(source));
    let lens = [GROUP_HEADER_LEN, GROUP_LEN.saturating_sub(GROUP_HEADER_LEN)];
    let mut at = index.start.saturating_add(INDEX_HEADER_LEN);
    let mut windows: Vec<Span> = Vec::new();
    for len in lens.into_iter().cycle() {
        let Some(want) = Span::new(at, len).filter(|want| index.contains(want)) else { break };
        let is_read = windows.last().is_some_and(|window| window.contains(&want));
        if head.answer(want).is_none() && !is_read {
            windows.push(window(want, index, len_max));
        }
        at = want.end;
    }
    windows
}

/// What is read of an index for the sake of `want`.
fn window(want: Span, index: Span, len_max: u64) -> Span {
    let end = want.start.saturating_add(len_max).min(index.end).max(want.end);
    Span { start: want.start, end }
}

/// The fault of the index behind one that the lookup crate tells.
fn of_index(error: dacti_lookup::Error) -> Error {
    match error {
        dacti_lookup::Error::Index(fault) => fault.into(),
        error => error.into(),
    }
}

/// Hands every group of the index to `visit`, newest first.
pub(crate) fn groups(
    source: &dyn ReadAt,
    view: &View,
    mut visit: impl FnMut(Group<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut reader = IndexReader::new(view.index())?;
    let windows = windows(source, view);
    let _told = Told::new(source, windows.clone());
    let mut ahead = ReadAhead::by(windows, source, view);
    while let Some(want) = reader.want() {
        if let Some(Event::Group(group)) = reader.feed(ahead.bytes(want)?)? {
            visit(group)?;
        }
    }
    Ok(())
}

/// What one pass over an index found: its groups, and every region by the entry that counts.
///
/// Memory: 56 bytes an entry, 24 a group. Spans are not held against the file's length.
#[derive(Debug, Clone, Default)]
pub struct IndexScan {
    pub(crate) groups: Vec<GroupSummary>,
    pub(crate) found: Vec<Located>,
    pub(crate) faults: Vec<dacti_index::Error>,
    pub(crate) replaced: Vec<Located>,
}

impl IndexScan {
    /// Every group, newest first, those without entries too.
    #[must_use]
    pub fn groups(&self) -> &[GroupSummary] {
        &self.groups
    }

    /// Every region by the entry that counts, ascending by id; the names list's own is among them.
    #[must_use]
    pub fn regions(&self) -> &[Located] {
        &self.found
    }

    /// What is wrong with entries that count and name no place. Their regions are not listed.
    #[must_use]
    pub fn faults(&self) -> &[dacti_index::Error] {
        &self.faults
    }

    /// What entries name that newer ones have replaced.
    #[must_use]
    pub fn replaced(&self) -> &[Located] {
        &self.replaced
    }

    /// Takes a group, newest first.
    fn take(&mut self, group: &Group<'_>, wrong: &mut BTreeMap<u64, dacti_index::Error>) {
        let length = u8::try_from(group.entries().len()).unwrap_or(u8::MAX);
        let (at, base, encoding) = (group.at(), group.base(), group.encoding());
        self.groups.push(GroupSummary { at, length, base, encoding });
        // Newest first within the group, too, so that the first of an id is the one that counts.
        for (entry, located) in group.entries().iter().zip(group.regions()).rev() {
            self.found.push(located.unwrap_or_else(|fault| {
                // Keeps its place among the entries of its id: only the one that counts is judged.
                let at = fault.at().unwrap_or_default();
                wrong.insert(at, fault);
                Located { id: entry.id.get(), span: Span::default(), encoding, at }
            }));
        }
    }

    /// Sorts out which entries count, once all groups were taken.
    fn settle(&mut self, mut wrong: BTreeMap<u64, dacti_index::Error>) {
        // Stable: of equal ids the newest stays in front.
        self.found.sort_by_key(|located| located.id);
        let replaced = &mut self.replaced;
        self.found.dedup_by(|older, newer| {
            if older.id == newer.id {
                replaced.push(*older);
            }
            older.id == newer.id
        });
        let faults = &mut self.faults;
        self.replaced.retain(|located| !wrong.contains_key(&located.at));
        self.found.retain(|located| match wrong.remove(&located.at) {
            Some(fault) => {
                faults.push(fault);
                false
            }
            None => true,
        });
    }
}

/// Reads the whole index once. `also` sees each group, newest first.
pub(crate) fn scan(
    source: &dyn ReadAt,
    view: &View,
    mut also: impl FnMut(&Group<'_>),
) -> Result<IndexScan, Error> {
    let (mut scan, mut faulty) = (IndexScan::default(), BTreeMap::new());
    groups(source, view, |group| {
        also(&group);
        scan.take(&group, &mut faulty);
        Ok(())
    })?;
    scan.settle(faulty);
    Ok(scan)
}

/// What is known of a group without its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupSummary {
    /// Where the group starts, absolute.
    pub at: u64,
    /// Entries in use.
    pub length: u8,
    /// What its entries' offsets are counted from, absolute. Without meaning where no entry is in
    /// use.
    pub base: u64,
    /// How its regions are stored. Without meaning where no entry is in use.
    pub encoding: Encoding,
}

struct ReadAhead<'s> {
    source: &'s dyn ReadAt,
    head: Window<'s>,
    index: Span,
    /// What is read at once, where that is known before.
    windows: Vec<Span>,
    at: u64,
    bytes: Vec<u8>,
}

impl<'s> ReadAhead<'s> {
    fn new(source: &'s dyn ReadAt, view: &'s View) -> Self {
        Self::by(Vec::new(), source, view)
    }

    /// By these reads.
    fn by(windows: Vec<Span>, source: &'s dyn ReadAt, view: &'s View) -> Self {
        let (head, index) = (view.head(), view.index());
        Self { source, head, index, windows, at: 0, bytes: Vec::new() }
    }

    fn bytes(&mut self, want: Span) -> Result<&[u8], Error> {
        // Asked of the head first, as its answer outlives this call and borrows nothing of it.
        if let Some(bytes) = self.head.answer(want) {
            return Ok(bytes);
        }
        if Window::new(self.at, &self.bytes).answer(want).is_none() {
            let planned = self.windows.iter().find(|window| window.contains(&want)).copied();
            let span = planned.unwrap_or_else(|| window(want, self.index, READ_AHEAD));
            self.bytes = read_span(self.source, span).map_err(read_failed)?;
            self.at = span.start;
        }
        Ok(Window::ending_file(self.at, &self.bytes).answer(want).unwrap_or_default())
    }
}
