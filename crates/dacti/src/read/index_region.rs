//! The index of an open package, as it was when the package was opened: its region, the rules for
//! its header and groups, and its fences.
//!
//! All code that reads the index uses these rules, so each function reports the same faults.
//! Specification: `docs/spec/dacti-index.md`, "The index region"; `docs/spec/dacti-package.md`, "An
//! index after the head".

use crate::fetch::source::{ReadAt, read_span};
use crate::read::kept_index::{KEPT_LEN_MAX, KeptIndex};
use crate::read::view::{in_head_or_read, read_failed};
use crate::{Error, ErrorKind};
use dacti_index::{Event, GROUP_LEN, GROUPS_MAX, INDEX_HEADER_LEN, IndexReader, index_len};
use dacti_lookup::{FENCE_LEN, LOOKUP_HEADER_LEN, Lookup, RUN_LEN, RUNS_MAX};
use daicon_core::{HEAD_LEN, Span, Window};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// The maximum length of a lookup region. A region of this length has the maximum numbers of runs
/// and fences.
const LOOKUP_LEN_MAX: u64 = {
    let runs = RUN_LEN.saturating_mul(RUNS_MAX as u64);
    let fences = FENCE_LEN.saturating_mul(GROUPS_MAX as u64);
    LOOKUP_HEADER_LEN.saturating_add(runs).saturating_add(fences)
};

/// If the gap between the fences and the index is at most this many bytes, one read fetches both,
/// and the gap with them.
const GAP_LEN_MAX: u64 = 65_536;

/// The index region.
#[derive(Debug, Clone)]
pub(crate) struct IndexRegion {
    span: Span,
    /// Whether the groups must fill the region, as in every package with a layout.
    is_exact: bool,
    /// Whether each group must have an entry. In a package with a layout, this holds for an index
    /// after the head.
    is_full: bool,
    /// The number of groups, if the head has all of them.
    groups_in_head: Option<u32>,
    fences: Option<Fences>,
    fences_fault: Option<Arc<Error>>,
    /// The bytes of the whole region; `None` if the region is not fetched as a whole.
    kept: Option<KeptIndex>,
}

/// Consecutive groups of an index, newest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Groups<'b> {
    /// The start of the first group, absolute.
    pub(crate) at: u64,
    pub(crate) count: u32,
    pub(crate) bytes: &'b [u8],
}

impl IndexRegion {
    /// Creates the index region at `span` for a package with or without a layout.
    ///
    /// # Errors
    /// `IndexNotFilled` in a package with a layout, if the region is empty, or if the head has the
    /// header of the index and the groups do not fill the region.
    pub(crate) fn new(span: Span, has_layout: bool, head: &Window<'_>) -> Result<Self, Error> {
        // spec: R-LAY-22
        let (is_exact, is_full) = (has_layout, has_layout && span.start >= HEAD_LEN);
        let (groups_in_head, fences, fences_fault, kept) = (None, None, None, None);
        let mut region =
            Self { span, is_exact, is_full, groups_in_head, fences, fences_fault, kept };
        if is_exact && span.is_empty() {
            return Err(Error::IndexNotFilled { at: span.start, groups: 0, len: 0 });
        }
        let header = Span::new(span.start, INDEX_HEADER_LEN).and_then(|span| head.answer(span));
        match header.map(|bytes| region.group_count(bytes)) {
            Some(Ok(groups)) if head.span().contains(&span) => region.groups_in_head = Some(groups),
            Some(Err(fault @ Error::IndexNotFilled { .. })) => return Err(fault),
            // All other faults are reported by a look-up, when it reads the index.
            _ => {}
        }
        Ok(region)
    }

    /// Returns the region, which now records whether it is fetched as a whole. It is fetched as a
    /// whole if it is short and lies after the head, and the source is not local.
    pub(crate) fn kept_of(mut self, source: &dyn ReadAt) -> Self {
        let is_kept = self.is_full && !source.is_local() && self.span.len() <= KEPT_LEN_MAX;
        self.kept = is_kept.then(KeptIndex::default);
        self
    }

    /// Returns the bytes of the whole region; `None` if the region is not fetched as a whole.
    pub(crate) const fn kept(&self) -> Option<&KeptIndex> {
        self.kept.as_ref()
    }

    /// Returns the span of the region, absolute. The span is empty if the index is empty.
    pub(crate) const fn span(&self) -> Span {
        self.span
    }

    /// Returns the number of groups that the header in `bytes` states.
    ///
    /// # Errors
    /// The header breaks a rule.
    pub(crate) fn group_count(&self, bytes: &[u8]) -> Result<u32, Error> {
        match IndexReader::new(self.span)?.feed(bytes)? {
            event @ Some(Event::Header { groups }) => self.check(event.as_ref()).map(|()| groups),
            _ => Ok(0),
        }
    }

    /// Checks a header or a group against the rules for this package.
    ///
    /// # Errors
    /// `IndexNotFilled`, `EmptyGroup`.
    pub(crate) fn check(&self, event: Option<&Event<'_>>) -> Result<(), Error> {
        match event {
            Some(Event::Header { groups })
                if self.is_exact && index_len(*groups) != self.span.len() =>
            {
                let (at, len) = (self.span.start, self.span.len());
                Err(Error::IndexNotFilled { at, groups: *groups, len })
            }
            Some(Event::Group(group)) if self.is_full && group.entries().is_empty() => {
                Err(Error::EmptyGroup { at: group.at() })
            }
            _ => Ok(()),
        }
    }

    /// Returns all groups of the index if the head has them.
    pub(crate) fn groups_in<'h>(&self, head: &Window<'h>) -> Option<Groups<'h>> {
        self.first_groups_in(head, self.groups_in_head?)
    }

    /// Returns the first `count` groups of the index if the head has them.
    pub(crate) fn first_groups_in<'h>(&self, head: &Window<'h>, count: u32) -> Option<Groups<'h>> {
        let at = self.span.start.saturating_add(INDEX_HEADER_LEN);
        let len = GROUP_LEN.saturating_mul(u64::from(count));
        // If no groups are wanted, `at` may lie outside the head, and `answer` would return `None`.
        let bytes = if count == 0 { &[] } else { head.answer(Span::new(at, len)?)? };
        Some(Groups { at, count, bytes })
    }

    /// Adds the fences of the lookup region at `lookup`. A fault in the fences is recorded and not
    /// returned, because look-ups can scan the index instead.
    ///
    /// # Errors
    /// `Replaced`. The fault is returned, because a scan would read the index of another file.
    pub(crate) fn with_fences(
        mut self,
        source: &dyn ReadAt,
        head: &Window<'_>,
        lookup: Result<Option<Span>, Error>,
    ) -> Result<Self, Error> {
        match lookup.and_then(|span| self.read_fences(source, head, span)) {
            Ok(fences) => self.fences = fences,
            // spec: R-HTTP-32
            Err(fault) if fault.kind() == ErrorKind::Replaced => return Err(fault),
            Err(fault) => self.fences_fault = Some(fault.into()),
        }
        Ok(self)
    }

    fn read_fences(
        &self,
        source: &dyn ReadAt,
        head: &Window<'_>,
        span: Option<Span>,
    ) -> Result<Option<Fences>, Error> {
        let Some(span) = span else { return Ok(None) };
        if let Some(joined) = self.joined_with(span, head)
            && let Some(fences) = self.read_joined(source, span, joined)?
        {
            return Ok(Some(fences));
        }
        let Some(groups) = self.read_group_count(source, head)? else { return Ok(None) };
        Fences::read(source, head, span, self.span, groups).map(Some)
    }

    /// Returns one span for the lookup region and the index header, or for the lookup region and
    /// the whole index if the index is fetched as a whole. Returns `None` if the head has the
    /// fences or the index header, or if the gap between fences and index is long.
    fn joined_with(&self, lookup: Span, head: &Window<'_>) -> Option<Span> {
        let header = Span::new(self.span.start, INDEX_HEADER_LEN)?;
        let index = if self.kept.is_some() { self.span } else { header };
        if lookup.start < head.span().end || header.start < head.span().end {
            return None;
        }
        let (start, end) = (lookup.start.min(index.start), lookup.end.max(index.end));
        let used = lookup.len().checked_add(index.len())?;
        let is_near = lookup.len() <= LOOKUP_LEN_MAX
            && end.saturating_sub(start).saturating_sub(used) <= GAP_LEN_MAX;
        is_near.then_some(Span { start, end })
    }

    /// Reads fences and index header with one read. Returns `None` if this read fails or the index
    /// header is at fault.
    ///
    /// # Errors
    /// `Replaced`; faults of the fences.
    fn read_joined(
        &self,
        source: &dyn ReadAt,
        lookup: Span,
        joined: Span,
    ) -> Result<Option<Fences>, Error> {
        loop {
            let bytes = match read_span(source, joined).map_err(read_failed) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::Replaced => return Err(error),
                Err(_) => return Ok(None),
            };
            let part = |span: Span| span.slice_of(&bytes, joined.start).unwrap_or_default();
            let rest = Span { start: self.span.start, end: joined.end };
            let fault = match self.group_count(part(rest)) {
                Ok(groups) => {
                    if let Some(kept) = &self.kept {
                        kept.keep(part(self.span).to_vec());
                    }
                    return Fences::new(part(lookup).to_vec(), lookup, self.span, groups).map(Some);
                }
                Err(fault) => fault,
            };
            let Some(doubt) = fault.doubt() else { return Ok(None) };
            match source.doubt(joined, doubt).map_err(read_failed) {
                Ok(true) => {}
                Err(error) if error.kind() == ErrorKind::Replaced => return Err(error),
                Ok(false) | Err(_) => return Ok(None),
            }
        }
    }

    /// Returns the number of groups, computed from the region's length; `None` if groups need not
    /// fill the region, or if no number of groups does. In a package in parts, this saves a read of
    /// the index header if the head has the fences.
    fn groups_by_len(&self) -> Option<u32> {
        // spec: R-PART-38
        let groups = self.span.len().checked_sub(INDEX_HEADER_LEN)?.checked_div(GROUP_LEN)?;
        let groups = u32::try_from(groups).ok().filter(|groups| *groups <= GROUPS_MAX)?;
        (self.is_full && index_len(groups) == self.span.len()).then_some(groups)
    }

    /// Reads the number of groups of the index. Returns `None` if the header cannot be read or is
    /// at fault. Then each look-up scans the index, and reports the fault.
    ///
    /// # Errors
    /// `Replaced`.
    fn read_group_count(
        &self,
        source: &dyn ReadAt,
        head: &Window<'_>,
    ) -> Result<Option<u32>, Error> {
        if source.is_in_parts()
            && let Some(groups) = self.groups_by_len()
        {
            return Ok(Some(groups));
        }
        let header = Span::new(self.span.start, INDEX_HEADER_LEN);
        let Some(span) = header.filter(|header| self.span.contains(header)) else {
            return Ok(None);
        };
        let unless_replaced = |error: Error| match error.kind() {
            ErrorKind::Replaced => Err(error),
            _ => Ok(None),
        };
        loop {
            let bytes = match in_head_or_read(source, head, span) {
                Ok(bytes) => bytes,
                Err(error) => return unless_replaced(error),
            };
            let fault = match self.group_count(&bytes) {
                Ok(groups) => return Ok(Some(groups)),
                Err(fault) => fault,
            };
            let is_read = matches!(bytes, Cow::Owned(_));
            let Some(doubt) = fault.doubt().filter(|_| is_read) else { return Ok(None) };
            match source.doubt(span, doubt) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => return unless_replaced(read_failed(error)),
            }
        }
    }

    /// Returns the fences, which borrow the bytes of the lookup region.
    pub(crate) fn lookup<'v>(&'v self, head: &Window<'v>) -> Option<Lookup<'v>> {
        self.fences.as_ref()?.lookup(head)
    }

    pub(crate) const fn has_fences(&self) -> bool {
        self.fences.is_some()
    }

    /// Returns the fault of the fences, or the first contradiction that a search found.
    pub(crate) fn fences_fault(&self) -> Option<&Arc<Error>> {
        self.fences_fault.as_ref().or_else(|| self.fences.as_ref()?.contradiction.get())
    }

    /// Keeps the first fault that made a search scan the index. Later faults are dropped, because
    /// they are most likely the same.
    pub(crate) fn note_contradiction(&self, fault: Error) {
        if let Some(fences) = &self.fences {
            let _ = fences.contradiction.set(fault.into());
        }
    }
}

/// The lookup region of the current index.
#[derive(Debug, Clone)]
struct Fences {
    span: Span,
    /// The bytes of the region, unless the head has them.
    fetched: Option<Vec<u8>>,
    /// The first fault that made a search scan the index.
    contradiction: OnceLock<Arc<Error>>,
}

impl Fences {
    /// Reads the fences at `span`, for the index at `index`, from the head or from the source.
    ///
    /// # Errors
    /// `Lookup`; `OtherIndex` if the fences belong to another index.
    fn read(
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

    /// Creates the fences from `bytes`, which were read at `span`.
    ///
    /// # Errors
    /// The errors of [`read`](Self::read).
    fn new(bytes: Vec<u8>, span: Span, index: Span, groups: u32) -> Result<Self, Error> {
        let at = span.start;
        let lookup = Lookup::parse(&bytes, at)?;
        if !lookup.is_of(index, groups)? {
            return Err(Error::OtherIndex { at, index_at: lookup.index_at() });
        }
        Ok(Self { span, fetched: Some(bytes), contradiction: OnceLock::new() })
    }

    /// Returns the fences, which borrow their bytes; `None` only if `head` belongs to another file.
    fn lookup<'v>(&'v self, head: &Window<'v>) -> Option<Lookup<'v>> {
        let bytes = self.fetched.as_deref().or_else(|| head.answer(self.span))?;
        Lookup::parse(bytes, self.span.start).ok()
    }
}
