//! The index region of an open package: where it is, and the rules that its header and groups obey.
//!
//! Every way to a region asks here, so that each gives the same verdict. Specification:
//! `docs/spec/dacti-index.md`, "The index region"; `docs/spec/dacti-package.md`, "An index behind
//! the head".

use crate::Error;
use dacti_index::{Event, GROUP_LEN, INDEX_HEADER_LEN, IndexReader, index_len};
use daicon_core::HEAD_LEN;
use daicon_core::{Span, Window};

/// The index region.
#[derive(Debug, Clone)]
pub(crate) struct IndexRegion {
    span: Span,
    /// Whether its groups fill the region, and each has an entry.
    is_full: bool,
    /// How many groups there are, if the head has all of them.
    groups_in_head: Option<u32>,
}

/// Consecutive groups of an index, newest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Groups<'b> {
    /// Where the first group starts, absolute.
    pub(crate) at: u64,
    pub(crate) count: u32,
    pub(crate) bytes: &'b [u8],
}

impl IndexRegion {
    /// The region at `span`, of a package that `has_layout` or not, with the head in `head`.
    pub(crate) fn new(span: Span, has_layout: bool, head: &Window<'_>) -> Self {
        // spec: R-LAY-21
        let is_full = has_layout && span.start >= HEAD_LEN && !span.is_empty();
        let mut region = Self { span, is_full, groups_in_head: None };
        if head.span().contains(&span) {
            region.groups_in_head = head.answer(span).and_then(|b| region.group_count(b).ok());
        }
        region
    }

    /// Its bytes, absolute. Empty for an empty index.
    pub(crate) const fn span(&self) -> Span {
        self.span
    }

    /// Returns the header's span; `None` for an empty index.
    pub(crate) fn header_span(&self) -> Option<Span> {
        Span::new(self.span.start, INDEX_HEADER_LEN).filter(|header| self.span.contains(header))
    }

    /// Returns how many groups the header in `bytes` counts.
    ///
    /// # Errors
    /// The rules that the header breaks.
    pub(crate) fn group_count(&self, bytes: &[u8]) -> Result<u32, Error> {
        match IndexReader::new(self.span)?.feed(bytes)? {
            event @ Some(Event::Header { groups }) => self.check(event.as_ref()).map(|()| groups),
            _ => Ok(0),
        }
    }

    /// Checks what the walk over the index met against the rules of this package.
    ///
    /// # Errors
    /// `IndexNotFilled`, `EmptyGroup`.
    pub(crate) fn check(&self, event: Option<&Event<'_>>) -> Result<(), Error> {
        match event {
            Some(Event::Header { groups })
                if self.is_full && index_len(*groups) != self.span.len() =>
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
        // No groups at all may lie behind the head.
        let bytes = if count == 0 { &[] } else { head.answer(Span::new(at, len)?)? };
        Some(Groups { at, count, bytes })
    }
}
