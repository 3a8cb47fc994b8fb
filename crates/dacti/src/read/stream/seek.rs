//! Reads a part of a region's content. If the region has no encoding, the part is read by position.
//! Otherwise the region is decoded from its start.

use super::reader::RegionReader;
use crate::{Error, Package, RegionName};
use core::ops::Range;
use dacti_index::{Encoding, Located, Structure};
use dacti_seal::Verdict;
use daicon_core::{Span, to_u64};
use std::io::{self, Read, Seek, SeekFrom};

/// The number of content bytes that are decoded at once.
const PIECE_LEN: usize = 64 << 10;

/// The content of a region without encoding, or the stored bytes of any region, read from any
/// position.
///
/// Nothing is handed out before it is verified. If the region has a seal to check, the first read
/// fetches all its stored bytes, as described for [`RegionReader`]. Every later read fetches only
/// the pieces that it overlaps. Without a seal, a read fetches only its own bytes. If you make
/// small reads, wrap the seeker in a `BufReader`.
#[derive(Debug)]
pub struct RegionSeeker {
    reader: RegionReader,
    at: u64,
}

impl RegionSeeker {
    fn new(package: &Package, located: Located) -> Result<Self, Error> {
        let Located { span, encoding, .. } = located;
        if encoding != Encoding::NONE {
            return Err(Error::NotSeekable { at: span.start, encoding });
        }
        package.stored_seeker_at(located)
    }

    /// Returns where the region is stored.
    #[must_use]
    pub const fn located(&self) -> &Located {
        self.reader.located()
    }

    /// Returns the content's length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        let Span { start, end } = self.reader.located().span;
        end.saturating_sub(start)
    }

    /// Returns whether the content has no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Verifies the region now, instead of at the first read: see [`RegionReader::verify`].
    ///
    /// # Errors
    /// The errors of [`RegionReader::verify`].
    pub fn verify(&mut self) -> Result<Verdict, Error> {
        self.reader.verify()
    }

    /// Returns which check was made; `None` before the first read.
    #[must_use]
    pub const fn verdict(&self) -> Option<Verdict> {
        self.reader.verdict()
    }

    /// Returns the number of bytes from the position to the next multiple of [`PIECE_LEN`];
    /// `usize::MAX` if no seal is checked. One read of the source fetches all these bytes. So a
    /// caller that fetches missing bytes and then calls again makes progress with each fetch.
    fn left_in_piece(&self) -> usize {
        if !self.reader.is_judged() {
            return usize::MAX;
        }
        let within = usize::try_from(self.at).unwrap_or(usize::MAX) & PIECE_LEN.wrapping_sub(1);
        PIECE_LEN.saturating_sub(within)
    }

    /// Returns the number of bytes after the position.
    fn left(&self) -> usize {
        usize::try_from(self.len().saturating_sub(self.at)).unwrap_or(usize::MAX)
    }
}

impl Read for RegionSeeker {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.reader.prove()?;
        let len = self.left().min(out.len());
        let out = out.get_mut(..len).unwrap_or_default();
        let read = self.reader.proven().read_stored(self.at, out)?;
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}

impl Seek for RegionSeeker {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(back) => self.len().checked_add_signed(back),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a position before the region's start")
        })?;
        Ok(self.at)
    }
}

/// A range of a region's content, of which some bytes may have been read.
#[derive(Debug)]
pub(crate) struct RangeReader {
    content: Content,
    /// The number of decoded bytes before the range that must still be dropped.
    skip: u64,
    /// The number of bytes of the range that were not read yet.
    left: u64,
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Content {
    Seek(RegionSeeker),
    Decode(RegionReader),
}

impl RangeReader {
    pub(crate) fn new(
        package: &Package,
        located: Located,
        range: &Range<u64>,
    ) -> Result<Self, Error> {
        let left = range.end.saturating_sub(range.start);
        let limit = package.limits().region_len_max;
        if left > limit {
            let (what, at) = (Structure::StoredRegion, located.span.start);
            return Err(dacti_index::Error::TooLong { what, at, limit }.into());
        }
        if located.encoding == Encoding::NONE {
            let mut seeker = RegionSeeker::new(package, located)?;
            seeker.at = range.start;
            return Ok(Self { content: Content::Seek(seeker), skip: 0, left, bytes: Vec::new() });
        }
        let content = Content::Decode(package.reader_at(located)?);
        Ok(Self { content, skip: range.start, left, bytes: Vec::new() })
    }

    /// Reads the range to its end. After an error of the source, the next call continues at the
    /// same byte.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        while self.left > 0 {
            let left = usize::try_from(self.left).unwrap_or(usize::MAX);
            // The length of decoded content is unknown until decoding ends, so it is read in short
            // pieces.
            let len = match &self.content {
                Content::Seek(seeker) => left.min(seeker.left()).min(seeker.left_in_piece()),
                Content::Decode(_) => left.min(PIECE_LEN),
            };
            let mut piece = Vec::new();
            piece.try_reserve_exact(len)?;
            piece.resize(len, 0);
            let read = self.next(&mut piece)?;
            if read == 0 {
                break;
            }
            self.left = self.left.saturating_sub(to_u64(read));
            if self.bytes.is_empty() && read == len {
                self.bytes = piece;
            } else {
                self.bytes.try_reserve(read)?;
                self.bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Reads the next bytes of the range, and returns their number; 0 at the content's end.
    fn next(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let reader = match &mut self.content {
            Content::Seek(seeker) => return seeker.read(out),
            Content::Decode(reader) => reader,
        };
        let mut passed = Vec::new();
        while self.skip > 0 {
            passed.resize(usize::try_from(self.skip).unwrap_or(PIECE_LEN).min(PIECE_LEN), 0);
            let read = reader.read(&mut passed)?;
            if read == 0 {
                return Ok(0);
            }
            self.skip = self.skip.saturating_sub(to_u64(read));
        }
        reader.read(out)
    }

    /// Returns the bytes of the range.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Package {
    /// Opens the content of a region without encoding, to be read from any position.
    ///
    /// # Errors
    /// The errors of [`reader`](Self::reader); `NotSeekable` if the region is encoded.
    pub fn seeker<'a>(&self, name: impl Into<RegionName<'a>>) -> Result<RegionSeeker, Error> {
        self.seeker_at(self.locate(name)?)
    }

    /// Does the same as [`seeker`](Self::seeker), for a region that was found before.
    ///
    /// # Errors
    /// The errors of [`reader_at`](Self::reader_at); `NotSeekable` if the region is encoded.
    pub fn seeker_at(&self, located: Located) -> Result<RegionSeeker, Error> {
        RegionSeeker::new(self, located)
    }

    /// Does the same as [`seeker_at`](Self::seeker_at), for the stored bytes without decoding.
    ///
    /// # Errors
    /// The errors of [`stored_reader_at`](Self::stored_reader_at).
    pub fn stored_seeker_at(&self, located: Located) -> Result<RegionSeeker, Error> {
        Ok(RegionSeeker { reader: self.stored_reader_at(located)?, at: 0 })
    }

    /// Reads a range of a region's content, decoded and verified. The range has at most
    /// [`Limits::region_len_max`](crate::Limits::region_len_max) bytes. If the range extends past
    /// the content's end, the result is shorter.
    ///
    /// Cost: an encoded region is decoded from its start to the range's end, and the bytes before
    /// the range are dropped. A seal covers the whole region, so the first range of a sealed region
    /// reads all its stored bytes. The package keeps the proof. So later ranges of a region without
    /// encoding read only the pieces that they overlap. A piece is 64 KiB long, or 256 KiB in a
    /// region of 16 MiB or more. If a region has neither encoding nor seal, only the range's own
    /// bytes are read.
    ///
    /// # Errors
    /// The errors of [`reader`](Self::reader); `Index` (`TooLong`) if the range is longer than the
    /// limit.
    pub fn range<'a>(
        &self,
        name: impl Into<RegionName<'a>>,
        range: Range<u64>,
    ) -> Result<Vec<u8>, Error> {
        self.range_at(self.locate(name)?, range)
    }

    /// Does the same as [`range`](Self::range), for a region that was found before.
    ///
    /// # Errors
    /// The errors of [`reader_at`](Self::reader_at); `Index` (`TooLong`) if the range is longer
    /// than the limit.
    pub fn range_at(&self, located: Located, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let mut reader = RangeReader::new(self, located, &range)?;
        reader.fill().map_err(Error::from_read)?;
        Ok(reader.into_bytes())
    }
}
