//! Bytes of a source that are in memory.

use bytes::Bytes;
use daicon_core::Span;

/// Bytes of a source that are in memory. They do not change as long as this value exists.
#[derive(Clone, Default)]
pub struct Lent {
    at: u64,
    bytes: Bytes,
}

impl Lent {
    /// Creates the bytes of a source from position `at` on.
    #[must_use]
    pub const fn new(at: u64, bytes: Bytes) -> Self {
        Self { at, bytes }
    }

    /// Returns the position of the first byte in the source.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Returns all bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes of `span` of the source; `None` if some of these bytes are not in memory.
    #[must_use]
    pub fn slice(&self, span: Span) -> Option<&[u8]> {
        span.slice_of(&self.bytes, self.at)
    }

    /// Returns the `len` bytes at position `at` of the source.
    #[inline]
    pub(crate) fn get(&self, at: u64, len: u64) -> Option<&[u8]> {
        // If `at` lies before the first byte, the difference wraps to an index past the last byte.
        let start = usize::try_from(at.wrapping_sub(self.at)).ok()?;
        self.bytes.get(start..)?.get(..usize::try_from(len).ok()?)
    }
}

impl core::fmt::Debug for Lent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Lent({} bytes from {:#x})", self.bytes.len(), self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::Lent;
    use bytes::Bytes;
    use daicon_core::Span;

    #[test]
    fn bytes_are_lent_by_their_position_in_the_source() {
        let lent = Lent::new(1000, Bytes::from_static(b"region"));
        let both = |at, len| {
            let span = Span::new(at, len).unwrap();
            assert_eq!(lent.slice(span), lent.get(at, len));
            lent.get(at, len)
        };
        assert_eq!(both(1000, 6), Some(&b"region"[..]));
        assert_eq!(both(1003, 2), Some(&b"io"[..]));
        assert_eq!(both(1006, 0), Some(&b""[..]));
        assert_eq!((both(999, 2), both(1005, 2), both(1007, 0)), (None, None, None));
        assert_eq!((both(0, 1), both(0, 0)), (None, None), "before the first");
        assert_eq!(lent.get(u64::MAX, u64::MAX), None);
        assert_eq!(Lent::default().get(0, 1), None);
    }
}
