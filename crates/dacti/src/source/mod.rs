//! Where a package's bytes come from: anything that can be read at a position.

mod bytes;
mod counted;
mod file;
#[cfg(any(unix, windows))]
mod mmap;

pub use bytes::BytesSource;
pub use counted::{Counted, ReadStats};
pub use file::FileSource;
pub(crate) use file::{read_file_at, write_file_at};
#[cfg(any(unix, windows))]
pub use mmap::MmapSource;

use daicon_core::Span;
use std::io;

/// A source of bytes by absolute position, shared between threads.
pub trait ReadAt: core::fmt::Debug + Send + Sync {
    /// The source's length in bytes, as it was when the source was opened.
    fn len(&self) -> u64;

    /// Whether the source has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads into `buf` from position `at` and says how many bytes; 0 only at the end or for an
    /// empty `buf`.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Lends the bytes of `span`, all of them, where the source has them in memory and they do not
    /// change while it is open; `None` where they are to be read.
    ///
    /// Asked before [`read_at`](Self::read_at), as often as bytes are needed: it is to answer at
    /// once.
    fn slice(&self, span: Span) -> Option<&[u8]> {
        let _ = span;
        None
    }
}

/// Fills as much of `buf` from position `at` as the source has. Returns the bytes filled.
pub(crate) fn read_full(source: &dyn ReadAt, at: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0_usize;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = at.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        match source.read_at(at, rest) {
            Ok(0) => break,
            Ok(read) => filled = filled.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads what the source has of `span`; less than its length only at the source's end.
///
/// Nothing is allocated for bytes that the source does not have.
pub(crate) fn read_span(source: &dyn ReadAt, span: Span) -> io::Result<Vec<u8>> {
    let end = span.end.min(source.len());
    let len = usize::try_from(end.saturating_sub(span.start)).map_err(|_| {
        io::Error::new(io::ErrorKind::OutOfMemory, "the bytes do not fit this machine's memory")
    })?;
    let mut buf = Vec::new();
    buf.try_reserve_exact(len)?;
    buf.resize(len, 0);
    let filled = read_full(source, span.start, &mut buf)?;
    buf.truncate(filled);
    Ok(buf)
}
