//! A source that reads a package in parts by position. It splits each read into ranges of the
//! objects that hold the parts.
//!
//! Specification: `docs/spec/dacti-parts.md`, "Reading".

use crate::Error;
use crate::fetch::source::ReadAt;
use dacti_cdn::parts::{PartsError, PartsFault, PartsHead};
use daicon_core::Span;
use std::io;
use std::sync::Arc;

/// The objects that hold the parts of a package.
pub trait PartObjects: core::fmt::Debug + Send + Sync {
    /// Reads all bytes of `range` of the object `name`. `name` starts with the prefix of the parts.
    ///
    /// `len` is the length that the object must have, in bytes. If an implementation finds another
    /// length, it must return [`PartsFault::PartLen`], because the object may be an error page
    /// instead of a part.
    ///
    /// # Errors
    /// `Io`, `Remote` or `Parts`.
    fn read_object(&self, name: &str, len: u64, range: Span) -> Result<Vec<u8>, Error>;
}

/// A package in parts whose head is in memory.
#[derive(Debug)]
pub struct PartsSource {
    head: Arc<[u8]>,
    parsed: PartsHead,
    objects: Arc<dyn PartObjects>,
}

impl PartsSource {
    /// Returns the package with this head. Its parts are read from `objects`.
    ///
    /// # Errors
    /// A head that breaks a rule of packages in parts.
    pub fn new(head: Arc<[u8]>, objects: Arc<dyn PartObjects>) -> Result<Self, Error> {
        let parsed = PartsHead::parse(&head)?;
        Ok(Self { head, parsed, objects })
    }

    /// Returns the head, parsed.
    #[must_use]
    pub const fn parts(&self) -> &PartsHead {
        &self.parsed
    }

    /// Reads the bytes of `span`, which lies after the head and within the package.
    fn read_parts(&self, span: Span) -> Result<Vec<u8>, Error> {
        let list = &self.parsed.region.list;
        let reads = list.resolve(span).map_err(dacti_cdn::Error::from)?;
        let mut bytes = Vec::new();
        for read in reads {
            let name =
                format!("{}{}", self.parsed.region.prefix, read.entry.object_name(read.object));
            let len = read.entry.object_span(read.object).len();
            let piece = self.objects.read_object(&name, len, read.range)?;
            let found = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            if found != read.range.len() {
                let fault = PartsFault::PartLen { expected: len, found };
                return Err(
                    dacti_cdn::Error::from(PartsError { at: read.span.start, fault }).into()
                );
            }
            if bytes.is_empty() {
                bytes = piece;
            } else {
                bytes.extend_from_slice(&piece);
            }
        }
        Ok(bytes)
    }
}

impl ReadAt for PartsSource {
    fn len(&self) -> u64 {
        self.parsed.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let bytes = self.read(Span { start: at, end: at.saturating_add(len) })?;
        for (to, from) in buf.iter_mut().zip(&bytes) {
            *to = *from;
        }
        Ok(bytes.len())
    }

    fn slice(&self, span: Span) -> Option<&[u8]> {
        span.slice_of(&self.head, 0)
    }

    fn read(&self, span: Span) -> io::Result<Vec<u8>> {
        let head_len = u64::try_from(self.head.len()).unwrap_or(u64::MAX);
        let span = Span { start: span.start, end: span.end.min(self.len()).max(span.start) };
        let in_head = Span { start: span.start.min(head_len), end: span.end.min(head_len) };
        let mut bytes = in_head.slice_of(&self.head, 0).unwrap_or_default().to_vec();
        let rest = Span { start: span.start.max(head_len), end: span.end };
        if rest.start < rest.end {
            let read = self.read_parts(rest).map_err(io::Error::other)?;
            if bytes.is_empty() {
                return Ok(read);
            }
            bytes.extend_from_slice(&read);
        }
        Ok(bytes)
    }

    fn read_up_to(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.read(Span { start: at, end: at.saturating_add(len) })
    }

    fn is_in_parts(&self) -> bool {
        true
    }
}
