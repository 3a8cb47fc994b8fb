//! Reads the groups of the index one after the other, newest first. The index is read ahead in
//! pieces.
//!
//! Specification: `docs/spec/dacti-index.md`.

use crate::Error;
use crate::fetch::source::{ReadAt, Told, read_span};
use crate::find::index_scan::{Collected, IndexScan};
use crate::read::index_region::IndexRegion;
use crate::read::view::{View, read_failed};
use core::iter;
use core::ops::ControlFlow;
use dacti_index::{
    Event, GROUP_HEADER_LEN, GROUP_LEN, Group, INDEX_HEADER_LEN, IndexReader, Located,
};
use daicon_core::{Span, Window};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The number of bytes of the index that are read at once, which is about forty groups. A pass over
/// the whole index reads more at once if the source prefers longer reads.
const READ_AHEAD: u64 = 256 * 1024;

/// Finds the entry of `id` that counts; it may be a removal.
pub(crate) fn find(source: &dyn ReadAt, view: &View, id: Uuid) -> Result<Option<Located>, Error> {
    find_in_first(source, view, u32::MAX, id)
}

/// Finds the entry of `id` that counts in the first `groups` groups of the index; it may be a
/// removal.
pub(crate) fn find_in_first(
    source: &dyn ReadAt,
    view: &View,
    groups: u32,
    id: Uuid,
) -> Result<Option<Located>, Error> {
    let (mut found, mut left) = (None, groups);
    if left == 0 {
        return Ok(None);
    }
    walk(source, view, Vec::new(), |group| {
        left = left.saturating_sub(1);
        found = group.find(id)?;
        let is_over = found.is_some() || left == 0;
        Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// The result of a pass for one id; `None` if the pass did not reach an entry of the id.
pub(crate) type Passed = Option<Result<Option<Located>, dacti_index::Error>>;

/// Finds the regions of many ids in one pass, which ends when all ids are found. The ids must
/// ascend. If the pass fails, the results that it found before are returned with the error.
pub(crate) fn find_all(
    source: &dyn ReadAt,
    view: &View,
    ids: &[Uuid],
) -> (Vec<Passed>, Result<(), Error>) {
    let mut found: Vec<Passed> = ids.iter().map(|_| None).collect();
    // An id may occur several times in `ids`, so the map has the range of each id's indices in
    // `ids`.
    let mut left: HashMap<Uuid, core::ops::Range<usize>> = HashMap::new();
    for (i, id) in ids.iter().enumerate() {
        left.entry(*id).or_insert(i..i).end = i.saturating_add(1);
    }
    if left.is_empty() {
        return (found, Ok(()));
    }
    let walked = walk(source, view, windows(source, view), |group| {
        // The newest entry of a group is stored last, so the entries are visited in reverse.
        for (entry, located) in group.entries().iter().zip(group.regions()).rev() {
            let Some(range) = left.remove(&entry.id.get()) else { continue };
            let told = located.and_then(|located| located.within(view.bound()));
            let slots = found.get_mut(range).into_iter().flatten();
            let told = told.map(|located| (!located.is_removal()).then_some(located));
            slots.for_each(|slot| *slot = Some(told));
        }
        Ok(if left.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    (found, walked)
}

/// Hands every group of the index to `visit`, newest first.
pub(crate) fn groups(
    source: &dyn ReadAt,
    view: &View,
    mut visit: impl FnMut(&Group<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let windows = windows(source, view);
    let _told = Told::new(source, windows.clone());
    walk(source, view, windows, |group| visit(&group).map(ControlFlow::Continue))
}

/// Reads the whole index once, and hands each group to `also`, newest first.
pub(crate) fn scan(
    source: &dyn ReadAt,
    view: &View,
    mut also: impl FnMut(&Group<'_>),
) -> Result<IndexScan, Error> {
    let mut collected = Collected::default();
    groups(source, view, |group| {
        also(group);
        collected.take(group);
        Ok(())
    })?;
    Ok(collected.into_scan())
}

/// Returns the spans that a pass over the whole index reads. Bytes in the head are not read. The
/// spans are computed as if every group were full.
pub(crate) fn windows(source: &dyn ReadAt, view: &View) -> Vec<Span> {
    let (head, index) = (view.head(), view.index());
    let len_max = READ_AHEAD.max(u64::try_from(source.read_len()).unwrap_or(u64::MAX));
    if let Some(kept) = view.index_region().kept() {
        return if kept.bytes().is_some() { Vec::new() } else { vec![index] };
    }
    let lens = [GROUP_HEADER_LEN, GROUP_LEN.saturating_sub(GROUP_HEADER_LEN)];
    let mut at = index.start;
    let mut windows: Vec<Span> = Vec::new();
    for len in iter::once(INDEX_HEADER_LEN).chain(lens.into_iter().cycle()) {
        let Some(want) = Span::new(at, len).filter(|want| index.contains(want)) else { break };
        let is_read = windows.last().is_some_and(|window| window.contains(&want));
        if head.answer(want).is_none() && !is_read {
            windows.push(window(want, index, len_max));
        }
        at = want.end;
    }
    windows
}

/// Returns the span to read ahead when `want` is wanted.
fn window(want: Span, index: Span, len_max: u64) -> Span {
    let end = want.start.saturating_add(len_max).min(index.end).max(want.end);
    Span { start: want.start, end }
}

/// Hands the groups of the index to `visit`, newest first, until `visit` breaks or returns an
/// error. If bytes break a rule and the source can read them in another way, they are read again.
fn walk(
    source: &dyn ReadAt,
    view: &View,
    windows: Vec<Span>,
    mut visit: impl FnMut(Group<'_>) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let region = view.index_region();
    let mut reader = IndexReader::new(region.span())?;
    let mut ahead = ReadAhead { source, head: view.head(), region, windows, piece: None };
    while let Some(want) = reader.want() {
        // A reader that returns an error has ended, so each step is tried on a copy of the reader.
        let mut tried = reader.clone();
        let event = tried.feed(ahead.bytes(want)?).map_err(Error::from);
        let fault = match event.and_then(|event| region.check(event.as_ref()).map(|()| event)) {
            Ok(Some(Event::Group(group))) if visit(group)?.is_break() => return Ok(()),
            Ok(_) => None,
            Err(fault) => Some(fault),
        };
        if let Some(fault) = fault {
            if ahead.is_read_otherwise(want, &fault)? {
                continue;
            }
            return Err(fault);
        }
        reader = tried;
    }
    Ok(())
}

/// The bytes of an index, which are read ahead in pieces.
struct ReadAhead<'s> {
    source: &'s dyn ReadAt,
    head: Window<'s>,
    region: &'s IndexRegion,
    /// The spans of the pieces, if the caller has planned them; otherwise empty.
    windows: Vec<Span>,
    /// The last piece that was read.
    piece: Option<(Span, Arc<Vec<u8>>)>,
}

impl ReadAhead<'_> {
    fn bytes(&mut self, want: Span) -> Result<&[u8], Error> {
        // The head is tried first, because its bytes outlive this call and do not borrow `self`.
        if let Some(bytes) = self.head.answer(want) {
            return Ok(bytes);
        }
        if self.piece.as_ref().is_none_or(|(span, _)| !span.contains(&want)) {
            let index = self.region.span();
            let read = |span| read_span(self.source, span).map_err(read_failed);
            let piece = if let Some(kept) = self.region.kept() {
                let bytes = kept.bytes().map_or_else(|| read(index).map(|b| kept.keep(b)), Ok);
                (index, bytes?)
            } else {
                let planned = self.windows.iter().find(|window| window.contains(&want)).copied();
                let span = planned.unwrap_or_else(|| window(want, index, READ_AHEAD));
                (span, Arc::new(read(span)?))
            };
            self.piece = Some(piece);
        }
        let Some((span, bytes)) = &self.piece else { return Ok(&[]) };
        Ok(Window::ending_file(span.start, bytes).answer(want).unwrap_or_default())
    }

    /// Reports to the source that the piece with the bytes of `want` is at fault. Returns true if
    /// the source reads the piece in another way next time.
    fn is_read_otherwise(&mut self, want: Span, fault: &Error) -> Result<bool, Error> {
        let (Some((span, _)), Some(why)) = (&self.piece, fault.doubt()) else { return Ok(false) };
        if self.head.answer(want).is_some() {
            return Ok(false);
        }
        if let Some(kept) = self.region.kept() {
            kept.forget();
        }
        let is_other = self.source.doubt(*span, why).map_err(read_failed)?;
        self.piece = None;
        Ok(is_other)
    }
}
