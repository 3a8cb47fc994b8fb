//! The sources of a package's bytes: anything that can be read at a position.

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
#[cfg(all(any(feature = "async", feature = "write"), not(target_family = "wasm")))]
pub(crate) use file::{read_file_at, write_file_at};
pub use lent::Lent;
#[cfg(any(unix, windows))]
pub use mmap::MmapSource;
pub(crate) use told::Told;

pub use dacti_http::Doubt;

use crate::{Error, ErrorKind};
use daicon_core::Span;
use std::io;

/// A source of bytes by absolute position, shared between threads.
pub trait ReadAt: core::fmt::Debug + Send + Sync {
    /// Returns the source's length in bytes. It is determined once: when the source is opened, or
    /// at the first call.
    fn len(&self) -> u64;

    /// Returns whether the source has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether the length is only a hint, so that the file may have more bytes. Servers and
    /// caches may report an old length with a new head. So a position after this length is an error
    /// only if a read has shown that the file has no bytes there.
    fn len_is_hint(&self) -> bool {
        false
    }

    /// Reads into `buf` from position `at`, and returns the number of bytes. It is 0 only at the
    /// end, or if `buf` is empty.
    ///
    /// # Errors
    /// The system's error.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Lends all bytes of `span`, if the source has them in memory and they do not change while the
    /// source is open. `None` means that they must be read.
    ///
    /// Readers call this before each [`read_at`](Self::read_at), so it must return quickly.
    fn slice(&self, span: Span) -> Option<&[u8]> {
        let _ = span;
        None
    }

    /// Returns all bytes that [`slice`](Self::slice) lends, if they are contiguous and lie within
    /// [`len`](Self::len). Otherwise returns no bytes.
    ///
    /// This is called once, when a package is opened. After that, look-ups in lent bytes do not
    /// call the source.
    fn lent(&self) -> Lent {
        Lent::default()
    }

    /// Reads the bytes of `span`. There are fewer bytes only if the source ends first.
    ///
    /// # Errors
    /// The system's error.
    fn read(&self, span: Span) -> io::Result<Vec<u8>> {
        let end = span.end.min(self.len());
        let len = usize::try_from(end.saturating_sub(span.start)).map_err(|_| {
            io::Error::new(
                io::ErrorKind::OutOfMemory,
                "the bytes do not fit into the memory of this computer",
            )
        })?;
        self.read_up_to(span.start, len)
    }

    /// Reads `len` bytes from position `at`. There are fewer bytes only if the source ends first.
    /// This allocates `len` bytes first, so the caller must check `len` against the source's length
    /// or a limit.
    ///
    /// # Errors
    /// The system's error.
    fn read_up_to(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut buf = Vec::new();
        buf.try_reserve_exact(len)?;
        buf.resize(len, 0);
        let filled = read_full_of(|at, buf| self.read_at(at, buf), at, &mut buf)?;
        buf.truncate(filled);
        Ok(buf)
    }

    /// Returns the best length for each read of a long stream. If each read has a fixed cost, such
    /// as a request, this length should be large.
    fn read_len(&self) -> usize {
        64 * 1024
    }

    /// Returns whether each read is cheap, as in a local file. If so, a look-up reads a part of an
    /// index block first, and reads the whole block only if that part lacks the entry. Otherwise
    /// all readers read the same ranges, because caches may already have them.
    fn is_local(&self) -> bool {
        false
    }

    /// Returns whether repeated look-ups may also read index blocks around the wanted one. This
    /// saves reads later. A source with a budget of bytes returns false, so that only wanted bytes
    /// are read.
    fn may_read_around(&self) -> bool {
        false
    }

    /// Returns whether this is the source of a package in parts, whose head has format version 0.2.
    /// In this case, the length is that of the package, not of any object.
    fn is_in_parts(&self) -> bool {
        false
    }

    /// Announces the spans that will be read next, so that the source can read ahead. The caller
    /// reads each span with one read, in this order. The spans are queued after spans that were
    /// announced before. A caller that does not read all of them withdraws the unread spans with
    /// [`will_not_read`](Self::will_not_read).
    fn will_read(&self, spans: &[Span]) {
        let _ = spans;
    }

    /// Withdraws spans that [`will_read`](Self::will_read) announced and that were not read.
    fn will_not_read(&self, spans: &[Span]) {
        let _ = spans;
    }

    /// Tells the source that a region will be read piece by piece. A source that reads through
    /// caches uses the region's start to choose the tag of each read.
    fn note_region(&self, region: Span) {
        let _ = region;
    }

    /// Reports that the bytes of `span` were wrong. Returns true if the source reads them in
    /// another way next time, so that the caller should try again.
    ///
    /// A local source has no other way to read its bytes. A source that reads through caches may
    /// have read from a stale cache. Next time, it can read past this cache.
    ///
    /// # Errors
    /// The cause, if it is known and no other way is left.
    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        let _ = (span, why);
        Ok(false)
    }

    /// Checks once more that the source is still the file that was opened. Calls that read many
    /// regions make this check before they report success.
    ///
    /// A source that reads through caches reads the file's head again, past the caches, if it has
    /// read bytes since it last checked the head. A local file needs no check, because an open file
    /// stays the same file.
    ///
    /// # Errors
    /// Another file has replaced this one, or the check failed.
    fn confirm(&self) -> io::Result<()> {
        Ok(())
    }

    /// Returns the span that [`confirm`](Self::confirm) would read; `None` if it would read
    /// nothing. If `reads` is set, this assumes that further bytes are read before that call.
    fn look(&self, reads: bool) -> Option<Span> {
        let _ = reads;
        None
    }
}

impl Error {
    /// Returns the doubt that this fault raises about the bytes; `None` if it raises no doubt.
    /// Doubted bytes may differ from the published bytes.
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

/// Reads into `buf` from position `at` until `buf` is full or the source ends. Returns the number
/// of bytes.
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

/// Reads the bytes of `span`. There are fewer bytes only if the source ends first.
///
/// No memory is allocated for bytes that the source lacks.
pub(crate) fn read_span(source: &dyn ReadAt, span: Span) -> io::Result<Vec<u8>> {
    source.read(span)
}
