//! Classifies the bytes between the claims of a package (see [`Claim`]): as padding, as remains of
//! updates, or as unclaimed bytes.
//!
//! This module receives the gaps between the claims, but not the claims. Specification:
//! `docs/spec/dacti-package.md`, "The cdn layout".

use crate::fetch::source::read_span;
use crate::read::view::read_failed;
use crate::report::map::{Claim, Claimant};
use crate::{Error, HEAD_LEN, Package};
use daicon_core::Span;

/// The number of bytes that are checked at once.
const PIECE_LEN: u64 = 1 << 16;

/// Classifies the bytes of gaps. The gaps must be passed in ascending order.
#[derive(Debug)]
pub(crate) struct Gaps {
    /// The bytes that replaced entries name, with their seals, ascending by start.
    replaced: Vec<Span>,
    /// The index of the first span in `replaced` that may reach into the next gap.
    next: usize,
    /// The number of bytes that may still be checked.
    look_max: u64,
    /// The slice length; `None` if it is unknown. Appended blocks end at multiples of the slice
    /// length.
    slice_len: Option<u64>,
}

impl Gaps {
    /// Creates a classifier. `replaced` has the spans that the replaced entries of `package` name.
    pub(crate) fn new(package: &Package, mut replaced: Vec<Span>, look_max: u64) -> Self {
        // An empty span takes no bytes, so its offset has no meaning.
        replaced.retain(|span| !span.is_empty());
        replaced.sort_by_key(|span| (span.start, span.end));
        let slice_len = package.view().layout().map(|layout| layout.slice_len);
        Self { replaced, next: 0, look_max, slice_len }
    }

    /// Classifies the bytes of a gap, piece by piece.
    pub(crate) fn fill(
        &mut self,
        package: &Package,
        gap: Span,
        push: &mut impl FnMut(Claim),
    ) -> Result<(), Error> {
        let mut at = gap.start;
        while at < gap.end {
            while self.replaced.get(self.next).is_some_and(|span| span.end <= at) {
                self.next = self.next.saturating_add(1);
            }
            let next = self.replaced.get(self.next).filter(|span| span.start < gap.end).copied();
            let Some(span) = next else {
                return self.look(package, Span { start: at, end: gap.end }, push);
            };
            if at < span.start {
                self.look(package, Span { start: at, end: span.start }, push)?;
                at = span.start;
            }
            let end = span.end.min(gap.end);
            push(Claim { span: Span { start: at, end }, claimant: Claimant::Replaced, count: 1 });
            at = end;
        }
        Ok(())
    }

    /// Classifies bytes that no entry of the index names.
    fn look(
        &mut self,
        package: &Package,
        gap: Span,
        push: &mut impl FnMut(Claim),
    ) -> Result<(), Error> {
        if gap.len() > self.look_max {
            push(Claim { span: gap, claimant: Claimant::NotLookedAt, count: 1 });
            return Ok(());
        }
        self.look_max = self.look_max.saturating_sub(gap.len());
        let mut start = gap.start;
        while start < gap.end {
            // Padding ends at the end of the head or of a slice. So bytes are checked up to the
            // next such end.
            let border = match self.slice_len {
                Some(slice_len) if start >= HEAD_LEN => {
                    start.saturating_add(1).next_multiple_of(slice_len)
                }
                Some(_) => HEAD_LEN,
                None => gap.end,
            };
            let cell = Span { start, end: border.min(gap.end) };
            let is_padded = self.slice_len.is_some() && start >= HEAD_LEN && cell.end == border;
            self.look_at_cell(package, cell, is_padded, push)?;
            start = cell.end;
        }
        Ok(())
    }

    /// Classifies the bytes of `cell`.
    ///
    /// If `is_padded` is set, the zeros at the end of the cell are the padding of an append, and
    /// the bytes before them are unclaimed. A whole slice of zeros is not padding. If `is_padded`
    /// is not set, one nonzero byte makes the whole cell unclaimed.
    fn look_at_cell(
        &self,
        package: &Package,
        cell: Span,
        is_padded: bool,
        push: &mut impl FnMut(Claim),
    ) -> Result<(), Error> {
        let used_end = last_not_zero(package, cell)?;
        let whole_slice = self.slice_len.is_some_and(|slice_len| cell.len() >= slice_len);
        let used = Span { start: cell.start, end: used_end };
        let zeros = Span { start: used_end, end: cell.end };
        if !is_padded && !used.is_empty() {
            push(Claim { span: cell, claimant: Claimant::Unclaimed, count: 1 });
            return Ok(());
        }
        let padding = is_padded && !(whole_slice && used.is_empty());
        let claimant = if padding { Claimant::Padding } else { Claimant::Zeros };
        for (span, claimant) in [(used, Claimant::Unclaimed), (zeros, claimant)] {
            if !span.is_empty() {
                push(Claim { span, claimant, count: 1 });
            }
        }
        Ok(())
    }
}

/// Returns the end of the last nonzero byte of `span`; the start of `span` if all its bytes are
/// zero.
fn last_not_zero(package: &Package, span: Span) -> Result<u64, Error> {
    let mut end = span.end;
    while end > span.start {
        let start = end.saturating_sub(PIECE_LEN).max(span.start);
        let bytes = read_span(&**package.source(), Span { start, end }).map_err(read_failed)?;
        if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
            let used = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
            return Ok(start.saturating_add(used));
        }
        end = start;
    }
    Ok(span.start)
}
