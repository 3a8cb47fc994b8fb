//! A package in memory.

use super::{Lent, ReadAt};
use bytes::Bytes;
use daicon_core::Span;
use std::io;
use std::sync::Arc;

/// Bytes in memory as a source.
#[derive(Clone)]
pub struct BytesSource(Lent);

impl BytesSource {
    /// Creates a source of these bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(Lent::new(0, Bytes::from_owner(bytes.into())))
    }
}

impl core::fmt::Debug for BytesSource {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "BytesSource({} bytes)", self.0.bytes().len())
    }
}

impl ReadAt for BytesSource {
    fn len(&self) -> u64 {
        u64::try_from(self.0.bytes().len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.bytes().get(at..));
        let rest = rest.unwrap_or_default();
        let len = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }

    fn slice(&self, span: Span) -> Option<&[u8]> {
        self.0.slice(span)
    }

    fn lent(&self) -> Lent {
        self.0.clone()
    }
}
