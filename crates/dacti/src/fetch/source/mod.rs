//! Where a package's bytes come from: anything that can be read at a position.

mod bytes;
mod counted;
mod file;
mod lent;
#[cfg(any(unix, windows))]
mod mmap;
mod told;

pub use bytes::BytesSource;
pub use counted::{Counted, ReadStats};
pub use file::FileSource;
pub(crate) use file::read_file_at;
#[cfg(any(feature = "async", feature = "write"))]
pub(crate) use file::write_file_at;
pub use lent::Lent;
#[cfg(any(unix, windows))]
pub use mmap::MmapSource;
pub(crate) use told::Told;

use crate::{Error, ErrorKind};
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

    /// All that [`slice`](Self::slice) lends, where that is one piece, within [`len`](Self::len);
    /// nothing where it is not.
    ///
    /// Asked once, when a package is opened: look-ups in what is lent ask the source nothing.
    fn lent(&self) -> Lent {
        Lent::default()
    }

    /// Reads what the source has of `span`; less than its length only at the source's end.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, span: Span) -> io::Result<Vec<u8>> {
        let end = span.end.min(self.len());
        let len = usize::try_from(end.saturating_sub(span.start)).map_err(|_| {
            io::Error::new(io::ErrorKind::OutOfMemory, "the bytes do not fit this machine's memory")
        })?;
        self.read_up_to(span.start, len)
    }

    /// Reads `len` bytes from position `at`; fewer only at the source's end. They are allocated
    /// before: whoever asks has held `len` against the source's length, or against a limit.
    ///
    /// # Errors
    /// What the system says.
    fn read_up_to(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut buf = Vec::new();
        buf.try_reserve_exact(len)?;
        buf.resize(len, 0);
        let filled = read_full_of(|at, buf| self.read_at(at, buf), at, &mut buf)?;
        buf.truncate(filled);
        Ok(buf)
    }

    /// How many bytes are best read at once where more are to be read: more where each read has a
    /// price of its own.
    fn read_len(&self) -> usize {
        64 * 1024
    }

    /// Whether a read costs little beside the bytes that it brings, as of a local file: a look-up
    /// then reads a part of an index block, and the block only where that does not have the region.
    /// Where it is false, which it is unless the source says otherwise, what look-ups read is the
    /// same for all readers, so that caches have it.
    fn is_local(&self) -> bool {
        false
    }

    /// Tells the source which spans are read next, each in one go and in this order, so that it can
    /// read ahead, behind what it was told before. Whoever tells and does not read them all takes
    /// them back.
    fn will_read(&self, spans: &[Span]) {
        let _ = spans;
    }

    /// Takes back what [`will_read`](Self::will_read) told, as far as it was not read since.
    fn will_not_read(&self, spans: &[Span]) {
        let _ = spans;
    }

    /// Tells the source that the bytes of `span` were wrong. True where it reads them in another
    /// way next time, so that it is worth to try again; false where there is no other way.
    ///
    /// A source of local bytes has none. One that reads through caches may have met a stale one.
    ///
    /// # Errors
    /// What is known of the cause where no way is left.
    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        let _ = (span, why);
        Ok(false)
    }
}

/// Why bytes are taken for wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Doubt {
    /// They do not have the digest that they should.
    Digest,
    /// They contradict what was read before, or the format.
    Contradiction,
}

impl Error {
    /// Why bytes of a region may be other than those that were published, where this fault of
    /// theirs could come of that.
    pub(crate) fn doubt(&self) -> Option<Doubt> {
        let corrupt = matches!(self.kind(), ErrorKind::Corrupt | ErrorKind::Truncated);
        match self {
            Self::Seal(_) if corrupt => Some(Doubt::Digest),
            Self::Index(_) | Self::Lookup(_) if corrupt => Some(Doubt::Contradiction),
            Self::IndexNotFilled { .. } | Self::EmptyGroup { .. } => Some(Doubt::Contradiction),
            _ => None,
        }
    }
}

/// Fills as much of `buf` from position `at` as the source has. Returns the bytes filled.
pub(crate) fn read_full(source: &dyn ReadAt, at: u64, buf: &mut [u8]) -> io::Result<usize> {
    read_full_of(|at, buf| source.read_at(at, buf), at, buf)
}

pub(crate) fn read_full_of(
    read_at: impl Fn(u64, &mut [u8]) -> io::Result<usize>,
    at: u64,
    buf: &mut [u8],
) -> io::Result<usize> {
    let mut filled = 0_usize;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = at.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        match read_at(at, rest) {
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
    source.read(span)
}
