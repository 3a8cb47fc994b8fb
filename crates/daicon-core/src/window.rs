//! Answers wants from bytes that were read before, such as a file's head.
//!
//! A walker wants 28 bytes, then 24 bytes, then the entries of a table. One read of the head
//! answers all three wants.

use crate::{Span, to_u64};

/// Length of the head: the bytes at the start of a file that a reader fetches in its first request.
/// If a file is shorter, its head is the whole file.
pub const HEAD_LEN: u64 = 65_536;

/// A piece of a file in memory.
#[derive(Debug, Clone, Copy)]
pub struct Window<'b> {
    at: u64,
    bytes: &'b [u8],
    ends_file: bool,
}

impl<'b> Window<'b> {
    /// Creates a window of `bytes` from file position `at`. The file may have more bytes after
    /// them.
    #[must_use]
    pub const fn new(at: u64, bytes: &'b [u8]) -> Self {
        Self { at, bytes, ends_file: false }
    }

    /// Creates a window of `bytes` from file position `at`. The file ends with these bytes, so a
    /// want that passes the end gets a shorter slice.
    #[must_use]
    pub const fn ending_file(at: u64, bytes: &'b [u8]) -> Self {
        Self { at, bytes, ends_file: true }
    }

    /// Returns the span of the window, absolute.
    #[must_use]
    pub fn span(&self) -> Span {
        let len = to_u64(self.bytes.len());
        Span { start: self.at, end: self.at.saturating_add(len) }
    }

    /// Returns the bytes of `want`; `None` if they must be read from the file.
    ///
    /// If the file ends with the window, a want that passes the end gets a shorter or empty slice.
    #[must_use]
    pub fn answer(&self, want: Span) -> Option<&'b [u8]> {
        let own = self.span();
        if want.start < own.start {
            return None;
        }
        if want.end <= own.end {
            return want.slice_of(self.bytes, self.at);
        }
        if !self.ends_file {
            return None;
        }
        let rest = Span { start: want.start.min(own.end), end: own.end };
        rest.slice_of(self.bytes, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::Window;
    use crate::Span;

    #[track_caller]
    fn check(window: Window<'_>, want: (u64, u64), expected: Option<&[u8]>) {
        assert_eq!(window.answer(Span { start: want.0, end: want.1 }), expected);
    }

    #[test]
    fn answers_only_what_it_covers() {
        let window = Window::new(10, &[1, 2, 3]);
        check(window, (10, 12), Some(&[1, 2]));
        check(window, (12, 13), Some(&[3]));
        check(window, (9, 11), None);
        check(window, (12, 14), None);
    }

    #[test]
    fn at_the_end_of_the_file_it_answers_short() {
        let window = Window::ending_file(10, &[1, 2, 3]);
        check(window, (12, 20), Some(&[3]));
        check(window, (13, 20), Some(&[]));
        check(window, (40, 50), Some(&[]));
        check(window, (9, 11), None);
    }
}
