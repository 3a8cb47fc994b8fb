//! The content of one region as a stream that is verified before its first byte.

use super::proof::{PieceHasher, Proofs, Proven};
use super::spool::Spool;
use super::unverified::{Judged, UnverifiedReader};
use crate::fetch::ReadAt;
use crate::read::total::Total;
use crate::{Error, Package, RegionName};
use dacti_index::{Encoding, Located};
use dacti_seal::Verdict;
use std::io::{self, Read};
use std::sync::Arc;

/// A region's content, decoded as it is read, and verified before its first byte.
///
/// If the region has a seal and the [policy](Package::require) needs it, the stored bytes are read
/// once and checked against the seal. Then they are decoded, and each piece is compared with a hash
/// that was computed during that check. So only sealed bytes are handed out, even if the file
/// changes meanwhile. [`verdict`](Self::verdict) tells which check was made. A
/// [`VerifiedReader`](crate::VerifiedReader) always makes a check.
///
/// Cost: if the source [is local](ReadAt::is_local), a region of more than one read is read twice.
/// Otherwise it is fetched once, and its stored bytes are kept until the reader is dropped: up to 8
/// MiB in memory, more in a temporary file, at most
/// [`Limits::spool_len_max`](crate::Limits::spool_len_max). An open package keeps the hashes of the
/// regions that it verified last, 1 MiB in all. It reads these regions only once. An
/// [`UnverifiedReader`] reads once and keeps no bytes, but hands bytes out before they are
/// verified.
///
/// Other memory: two reads of the source, or 4 MiB if several threads hash the region; 32
/// bytes for each 64 KiB (for each 256 KiB in regions of 16 MiB or more); and for `brot` the
/// decoder's window of at most 16 MiB.
///
/// Errors carry a [`dacti_index::Error`] or a [`dacti_seal::Error`] as their source. After an error
/// of the region's source, the caller can read again. After an error in the bytes, every read
/// returns that error.
#[derive(Debug)]
pub struct RegionReader {
    inner: UnverifiedReader,
    /// `None` if the bytes are verified, or if they are not checked.
    proving: Option<Proving>,
    is_judged: bool,
}

/// The first reading of the stored bytes, in which they are checked.
#[derive(Debug)]
struct Proving {
    proofs: Arc<Proofs>,
    hasher: PieceHasher,
    /// `None` if no bytes are kept: the region is one piece, or it is read from the source twice.
    spool: Option<Spool>,
}

impl RegionReader {
    pub(crate) fn new(
        package: &Package,
        located: Located,
        decode_as: Encoding,
        decoded_len_max: u64,
    ) -> Result<Self, Error> {
        let source = Arc::clone(package.source());
        Self::over(source, package, located, decode_as, decoded_len_max)
    }

    /// Does the same as [`new`](Self::new), with another source of the same bytes.
    pub(crate) fn over(
        source: Arc<dyn ReadAt>,
        package: &Package,
        located: Located,
        decode_as: Encoding,
        decoded_len_max: u64,
    ) -> Result<Self, Error> {
        let mut inner =
            UnverifiedReader::over(source, package, located, decode_as, decoded_len_max)?;
        if !inner.is_judged() {
            return Ok(Self { inner, proving: None, is_judged: false });
        }
        if let Some(proof) = package.proofs().get(&located) {
            let verdict = proof.verdict;
            let proven = Proven::new(inner.shared_source(), located.span, proof);
            inner.take_proven(Arc::new(proven), verdict);
            return Ok(Self { inner, proving: None, is_judged: true });
        }
        let is_short = inner.is_one_piece();
        let source = inner.source();
        let spool = if is_short || source.is_local() || source.slice(located.span).is_some() {
            None
        } else {
            let limit = package.limits().spool_len_max;
            if located.span.len() > limit {
                let (at, len) = (located.span.start, located.span.len());
                return Err(Error::TooLongToVerify { at, len, limit });
            }
            Spool::new(located.span)
        };
        let hasher = PieceHasher::new(located.span.len());
        let proofs = Arc::clone(package.proofs());
        let proving = Some(Proving { proofs, hasher, spool });
        Ok(Self { inner, proving, is_judged: true })
    }

    /// Makes decoded bytes count against a total limit for several regions.
    pub(crate) fn share(&mut self, total: &Arc<Total>) {
        self.inner.share(total);
    }

    /// Returns where the region is stored.
    #[must_use]
    pub const fn located(&self) -> &Located {
        self.inner.located()
    }

    /// Returns the number of decoded bytes so far. In a region of one piece, the reader may hold
    /// the last byte back. Then this number is one more than the number of bytes handed out.
    #[must_use]
    pub const fn decoded_len(&self) -> u64 {
        self.inner.decoded_len()
    }

    /// Returns whether the region's seal is checked.
    pub(crate) const fn is_judged(&self) -> bool {
        self.is_judged
    }

    /// Returns which check was made; `None` before the first read.
    #[must_use]
    pub const fn verdict(&self) -> Option<Verdict> {
        self.inner.verdict()
    }

    /// Verifies the region now, instead of at the first read. If there is no seal to check, no
    /// bytes are read and the verdict is [`Verdict::Unchecked`].
    ///
    /// # Errors
    /// Stored bytes that do not match their seal; errors of the source.
    pub fn verify(&mut self) -> Result<Verdict, Error> {
        self.prove().map_err(Error::from_read)?;
        match self.inner.verdict() {
            Some(verdict) => Ok(verdict),
            // The region was refused before, and this read returns the error again.
            None => self.inner.read(&mut [0]).map(|_| Verdict::Unchecked).map_err(Error::from_read),
        }
    }

    /// Reads the stored bytes and checks them against their seal, unless an earlier call did. After
    /// an error of the source, the next call continues at the same byte.
    pub(super) fn prove(&mut self) -> io::Result<()> {
        let Self { inner, proving, .. } = self;
        let Some(Proving { hasher, spool, .. }) = proving else { return Ok(()) };
        if inner.is_refused() {
            // This read returns the error again.
            return inner.read(&mut [0]).map(drop);
        }
        loop {
            if inner.next_stored()? {
                hasher.update(inner.stored_piece());
                if let Some(spool) = spool
                    && let Err(error) = spool.put(inner.stored_piece())
                {
                    // The spool failed to keep this piece, so the next call reads all pieces again.
                    restart(inner, hasher, Some(spool));
                    return Err(error);
                }
                continue;
            }
            match inner.judge_all()? {
                Judged::Fits => break,
                Judged::Again(_) => restart(inner, hasher, spool.as_mut()),
            }
        }
        let Some(Proving { proofs, hasher, spool }) = proving.take() else { return Ok(()) };
        let (located, verdict) = (*inner.located(), inner.verdict());
        let verdict = verdict.unwrap_or(Verdict::Unchecked);
        let proof = Arc::new(hasher.finish(verdict));
        proofs.keep(located, &proof);
        let bytes = match spool {
            Some(spool) => Arc::new(spool),
            None => inner.shared_source(),
        };
        inner.take_proven(Arc::new(Proven::new(bytes, located.span, proof)), verdict);
        Ok(())
    }

    /// Returns the reader of the stored bytes, which [`prove`](Self::prove) has proven.
    pub(super) fn proven(&self) -> &UnverifiedReader {
        &self.inner
    }
}

fn restart(inner: &mut UnverifiedReader, hasher: &mut PieceHasher, spool: Option<&mut Spool>) {
    inner.rewind();
    *hasher = PieceHasher::new(inner.located().span.len());
    if let Some(spool) = spool {
        spool.clear();
    }
}

impl Read for RegionReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        // A region of one piece is checked when it is read, before it is decoded.
        if !self.inner.is_one_piece() {
            self.prove()?;
        }
        self.inner.read(out)
    }
}

impl Package {
    /// Opens a region's content as a stream that is verified before its first byte. The content has
    /// at most [`Limits::stream_len_max`](crate::Limits::stream_len_max) bytes. Use this for
    /// regions that are too large for memory.
    ///
    /// # Errors
    /// The errors of [`locate`](Self::locate) and [`reader_at`](Self::reader_at).
    pub fn reader<'a>(&self, name: impl Into<RegionName<'a>>) -> Result<RegionReader, Error> {
        self.reader_at(self.locate(name)?)
    }

    /// Does the same as [`reader`](Self::reader), for a region that was found before.
    ///
    /// # Errors
    /// Stored bytes outside the file; an unknown encoding; a region without encoding that is longer
    /// than [`Limits::stream_len_max`](crate::Limits::stream_len_max); `TooLongToVerify` if the
    /// stored bytes must be kept and exceed
    /// [`Limits::spool_len_max`](crate::Limits::spool_len_max).
    pub fn reader_at(&self, located: Located) -> Result<RegionReader, Error> {
        let located = located.within(self.view().bound())?;
        RegionReader::new(self, located, located.encoding, self.limits().stream_len_max)
    }

    /// Does the same as [`reader_at`](Self::reader_at), for the stored bytes without decoding.
    ///
    /// # Errors
    /// The errors of [`reader_at`](Self::reader_at), except for an unknown encoding.
    pub fn stored_reader_at(&self, located: Located) -> Result<RegionReader, Error> {
        let located = located.within(self.view().bound())?;
        RegionReader::new(self, located, Encoding::NONE, self.limits().stream_len_max)
    }
}
