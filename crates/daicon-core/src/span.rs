//! Spans: absolute ranges of a file.
//!
//! Arithmetic on positions from a file is checked or saturates, so it never wraps.
//! Specification: `docs/spec/daicon.md`, "Regions".

use core::fmt;

/// A range of absolute file positions, in bytes: `start..end`.
///
/// Every span that this crate makes has `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// The position after the last byte.
    pub end: u64,
}

impl Span {
    /// Creates the span of `len` bytes from `start`; `None` if the end passes `u64::MAX`.
    #[must_use]
    pub const fn new(start: u64, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// Returns the length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Returns whether the span has no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.end <= self.start
    }

    /// Returns whether every byte of `other` is in this span.
    #[must_use]
    pub const fn contains(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Returns whether the two spans have a byte in common. Empty spans have none.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        !self.is_empty() && !other.is_empty() && self.start < other.end && other.start < self.end
    }

    /// Returns the part of `bytes` that this span covers. `bytes` start at file position `at`.
    /// Returns `None` if they do not cover the whole span.
    #[must_use]
    pub fn slice_of<'b>(&self, bytes: &'b [u8], at: u64) -> Option<&'b [u8]> {
        let start = usize::try_from(self.start.checked_sub(at)?).ok()?;
        let end = usize::try_from(self.end.checked_sub(at)?).ok()?;
        bytes.get(start..end)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn empty_spans_overlap_nothing() {
        let full = Span { start: 0, end: 10 };
        assert!(!full.overlaps(&Span { start: 5, end: 5 }));
        assert!(full.overlaps(&Span { start: 9, end: 11 }));
        assert!(!full.overlaps(&Span { start: 10, end: 11 }));
    }
}
